"""Figures in other people's pages, links to a reader's view, and results that attack, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from sitegen.build.site import BuiltSite
from sitegen.commands.serve import serve_folder
from tests.browser.watching import (
    HACKED,
    OVERLAPS,
    UNSEEN_LINES,
    Watched,
    buttons,
    choose,
    chosen,
    one_ahead,
    read_first_chart,
    wait_until,
)

BASELINE = "vectorized"  # one that the speedup figure does not choose by itself
LIVE = ".tg-chart--live"


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory, address: str) -> Iterator[str]:
    """A page of another site, on another port: a figure in a frame whose sandbox allows scripts and nothing else."""
    folder = tmp_path_factory.mktemp("foreign")
    frame = f"{address}embed/speedup/?theme=dark&baseline={BASELINE}"
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Elsewhere</title>'
        f'<body style="margin:8px"><iframe src="{frame}" title="A figure" height="300" style="border:0;width:100%"'
        f' sandbox="allow-scripts"></iframe><script src="{address}embed.js"></script></body></html>'
    )
    with serve_folder(folder) as url:
        yield url


def alone(built: BuiltSite) -> list[str]:
    """Addresses of the pages that show a figure alone."""
    pinned = [f"pinned/{path.name}/" for path in (built.output / "pinned").iterdir()]
    assert pinned
    return [f"embed/{name}/" for name in built.figures] + pinned


# ---- figures alone ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [390, 1280])
def test_every_figure_alone_lives_under_a_strict_policy(
    browser: Browser, built: BuiltSite, address: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme="dark")

    def opening(page_address: str) -> tuple[str, Watched]:
        watched = Watched(context)
        watched.page.goto(address + page_address, wait_until="commit")
        return page_address, watched

    for page_address, watched in one_ahead(map(opening, alone(built))):
        page = watched.page
        page.locator(LIVE).wait_for()
        policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content") or ""
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert page.locator("script:not([src]):not([type='application/json'])").count() == 0
        assert page.locator(".tg-chart").get_attribute("data-scheme") == "dark"
        assert page.locator(".tg-plot svg text").count() > 5
        sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert sideways == 0, page_address
        assert page.evaluate(OVERLAPS) == [], page_address
        assert page.evaluate(UNSEEN_LINES) == 0, page_address
        assert watched.complaints == [], page_address  # a breach of the policy is one
        assert watched.foreign(address) == [], page_address
        assert not page.evaluate(HACKED), page_address
        page.close()
    context.close()


def test_with_scripts_off_a_figure_alone_is_a_picture_with_a_table(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + "embed/speedup/")
    picture = page.locator(".tg-chart img")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 400
    assert picture.is_visible()
    assert page.locator("table tbody tr").count() > 0
    context.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_sandboxed_frame_elsewhere_shows_the_chosen_view_and_needs_no_scrollbar(
    browser: Browser, address: str, foreign: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="light")
    watched = Watched(context)
    page = watched.page
    page.goto(foreign)
    frame = page.frames[1]
    frame.locator(LIVE).wait_for()
    assert frame.evaluate("self.origin") == "null"
    assert frame.locator(".tg-chart").get_attribute("data-scheme") == "dark"
    assert chosen(frame) == BASELINE
    frame.locator("svg.marks").get_by_text(f"times as fast as {BASELINE}").wait_for()
    fits = "document.documentElement.scrollHeight <= window.innerHeight"
    wait_until(frame, fits)
    assert page.locator("iframe").bounding_box()["height"] > 400  # type: ignore[index]
    assert frame.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    folded = frame.evaluate("window.innerHeight")
    frame.locator("summary").click()
    wait_until(frame, f"window.innerHeight > {folded} && {fits}")
    assert watched.complaints == []
    assert watched.foreign(address, foreign) == []
    context.close()


def test_a_frame_is_resized_by_its_own_content_only(browser: Browser, foreign: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(foreign)
    page.frames[1].locator(LIVE).wait_for()
    wait_until(page.frames[1], "document.documentElement.scrollHeight <= window.innerHeight")
    height = page.locator("iframe").evaluate("frame => frame.style.height")
    page.evaluate(
        """() => new Promise((done) => {
            window.postMessage({ type: "tinygpt:height", height: 3000 }, "*");
            setTimeout(done, 50);
        })"""
    )
    assert page.locator("iframe").evaluate("frame => frame.style.height") == height
    context.close()


# ---- links to a view -------------------------------------------------------------------------------------


def test_a_view_lives_in_the_address_and_comes_back_from_it(
    desktop: BrowserContext, watched: Watched, address: str
) -> None:
    desktop.grant_permissions(["clipboard-read", "clipboard-write"])
    page = watched.page
    page.goto(address + "speedup/")
    figure = page.locator("#figure-speedup")
    read_first_chart(page)
    initial = chosen(figure)
    assert "?" not in page.url
    choose(figure, BASELINE)
    assert page.url == f"{address}speedup/?speedup.baseline={BASELINE}"

    figure.get_by_role("button", name="Copy link to this view").click()
    figure.get_by_text("Copied").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == f"{address}speedup/?speedup.baseline={BASELINE}#figure-speedup"
    other = desktop.new_page()
    other.goto(link)
    shown = other.locator("#figure-speedup")
    shown.locator(LIVE).wait_for()
    assert chosen(shown) == BASELINE
    assert shown.locator("svg.marks").get_by_text(f"times as fast as {BASELINE}").count() == 1

    choose(figure, initial)
    assert "?" not in page.url
    assert watched.complaints == []


def test_a_view_that_does_not_exist_is_the_figures_own(watched: Watched, address: str) -> None:
    page = watched.page
    for place in ("speedup/?speedup.baseline=%3Cscript%3E&speedup.none=1", "embed/speedup/?baseline=%22%3E&theme=pink"):
        page.goto(address + place)
        figure = page.locator("#figure-speedup")
        figure.locator(LIVE).wait_for()
        assert chosen(figure) == "python"
    assert watched.complaints == []


def test_the_way_back_from_a_frame_keeps_the_view(desktop: BrowserContext, address: str) -> None:
    page = desktop.new_page()
    page.goto(address + "embed/speedup/")
    page.locator(LIVE).wait_for()
    choose(page.main_frame, BASELINE)
    back = page.get_by_role("link", name="TinyGPT").get_attribute("href")
    assert back == f"{address}speedup/?speedup.baseline={BASELINE}#figure-speedup"


def test_every_snippet_has_a_copy_button(desktop: BrowserContext, address: str) -> None:
    desktop.grant_permissions(["clipboard-read", "clipboard-write"])
    page = desktop.new_page()
    page.goto(address + "embed/")
    blocks = page.locator(".tg-snippets pre")
    assert blocks.count() > 10
    first = blocks.first
    first.hover()
    first.get_by_role("button").click()
    wait_until(page, "navigator.clipboard.readText().then((text) => text.startsWith('<a href='))")
    assert page.evaluate("navigator.clipboard.readText()").count("\n") >= 1


# ---- results that attack ---------------------------------------------------------------------------------


def test_hostile_results_show_as_text_in_pages_tooltips_and_frames(desktop: BrowserContext, address: str) -> None:
    for place in ("speedup/", "embed/speedup/"):
        watched = Watched(desktop)
        page = watched.page
        page.goto(address + place)
        figure = page.locator("#figure-speedup")
        read_first_chart(page)
        if place == "speedup/":  # a frame has the published rows alone
            buttons(figure, "Machine").locator("input:not(:checked)").first.check(force=True)
        figure.locator("svg.marks path[aria-label*='crashed']").last.hover(force=True)
        tip = page.locator(".tg-tip--visible")
        tip.wait_for()
        assert "<img src=x onerror=window.hacked=true>" in tip.inner_text()
        assert "invoke bench <script>window.hacked=true" in tip.inner_text()
        assert tip.locator("dl > :not(dt, dd), dt *, dd *").count() == 0
        choose(figure, "numpy")  # beside which the hostile peer was measured
        buttons(figure, "Show").locator("input").last.check(force=True)
        figure.locator("svg.marks").get_by_text("peer[</script></pre>").first.wait_for()
        assert figure.locator("img[src=x], svg [onload], a[href^=javascript]").count() == 0
        assert not page.evaluate(HACKED)
        assert watched.complaints == []
        page.close()


def test_hostile_samples_show_as_text(watched: Watched, address: str) -> None:
    watched.page.goto(address + "samples/")
    sample = watched.page.locator(".tg-sample pre").first
    written = sample.text_content() or ""  # of a text that the slider has not reached
    for part in (
        "<script>window.hacked=true",
        "{{ 7*7 }}",
        "</script></pre>",
        "␀␇␛[31m␡",
        "‹U+202E›",
        "\ufffd\ufffd\ufffd( done",
    ):
        assert part in written
    assert sample.locator("*").count() == 1  # the prompt's own mark
    assert not watched.page.evaluate(HACKED)
    assert watched.complaints == []


def test_no_published_text_file_holds_markup_of_an_attack(built: BuiltSite) -> None:
    kinds = {".html", ".json", ".svg", ".xml"}
    read = {path: path.read_text() for path in built.output.rglob("*") if path.suffix in kinds}
    assert len(read) > 40
    for path, text in read.items():
        name = path.relative_to(built.output).as_posix()
        assert "<script>window" not in text, name
        assert "<img src=x" not in text, name
        assert "<svg onload" not in text, name
        assert not set("\x00\x1b\x7f\x85\u202e\u2066") & set(text), name
        if path.suffix == ".json":
            json.loads(text)


def test_files_of_a_figure_can_be_fetched_at_their_addresses(browser: Browser, address: str, published: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(address + "embed/")
    data = page.locator(".tg-snippets pre", has_text="speedup.parquet").first.text_content().split()
    assert {Path(line).suffix for line in data} == {".csv", ".parquet", ".json"}
    for line in data:
        assert line.startswith(published)
        assert page.request.get(line).ok, line
    context.close()
