"""Documentation that cannot drift: results/README.md lists exactly the columns that the files have."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from bench.measuring.endings import LOSS_TOLERANCE
from bench.records.rows import STATUSES
from bench.records.schema import ROW_TYPES, TABLES, arrow_schema
from tests import ROOT

README = ROOT / "results" / "README.md"


def rows_under(heading: str) -> list[list[str]]:
    section = README.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[part.strip().strip("`") for part in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("table", TABLES)
def test_readme_lists_every_column(table):
    expected = [[column.name, column.type, column.about.unit, column.about.description] for column in TABLES[table]]
    assert rows_under(f"The table `{table}`") == expected


def test_readme_lists_every_status():
    rows = rows_under("Statuses")
    assert tuple(row[0] for row in rows) == STATUSES
    assert f"{LOSS_TOLERANCE:.1%}".replace("%", " %") in rows[0][1]


@pytest.mark.parametrize("table", TABLES)
def test_what_is_optional_and_nothing_else_may_be_left_out(table):
    left_out = [field.name for field in fields(ROW_TYPES[table]) if field.default is None]
    assert left_out == [column.name for column in TABLES[table] if column.optional]
    assert all(column.optional for column in TABLES[table] if column.about.since > 1)


@pytest.mark.parametrize("table", TABLES)
def test_columns_say_what_they_are(table):
    columns = TABLES[table]
    assert len({column.name for column in columns}) == len(columns)
    for column in columns:
        assert column.about.description
        # A reader must know what an empty value means.
        assert column.optional == bool(re.search(r"\bnull\b", column.about.description)), column.name
    assert arrow_schema(table).names == [column.name for column in columns]
    for name in ("seconds", "bytes"):
        for column in columns:
            if column.name.endswith(name):
                assert column.about.unit == {"seconds": "s", "bytes": "bytes"}[name]
