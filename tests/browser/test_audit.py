"""Audits of every page that a browser can make in seconds; the slow ones are `invoke audit`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urldefrag, urljoin
from urllib.request import ProxyHandler, build_opener

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page

from sitegen.build.html_addresses import addresses_of
from sitegen.build.site import BuiltSite
from sitegen.commands.audit import pages_of
from sitegen.text.html_tree import read_html
from sitegen.text.palette import DARK, LIGHT
from tests.browser.watching import HACKED, Watched, one_ahead, read_first_chart, scroll_through, shown_texts, wait_until

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
# It goes on while the next page is opened.
START_AXE = """() => {
    const tell = (id, { target, html }) => `${id}: ${target} ${html.slice(0, 120)}`;
    window.audited = axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
        violations.flatMap(({ id, nodes }) => nodes.map((node) => tell(id, node)))
    );
}"""
READY = "document.querySelectorAll('.tg-chart--live').length === document.querySelectorAll('.tg-chart').length"

# A walk over all of them takes ten minutes: `invoke browser --every-page`.
ONE_OF_EACH_KIND = (
    "", "404.html", "quickstart/", "speedup/", "gallery/", "playground/", "status/", "embed/", "embed/speedup/",
    "derivations/attention/", "fast/attention/", "learn/by_hand/", "learn/glossary/", "learn/gpt/",
    "reference/engines/", "qa_log/", "roadmap/", "devlog/", "devlog/2026/11/23/the-curve-so-far/",
)  # fmt: skip

SOME = ("", "speedup/", "learn/by_hand/", "playground/", "status/", "embed/speedup/", "qa_log/")

# Bytes over the wire, compressed, on a first visit. Material's own script and style are 60 KB of each.
CHART_PAGE = 300_000  # when the reader has seen every figure
PLAYGROUND = 186_000  # with engines, kernels, shaders and all panels
OTHER_PAGE = 100_000
MODELS = "/playground/models/"  # loaded once the page is ready, and not where the reader saves data


@pytest.mark.parametrize(("scheme", "width", "names"), [("light", 1280, ONE_OF_EACH_KIND), ("dark", 390, SOME)])
def test_every_page_is_quiet_fits_is_light_and_accessible(
    browser: Browser, built: BuiltSite, address: str, scheme: str, width: int, names: tuple[str, ...]
) -> None:
    """One walk for everything that needs a page to be open: each page as a first visit, with nothing in the cache."""
    found: dict[str, list[str]] = {}
    pages = pages_of(built.output)
    assert set(names) <= set(pages)

    def first_visit(name: str) -> tuple[str, Watched, int]:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        context.add_init_script(AXE)
        watched = Watched(context)
        watched.page.goto(address + name)
        scroll_through(watched.page)
        wait_until(watched.page, READY)
        watched.page.wait_for_load_state("networkidle")
        weight = watched.bytes_received(but=MODELS)
        watched.page.evaluate(START_AXE)
        return name, watched, weight

    for name, watched, weight in one_ahead(map(first_visit, pages if "TINYGPT_EVERY_PAGE" in os.environ else names)):
        page = watched.page
        limit = limit_of(page)
        complaints = page.evaluate("window.audited") + watched.complaints + watched.foreign(address)
        if weight > limit or weight < 10_000:
            complaints.append(f"{weight} bytes, and {limit} are allowed")
        if sideways := page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"):
            complaints.append(f"scrolls sideways by {sideways} px")
        if page.evaluate(HACKED):
            complaints.append("ran foreign code")
        if any("search/pages" in url for url in watched.requests):
            complaints.append("loads the search index before anybody searches")
        loads_vega = any("/vendor/" in url for url in watched.requests)
        if loads_vega != (page.locator(".tg-chart").count() > 0):
            complaints.append("loads Vega without a chart, or has a chart without Vega")
        if complaints:
            found[name] = complaints
        page.context.close()
    assert not found, "\n".join(f"{name}: {complaint}" for name, told in found.items() for complaint in told)


def limit_of(page: Page) -> int:
    """A page's allowed weight, which depends on its contents."""
    for selector, limit in ((".tg-chart", CHART_PAGE), (".tg-playground", PLAYGROUND)):
        if page.locator(selector).count():
            return limit
    return OTHER_PAGE


