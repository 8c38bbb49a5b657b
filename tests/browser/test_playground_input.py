"""The playground against files, texts and devices that it cannot use: clear words, and the page goes on."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from sitegen.commands.chromium import find_chromium
from sitegen.playground.publish import TRAINABLE
from tests.browser.playing import Playground, start_training
from tests.foreign_checkpoints import FOREIGN
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.generation.decoding import generate_text


def test_files_that_cannot_be_used_are_refused_in_words(
    playground: Playground, folder: Path, odd: Checkpoint, tmp_path: Path
) -> None:
    page, status = playground.page, playground.status("text")
    playground.open_checkpoint(folder / "config.json", folder / "model.safetensors")
    about = playground.wait_for(playground.part("text").locator(".tgp-model"), "Your checkpoint")
    good = (folder / "model.safetensors").read_bytes()
    bad = tmp_path / "model.safetensors"
    for foreign in (FOREIGN["truncated"], FOREIGN["no JSON"]):
        bad.write_bytes(foreign.damage(good))
        playground.open_checkpoint(folder / "config.json", bad)
        playground.wait_for(status, foreign.words)
    playground.open_checkpoint(folder / "model.safetensors")
    playground.wait_for(status, "Choose the files of one checkpoint together")
    config = tmp_path / "config.json"
    relu = FOREIGN["relu"]
    config.write_text(json.dumps(json.loads((folder / "config.json").read_text()) | relu.config))
    playground.open_checkpoint(config, folder / "model.safetensors")
    playground.wait_for(status, relu.words)
    assert playground.part("text").locator(".tgp-model").inner_text() == about
    page.get_by_label("Tokens").fill("10")
    page.get_by_role("button", name="Write").click()
    playground.wait_for(status, "10 tokens")


def test_settings_and_texts_that_cannot_be_used_are_refused_in_words(
    playground: Playground, folder: Path, odd: Checkpoint
) -> None:
    page = playground.page
    page.get_by_role("button", name="Write").click()
    playground.wait_for(playground.status("text"), "no model yet")
    playground.open_checkpoint(folder / "config.json", folder / "model.safetensors")
    playground.part("text").locator(".tgp-model", has_text="Your checkpoint").wait_for()
    page.get_by_label("Your words").fill("é" * 21)
    page.get_by_role("button", name="Write").click()
    playground.wait_for(playground.status("text"), "42 bytes; this model's context has 41")
    page.get_by_label("Top-k").fill("300")
    page.get_by_role("button", name="Write").click()
    playground.wait_for(playground.status("text"), 'Top-k is "300"')
    page.get_by_label("Text", exact=True).select_option("own")
    for text, message in (("  \n", "The text is empty"), ("x" * 50, "at least 66")):
        page.get_by_label("Your text").fill(text)
        start_training(playground, steps=5)
        playground.wait_for(playground.status("train"), message)


HALF_WRITTEN = """() => new Promise((done) => {
    const opening = indexedDB.open("tinygpt-playground");
    opening.onsuccess = () => {
        const transaction = opening.result.transaction("trainings", "readwrite");
        const file = new Blob([new ArrayBuffer(100)]);
        transaction.objectStore("trainings").put({ id: "half", savedAt: 1, model: { about: "half" }, file });
        transaction.oncomplete = () => (opening.result.close(), done());
    };
})"""


def test_half_a_kept_model_is_dropped_in_one_line_and_the_page_goes_on(playground: Playground) -> None:
    playground.page.evaluate(HALF_WRITTEN)
    notice = playground.part("status")
    for shown in (True, False):
        playground.page.reload()
        playground.wait_until_ready()
        assert ("could not be read and was deleted" in notice.inner_text()) is shown
    start_training(playground, steps=3)
    playground.wait_for(playground.status("train"), "Done: 3 steps")


def test_memory_that_is_refused_leaves_the_page_working(browser: Browser, site: str) -> None:
    absurd = {
        "name": "absurd", "nLayers": 90, "dModel": 12_288, "nHeads": 96, "contextLength": 512, "batchSize": 16,
        "parameters": 174_000_000_000,
    }  # fmt: skip
    opened = Playground(browser, site, change=lambda index: index["presets"].append(absurd))
    measure, training = opened.part("measure"), opened.part("train")
    for name in TRAINABLE:
        measure.get_by_label(f"{name} (").uncheck()
    measure.get_by_label("absurd (").check()
    measure.get_by_role("button", name="Measure").click()
    opened.wait_for(opened.status("measure"), "refused")
    training.get_by_label("Size", exact=True).select_option("absurd")
    opened.wait_for(training.locator(".tgp-status").first, "more than this device")
    start_training(opened, steps=3)
    opened.wait_for(opened.status("train"), "Done: 3 steps")
    opened.close()


def test_without_simd_plain_javascript_computes_and_says_so(site: str, folder: Path, odd: Checkpoint) -> None:
    # Playwright allows one driver a thread; this browser lives in one of its own.
    def look() -> tuple[str, str]:
        with sync_playwright() as playwright:
            flags = ["--no-sandbox", "--disable-gpu", "--js-flags=--no-enable-sse4-1"]
            browser = playwright.chromium.launch(executable_path=find_chromium("a test"), args=flags)
            opened = Playground(browser, site)
            notice = opened.part("status").inner_text()
            opened.open_checkpoint(folder / "config.json", folder / "model.safetensors")
            opened.page.get_by_label("Tokens").fill("20")
            opened.page.get_by_label("Temperature").fill("0")
            opened.page.get_by_role("button", name="Write").click()
            opened.wait_for(opened.status("text"), "20 tokens")
            text = opened.part("text").locator(".tgp-text").first.evaluate("e => e.textContent")
            opened.close()
            browser.close()
        return notice, text

    with ThreadPoolExecutor(1) as pool:
        notice, text = pool.submit(look).result()
    assert "no WebAssembly SIMD" in notice
    prompt = "Once upon a time"
    assert text == prompt + generate_text(odd, prompt, 20, temperature=0)
