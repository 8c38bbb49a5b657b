"""Tables and code in a real browser: none is cut without a sign, and a table for each machine is chosen by a button."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

# Every region that is narrower than its content, and that does not fade there or cannot be reached by keyboard; and
# every table that reaches out of the page without a region around it.
CUT_WITHOUT_A_SIGN = """() => {
  const bad = [];
  for (const region of document.querySelectorAll(".tg-table, .md-typeset__scrollwrap:not(.tg-table *), pre > code")) {
    if (!region.checkVisibility() || region.scrollWidth <= region.clientWidth + 1) continue;
    const style = getComputedStyle(region);
    const signed = /right/.test(region.dataset.cut ?? "") && style.maskImage.includes("gradient");
    const name = region.getAttribute("aria-label") ?? region.textContent.slice(0, 60);
    if (!signed || region.tabIndex !== 0) bad.push(name);
  }
  for (const table of document.querySelectorAll(".md-content table")) {
    const region = table.closest(".tg-table, .md-typeset__scrollwrap");
    const right = (region ?? table).getBoundingClientRect().right;
    if (table.checkVisibility() && right > innerWidth + 1) bad.push(table.textContent.slice(0, 60));
  }
  return bad;
}"""


# Headings whose lines below the first are on each other.
COVERED_HEADINGS = """() => [...document.querySelectorAll("th")].filter((heading) => {
  const boxes = [...heading.querySelectorAll("small")].map((line) => line.getBoundingClientRect());
  return boxes.some((box, i) => i && box.top < boxes[i - 1].bottom - 1);
}).map((heading) => heading.textContent)"""


def open_all(page: Page, address: str) -> None:
    """Open a page with all that is folded, and wait until its regions are measured."""
    page.goto(address)
    page.evaluate(
        """async () => {
          for (const folded of document.querySelectorAll("details")) folded.open = true;
          const frames = async () => {
            for (let frame = 0; frame < 3; frame++) await new Promise((done) => requestAnimationFrame(done));
          };
          while (document.querySelector("details[open] > [data-part]")) await frames();
          await frames();
          for (const table of document.querySelectorAll(".tg-table--full")) { // laid out once they are seen
            table.scrollIntoView();
            await frames();
          }
        }"""
    )


@pytest.mark.parametrize("width", [390, 1280])
def test_no_table_and_no_code_is_cut_without_a_sign(browser: Browser, address: str, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        for place in ("quickstart/", "status/", "peers/", "speedup/", "accelerators/", "numbers/", "method/"):
            open_all(page, address + place)
            assert page.evaluate(CUT_WITHOUT_A_SIGN) == [], place
            assert page.evaluate(COVERED_HEADINGS) == [], place


def test_the_sign_is_gone_where_nothing_is_left(browser: Browser, address: str) -> None:
    with browser.new_context(viewport={"width": 390, "height": 900}) as context:
        page = context.new_page()
        open_all(page, address + "status/")
        table = page.wait_for_selector(".tg-table[data-cut~=right]")
        assert table is not None
        table.evaluate("(region) => region.scrollTo(region.scrollWidth, 0)")
        page.wait_for_function("(region) => /^left( bottom)?$/.test(region.dataset.cut)", arg=table)
        shadow = table.eval_on_selector("td", "(cell) => getComputedStyle(cell).boxShadow")
        assert shadow != "none"


def test_a_button_shows_the_tables_of_one_machine(browser: Browser, address: str) -> None:
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.goto(address + "status/")
        choice = page.get_by_role("group", name="Machine").first
        first, second = choice.get_by_role("radio").all()[:2]
        facets = page.locator(".tg-facets").first.locator(":scope > .tg-facet")
        assert [facets.nth(index).is_visible() for index in (0, 1)] == [True, False]
        first.press("ArrowRight")
        assert [facets.nth(index).is_visible() for index in (0, 1)] == [False, True]
        assert second.is_checked()
