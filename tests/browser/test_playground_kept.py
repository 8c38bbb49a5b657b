"""Trainings that the browser keeps: over a reload, beside a link, in two tabs, and no more than a few."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.playing import Playground, start_training
from tests.browser.watching import wait_until

KEPT = """() => new Promise((done) => {
    const opening = indexedDB.open("tinygpt-playground");
    opening.onsuccess = () => {
        const all = opening.result.transaction("trainings").objectStore("trainings").getAll();
        all.onsuccess = () => {
            opening.result.close();
            done(all.result.map(({ model }) => model.updates).sort((a, b) => a - b));
        };
    };
})"""
AT_MOST = 4


def trained(playground: Playground, steps: int) -> None:
    start_training(playground, steps)
    playground.wait_for(playground.status("train"), f"Done: {steps} steps")


def gone_on(playground: Playground, steps: int) -> None:
    playground.page.get_by_label("Steps").fill(str(steps))
    playground.page.get_by_role("button", name="Continue").click()
    playground.wait_for(playground.status("train"), f"Done: {steps} more steps")


def test_a_reload_soon_after_the_start_loses_little(playground: Playground) -> None:
    page = playground.page
    start_training(playground, steps=100_000)
    playground.wait_for(playground.status("train"), "steps per second")
    assert len(page.evaluate(KEPT)) == 1  # saved as it began
    wait_until(page, f"({KEPT})().then((steps) => steps[0] > 0)")
    page.reload()
    playground.wait_until_ready()
    page.get_by_role("button", name=re.compile("Continue tiny from step [1-9]")).wait_for()
    expect(playground.part("loss").locator(".tgp-live .tgp-line-0")).to_have_count(2)  # and its sample in the legend


def test_a_link_opens_its_own_experiment_and_the_kept_ones_are_in_the_menu(playground: Playground) -> None:
    trained(playground, steps=3)
    other = playground.beside("?text=copy&seed=4")
    assert "Other trainings are kept" in other.part("status").inner_text()
    assert "No model yet" in other.part("text").locator(".tgp-model").inner_text()
    assert other.page.get_by_label("Text", exact=True).input_value() == "copy"
    menu = other.part("text").get_by_label("Model")
    menu.select_option(menu.locator("option", has_text="3 steps, kept here").get_attribute("value"))
    expect(other.page.get_by_role("button", name="Continue tiny from step 3")).to_be_visible()
    other.page.goto(f"{other.site}playground/?size=tiny&seed=0&steps=9")
    other.wait_until_ready()
    expect(other.page.get_by_role("button", name="Continue tiny from step 3")).to_be_visible()
    assert other.complaints == []
    other.page.close()


def test_two_tabs_that_go_on_with_one_training_keep_both(playground: Playground) -> None:
    trained(playground, steps=3)
    other = playground.beside()
    gone_on(other, steps=2)
    assert playground.page.evaluate(KEPT) == [5]
    gone_on(playground, steps=4)
    gone_on(other, steps=3)
    assert playground.page.evaluate(KEPT) == [7, 8]
    assert other.complaints == []
    other.page.close()


def test_the_newest_are_kept_and_the_line_names_one_that_made_room(playground: Playground) -> None:
    for steps in range(1, AT_MOST + 2):
        trained(playground, steps)
    told = playground.status("train").inner_text()
    assert "saved in this browser in place of the oldest there, tiny, trained on" in told
    assert playground.page.evaluate(KEPT) == [*range(2, AT_MOST + 2)]
    playground.page.get_by_role("button", name="Delete the saved model").click()
    playground.wait_for(playground.status("text"), "Deleted")
    assert playground.page.evaluate(KEPT) == [*range(2, AT_MOST + 1)]
