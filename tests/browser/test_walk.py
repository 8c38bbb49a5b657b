"""One step by hand in Chromium: walked by buttons, keys, the slider and the graph; all steps without scripts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tinygpt.learn.by_hand_steps import BACKWARD, FORWARD, STEPS

LAST = len(STEPS)


@pytest.fixture
def page(desktop: BrowserContext, address: str) -> Iterator[Page]:
    opened = desktop.new_page()
    opened.goto(address + "learn/by_hand/")
    opened.locator(".tg-walk--live").wait_for()
    yield opened


def expect_step(page: Page, number: int) -> None:
    """One step is visible, its node is marked, and as many nodes have numbers and gradients as steps have been made."""
    step = STEPS[number - 1]
    visible = page.locator(".tg-walk__step--current")
    expect(visible).to_have_count(1)
    expect(visible).to_be_visible()
    expect(visible.locator("p").first).to_have_text(f"{number}. {step.way.capitalize()}. {step.title}")
    expect(page.locator(".tg-walk__step:visible")).to_have_count(1)
    expect(page.locator(".tg-walk output")).to_have_text(f"Step {number} of {LAST}, {step.way}")
    current = page.locator(".tg-walk__node--current").evaluate_all("nodes => nodes.map((node) => node.dataset.node)")
    assert current == [step.node] * bool(step.node)
    expect(page.locator(".tg-walk__node--number")).to_have_count(min(number, len(FORWARD)))
    gradients = min(max(0, number - len(FORWARD)), len(BACKWARD))
    expect(page.locator(".tg-walk__node--gradient")).to_have_count(gradients)


def test_buttons_walk_forward_and_back_and_stop_at_the_ends(page: Page) -> None:
    previous, following = page.locator(".tg-walk button").all()
    expect_step(page, 1)
    expect(previous).to_be_disabled()
    height = page.locator(".tg-walk").bounding_box()
    for number in range(2, LAST + 1):
        following.click()
        if number in (2, len(FORWARD), len(FORWARD) + 1, LAST):
            expect_step(page, number)
    expect(following).to_be_disabled()
    previous.click()
    expect_step(page, LAST - 1)
    assert page.locator(".tg-walk").bounding_box() == height, "nothing below the figure moves"


def test_arrow_keys_walk_from_the_slider_and_from_the_buttons(page: Page) -> None:
    page.locator(".tg-walk input").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect_step(page, 3)
    page.locator(".tg-walk button").last.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect_step(page, 2)
    page.keyboard.press("End")
    expect_step(page, LAST)
    assert page.locator(".tg-walk input").get_attribute("aria-valuetext") == f"{LAST} of {LAST}, update"


def test_a_click_on_a_node_leads_to_its_number_and_on_the_way_back_to_its_gradient(page: Page) -> None:
    forward, backward = ([step.node for step in steps] for steps in (FORWARD, BACKWARD))
    node = page.locator(".tg-walk__node[data-node='S']")
    node.click()
    expect_step(page, 1 + forward.index("S"))
    page.locator(".tg-walk input").fill(str(LAST))
    node.click()
    expect_step(page, 1 + len(FORWARD) + backward.index("S"))


def test_without_scripts_all_steps_are_on_the_page(browser: Browser, address: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(address + "learn/by_hand/")
        assert page.locator(".tg-walk__step:visible").count() == LAST
        assert page.locator(".tg-walk__controls:visible").count() == 0
        assert page.locator(".tg-walk__graph").is_visible()
