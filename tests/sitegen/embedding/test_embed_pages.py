from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from bench.records.store import read_table
from sitegen.build.site import BuiltSite
from sitegen.embedding.embed_command import figure_list, figure_snippets
from sitegen.embedding.embed_pages import content_policy, oembed_file, oembed_record
from sitegen.embedding.snippets import snippets
from sitegen.figures import FIGURES
from sitegen.figures.publication import PublishedFigure
from sitegen.figures.render import _parameters, begin_figure
from sitegen.rows.choice import Choice
from sitegen.rows.results import load_results
from sitegen.text.addresses import Addresses
from sitegen.text.errors import SiteError
from sitegen.text.site_folders import THEME
from tests import ROOT
from tests.sitegen import example_rows as rows
from tests.sitegen.example import store_example
from tinygpt.errors import ConfigError, ResultsError, TinyGPTError

URL = "https://example.org/tinygpt/"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> PublishedFigure:
    """The speedup figure over hostile results."""
    folder = tmp_path_factory.mktemp("embeds")
    figure = FIGURES["speedup"]
    plotted = figure.rows(load_results(store_example(folder / "results")))
    rendered = begin_figure(figure, plotted, folder / "figure", folder / "cache")()
    assert rendered is not None
    return rendered


class Tags(HTMLParser):
    """Elements and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


# ---- the page for frames ---------------------------------------------------------------------------------


def test_the_page_for_frames_has_a_strict_policy_and_nothing_that_the_policy_would_stop(built: BuiltSite) -> None:
    for name in built.figures:
        page = (built.output / f"embed/{name}/index.html").read_text()
        found = Tags(page).found
        metas = [attributes for tag, attributes in found if tag == "meta"]
        assert {"http-equiv": "Content-Security-Policy", "content": content_policy()} in metas
        for tag, attributes in found:
            assert not [key for key in attributes if key.startswith("on") or key == "style"], (name, tag)
            if tag == "script":
                assert attributes.get("type") == "application/json" or attributes["src"]
        data = re.search(r'<script type="application/json" id="specifications">(.*?)</script>', page, re.DOTALL)
        assert data
        specs = json.loads(data.group(1))
        assert [specs[theme]["usermeta"]["theme"] for theme in ("light", "dark")] == ["light", "dark"]


def test_pages_name_the_oembed_records_of_their_figures(built: BuiltSite) -> None:
    page = (built.output / "speedup/index.html").read_text()
    named = re.findall(r'<link rel="alternate" type="application/json\+oembed" href="([^"]+)"', page)
    shown = re.findall(r'<figure class="tg-figure" id="figure-(\w+)"', page)
    assert named == [f"{URL}oembed-{name}.json" for name in shown]
    for address in named:
        record = json.loads((built.output / address.removeprefix(URL)).read_text())
        assert record["type"] == "rich"
        assert record["version"] == "1.0"


def test_a_figure_alone_leads_to_the_page_that_explains_it(built: BuiltSite) -> None:
    page = (built.output / "embed/speedup/index.html").read_text()
    assert 'href="../../speedup/#figure-speedup"' in page


# ---- oEmbed and snippets ---------------------------------------------------------------------------------


def test_an_oembed_record_is_safe_anywhere_and_shows_the_frame(published: PublishedFigure) -> None:
    text = oembed_record(published, URL)
    assert not set("<>&") & set(text)
    record = json.loads(text)
    (tag, attributes), (last, script) = Tags(record["html"]).found
    assert (tag, last, script["src"]) == ("iframe", "script", f"{URL}embed.js")
    assert attributes["src"] == f"{URL}embed/speedup/"
    assert attributes["sandbox"] == "allow-scripts allow-popups allow-popups-to-escape-sandbox"
    assert int(attributes["height"] or 0) == record["height"] > published.height
    assert oembed_file(published) == "oembed-speedup.json"
    assert {key for key in record if key.startswith("thumbnail")} == {
        "thumbnail_url", "thumbnail_width", "thumbnail_height",
    }  # fmt: skip


def test_snippets_hold_no_markup_but_their_own(published: PublishedFigure) -> None:
    texts = {snippet.label: snippet.text for snippet in snippets(published, URL)}
    tags = [tag for text in texts.values() for tag, _ in Tags(text).found]
    assert set(tags) == {"iframe", "script", "a", "picture", "source", "img"}
    picture = next(text for label, text in texts.items() if label.startswith("Picture"))
    image = next(attributes for tag, attributes in Tags(picture).found if tag == "img")
    assert image["alt"] == published.description
    assert "onerror" not in image
    chosen = next(text for label, text in texts.items() if label.startswith("Frame in dark"))
    source = dict(Tags(chosen).found)["iframe"]["src"]
    assert source is not None
    assert source.startswith(f"{URL}embed/speedup/?theme=dark&")
    assert "&baseline=python" in source


def test_every_file_of_a_figure_is_offered(published: PublishedFigure) -> None:
    text = html.unescape("\n".join(snippet.text for snippet in snippets(published, URL)))
    for kind in published.files:
        assert URL + published.address(kind) in text, kind


def test_menus_are_known_by_name_and_other_inputs_are_refused(published: PublishedFigure) -> None:
    baseline = next(parameter for parameter in published.parameters if parameter.name == "baseline")
    assert baseline.initial == "python"
    assert {"python", "numpy", "vectorized"} <= set(baseline.options)
    with pytest.raises(SiteError, match="input 'range'; allowed: select or radio"):
        _parameters("speedup", {"params": [{"name": "size", "bind": {"input": "range"}}]})


# ---- the task --------------------------------------------------------------------------------------------


def test_the_task_lists_figures_and_prints_snippets(tmp_path: Path) -> None:
    assert {line.split()[0] for line in figure_list().splitlines()} == set(FIGURES)
    results = rows.store(tmp_path / "results", rows.ladder())
    text = figure_snippets(tmp_path, results, "step_time", False, Addresses(URL))
    assert f"{URL}embed/step_time/" in text
    assert "<iframe" in text
    pinned = figure_snippets(tmp_path, results, "step_time", True, Addresses(URL))
    assert re.search(rf"{URL}pinned/[0-9a-f]{{16}}/", pinned)
    assert "commit it" in pinned
    both = figure_snippets(tmp_path, results, "step_time", False, Addresses(URL))
    assert both.startswith(text)
    assert "/pinned/" in both


def test_snippets_of_a_site_without_an_address_say_so(tmp_path: Path) -> None:
    results = rows.store(tmp_path / "results", rows.ladder())
    text = figure_snippets(tmp_path, results, "step_time", False, Addresses())
    assert "the address at which you serve the site in place of https://HOST/PATH/" in text
    assert '<iframe src="https://HOST/PATH/embed/step_time/"' in text
    assert "example.org" not in text


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published ladder, and beside it a local run of two variants."""
    root = tmp_path_factory.mktemp("checkout")
    rows.store(root / "results", rows.ladder("theirs"))
    mine = rows.joined(*(rows.cell(name, "small", 9.0, "mine") for name in ("numpy", "vectorized[threads=2]")))
    rows.store(root / "results", mine, published=False)
    return root


