"""The playground with a stocked gallery, below a sub-path: it writes unasked, and loads what it needs when it does."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from bench.training.gallery import model_files
from bench.training.gallery_cards import write_folder
from sitegen.build.site import BuiltSite
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.playground.publish import FIRST_MODEL, prompt_of, publish_playground
from sitegen.rows.results import load_results
from sitegen.text.site_folders import GENERATED_URL
from tests import ROOT
from tests.browser.playing import ODD, Playground, served_below, start_training, trembling_weights
from tests.browser.test_audit import AXE, START_AXE
from tests.browser.watching import Watched
from tests.tinygpt.gallery.test_gallery import a_card
from tinygpt.checkpoints.rounded_file import stored_bytes
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import create_engine
from tinygpt.gallery import load_gallery_model
from tinygpt.generation.decoding import generate_text
from tinygpt.params import Arrays
from tinygpt.presets import PRESETS
from tinygpt.rounding import quantize

TINY = PRESETS["tiny"].model
VERSE = "ROMEO:\nA little mind that lives inside a page\nHas learnt one verse, and says it to the end.\n\n"
SAVING = "Object.defineProperty(navigator, 'connection', { value: { saveData: true } });"


def learnt_by_heart() -> Arrays:
    """A tiny model that has read nothing but the verse, over and over."""
    engine = create_engine("vectorized", TINY, TrainConfig(batch_size=16, learning_rate=4e-3), seed=0)
    text = np.frombuffer((VERSE * 3).encode(), np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(160):
        starts = rng.integers(0, len(VERSE), 16)
        windows = np.stack([text[start : start + TINY.context_length + 1] for start in starts]).astype(np.int64)
        engine.train_step(windows[:, :-1], windows[:, 1:])
    return engine.state_dict()


def put_on_shelf(shelf: Path, name: str, model: ModelConfig, weights: Arrays, precision: str) -> None:
    data = stored_bytes(quantize(weights, precision))
    shape = {"model": asdict(model), "n_parameters": model.n_parameters}
    write_folder(replace(a_card(data, name), **shape, precision=precision), model_files(data), shelf)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    put_on_shelf(folder, FIRST_MODEL, TINY, learnt_by_heart(), "int8")
    put_on_shelf(folder, "another", ODD, trembling_weights(ODD, seed=1), "float16")
    return folder


@pytest.fixture(scope="module")
def stocked(built: BuiltSite, shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("stocked")
    shutil.copytree(built.output, folder / "site", copy_function=os.link)
    publish_playground(ROOT, folder / "site" / GENERATED_URL, QuotedRows(load_results(folder / "no results")), shelf)
    with served_below(folder / "site", folder / "host") as url:
        yield url


def unchanged(index: dict[str, object]) -> None:
    """The page with all models that the site ships."""


def asked_for_models(opened: Playground) -> list[str]:
    return [url.rpartition("/")[2] for url in opened.requests if "/models/" in url]


def python_text(shelf: Path, name: str, prompt: str, tokens: int) -> str:
    return prompt + generate_text(load_gallery_model(name, shelf), prompt, tokens, temperature=0)


def test_a_first_visit_shows_readable_text_within_ten_seconds_unasked(
    browser: Browser, stocked: str, shelf: Path
) -> None:
    begun = time.monotonic()
    opened = Playground(browser, stocked, change=unchanged)
    opened.wait_for(opened.status("text"), "400 tokens")
    assert time.monotonic() - begun < 10
    shown = opened.part("text").locator(".tgp-text").first.inner_text()
    assert "lives inside a page\nHas learnt one verse" in shown
    assert asked_for_models(opened) == [f"{FIRST_MODEL}.json", f"{FIRST_MODEL}.safetensors"]

    assert opened.write(90) == python_text(shelf, FIRST_MODEL, prompt_of(FIRST_MODEL), 90)

    page = opened.page
    page.get_by_label("Steps").fill("3")
    page.get_by_role("button", name=f"Fine-tune {FIRST_MODEL}").click()
    opened.wait_for(opened.status("train"), "Done: 3 steps")
    about = opened.part("text").locator(".tgp-model").inner_text()
    assert about.startswith(f"{FIRST_MODEL}, trained on ")
    assert "3 steps in this browser" in about

    menu = opened.part("text").get_by_label("Model")
    page.reload()
    opened.wait_until_ready()
    kept = menu.locator("option:checked").inner_text()
    assert re.fullmatch(
        rf"{FIRST_MODEL}, trained on children's stories from a grammar, 3 steps, kept here \d\d:\d\d", kept
    )
    menu.select_option(FIRST_MODEL)
    opened.part("text").locator(".tgp-model", has_text=re.compile(rf"^{FIRST_MODEL}: ")).wait_for()
    menu.select_option(label=kept)
    opened.part("text").locator(".tgp-model", has_text="3 steps in this browser").wait_for()
    page.get_by_role("button", name="Delete the saved model").click()
    opened.wait_for(opened.status("text"), "Deleted")
    assert [text for text in menu.locator("option").all_inner_texts() if "kept" in text] == []

    opened.part("inside").locator(".tgp-attention rect").first.wait_for()
    page.add_script_tag(content=AXE)
    page.evaluate(START_AXE)
    assert page.evaluate("window.audited") == []
    opened.close()


TEN_MEGABITS = {"offline": False, "latency": 20, "downloadThroughput": 10e6 / 8, "uploadThroughput": 10e6 / 8}
SHIFTS = """globalThis.shifted = 0;
new PerformanceObserver((list) => {
    for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) globalThis.shifted += value;
}).observe({ type: "layout-shift", buffered: true });"""
SECONDS_TO_A_TEXT = """() => {
    const text = document.querySelector("[data-playground=text] .tgp-text")?.textContent ?? "";
    return text.length > 60 && performance.now() / 1000;
}"""


@pytest.mark.parametrize("width", [390, 1280])
def test_a_cold_page_at_ten_megabits_writes_within_five_seconds_and_nothing_moves(
    browser: Browser, site: str, width: int
) -> None:
    """The site's own first model, from a host that compresses nothing."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.add_init_script(SHIFTS)
    watched = Watched(context)
    context.new_cdp_session(watched.page).send("Network.emulateNetworkConditions", TEN_MEGABITS)
    watched.page.goto(f"{site}playground/")
    seconds = watched.page.wait_for_function(SECONDS_TO_A_TEXT).json_value()
    assert watched.bytes_received() * 8 / 10e6 < 1.5
    assert seconds < 5
    watched.page.locator("[data-playground=text] .tgp-status", has_text="400 tokens").wait_for()
    assert watched.page.evaluate("shifted") < 0.02
    context.close()


