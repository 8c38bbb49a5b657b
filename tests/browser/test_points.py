"""Points of a chart under a finger and under the arrow keys."""

from __future__ import annotations

from playwright.sync_api import Browser, BrowserContext, expect

LIVE = ".tg-chart--live"


def test_a_tap_opens_the_nearest_point_and_a_tap_elsewhere_closes_it(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(address + "embed/step_time/")
    page.locator(LIVE).wait_for()
    box = page.locator(".mark-symbol path[aria-label*='vectorized']").first.bounding_box()
    assert box
    page.touchscreen.tap(box["x"] + box["width"] / 2 + 8, box["y"] + box["height"] / 2 + 8)
    tip = page.locator(".tg-tip--visible")
    expect(tip).to_contain_text("vectorized")
    expect(tip).to_contain_text("to repeat it")
    page.locator(".tg-figure__title").tap()
    expect(tip).to_have_count(0)
    context.close()


def test_the_arrow_keys_go_from_point_to_point(desktop: BrowserContext, address: str) -> None:
    page = desktop.new_page()
    page.goto(address + "embed/step_time/")
    page.locator(LIVE).wait_for()
    plot = page.locator(".tg-plot")
    plot.focus()
    tip = page.get_by_role("status")
    read = []
    for _ in range(3):
        plot.press("ArrowRight")
        expect(page.locator(".tg-at")).to_have_count(1)
        read.append(tip.inner_text())
    assert len(set(read)) == 3
    plot.press("ArrowLeft")
    expect(tip).to_have_text(read[1], use_inner_text=True)
    plot.press("Escape")
    expect(page.locator(".tg-tip--visible")).to_have_count(0)
