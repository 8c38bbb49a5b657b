"""Output of the macros in pages: tables, samples and the status matrix."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench.records.store import stored_runs
from sitegen.rows.cells import cell_frame, primary_cells
from sitegen.rows.machines import machine_label, machine_sentence
from sitegen.rows.results import Results, load_results
from sitegen.tables.registry import TABLES
from sitegen.tables.samples import samples_finding, samples_html
from sitegen.text.markup import TableCell, html_table
from tests.sitegen import example_rows as rows
from tinygpt.engines import CPU_ENGINES
from tinygpt.presets import LADDER

HOSTILE = [
    ("<script>alert(1)</script>", "</pre></figure><script>alert(2)</script>"),
    ("{{ number('x') }}", "`*_[a](javascript:b)_*`\n```\n# h\n\x00\x1b[31m\u202eabc\u2066"),
]


class Elements(HTMLParser):
    """Collects element names, attribute values and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("results")
    return load_results(rows.store(root, rows.ladder(), rows.training(texts=HOSTILE)))


def test_a_sweep_is_one_model_over_and_over_and_shows_no_samples(tmp_path: Path) -> None:
    swept = rows.training("sweep-1", texts=[("Once", " swept")], suite="sweep")
    results = load_results(rows.store(tmp_path, rows.training(texts=[("Once", " kept")]), swept))
    assert "kept" in samples_html(results)
    assert "swept" not in samples_html(results)
    assert TABLES["samples_overview"](results).count("<tr>") == 2
    assert samples_finding(results).startswith("Texts of 1 trained model; the lowest loss on unseen text is ")
    assert samples_finding(load_results(tmp_path / "absent")) == "No model has written anything yet"


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_one_line_with_and_without_results(name: str, measured: Results, tmp_path: Path) -> None:
    for results in (measured, load_results(tmp_path / "absent")):
        text = TABLES[name](results)
        assert "\n" not in text
        assert Elements(text).text.strip()


@pytest.mark.parametrize(
    ("text", "value", "sort"),
    [
        ("1,240", 1240.4, None),
        ("13.4 ms", 0.01342, "0.01342"),
        ("3.7×", 3.674, None),
        ("25 %", 0.2541, None),
        ("25 %", 25.0, "25"),
        ("25", 0.25, "0.25"),
        ("–", 2.0, "2"),
    ],
)
def test_a_cell_says_what_it_sorts_by_unless_its_text_does(text: str, value: float, sort: str | None) -> None:
    table = html_table("a table", [{"heading": TableCell(text, sort=value)}])
    attribute = "" if sort is None else f' data-sort="{sort}"'
    assert f'<td class="tg-numeric"{attribute}>' in table


def test_hostile_samples_are_text_and_nothing_else(measured: Results) -> None:
    page = samples_html(measured)
    found = Elements(page)
    assert found.names <= {"div", "section", "h3", "p", "figure", "pre", "span", "figcaption", "details", "summary"}
    assert "<script>alert(1)</script>" in found.text
    assert "␀␛[31m‹U+202E›abc‹U+2066›" in found.text
    assert not set("\n\x00\u202e`{*[") & set(page)
    assert not any(name.startswith("on") for name in found.attributes)


def test_a_hostile_error_message_is_text_in_the_status_table(tmp_path: Path) -> None:
    part = rows.cell("numpy", "tiny", 0.0, status="crashed", error_tail='"><img src=x onerror=alert(1)>\u202e')
    found = Elements(TABLES["status"](load_results(rows.store(tmp_path, part))))
    assert "img" not in found.names
    assert "onerror" not in found.attributes
    assert "<img src=x onerror=alert(1)>‹U+202E›" in found.text


def test_the_status_matrix_has_every_preset_and_engine(measured: Results) -> None:
    text = Elements(TABLES["status"](measured)).text
    for name in (*LADDER, *CPU_ENGINES):
        assert name in text
    assert "13.0 ms" in text
    assert "timeout" in text
    assert "no step within 600 s" in text
    assert "2026-11-20" in text
    assert "not measured" in text


def test_tables_of_two_machines_have_names_of_their_own(tmp_path: Path) -> None:
    parts = [
        rows.cell("numpy", "tiny", 5.0, status="timeout", run_id=name, machine=rows.MACHINE | {"cpu": f"Chip {name}"})
        for name in ("one", "two")
    ]
    named = re.findall(r'aria-label="([^"]+)"', TABLES["status"](load_results(rows.store(tmp_path, *parts))))
    assert len(named) == 4 == len(set(named))


def test_without_results_the_status_page_says_how_to_make_some(tmp_path: Path) -> None:
    text = Elements(TABLES["status"](load_results(tmp_path))).text
    assert "invoke bench --suite quick" in text


def test_local_rows_stand_beside_published_ones_with_a_label(tmp_path: Path) -> None:
    rows.store(tmp_path, rows.ladder("a"))
    rows.store(tmp_path, rows.ladder("b"), published=False)
    text = TABLES["status"](load_results(tmp_path))
    assert text.count("<table") == 2 * len(("published", "local"))  # steps and failures of each
    assert "this machine &#40;local&#41;" in text


def test_samples_of_a_training_are_in_the_open_from_the_first_to_the_last(measured: Results) -> None:
    page = samples_html(measured)
    course = page.partition('<div class="tg-course"')[2].partition("</div>")[0]
    assert course.index("step 200") < course.index("step 400")
    assert "<details>" not in page[: page.index(course) + len(course)]


def test_a_machine_is_named_without_noise_and_described_in_full(measured: Results) -> None:
    run = replace(
        stored_runs(measured.runs)[0],
        machine='{"cpu":"Intel(R) Xeon(R) 8488C CPU @ 2.40GHz","cores":2}',
        machine_hash="abcdef0123",
        origin="local",
    )
    assert machine_label(run) == "this machine (local): Intel Xeon 8488C, 2 cores, abcdef"
    sentence = machine_sentence(primary_cells(cell_frame(measured)), measured.runs)
    for part in ("Published rows", "2 cores", "NumPy 2", "SkylakeX kernel, 2 threads"):
        assert part in sentence.replace("&#44;", ",").replace("&#46;", ".")