def test_other_models_are_loaded_when_they_are_chosen(browser: Browser, stocked: str, shelf: Path) -> None:
    opened = Playground(browser, stocked, change=unchanged)
    opened.wait_for(opened.status("text"), "400 tokens")
    page, menu = opened.page, opened.part("text").get_by_label("Model")
    weights = "**/models/another.safetensors"
    page.route(weights, lambda route: route.fulfill(status=200, body=b"cut short"))
    menu.select_option("another")
    opened.wait_for(opened.status("text"), "not a whole safetensors file")
    assert menu.input_value() == FIRST_MODEL
    page.unroute(weights)

    menu.select_option("another")
    opened.part("text").locator(".tgp-model", has_text="2 layers, width 20").wait_for()
    assert page.get_by_label("Your words").input_value() == ""
    assert opened.write(60, "Zoë") == python_text(shelf, "another", "Zoë", 60)
    assert asked_for_models(opened).count("another.safetensors") == 2
    opened.close()


def test_where_data_is_saved_a_model_is_loaded_only_when_it_is_asked_to_write(
    browser: Browser, stocked: str, shelf: Path
) -> None:
    opened = Playground(browser, stocked, change=unchanged, script=SAVING)
    about = opened.part("text").locator(".tgp-model")
    assert f"writing loads {FIRST_MODEL}" in about.inner_text()
    opened.page.wait_for_timeout(300)
    assert asked_for_models(opened) == []
    assert opened.write(40) == python_text(shelf, FIRST_MODEL, prompt_of(FIRST_MODEL), 40)
    opened.close()


def test_a_trained_model_is_compared_with_the_gallerys_in_loss_and_text(browser: Browser, stocked: str) -> None:
    opened = Playground(browser, stocked, change=lambda index: index["corpora"][0].update(rival="another"))
    opened.wait_for(opened.status("text"), "400 tokens")
    part = opened.part("compare")
    assert part.get_by_role("button").is_disabled()
    start_training(opened, steps=4)
    opened.wait_for(opened.status("train"), "Done: 4 steps")
    part.get_by_role("button", name="Compare").click()
    opened.wait_for(opened.status("compare"), "judged on the same part of the text")
    yours, gallerys = part.locator(".tgp-page").all_inner_texts()
    assert "after 4 steps" in yours and "another, " in gallerys
    for card in (yours, gallerys):
        assert re.search(r"held-out loss \d\.\d\d", card)
        assert "Once upon a time" in card
    assert "gallery" in opened.part("loss").locator(".tgp-live text").all_text_contents()
    assert len(opened.workers()) == 1
    opened.close()