def test_the_search_works_though_its_index_comes_only_when_it_is_opened(watched: Watched, address: str) -> None:
    watched.page.goto(address)
    watched.page.wait_for_load_state("networkidle")
    assert not any("search/pages" in url for url in watched.requests)
    watched.page.get_by_role("textbox", name="Search").press_sequentially("softmax")
    watched.page.locator(".md-search-result__item a").first.wait_for()
    assert sum("search/pages" in url for url in watched.requests) == 1
    assert watched.complaints == []


def test_below_a_deep_folder_every_link_leads_somewhere(built: BuiltSite, published: str) -> None:
    """Followed from the home page over HTTP, as a reader or a search engine would."""
    browse = build_opener(ProxyHandler({})).open
    waiting, seen, broken = [published], {published}, []
    while waiting:
        address = waiting.pop()
        try:
            with browse(address) as answer:
                text = answer.read() if answer.headers.get_content_type() == "text/html" else b""
        except HTTPError as error:
            broken.append(f"{address}: {error.code}")
            continue
        for link in links_of(address, text):
            if link.startswith(published) and link not in seen:
                seen.add(link)
                waiting.append(link)
    assert broken == []
    visited = {address.removeprefix(published).removesuffix("index.html") for address in seen}
    # A frame with local rows is linked where its figure is shown, and not every figure is.
    own = ("pinned/", "404", "embed/step_time-with-local-rows/")
    listed = {name for name in pages_of(built.output) if not name.startswith(own)}
    assert listed - visited == set()


def links_of(address: str, text: bytes) -> Iterator[str]:
    """Addresses that a page loads, links to or states as its own, absolute and without queries."""
    page = addresses_of(read_html(text.decode()))
    for _, link in (*page.linked, *page.loaded, *page.shared):
        yield re.sub(r"\?.*", "", urldefrag(urljoin(address, link))[0])


@pytest.mark.parametrize("name", ["", "derivations/attention/", "404.html"])
def test_below_a_deep_folder_pages_work_in_a_browser(browser: Browser, published: str, name: str) -> None:
    context = browser.new_context()
    watched = Watched(context)
    watched.page.goto(published + name)
    watched.page.evaluate("window.sameDocument = true")
    watched.page.locator(".md-tabs a, .tg-lost a", has_text="Quickstart").first.click()
    watched.page.wait_for_url("**/some/sub/path/quickstart/")
    watched.page.locator("h1", has_text="in five minutes").wait_for()
    assert watched.page.evaluate("window.sameDocument === true")
    assert watched.complaints == []
    assert watched.foreign(published) == []
    context.close()


def test_paper_is_light_complete_and_without_controls(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 800, "height": 1000}, color_scheme="dark")
    page = context.new_page()
    page.goto(address + "speedup/")
    read_first_chart(page)
    assert color_of(page, ".md-typeset") == rgb(DARK.ink)
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert color_of(page, ".md-typeset") == rgb(LIGHT.ink)
    for control in (".md-header", ".md-tabs", ".md-sidebar", ".md-footer", ".tg-downloads", ".tg-menus", ".headerlink"):
        assert not page.locator(control).first.is_visible(), control
    assert page.locator("#figure-speedup svg.marks").is_visible()
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    context.close()


def color_of(page: Page, selector: str) -> str:
    return page.locator(selector).first.evaluate("element => getComputedStyle(element).color")


def rgb(color: str) -> str:
    return "rgb({}, {}, {})".format(*(int(color[i : i + 2], 16) for i in (1, 3, 5)))


def test_a_long_table_filters_and_says_how_much_is_left(speedup_page: Page) -> None:
    page = speedup_page
    figure = page.locator("#figure-speedup")
    figure.locator("summary").click()
    rows = figure.locator("tbody tr")
    rows.first.wait_for()
    every = rows.count()
    figure.get_by_label("Filter").fill("VECTORIZED tiny")
    shown = shown_texts(rows)
    assert 0 < len(shown) < every
    assert all("vectorized" in text and "tiny" in text for text in shown)
    assert figure.locator("output").inner_text() == f"{len(shown)} of {every} rows"
    heading = figure.get_by_role("button", name="preset")
    heading.press("Enter")
    assert [text[:6] for text in shown_texts(figure.locator("th[aria-sort=ascending]"))] == ["preset"]
    assert figure.locator("th[aria-sort]").count() == 1
    figure.get_by_label("Filter").fill("")
    assert len(shown_texts(rows)) == every
