"""The page that compares computes what ``invoke compare`` computes, from the same files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from bench.records.store import read_tables
from bench.statistics.cells import cell_summary
from bench.statistics.compare import KINDS, THRESHOLD, compare_cells, find_side
from bench.statistics.controls import Record, probe_rounds
from sitegen.api.comparisons import INDEX, write_comparisons
from sitegen.commands.serve import serve_folder
from sitegen.rows.results import load_results
from tests import ROOT
from tests.browser.watching import Watched
from tinygpt.errors import ResultsError

RESULTS = ROOT / "results"

# Everything that the page's modules say of every pair of sides; null where they refuse.
ALL_PAIRS = """async () => {
    const [{ readParquet }, { readRun }, { compareSides }] = await Promise.all(
        ["vendor/parquet.min.js", "js/compare/rows.js", "js/compare/comparison.js"].map(
            (name) => import(`/assets/${name}`)));
    const index = await (await fetch("/api/compare.json")).json();
    const bytes = async (name) => (await fetch(`/${name}`)).arrayBuffer();
    const runs = new Map();
    for (const [id, files] of Object.entries(index.runs)) runs.set(id, await readRun(files, bytes, readParquet));
    const answers = [];
    for (const [at, before] of index.sides.entries()) {
        for (const after of index.sides.slice(at + 1)) {
            let found = null;
            try { found = compareSides(index, before, after, runs); } catch { /* other protocols */ }
            answers.push(found);
        }
    }
    return answers;
}"""


@pytest.fixture(scope="module")
def published_rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The scripts of the theme beside the rows of this checkout, without the pages."""
    folder = tmp_path_factory.mktemp("rows")
    (folder / "index.html").write_text("<!doctype html><title>rows</title>")
    (folder / "assets").symlink_to(ROOT / "site/theme/assets")
    write_comparisons(load_results(RESULTS), RESULTS, folder)
    with serve_folder(folder) as address:
        yield folder, address


def test_the_page_and_the_command_agree_on_every_pair_of_published_sides(
    published_rows: tuple[Path, str], desktop: BrowserContext
) -> None:
    folder, address = published_rows
    runs, steps, probes = read_tables(RESULTS, ("runs", "steps", "probes"))
    cells = cell_summary(runs, steps, KINDS)
    record = Record(cells, probe_rounds(runs, probes))
    index = json.loads((folder / INDEX).read_text())
    sides = {side["name"]: find_side(cells, side["name"]) for side in index["sides"]}
    page = desktop.new_page()
    page.goto(address)
    answers = page.evaluate(ALL_PAIRS)
    outcomes: set[str] = set()
    n_refused = 0
    for (before, after), answer in zip(combinations(sides, 2), answers, strict=True):
        one, two = sides[before], sides[after]
        try:
            across = one.is_machine or two.is_machine
            found = compare_cells(record, one.cells, two.cells, (before, after), THRESHOLD, across)
        except ResultsError:
            assert answer is None, (before, after)
            n_refused += 1
            continue
        assert answer is not None, (before, after)
        assert tuple(answer["missing"]) == found.missing
        for said, point in zip(answer["points"], found.points, strict=True):
            _agree(said, point)
            outcomes.add(point.finding.outcome)
    assert n_refused and {"not comparable", "inconclusive"} <= outcomes


def _agree(said: dict[str, Any], point: Any) -> None:
    finding = point.finding
    names = (said["variant"], said["preset"], said["outcome"], said["basis"])
    assert names == (point.variant, point.preset, finding.outcome, finding.basis)
    numbers = {"before": point.before_seconds, "after": point.after_seconds, "speedup": finding.speedup}
    if not math.isnan(finding.low):
        numbers |= {name: getattr(finding, name) for name in ("low", "high", "confidence", "detectable")}
    for name, number in numbers.items():
        assert math.isclose(said[name], number, rel_tol=1e-9), (names, name, said[name], number)


def test_a_link_carries_the_choice_and_only_this_page_loads_the_reader(browser: Browser, address: str) -> None:
    context = browser.new_context()
    watched = Watched(context)
    page = watched.page
    page.goto(address + "speedup/")
    assert not any("parquet" in url for url in watched.requests if url.endswith(".js"))
    page.goto(address + "compare/?a=hostile-2&b=run-1")
    sentence = page.locator(".tg-compare__sentence")
    expect(sentence).to_contain_text("nothing shows that the code does")
    before, after = page.get_by_label("Before"), page.get_by_label("After")
    assert (before.input_value(), after.input_value()) == ("hostile-2", "run-1")
    page.get_by_role("button", name="Swap").click()
    expect(page).to_have_url(address + "compare/?a=run-1&b=hostile-2")
    expect(page.locator(".tg-compare td").first).to_have_text("numpy")
    page.goto(address + "compare/?a=no-such-run&b=run-1")
    expect(page.locator(".tg-compare .tg-empty")).to_contain_text(
        "There is no published run, commit or machine “no-such-run”"
    )
    assert watched.complaints == []
    context.close()