def embedded_machines(root: Path, folder: str) -> set[str]:
    """Areas of the machines in the only data file of a folder."""
    (path,) = (root / THEME / folder).glob("*.parquet")
    return {machine.partition(":")[0] for machine in pd.read_parquet(path)["machine"]}


def test_pictures_for_other_sites_have_published_rows_until_a_run_is_asked_for(checkout: Path) -> None:
    figure_snippets(checkout, checkout / "results", "step_time", False, Addresses(URL))
    assert embedded_machines(checkout, "embed/step_time") == {"published"}
    text = figure_snippets(checkout, checkout / "results", "step_time", False, Addresses(URL), Choice("mine"))
    found = re.search(rf"{URL}(pinned/[0-9a-f]{{16}}/)", text)
    assert found
    assert embedded_machines(checkout, found[1]) == {"this machine (local)"}
    assert "vectorized[threads=2]" in html.unescape(text)  # in the alternative text


@pytest.mark.parametrize(
    ("name", "choice", "problem"),
    [
        ("step_time", Choice("min"), r"unknown run 'min' \(did you mean 'mine'\?\); .*invoke results show"),
        ("step_time", Choice(variants=("vectorised",)), r"unknown variant 'vectorised' \(did you mean 'vectorized'"),
        ("step_time", Choice(variants=("vectorized[threads=2]",)), r"nothing to pin.*published.*--run RUN_ID"),
        ("gelu", Choice("mine"), "'gelu' is computed by the library"),
        ("clinic", Choice(variants=("numpy",)), "'clinic' has no variants to choose"),
    ],
)
def test_a_choice_that_draws_nothing_is_one_line(checkout: Path, name: str, choice: Choice, problem: str) -> None:
    with pytest.raises(TinyGPTError, match=problem) as caught:
        figure_snippets(checkout, checkout / "results", name, False, Addresses(URL), choice)
    assert "\n" not in str(caught.value)


def test_pages_show_local_rows_and_frames_of_their_own_do_too(built: BuiltSite) -> None:
    page = (built.output / "speedup/index.html").read_text()
    assert "embed/speedup-with-local-rows/speedup.vega.json" in page
    public, local = (
        (built.output / f"embed/speedup{kind}/index.html").read_text() for kind in ("", "-with-local-rows")
    )
    assert "this machine (local)" in local
    assert "this machine (local)" not in public
    assert "embed/speedup-with-local-rows/" not in (built.output / "embed/index.html").read_text()


def test_an_unknown_figure_is_one_line_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown figure 'speedups'.*did you mean 'speedup'"):
        figure_snippets(ROOT, tmp_path, "speedups", False, Addresses(URL))


def test_a_figure_without_rows_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"nothing to embed.*run: invoke bench"):
        figure_snippets(ROOT, tmp_path, "speedup", False, Addresses(URL))


def test_a_results_file_whose_text_is_not_utf8_is_named(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows.store(tmp_path, rows.training(texts=[("prompt", "text")]))
    path = tmp_path / "published/samples-train-1.parquet"
    table = pq.read_table(path)
    place = table.schema.get_field_index("text")
    raw = pa.array([b"\xff\xfe</script>"] * table.num_rows, pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    pq.write_table(table.set_column(place, table.schema.field(place), text), path)
    with pytest.raises(ResultsError, match=r"samples-train-1\.parquet"):
        read_table("samples", tmp_path)
