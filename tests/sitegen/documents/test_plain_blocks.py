from __future__ import annotations

import re

import pytest

from sitegen.commands.program import namespace
from sitegen.documents.plain_blocks import PLAIN_PAGES, markdown_table, with_plain_blocks
from sitegen.documents.typed_numbers import typed_numbers
from sitegen.text.markup import TableCell, code_cell, number_cell
from tests import ROOT


@pytest.mark.parametrize("name", PLAIN_PAGES)
def test_pages_hold_the_options_and_tables_of_the_program(name: str) -> None:
    text = (ROOT / "docs" / name).read_text()
    assert text == with_plain_blocks(text, namespace), "run: invoke lint --fix"
    assert not re.search(r"^\{\{ (task|table)\(", text, re.MULTILINE)


def test_every_column_of_a_page_has_a_heading() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    empty = re.compile(r"^\|(?:[^\n]*\|)?[ ]+\|[^\n]*\n\|[ :|-]+\|$", re.MULTILINE)
    assert [page.name for page in pages if empty.search(page.read_text(encoding="utf-8"))] == []


def test_every_page_that_the_readme_names_for_options_is_plain() -> None:
    readme = (ROOT / "README.md").read_text()
    assert {"quickstart.md", "tasks.md"} <= {*PLAIN_PAGES}
    assert all(f"docs/{name}" in readme for name in PLAIN_PAGES)


def test_a_macro_and_an_old_block_become_the_block_of_today() -> None:
    by_macro = with_plain_blocks('## x\n\n{{ task("stop") }}\n\nend\n', namespace)
    old = "## x\n\n<!-- task stop -->\nold\n<!-- end of task stop -->\n\nend\n"
    assert by_macro == with_plain_blocks(old, namespace) == with_plain_blocks(by_macro, namespace)
    assert "| option | default | meaning |" in by_macro
    assert by_macro.endswith("<!-- end of task stop -->\n\nend\n")


def test_tables_of_results_and_unknown_names_are_left_alone() -> None:
    text = '{{ table("speedup") }}\n\n<!-- task juggle -->\n<!-- end of task juggle -->\n'
    assert with_plain_blocks(text, namespace) == text


def test_code_keeps_its_markup_and_nothing_ends_a_cell_early() -> None:
    rows = [{"a": code_cell("x|y"), "b": "<b> & c", "c": number_cell(3, str)}, {"a": "z", "b": TableCell("t"), "c": ""}]
    assert markdown_table(rows).splitlines() == [
        "| a | b | c |", "| --- | --- | --- |", "| `x\\|y` | <b> & c | 3 |", "| z | t |  |",
    ]  # fmt: skip


def test_what_the_program_writes_is_not_typed() -> None:
    block = "<!-- table corpora -->\n\n| 12 ms |\n\n<!-- end of table corpora -->\n"
    assert [*typed_numbers(block)] == []
    assert [found[2] for found in typed_numbers(block + "7 ms\n")] == ["7 ms"]
