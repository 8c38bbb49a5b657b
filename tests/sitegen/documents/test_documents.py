"""Structured pages: the Q&A log, the roadmap, the task reference, and what outcomes name."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sitegen.build.site import BuiltSite
from sitegen.commands.program import namespace
from sitegen.documents.outcome_links import OutcomeTargets, check_outcomes, mentions_in
from sitegen.documents.pages import Page, read_pages
from sitegen.documents.qa_log import check_entries, qa_overview, read_entries
from sitegen.documents.roadmap import check_tasks, read_tasks, roadmap_table
from sitegen.documents.task_reference import check_task_page, task_names, task_rows, task_summary
from sitegen.figures import FIGURES
from sitegen.text.errors import SiteError
from tests import ROOT
from tests.sitegen.build.test_site import build_page

ENTRY = """# Log

## Phase 1 · What to measure

### What is it? { #what-is-it }

**Question.** What?

**Answer.** This.

**Outcome.** In `tinygpt/generation/decoding.py`, task #72, figure `speedup`,
`invoke sample` and `docs/samples.md`.
"""
ROADMAP = """# Roadmap

### #72 KV cache { #task-72 }

**State.** Partly done: [half](x.md) of
it is `there`.

**Why.** Because.

## Elsewhere

### #7 Other { #task-7 }

**State.** Done.

