"""The playground against files, texts and devices that it cannot use: clear words, and the page goes on."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from sitegen.commands.chromium import find_chromium
from sitegen.playground.publish import TRAINABLE
from tests.browser.playing import Playground, start_training
from tests.foreign_checkpoints import FOREIGN, LFS_POINTER
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.generation.decoding import generate_text


def with_header(file: bytes, change: Callable[[dict[str, dict[str, object]]], object]) -> bytes:
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + file[8 + length :]


BAD_FILES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "less than 8 bytes"),
    "a picture": (lambda _: b"\x89PNG\r\n\x1a\n" + bytes(500), "header is longer than the file"),
    "no JSON": (lambda _: (20).to_bytes(8, "little") + b"<script>alert(1)</sc" + bytes(9), "header is not JSON"),
    "truncated": (lambda file: file[:-1], "cut short"),
    "too long": (lambda file: file + b"\0", "belong to no tensor"),
    "offsets": (
        lambda file: with_header(file, lambda h: h["ln_f.bias"].update(data_offsets=[0, 80])),
        "leave a gap or overlap",
    ),
    "shape": (lambda file: with_header(file, lambda h: h["ln_f.bias"].update(shape=[2**40, 2**40])), "but 80 bytes"),
    "other shape": (lambda file: with_header(file, lambda h: h["ln_f.bias"].update(shape=[4, 5])), "makes it 20"),
    "dtype": (lambda file: with_header(file, lambda h: h["ln_f.bias"].update(dtype="I32")), "holds I32"),
    "name": (lambda file: with_header(file, lambda h: h.update(x=h.pop("ln_f.bias"))), 'no parameter "ln_f.bias"'),
    "not finite": (lambda file: file[:-4] + np.float32(np.nan).tobytes(), "not finite"),
}


def test_files_that_cannot_be_used_are_refused_in_words(
    playground: Playground, folder: Path, odd: Checkpoint, tmp_path: Path
) -> None:
    page, status = playground.page, playground.status("generate")
    playground.open_checkpoint(folder / "config.json", folder / "model.safetensors")
    about = playground.wait_for(playground.part("generate").locator(".tgp-model"), "Your checkpoint")
    good = (folder / "model.safetensors").read_bytes()
    bad = tmp_path / "model.safetensors"
    for spoil, message in BAD_FILES.values():
        bad.write_bytes(spoil(good))
        playground.open_checkpoint(folder / "config.json", bad)
        playground.wait_for(status, message)
    playground.open_checkpoint(folder / "model.safetensors")
    playground.wait_for(status, "Choose two files together")
    config = tmp_path / "config.json"
    for key, value, message in (
        ("n_layer", 3, "describes 40"), ("n_embd", 10**9, "n_embd 1000000000"), ("activation_function", "relu", "relu"),
        ("n_head", 3, "does not divide"),
    ):  # fmt: skip
        config.write_text(json.dumps(json.loads((folder / "config.json").read_text()) | {key: value}))
        playground.open_checkpoint(config, folder / "model.safetensors")
        playground.wait_for(status, message)
    assert playground.part("generate").locator(".tgp-model").inner_text() == about
    page.get_by_label("Tokens").fill("10")
    page.get_by_role("button", name="Write").click()
    playground.wait_for(status, "10 tokens")


def test_folders_of_other_programs_load_as_the_same_model_or_are_refused(
    playground: Playground, odd: Checkpoint, tmp_path: Path
) -> None:
    """The table that Python's reader is tested with, too."""
    files = [tmp_path / "config.json", tmp_path / "model.safetensors"]
    status = playground.status("generate")
    counts = itertools.count(8)  # of tokens: another one each time, so that no text is taken for the one before

    def open_files(*contents: bytes) -> None:
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(content)
        playground.open_checkpoint(*files)

    plain = FOREIGN["as it is"].files(odd.config, odd.weights)
    open_files(*plain)
    longest = playground.write(60)
    for name, foreign in FOREIGN.items():
        open_files(*foreign.files(odd.config, odd.weights))
        if not foreign.loads:
            playground.wait_for(status, re.compile("config.json has|The file"))
            open_files(*plain)
        text = playground.write(next(counts))
        assert longest.startswith(text) or name == "float16", name
    open_files(plain[0], LFS_POINTER)
    playground.wait_for(status, "Git LFS")


def test_settings_and_texts_that_cannot_be_used_are_refused_in_words(
    playground: Playground, folder: Path, odd: Checkpoint
) -> None:
    page = playground.page
    page.get_by_role("button", name="Write").click()
    playground.wait_for(playground.status("generate"), "no model yet")
    playground.open_checkpoint(folder / "config.json", folder / "model.safetensors")
    playground.part("generate").locator(".tgp-model", has_text="Your checkpoint").wait_for()
    page.get_by_label("Prompt", exact=True).fill("é" * 21)
    page.get_by_role("button", name="Write").click()
    playground.wait_for(playground.status("generate"), "42 bytes; this model's context has 41")
    page.get_by_label("Top-k").fill("300")
    page.get_by_role("button", name="Write").click()
    playground.wait_for(playground.status("generate"), 'Top-k is "300"')
    page.get_by_label("Text", exact=True).select_option("own")
    for text, message in (("  \n", "The text is empty"), ("x" * 50, "at least 66")):
        page.get_by_label("Your text").fill(text)
        start_training(playground, steps=5)
        playground.wait_for(playground.status("train"), message)


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
    training.get_by_label("Preset").select_option("absurd")
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
            opened.wait_for(opened.status("generate"), "20 tokens")
            text = opened.part("generate").locator(".tgp-text").evaluate("e => e.textContent")
            opened.close()
            browser.close()
        return notice, text

    with ThreadPoolExecutor(1) as pool:
        notice, text = pool.submit(look).result()
    assert "no WebAssembly SIMD" in notice
    prompt = "Once upon a time"
    assert text == prompt + generate_text(odd, prompt, 20, temperature=0)
