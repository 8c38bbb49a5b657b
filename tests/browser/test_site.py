"""The built site in a real browser: no error, no foreign request, no sideways scrolling, and charts that live.

Chromium is required: without it these tests fail, because a site that nobody looked at is not checked.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from sitegen.build import BuiltSite
from sitegen.serve import HOST, make_server
from tests.sitegen.example import build_example

SCHEMES = {"light": "default", "dark": "slate"}  # of the system → as Material names it
WIDTHS = (390, 1280)
ALL_LIVE = """document.querySelectorAll(".tg-chart--live").length === document.querySelectorAll(".tg-chart").length"""


def chromium() -> str:
    """Path of the browser: ``TINYGPT_CHROMIUM``, the Debian package's, or one on the search path."""
    candidates = [
        os.environ.get("TINYGPT_CHROMIUM"), "/usr/bin/chromium", shutil.which("chromium"),
        shutil.which("chromium-browser"), shutil.which("google-chrome"),
    ]  # fmt: skip
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return candidate
    raise FileNotFoundError("no Chromium: apt-get install chromium, or set TINYGPT_CHROMIUM to its path")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltSite:
    return build_example(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def address(built: BuiltSite) -> Iterator[str]:
    with make_server(built.output) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://{HOST}:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield started
        started.close()


class Watched:
    """A page whose requests and console are kept."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on(
            "console",
            lambda message: self.complaints.append(message.text) if message.type in {"error", "warning"} else None,
        )

    def foreign(self, address: str) -> list[str]:
        """Requests to anything but the server under test."""
        return [url for url in self.requests if not url.startswith((address, "data:", "blob:"))]


def scroll_through(page: Page) -> None:
    """Bring everything into view once, as a reader would."""
    page.evaluate(
        """async () => {
            for (let y = 0; y < document.body.scrollHeight; y += 500) {
                window.scrollTo(0, y);
                await new Promise((done) => setTimeout(done, 20));
            }
        }"""
    )


def addresses(built: BuiltSite) -> list[str]:
    pages = [path.relative_to(built.output).as_posix() for path in sorted(built.output.rglob("index.html"))]
    return [page.removesuffix("index.html") for page in pages]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_quiet_self_contained_and_fits(
    browser: Browser, built: BuiltSite, address: str, scheme: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    for page_address in addresses(built):
        watched = Watched(context)
        page = watched.page
        page.goto(address + page_address)
        assert (
            page.locator("body").get_attribute("data-md-color-scheme") == {"light": "default", "dark": "slate"}[scheme]
        )
        scroll_through(page)
        page.wait_for_function(ALL_LIVE, timeout=20_000)
        sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert sideways == 0, f"{page_address} scrolls sideways by {sideways} px at {width} px"
        assert watched.complaints == [], page_address
        assert watched.foreign(address) == [], page_address
        assert page.title() != "hacked", page_address
        loads_vega = any("/vendor/" in url for url in watched.requests)
        assert loads_vega == (page.locator(".tg-chart").count() > 0), page_address
        page.close()
    context.close()


def test_the_menu_redraws_and_the_colour_scheme_keeps_what_was_chosen(browser: Browser, address: str) -> None:
    context = browser.new_context(color_scheme="light")
    watched = Watched(context)
    page = watched.page
    page.goto(address + "speedup/")
    figure = page.locator("#figure-speedup")
    figure.locator(".tg-chart--live").wait_for()
    assert figure.locator("svg.marks").get_by_text("1× = python").count() == 1
    figure.locator("select").select_option("vectorized")
    figure.locator("svg.marks").get_by_text("1× = vectorized").wait_for()

    page.locator("label[title='Switch to dark colours']").click()
    figure.locator(".tg-chart[data-scheme=dark]").wait_for()
    assert figure.locator("select").input_value() == "vectorized"
    assert figure.locator("svg.marks").get_by_text("1× = vectorized").count() == 1
    assert figure.locator(".tg-live").count() == 1
    assert watched.complaints == []
    context.close()


def test_pointing_at_a_mark_tells_where_it_comes_from(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(address + "speedup/")
    figure = page.locator("#figure-speedup")
    figure.locator(".tg-chart--live").wait_for()
    tip = page.locator("#vg-tooltip-element.visible")
    marks = figure.locator("svg.marks path[aria-roledescription=point]")
    # Forced: marks of two machines may lie on each other, and either has a tooltip.
    figure.locator("svg.marks path[aria-label*='times faster: ']").last.hover(force=True)
    tip.wait_for()
    for part in ("engine", "times faster", "interval", "machine", "protocol", "invoke bench --presets"):
        assert part in tip.inner_text()
    marks.last.hover(force=True)
    tip.get_by_text("no step within 600 s").wait_for()
    assert page.locator("#vg-tooltip-element img").count() == 0
    context.close()


def test_instant_navigation_keeps_the_page_and_brings_charts_to_life(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    watched = Watched(context)
    page = watched.page
    page.goto(address)
    page.locator(".tg-chart--live").first.wait_for()
    page.evaluate("window.sameDocument = true")
    page.locator(".md-typeset a", has_text="samples").first.click()
    page.wait_for_url("**/samples/")
    page.locator(".tg-sample").first.wait_for()
    page.locator(".md-sidebar--primary a", has_text="Speedup curve").first.click()
    page.wait_for_url("**/speedup/")
    page.locator("#figure-speedup .tg-chart--live").wait_for()
    assert page.evaluate("window.sameDocument") is True
    assert sum("vega.min.js" in url for url in watched.requests) == 1
    assert page.locator("table[data-sortable=ready]").count() > 0
    assert watched.complaints == []
    assert watched.foreign(address) == []
    context.close()


def test_a_table_sorts_by_value_and_not_by_text(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(address + "status/")
    table = page.locator(".tg-table", has_text="d_model").locator("table")
    heading = table.get_by_role("button", name="parameters")
    heading.click()
    heading.click()
    assert table.locator("tbody tr td").first.inner_text() == "behemoth"
    assert table.locator("th[aria-sort=descending]").inner_text().startswith("parameters")
    context.close()


def test_with_scripts_off_every_figure_is_a_picture_with_a_table(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 6000})
    page = context.new_page()
    page.goto(address + "speedup/")
    figures = page.locator(".tg-figure")
    assert figures.count() == 6
    for index in range(6):
        figure = figures.nth(index)
        picture = figure.locator("img.tg-only-light")
        picture.scroll_into_view_if_needed()
        assert picture.is_visible()
        assert not figure.locator("img.tg-only-dark").is_visible()
        assert len(picture.get_attribute("alt") or "") > 40
        box = picture.bounding_box()
        assert box is not None
        assert box["width"] > 400
        assert figure.locator("table tbody tr").count() > 0
    context.close()


def test_a_missing_page_gets_the_sites_own_404(browser: Browser, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(address + "no/such/page/")
    assert answer is not None
    assert answer.status == 404
    page.locator(".tg-lost a", has_text="Status").click()
    page.locator("h1", has_text="Status").wait_for()
    context.close()
