from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from sitegen.build.site import BuiltSite
from sitegen.documents import number_rows
from sitegen.documents.number_rows import FOLDER, anchor_of, numbers_table, quoted_numbers, quoted_runs, write_rows
from sitegen.documents.pages import Page
from sitegen.numbers.number import Number
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.rows.results import load_results
from tests.sitegen import example_rows as rows

PAGES = (
    Page("a.md", '{{ number("step_ms.numpy.small") }} {{ number("params.tiny") }}'),
    Page("b.md", "{{ number('step_ms.numpy.small') }} {{ number(\"step_ms.python.behemoth\") }}"),
    Page("devlog/posts/c.md", '---\nruns: [run-1]\n---\n{{ number("step_ms.numpy.small") }}'),
)


@pytest.fixture(scope="module")
def quoted(tmp_path_factory: pytest.TempPathFactory) -> QuotedRows:
    return QuotedRows(load_results(rows.store(tmp_path_factory.mktemp("results"), rows.ladder())))


def test_a_number_is_listed_once_for_the_newest_and_once_for_each_pin() -> None:
    asked = quoted_numbers(PAGES)
    assert [(item.name, item.pin) for item in asked] == [
        ("params.tiny", ()),
        ("step_ms.numpy.small", ()),
        ("step_ms.numpy.small", ("run-1",)),
        ("step_ms.python.behemoth", ()),
    ]
    assert len({item.anchor for item in asked}) == len(asked)
    assert anchor_of("speedup.vectorized[threads=1].numpy.small", ()) == "n-speedup-vectorized-threads-1-numpy-small"


def test_the_table_has_value_evidence_and_the_way_to_the_rows(quoted: QuotedRows) -> None:
    page = numbers_table(quoted_numbers(PAGES), {(): quoted, ("run-1",): quoted}, "../assets/")
    assert page.count('href="../assets/rows/run-1.csv"') == 2
    assert 'id="n-step-ms-numpy-small"' in page
    assert "31&#46;0 ms" in page
    assert "invoke bench" in page.replace("&#45;", "-")  # what was not measured says how to
    assert "\n" not in page


def test_the_rows_are_every_step_of_the_run_and_nothing_else(quoted: QuotedRows, tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "old.csv").write_text("stale")
    write_rows(quoted.results, quoted_runs(quoted_numbers(PAGES), {(): quoted, ("run-1",): quoted}), tmp_path)
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["run-1.csv"]
    table = pd.read_csv(tmp_path / FOLDER / "run-1.csv")
    cell = table[(table["variant"] == "numpy") & (table["preset"] == "small")]
    assert list(cell["step"]) == [1, 2, 3, 4, 5, 6]
    assert cell.loc[~cell["is_warmup"].astype(bool), "seconds"].median() == pytest.approx(0.031, rel=0.02)
    assert (table.loc[table["status"] == "timeout", "step"].isna()).all()


def test_a_number_of_very_many_runs_links_the_newest(quoted: QuotedRows, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tuple(f"run-{number}" for number in range(1234))
    monkeypatch.setattr(number_rows, "resolve_number", lambda *_: Number("1", "every run", "invoke bench", names))
    asked, rows_of = quoted_numbers(PAGES[:1]), {(): quoted}
    assert quoted_runs(asked, rows_of) == set(names[-100:])
    assert "1233</a> and 1,134 more" in numbers_table(asked, rows_of, "")


def test_a_run_id_from_results_never_becomes_a_path(tmp_path: Path) -> None:
    part = rows.cell("numpy", "tiny", 8.0, run_id="../../evil")
    results = load_results(rows.store(tmp_path / "results", rows.cell("numpy", "tiny", 8.0)))
    frames = replace(results, runs=pd.DataFrame(part.runs), steps=pd.DataFrame(part.steps))
    write_rows(frames, ["../../evil"], tmp_path / "generated")
    assert not list(tmp_path.rglob("evil*"))


def test_every_number_in_the_built_pages_leads_to_its_line(built: BuiltSite) -> None:
    numbers = (built.output / "numbers/index.html").read_text()
    page = (built.output / "retrospective/index.html").read_text()
    links = re.findall(r'<a class="tg-number[^"]*" href="\.\./numbers/#([^"]+)"', page)
    assert links
    for anchor in links:
        assert f'<code id="{anchor}">' in numbers
    for file in re.findall(r'href="\.\./(assets/generated/rows/[^"]+)"', numbers):
        assert (built.output / file).is_file()