**Why.** So.
"""


class Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name == "href"]


def targets(log: str = ENTRY, repository: str = "") -> OutcomeTargets:
    pages = (Page("qa_log.md", log), Page("speedup.md", '{{ figure("speedup") }}'), Page("tasks.md", ""))
    return OutcomeTargets(ROOT, pages, frozenset({72, 7}), task_names(namespace), repository)


# ---- the Q&A log ----------------------------------------------------------------------------------------


def test_an_entry_is_read_with_its_phase_id_and_outcome() -> None:
    (entry,) = read_entries(Page("qa_log.md", ENTRY))
    assert (entry.phase, entry.title, entry.anchor, entry.line) == (
        "Phase 1 · What to measure", "What is it?", "what-is-it", 5,
    )  # fmt: skip
    assert entry.parts == ["Question", "Answer", "Outcome"]
    assert check_entries([entry]) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (" { #what-is-it }", "", "has no permanent id"),
        ("**Answer.** This.\n\n", "", "has the parts Question, Outcome"),
        ("## Phase 1 · What to measure\n", "", "is under no phase"),
        (ENTRY[ENTRY.index("In `") :], "Done.\n", "names no file, task, figure or command"),
    ],
)
def test_an_entry_that_is_not_whole_is_a_problem_with_its_line(old: str, new: str, said: str) -> None:
    (problem,) = check_entries(read_entries(Page("qa_log.md", ENTRY.replace(old, new))))
    assert re.match(r"docs/qa_log\.md, line \d+: the entry 'What is it\?' ", problem)
    assert said in problem


def test_an_id_is_given_once() -> None:
    doubled = ENTRY + "\n" + ENTRY[ENTRY.index("### ") :]
    (problem,) = check_entries(read_entries(Page("qa_log.md", doubled)))
    assert "line 14" in problem
    assert "of another entry" in problem


def test_the_overview_lists_entries_by_phase_and_escapes_them() -> None:
    hostile = ENTRY.replace("What is it?", "<img src=x onerror=alert(1)> {{ 7 }}")
    page = qa_overview(read_entries(Page("qa_log.md", hostile)))
    assert "<img" not in page
    assert "{" not in page
    assert Links(page).links == ["#what-is-it"]
    assert "\n" not in page


# ---- outcomes -------------------------------------------------------------------------------------------


def test_an_outcome_links_to_file_task_figure_command_and_page() -> None:
    text = targets().linked(ENTRY)
    assert text.split("**Outcome.**")[0] == ENTRY.split("**Outcome.**")[0]
    assert "source/tinygpt/generation/decoding.py.txt" in text.replace("&#47;", "/").replace("&#46;", ".")
    assert "[#72](roadmap.md#task-72)" in text
    assert "[figure `speedup`](speedup.md#figure-speedup)" in text
    assert "[`invoke sample`](tasks.md#sample)" in text
    assert "[`docs/samples.md`](samples.md)" in text
    assert text.count("](") == 4


def test_with_a_repository_files_lead_there() -> None:
    text = targets(repository="https://code.example/tinygpt/").linked(ENTRY).replace("&#47;", "/").replace("&#46;", ".")
    assert 'href="https&#58;//code.example/tinygpt/blob/HEAD/tinygpt/generation/decoding.py"' in text


def test_copies_of_named_files_are_published(tmp_path: Path) -> None:
    targets(ENTRY.replace("`docs/samples.md`", "`results/README.md`, `tinygpt/generation/inference/`")).write_copies(
        tmp_path
    )
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.txt")}
    assert found == {
        "source/tinygpt/generation/decoding.py.txt",
        "source/results/READ-ME.md.txt",
        "source/tinygpt/generation/inference/__init__.py.txt",
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("`tinygpt/generation/decoding.py`", "`tinygpt/generat.py`", "line 11: there is no file tinygpt/generat.py"),
        ("task #72", "task #73", "line 11: there is no task #73 on the roadmap"),
        ("figure `speedup`", "figure `sppedup`", "line 11: there is no figure 'sppedup'; there are "),
        ("figure `speedup`", "figure `loss`", "line 11: no page shows the figure 'loss'"),
        ("`invoke sample`", "`invoke sampel`", "line 12: there is no task `invoke sampel`"),
        ("`docs/samples.md`", "`docs/sample.md`", "line 12: there is no file docs/sample.md"),
        ("`docs/samples.md`", "`results/local/`", "line 12: there is no file results/local/"),
        ("`docs/samples.md`", "`../etc/passwd`", "line 12: there is no file ../etc/passwd"),
    ],
)
def test_a_name_that_leads_nowhere_is_a_problem_with_page_and_line(old: str, new: str, said: str) -> None:
    (problem,) = check_outcomes(targets(ENTRY.replace(old, new)))
    assert problem.startswith(f"docs/qa_log.md, {said}")


def test_a_wrong_outcome_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"docs/index\.md, line 3: there is no file tinygpt/nowhere\.py"):
        build_page(tmp_path, "# Page\n\n**Outcome.** It is in `tinygpt/nowhere.py`.\n")


def test_a_typed_figure_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"docs/index\.md, line 3: the speedup '6\.1×' is typed by hand"):
        build_page(tmp_path, "# Page\n\nIt is 6.1× faster.\n")


def test_the_log_of_this_project_is_whole_and_every_entry_links_to_what_shipped(built: BuiltSite) -> None:
    page = next(page for page in read_pages(ROOT / "docs") if page.uri == "qa_log.md")
    entries = read_entries(page)
    assert len({entry.phase for entry in entries}) >= 4
    html = (built.output / "qa_log/index.html").read_text()
    for entry in entries:
        section = re.split(r"<h[23] ", html[html.index(f'<h3 id="{entry.anchor}"') + 1 :], maxsplit=1)[0]
        outcome = section[section.index("<strong>Outcome.</strong>") :]
        assert Links(outcome).links, entry.title
    assert {name.kind for name in mentions_in(page.text)} == {"file", "task", "figure", "command"}
    assert {name.name for name in mentions_in(page.text) if name.kind == "figure"} <= set(FIGURES)


# ---- the roadmap ----------------------------------------------------------------------------------------


def test_tasks_are_read_with_number_state_and_the_rest_of_the_sentence() -> None:
    first, second = read_tasks(Page("roadmap.md", ROADMAP))
    assert (first.number, first.title, first.state, first.is_open) == (72, "KV cache", "partly done", True)
    assert (second.number, second.state, second.rest, second.is_open) == (7, "done", "", False)
    page = roadmap_table([first], "../roadmap/")
    assert Links(page).links == ["../roadmap/#task-72"]
    assert "half of it is there" in page
    assert check_tasks([first, second]) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("**Why.** So.\n", "", "line 12: task #7 does not say why"),
        ("**State.** Done.", "**State.** Nearly.", "line 12: task #7 has the state 'nearly'"),
        (" { #task-7 }", "", "line 12: task #7 has no address"),
        ("### #7 Other { #task-7 }", "### #72 Other { #task-72 }", "line 12: task #72 occurs twice"),
    ],
)
def test_a_task_that_is_not_whole_is_a_problem_with_its_line(old: str, new: str, said: str) -> None:
    (problem,) = check_tasks(read_tasks(Page("roadmap.md", ROADMAP.replace(old, new))))
    assert problem.startswith(f"docs/roadmap.md, {said}")


def test_the_original_s_tasks_keep_their_numbers_and_open_ones_reach_the_status_page(built: BuiltSite) -> None:
    page = next(page for page in read_pages(ROOT / "docs") if page.uri == "roadmap.md")
    tasks = read_tasks(page)
    assert {66, 72} <= {task.number for task in tasks}
    links = Links((built.output / "status/index.html").read_text()).links
    for task in tasks:
        assert (f"../roadmap/#task-{task.number}" in links) == task.is_open


# ---- the task reference ---------------------------------------------------------------------------------


def test_a_task_is_shown_with_the_options_that_invoke_knows() -> None:
    text = task_summary(namespace, "compare") + str(task_rows(namespace, "compare"))
    for part in ("`BEFORE`", "`AFTER`", "required", "`--threshold`", "0.05", "exit code 3"):
        assert part in text
    assert task_rows(namespace, "types") == []
    assert "``" not in str(task_rows(namespace, "sample"))  # helps are written for a terminal


def test_the_reference_leaves_no_task_out() -> None:
    pages = read_pages(ROOT / "docs")
    assert check_task_page(pages, task_names(namespace)) == []
    assert check_task_page(pages, frozenset({"juggle"})) == [
        "docs/tasks.md: the task juggle is missing; write <!-- task juggle --> and run invoke lint --fix"
    ]


# ---- the API reference ----------------------------------------------------------------------------------


def test_the_reference_comes_from_the_docstrings(built: BuiltSite) -> None:
    page = (built.output / "reference/model/index.html").read_text()
    assert 'id="tinygpt.config.ModelConfig"' in page
    assert "n_layers" in page
    assert "context_length" in page
    index = Links((built.output / "reference/index.html").read_text()).links
    assert "generation/#tinygpt.generation.decoding.generate_text" in index
    engines = (built.output / "reference/vectorized/index.html").read_text()
    assert "and make one update" in engines  # of Engine.train_step, whose docstring the override inherits
    assert not list(built.output.rglob("objects.inv"))  # nothing here is an inventory of others, or for them
