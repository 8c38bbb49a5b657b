"""The original's log: entries with their parts, links that lead somewhere, decisions that come from all of them."""

from __future__ import annotations

import html
import re

import pytest

from sitegen.build.site import BuiltSite
from sitegen.documents.pages import Page, read_pages
from sitegen.documents.seed import (
    DECISIONS,
    PAGE,
    PARTS,
    QUESTIONS,
    UNASKED,
    asked_links,
    check_seed,
    read_seed,
    seed_table,
)
from tests import ROOT
from tinygpt.errors import UnknownNameError

LOG = """Intro with **Then.** in it.

## Phase 1 · First

### 1 Is it {{ quoted("9.7×") }}?
**Then.** It was | not.
It is not.
**Hindsight.** Right.
**Here.** `tinygpt/data.py`.

## Phase 2 · Second

### – What remains
**Then.** Three things.

**Hindsight.** Two.

**Here.** Task #72.
"""


def test_entries_are_read_with_number_phase_and_parts() -> None:
    first, last = read_seed(LOG)
    assert (first.number, first.phase, first.anchor, first.line) == ("1", "Phase 1 · First", "q-1", 5)
    assert first.parts == {"Then": "It was | not. It is not.", "Hindsight": "Right.", "Here": "`tinygpt/data.py`."}
    assert (last.number, last.phase, last.anchor) == (UNASKED, "Phase 2 · Second", "q-none")
    assert tuple(last.parts) == PARTS


def test_the_table_has_a_row_for_each_entry_and_links_in_the_last_cell_alone() -> None:
    lines = seed_table(LOG, lambda text: text.replace("`tinygpt/data.py`", "[data](x)")).splitlines()
    assert (
        '| **1**{ #q-1 } Is it {{ quoted("9.7×") }}? | It was &#124; not. It is not. | Right. | [data](x). |' in lines
    )
    assert [line for line in lines if line.startswith("## ")] == ["## Phase 1 · First", "## Phase 2 · Second"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("**Hindsight.** Right.\n", "", "line 5: entry 1 has the parts Then, Here; it needs Then, Hindsight, Here"),
        ("`tinygpt/data.py`", "nothing", "line 5: entry 1 names no file, task, figure or command"),
        ("### 1 ", "### 29 ", f"the log has the entries 1 to {QUESTIONS} and {UNASKED}; wrong: 1"),
    ],
)
def test_an_entry_that_is_not_whole_is_a_problem(old: str, new: str, said: str) -> None:
    assert any(said in problem for problem in check_seed(read_seed(LOG.replace(old, new)), ()))


def test_every_entry_leads_to_a_decision() -> None:
    page = Page(DECISIONS, "{{ asked(1, 2) }} {{ asked(" + ", ".join(map(str, range(4, QUESTIONS + 1))) + ") }}")
    (problem,) = check_seed((), [page])
    assert problem.startswith(f"docs/{DECISIONS}: no decision comes from 3, {UNASKED};")


def test_a_decision_links_to_its_questions_and_to_no_others() -> None:
    entries = read_seed(LOG)
    links = html.unescape(asked_links(entries, [1, UNASKED]))
    assert links == f'([1]({PAGE}#q-1 "Is it 9.7×?"), [{UNASKED}]({PAGE}#q-none "What remains"))'
    with pytest.raises(UnknownNameError, match="unknown entry '2'"):
        asked_links(entries, [2])


def test_the_log_and_the_decisions_of_this_site_are_whole(built: BuiltSite) -> None:
    pages = read_pages(ROOT / "docs")
    entries = read_seed(next(page.text for page in pages if page.uri == PAGE))
    assert len(entries) == QUESTIONS + 1 and check_seed(entries, pages) == []
    page = (built.output / "transcript/index.html").read_text()
    for entry in entries:
        row = page[page.index(f'id="{entry.anchor}"') :]
        last = re.findall(r"<td.*?</td>", row[: row.index("</tr>")], re.DOTALL)[-1]
        assert "href=" in last, entry.question
    assert (built.output / "decisions/index.html").read_text().count("transcript/#q-") >= QUESTIONS + 1
