"""On the published rows, a quantity has one value on all pages, or each page names the run of its value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest

from bench.arms.registry import FAST, OURS, PEERS, REFERENCE
from bench.records.rows import PUBLISHED
from sitegen.documents.number_rows import PAGE
from sitegen.documents.pages import Page, read_pages
from sitegen.documents.posts import pin_of
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.numbers.registry import resolve_number
from sitegen.rows.curves import SPEEDUP_MEASURE, curve_rows
from sitegen.rows.peers import peer_frame
from sitegen.rows.results import load_results
from sitegen.tables.registry import TABLES
from tests import ROOT
from tinygpt.presets import LADDER

# Names of an engine's own run → names of the same quantity in the run that has the peers.
TWICE = {"step_ms": "peer_ms", "memory": "peer_memory"}


@pytest.fixture(scope="module")
def quoted() -> QuotedRows:
    return QuotedRows(load_results(ROOT / "results").only("origin", [PUBLISHED]))


@pytest.fixture(scope="module")
def pages() -> list[Page]:
    """The pages, but for pinned posts and for the page that lists each number with its run."""
    return [page for page in read_pages(ROOT / "docs") if not pin_of(page) and page.uri != PAGE]


def names_of(page: Page) -> set[str]:
    return {call.name for call in page.calls if call.kind == "number"}


def test_a_ratio_to_a_peer_is_the_same_on_the_pages_of_speedup_and_of_peers(quoted: QuotedRows) -> None:
    rows = curve_rows(quoted.results)
    ours = rows[(rows["measure"] == SPEEDUP_MEASURE) & (rows["state"] == "measured") & rows["variant"].isin(FAST)]
    places = zip(ours["machine"], ours["variant"], ours["baseline"], ours["preset"], strict=True)
    curve = dict(zip(places, zip(ours["value_text"], ours["interval"], strict=True), strict=True))
    compared = 0
    for row in peer_frame(quoted.results.training_ratios).itertuples():
        at_curve = curve.get((row.machine, row.ours, row.variant, row.preset))
        if row.variant in PEERS and at_curve and row.speedup_text:
            assert at_curve[0] == row.speedup_text, f"{row.variant} at {row.preset} on {row.machine}"
            assert at_curve[1] in (row.interval, ""), f"{row.variant} at {row.preset} on {row.machine}"
            compared += 1
    assert compared > 20


def differing(quoted: QuotedRows) -> Iterator[str]:
    """Names of quantities that have another value in another run."""
    for own, beside in TWICE.items():
        for engine in (REFERENCE, OURS):
            for preset in LADDER:
                texts = [resolve_number(f"{name}.{engine}.{preset}", quoted).text for name in (own, beside)]
                if len({text.partition(" (")[0] for text in texts if text}) > 1:
                    yield f"{own}.{engine}.{preset}"


def test_a_page_with_a_time_that_another_page_has_from_another_run_names_the_day(
    quoted: QuotedRows, pages: list[Page]
) -> None:
    twice = {*differing(quoted)}
    for page in pages:
        names = names_of(page)
        assert not names & twice or any(name.startswith("days.") for name in names), f"{page.uri}: {names & twice}"


@pytest.mark.parametrize("table", ["status", "status_accelerators", "peers", "peers_generation"])
def test_a_table_of_times_has_the_day_of_each_run(quoted: QuotedRows, table: str) -> None:
    html = TABLES[table](quoted.results)
    shown = len(re.findall(r'<time datetime="\d{4}-\d\d-\d\d">', html))
    assert shown >= html.count("<table")


def test_no_page_quotes_a_ratio_without_its_interval_or_a_word_for_its_doubt(
    quoted: QuotedRows, pages: list[Page]
) -> None:
    for name in {name for page in pages for name in names_of(page)}:
        text = resolve_number(name, quoted).text or ""
        computed = name.startswith("lesson.")  # from formulas, by the code of a lesson
        assert computed or "×" not in text or " to " in text or "(" in text, f"{name}: {text}"


# Columns of ratios that are no comparison of two arms, or whose interval has a column of its own.
PLAIN = {"slowest probe", "before ÷ after", "interval"}


@pytest.mark.parametrize("table", sorted(TABLES.keys() - {"by_hand", "by_hand_parameters"}))
def test_no_table_has_a_ratio_without_its_interval_or_a_word_for_its_doubt(quoted: QuotedRows, table: str) -> None:
    for part in unescape(TABLES[table](quoted.results)).split("<table")[1:]:
        headings = re.findall(r"<th[^>]*>(.*?)</th>", part)
        for row in re.findall(r"<tr><td.*?</tr>", part):
            for heading, cell in zip(headings, re.findall(r"<td[^>]*>(.*?)</td>", row), strict=True):
                text = re.sub("<[^>]+>", "", cell)
                if heading not in PLAIN and re.fullmatch(r"[\d.,]+×", text.strip()):
                    assert text == "1×", f"{table}, {heading}: {text}"
