"""The built site in a real browser: no error, no foreign request, no sideways scrolling, and charts that live.

Chromium is required: without it these tests fail, because a site that nobody looked at is not checked.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.watching import Watched, buttons, choose, chosen, read_first_chart


def test_the_menu_redraws_and_the_colour_scheme_keeps_what_was_chosen(browser: Browser, address: str) -> None:
    context = browser.new_context(color_scheme="light")
    watched = Watched(context)
    page = watched.page
    page.goto(address + "speedup/")
    figure = page.locator("#figure-speedup")
    read_first_chart(page)
    assert figure.locator("svg.marks").get_by_text("times as fast as python").count() == 1
    choose(figure, "vectorized")
    figure.locator("svg.marks").get_by_text("times as fast as vectorized").wait_for()

    page.locator("label[title='Switch to dark colours']").click()
    figure.locator(".tg-chart[data-scheme=dark]").wait_for()
    assert chosen(figure) == "vectorized"
    assert figure.locator("svg.marks").get_by_text("times as fast as vectorized").count() == 1
    assert figure.locator(".tg-live").count() == 1
    assert watched.complaints == []
    context.close()


@pytest.mark.parametrize(("width", "height"), [(412, 823), (1350, 940)])
@pytest.mark.parametrize("place", ["", "speedup/"])
def test_nothing_moves_when_a_picture_becomes_a_chart(
    browser: Browser, address: str, place: str, width: int, height: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
    page = context.new_page()
    page.add_init_script(
        """window.moved = 0;
        new PerformanceObserver((list) => { for (const shift of list.getEntries()) moved += shift.value; })
            .observe({ type: "layout-shift", buffered: true });"""
    )
    page.goto(address + place)
    read_first_chart(page)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert page.evaluate("moved") < 0.02
    context.close()


def test_long_tables_scroll_by_themselves_and_can_be_reached(speedup_page: Page) -> None:
    page = speedup_page
    tables = page.locator(".tg-table--full")
    assert tables.count() > 0
    for index in range(tables.count()):
        table = tables.nth(index)
        table.evaluate("(table) => { const folded = table.closest('details'); if (folded) folded.open = true; }")
        table.scroll_into_view_if_needed()
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")  # laid out now
        assert table.evaluate("(table) => table.scrollHeight > table.clientHeight && table.tabIndex === 0")


def test_pointing_at_a_mark_tells_where_it_comes_from(speedup_page: Page) -> None:
    page = speedup_page
    figure = page.locator("#figure-speedup")
    read_first_chart(page)
    buttons(figure, "Machine").locator("input:not(:checked)").first.check(force=True)  # the published rows
    choose(figure, "numpy")  # measured in enough rounds for intervals
    figure.locator("svg.marks").get_by_text("times as fast as numpy").wait_for()
    tip = page.locator(".tg-tip--visible")
    marks = figure.locator("svg.marks path[aria-roledescription=point]")
    # Forced: marks of two machines may lie on each other, and either has a tooltip.
    marks.and_(figure.locator("[aria-label*=vectorized][aria-label*=huge][aria-label*='value: ']")).last.hover(
        force=True
    )
    tip.wait_for()
    for part in ("engine", "value", "interval", "machine", "protocol", "invoke bench --presets"):
        assert part in tip.inner_text()
    marks.and_(figure.locator("[aria-label*='no step within 600 s']")).last.hover(force=True)
    tip.get_by_text("no step within 600 s").wait_for()
    assert tip.locator("dl > :not(dt, dd)").count() == 0


def test_instant_navigation_keeps_the_page_and_brings_charts_to_life(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    read_first_chart(page)
    page.evaluate("window.sameDocument = true")
    page.locator(".md-typeset a", has_text="gallery").first.click()
    page.wait_for_url("**/gallery/")
    page.locator(".tg-sample").first.wait_for()
    page.locator(".md-tabs a", has_text="Results").first.click()
    page.wait_for_url("**/speedup/")
    read_first_chart(page)
    assert page.evaluate("window.sameDocument") is True
    assert sum("vega-charts.min.js" in url for url in watched.requests) == 1
    assert page.locator("table[data-sortable=ready]").count() > 0
    assert watched.complaints == []
    assert watched.foreign(address) == []


def test_a_table_sorts_by_value_and_not_by_text(desktop: BrowserContext, address: str) -> None:
    page = desktop.new_page()
    page.goto(address + "status/")
    table = page.locator(".tg-table", has_text="d_model").locator("table")
    heading = table.get_by_role("button", name="parameters")
    heading.click()
    heading.click()
    assert table.locator("tbody tr td").first.inner_text() == "behemoth"
    assert table.locator("th[aria-sort=descending]").inner_text().startswith("parameters")


def test_with_scripts_off_every_figure_is_a_picture_and_leads_to_its_rows(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 6000})
    page = context.new_page()
    page.goto(address + "speedup/")
    figures = page.locator(".tg-figure:not(.tg-figure--empty)")
    assert figures.count() >= 5
    for index in range(figures.count()):
        figure = figures.nth(index)
        picture = figure.locator("img.tg-only-light")
        picture.scroll_into_view_if_needed()
        assert picture.is_visible()
        assert not figure.locator("img.tg-only-dark").is_visible()
        assert len(picture.get_attribute("alt") or "") > 40
        box = picture.bounding_box()
        assert box is not None
        assert box["width"] > 400
        assert (figure.locator("details a").get_attribute("href") or "").endswith("/#rows")
    page.goto(address + "embed/speedup/#rows")
    assert page.locator("#rows tbody tr").first.is_visible()
    context.close()


def test_folded_texts_come_when_they_are_unfolded_and_have_a_page(browser: Browser, address: str) -> None:
    context = browser.new_context()
    watched = Watched(context)
    page = watched.page
    page.goto(address + "gallery/")
    model = page.locator(".tg-model").first
    assert model.locator(".tg-sample pre").count() == 1
    folded = model.locator("details").first
    href = folded.locator("a").evaluate("(link) => link.href")
    folded.locator("summary").click()
    folded.locator(".tg-sample pre").last.wait_for()
    brought = folded.locator(".tg-sample").count()
    assert folded.locator("a").count() == 0
    assert watched.complaints == []
    page.goto(href)
    assert page.locator("#seeds .tg-sample").count() == brought > 1
    context.close()


def test_a_missing_page_gets_the_sites_own_404(browser: Browser, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(address + "no/such/page/")
    assert answer is not None
    assert answer.status == 404
    page.locator(".tg-lost a", has_text="Status").click()
    page.locator("h1", has_text="vectorized is measured at").wait_for()
    context.close()
