"""Files for other programs, of the example site: its rows are made up, and some of them attack."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as etree
from pathlib import Path
from typing import Any

import pytest

from bench.records.rows import PUBLISHED
from sitegen.api.badges import badge_snippets, badges
from sitegen.api.comparisons import write_comparisons
from sitegen.api.measurements import SCHEMA, write_measurements
from sitegen.build.site import BuiltSite
from sitegen.commands.serve import serve_folder
from sitegen.rows.results import Results, load_results
from sitegen.text.errors import SiteError
from tests import ROOT
from tests.sitegen import example_rows as rows
from tests.test_documented_python import blocks
from tinygpt.errors import ConfigError

DOCUMENTED = ROOT / "docs/api.md"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    """Six rounds of two engines, published, and a local run of another machine."""
    folder = tmp_path_factory.mktemp("results")
    rounds = (
        rows.cell(variant, "tiny", milliseconds * (1 + number / 100), "six", number)
        for number in range(6)
        for variant, milliseconds in (("numpy", 8.0), ("vectorized", 4.0))
    )
    rows.store(folder, rows.joined(*rounds), rows.ladder("few"))
    rows.store(folder, rows.ladder("mine", machine=rows.MACHINE | {"cores": 3}), published=False)
    return load_results(folder), folder


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_published_measurement_is_in_the_files_with_interval_and_machine(
    results: tuple[Results, Path], tmp_path: Path
) -> None:
    write_measurements(results[0].published, tmp_path)
    index, latest = read(tmp_path / "api/index.json"), read(tmp_path / "api/latest.json")
    assert index["schema"] == latest["schema"] == SCHEMA
    assert all((tmp_path / name).is_file() for name in index["files"])
    (row,) = [row for row in latest["measurements"] if (row["variant"], row["preset"]) == ("vectorized", "tiny")]
    assert (row["run"], row["rounds"], row["verdict"]) == ("six", 6, "stable")
    time, ratio = row["step_seconds"], row["over_numpy"]
    assert 0.0039 < time["low"] < time["median"] < time["high"] < 0.0045
    assert ratio["ratio"] == ratio["low"] == ratio["high"] == 2.0
    assert latest["machines"][row["machine"]]["cores"] == rows.MACHINE["cores"]
    local = set(results[0].runs.loc[results[0].runs["origin"] != PUBLISHED, "machine_hash"])
    assert local and not local & set(latest["machines"])
    few = [row for row in latest["measurements"] if row["preset"] == "small"]
    assert few and all(row["step_seconds"]["low"] is None and row["verdict"] == "unresolved" for row in few)
    of_preset = read(tmp_path / "api/presets/tiny.json")["measurements"]
    assert of_preset == [row for row in latest["measurements"] if row["preset"] == "tiny"]


def test_a_badge_gives_a_resolved_ratio_and_says_so_where_it_is_not(results: tuple[Results, Path]) -> None:
    found = badges(results[0].published)
    assert found["vectorized/numpy/tiny"].record == {
        "schemaVersion": 1, "label": "TinyGPT vectorized", "message": "2.00× numpy at tiny", "color": "blue",
    }  # fmt: skip
    assert found["vectorized/numpy/small"].message == "unresolved against numpy at small"
    assert found["vectorized/numpy/small"].color == "lightgrey"


def test_a_badge_that_does_not_exist_is_one_clear_line(results: tuple[Results, Path], tmp_path: Path) -> None:
    text = badge_snippets(results[1], "vectorized/numpy/tiny", "https://example.org/")
    assert re.search(r"!\[TinyGPT vectorized: 2\.00× numpy at tiny\]\(https://img\.shields\.io/endpoint\?url=", text)
    with pytest.raises(
        ConfigError, match=r"badge 'vectorized/numpy/tinny'.*mean 'vectorized/numpy/tiny'\?.*embed list --badge"
    ):
        badge_snippets(results[1], "vectorized/numpy/tinny", "")
    with pytest.raises(SiteError, match="no published ratio"):
        badge_snippets(tmp_path, "list", "")


def test_runs_commits_and_machines_can_be_compared_and_their_files_are_there(
    results: tuple[Results, Path], tmp_path: Path
) -> None:
    write_comparisons(*results, tmp_path)
    index = read(tmp_path / "api/compare.json")
    assert {side["name"] for side in index["sides"] if side["kind"] == "run"} == {"six", "few", "mine"}
    assert sum(side["kind"] == "machine" for side in index["sides"]) == 2
    for files in index["runs"].values():
        assert {"runs", "steps"} <= files.keys()
        assert all((tmp_path / name).is_file() for name in files.values())
    assert {run for side in index["sides"] for run, *_ in side["cells"]} == index["runs"].keys()


# ---- the built example ----------------------------------------------------------------------------------


def test_every_page_links_to_its_twin_and_llms_txt_lists_it(built: BuiltSite) -> None:
    listed = (built.output / "llms.txt").read_text()
    alone = (built.output / "embed", built.output / "pinned")
    pages = [path for path in built.output.rglob("index.html") if not any(map(path.is_relative_to, alone))]
    assert len(pages) > 60
    for page in pages:
        twin, name = page.with_suffix(".md"), page.parent.relative_to(built.output).as_posix()
        head = page.read_text().partition("</head>")[0]
        assert re.search(r'<link rel="alternate" type="text/markdown"[^>]* href="index\.md">', head), name
        assert twin.read_text().startswith("# "), name
        assert f"/{name}/index.md)".removeprefix("/." if name == "." else "") in listed, name
    speedup = (built.output / "speedup/index.md").read_text()
    assert re.search(r"\[2\.38× \(1 round\)\]\(\S+#n-speedup", speedup)  # macros are expanded
    assert "{{ number(" not in speedup
    samples = (built.output / "samples/index.md").read_text()
    assert "\x00" not in samples and "\u202e" not in samples


def test_the_feeds_hold_whole_posts_with_complete_addresses(built: BuiltSite) -> None:
    posts = len(list((ROOT / "docs/devlog/posts").glob("*.md")))
    channel = etree.parse(built.output / "feed_rss_created.xml").getroot()[0]
    items = channel.findall("item")
    feed = read(built.output / "feed_json_created.json")
    assert len(items) == len(feed["items"]) == posts >= 1
    dates = [item["date_published"] for item in feed["items"]]
    assert dates == sorted(dates, reverse=True)
    for item, entry in zip(items, feed["items"], strict=True):
        whole = item.findtext("{http://purl.org/rss/1.0/modules/content/}encoded") or ""
        assert whole == entry["content_html"]
        assert len(whole) > 2_000 and item.findtext("description")
        assert not re.findall(r'(?:href|src)="(?!https?://)[^"]*"', whole)
        assert "<script" not in whole and "<h1" not in whole
    home = (built.output / "index.html").read_text()
    assert 'type="application/rss+xml"' in home and 'type="application/feed+json"' in home


def test_the_documented_examples_run_against_the_built_site(
    built: BuiltSite, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {}
    found = blocks(DOCUMENTED)
    assert len(found) >= 5
    with serve_folder(built.output) as address:
        for block in found:
            exec(compile(re.sub(r"\{\{.*\}\}", address, block), DOCUMENTED.name, "exec"), names)
    printed = capsys.readouterr().out
    assert re.search(r"^tiny vectorized 0\.004", printed, re.MULTILINE)
    assert "TinyGPT vectorized" in printed
    assert "# Compare runs" in printed
    assert len(re.findall(r"^2026-\S+ .+ \d{4,}$", printed, re.MULTILINE)) >= 1


def test_the_documented_fields_are_those_of_a_measurement(built: BuiltSite) -> None:
    documented = {
        name
        for line in DOCUMENTED.read_text().partition("| Field | Meaning |")[2].partition("\n\n")[0].splitlines()[2:]
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert documented == set(read(built.output / "api/latest.json")["measurements"][0])
