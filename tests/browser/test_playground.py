"""The playground, on the built site under a sub-path: as exact as Python, usable, and hard to break."""

from __future__ import annotations

import base64
import json
import math
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from bench.records.checks import to_arrow
from bench.records.schema import ROW_TYPES, TABLES
from sitegen.commands import playground_measure
from sitegen.playground.kernels import compile_kernels
from sitegen.playground.publish import SOURCES
from sitegen.text.palette import LIGHT
from tests import ROOT
from tests.browser.node import encoded, in_page, run_in_node
from tests.browser.playing import (
    MODULES,
    ODD,
    Playground,
    Reference,
    evaluate_module,
    reference,
    start_training,
)
from tests.browser.test_audit import rgb
from tests.browser.watching import wait_until
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.corpora.corpus import Corpus
from tinygpt.corpora.memorization import memorization_warning
from tinygpt.engines import create_engine
from tinygpt.generation.decoding import generate, generate_text
from tinygpt.presets import PRESETS

# ---- as exact as Python --------------------------------------------------------------------------------------------

COMPARE = """(m, { kind, config, rows, tokens, weights, prompt, length }) => {
    const engine = new m.TrainingEngine(config, m.kernels[kind], rows);
    const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
    const map = new Map(Object.entries(weights).map(([name, text]) => [name, floats(text)]));
    engine.load(map);
    const batches = tokens.map((batch) => ({
        inputs: Uint8Array.from(batch.flatMap((row) => row.slice(0, -1))),
        targets: Uint8Array.from(batch.flatMap((row) => row.slice(1))),
    }));
    const text = (array) =>
        btoa(Array.from(new Uint8Array(array.slice().buffer), (b) => String.fromCharCode(b)).join(""));
    const logits = text(engine.forward(batches[0].inputs, rows, config.contextLength));
    engine.lossAndGradients(batches[0].inputs, batches[0].targets);
    const gradients = Object.fromEntries([...engine.gradients()].map(([name, view]) => [name, text(view)]));
    const losses = batches.map(({ inputs, targets }) => engine.trainStep(inputs, targets).loss);
    const reader = new m.ReadingEngine(config, m.kernels[kind]);
    reader.load(map);
    const written = [];
    for (const token of m.generate(reader, Uint8Array.from(prompt), { temperature: 0, topK: 0, seed: 0 })) {
        written.push(token);
        if (written.length === length) break;
    }
    return { logits, gradients, losses, written };
}"""


def compared(page: Page, site: str, ref: Reference, kind: str, prompt: bytes, length: int) -> dict[str, Any]:
    model = ref.model
    answer = evaluate_module(
        page,
        COMPARE,
        [
            site + MODULES,
            {
                "kind": kind,
                "config": in_page(model),
                "rows": ref.tokens.shape[1],
                "tokens": ref.tokens.tolist(),
                "weights": {name: encoded(array) for name, array in ref.weights.items()},
                "prompt": list(prompt),
                "length": length,
            },
        ],
    )  # fmt: skip
    assert isinstance(answer, dict)

    def array(text: str) -> np.ndarray:
        return np.frombuffer(base64.b64decode(text), np.float32)

    gradients = {name: array(text) for name, text in answer["gradients"].items()}
    return answer | {"logits": array(answer["logits"]), "gradients": gradients}


@pytest.fixture(scope="module")
def odd_reference() -> Reference:
    return reference(ODD)


@pytest.mark.parametrize("kind", ["plain", "simd", "relaxed"])
def test_engine_agrees_with_python(
    browser: Browser, site: str, odd: Checkpoint, odd_reference: Reference, kind: str
) -> None:
    page = browser.new_page()
    page.goto(site + "playground/")
    prompt = "Zoë said".encode()
    length = 3 * ODD.context_length  # slides twice
    answer = compared(page, site, odd_reference, kind, prompt, length)
    assert np.abs(answer["logits"] - odd_reference.logits.ravel()).max() < 5e-5
    for name, expected in odd_reference.gradients.items():
        ours = answer["gradients"][name]
        assert np.linalg.norm(ours - expected.ravel()) < 1e-5 * np.linalg.norm(expected), name
    assert answer["losses"] == pytest.approx(odd_reference.losses, abs=1e-4)
    assert answer["written"] == list(islice(generate(odd, prompt, length, temperature=0), length))
    page.close()


def test_a_preset_agrees_with_python(browser: Browser, site: str) -> None:
    ref = reference(PRESETS["tiny"].model, rows=16)
    page = browser.new_page()
    page.goto(site + "playground/")
    answer = compared(page, site, ref, "relaxed", b"Once", 5)
    assert np.abs(answer["logits"] - ref.logits.ravel()).max() < 5e-5
    for name, expected in ref.gradients.items():
        ours = answer["gradients"][name]
        assert np.linalg.norm(ours - expected.ravel()) < 1e-5 * np.linalg.norm(expected), name
    assert answer["losses"] == pytest.approx(ref.losses, abs=1e-4)
    page.close()


@pytest.mark.parametrize(("n_bytes", "preset"), [(5_000, "tiny"), (30_000, "small"), (400_000, "tiny")])
def test_the_memorization_warning_is_pythons(n_bytes: int, preset: str) -> None:
    model = PRESETS[preset].model
    ours = memorization_warning(Corpus("a text", b"x" * n_bytes, b"", "", ""), model)
    theirs = run_in_node("(m, [n, config]) => m.memorizationWarning(n, config)", [n_bytes, in_page(model)])
    if ours is None:
        assert theirs is None
    else:
        assert isinstance(theirs, str)
        assert ours.partition(" has ")[2].split(". ")[0] == theirs.partition(" has ")[2].split(". ")[0]


def test_the_committed_kernels_are_what_the_source_compiles_to() -> None:
    for name, compiled in compile_kernels(ROOT).items():
        assert compiled == (ROOT / SOURCES / name).read_bytes(), name


# ---- generate ------------------------------------------------------------------------------------------------------


def test_text_of_a_checkpoint_from_disk_is_pythons(playground: Playground, folder: Path, odd: Checkpoint) -> None:
    page = playground.page
    playground.open_checkpoint(folder / "config.json", folder / "model.safetensors")
    assert "2 layers, width 20" in playground.wait_for(playground.part("text").locator(".tgp-model"), "Your checkpoint")
    prompt = "<b>né</b> 🙂\u202e"
    page.get_by_label("Your words").fill(prompt)
    page.get_by_label("Tokens").fill("150")
    page.get_by_label("Temperature").fill("0")
    page.get_by_role("button", name="Write").click()
    told = playground.wait_for(playground.status("text"), "150 tokens")
    assert "tokens per second" in told
    assert "first token after" in told
    expected = generate_text(odd, prompt, 150, temperature=0)
    written = playground.part("text").locator(".tgp-text").first
    assert written.evaluate("element => element.textContent") == prompt + expected
    assert written.locator("b").count() == 0


def test_the_same_seed_gives_the_same_text(playground: Playground, folder: Path, odd: Checkpoint) -> None:
    page = playground.page
    playground.open_checkpoint(folder / "config.json", folder / "model.safetensors")
    page.get_by_label("Tokens").fill("60")
    texts = []
    for seed in ("7", "8", "7"):
        page.get_by_label("Seed of the text").fill(seed)
        page.get_by_role("button", name="Write").click()
        page.get_by_role("button", name="Write").and_(page.locator(":enabled")).wait_for()
        texts.append(playground.part("text").locator(".tgp-text").first.inner_text())
    assert texts[0] == texts[2] != texts[1]


def test_text_streams_and_stops_within_half_a_second(playground: Playground, folder: Path, odd: Checkpoint) -> None:
    page = playground.page
    playground.open_checkpoint(folder / "config.json", folder / "model.safetensors")
    page.get_by_label("Tokens").fill("1000000")
    page.get_by_role("button", name="Write").click()
    playground.wait_for(playground.status("text"), "tokens per second")
    written = playground.part("text").locator(".tgp-text").first
    early = written.inner_text()
    page.wait_for_function("early => document.querySelector('.tgp-text').textContent !== early", arg=early)
    milliseconds = page.evaluate(
        """async () => {
            const part = document.querySelector("[data-playground=text]");
            const stop = [...part.querySelectorAll("button")].find((button) => button.textContent === "Stop writing");
            const begun = performance.now();
            stop.click();
            while (!part.querySelector(".tgp-status").textContent.includes("stopped")) {
                await new Promise((done) => setTimeout(done, 5));
            }
            return performance.now() - begun;
        }"""
    )
    assert milliseconds < 500
    stopped = written.inner_text()
    page.wait_for_timeout(100)
    assert written.inner_text() == stopped


def assert_drawn(playground: Playground, part: str, n_lines: int) -> None:
    """Every line and mark of a part's chart and legend stands out from the background, in light and dark."""
    for scheme in ("default", "slate"):
        contrasts = playground.contrasts(part, scheme)
        assert {f"tgp-line tgp-line-{i}" for i in range(n_lines)} <= set(contrasts)
        assert min(contrasts.values()) >= 3, (scheme, contrasts)  # what WCAG asks of graphics


def tensors_of(file: bytes) -> dict[str, tuple[str, list[int]]]:
    """Name → type and shape; of the metadata, what transformers asks for."""
    header = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])
    metadata = header.pop("__metadata__")
    tensors = {name: (entry["dtype"], entry["shape"]) for name, entry in header.items()}
    return tensors | {"format": (metadata["format"], [])}


# ---- train ---------------------------------------------------------------------------------------------------------


def test_a_model_learns_is_saved_downloaded_and_deleted(playground: Playground, tmp_path: Path) -> None:
    page, status = playground.page, playground.status("train")
    start_training(playground, steps=40)
    told = playground.wait_for(status, "Done: 40 steps")
    assert "saved in this browser" in told
    losses = [float(told.split(words)[1].split(" ")[0]) for words in ("loss ", "held out ")]
    assert max(losses) < 4.2 < math.log(256)
    text = playground.part("text")
    assert int(text.get_attribute("data-samples") or 0) > 20  # one with each evaluation, and the first
    assert "Now, after 40 steps" in text.inner_text()
    assert "Before, after 0 steps" in text.inner_text()
    loss = playground.part("loss")
    assert "held out" in loss.locator(".tgp-legend").inner_text()
    assert "equally likely characters" in loss.locator(".tgp-reading").inner_text()
    assert [level for level in loss.locator(".tgp-live text").all_text_contents() if level.isalpha()] == [
        "letters",
        "pairs",
        "triples",
    ]
    assert_drawn(playground, "loss", n_lines=2)
    layers = playground.part("gradients").locator(".tgp-layer a")
    assert layers.all_inner_texts() == [
        "embedding",
        "block 1 attention",
        "block 1 MLP",
        "block 2 attention",
        "block 2 MLP",
        "final norm",
    ]

    for name in ("model.safetensors", "config.json"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download {name}").click()
        download.value.save_as(tmp_path / name)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint.config == PRESETS["tiny"].model
    save_checkpoint(tmp_path / "python", checkpoint)
    pythons = (tmp_path / "python/model.safetensors").read_bytes()
    assert tensors_of((tmp_path / "model.safetensors").read_bytes()) == tensors_of(pythons)
    configs = [json.loads((tmp_path / folder / "config.json").read_text()) for folder in ("", "python")]
    del configs[1]["vocabulary_sha256"]  # of the tokenizer's file, which is saved beside it; the page has no such file
    assert configs[0] == configs[1]

    page.reload()
    playground.wait_until_ready()
    assert "40 steps in this browser" in playground.part("text").locator(".tgp-model").inner_text()
    assert_drawn(playground, "loss", n_lines=2)  # the curve was kept, too
    assert "equally likely characters" in loss.locator(".tgp-reading").inner_text()
    assert "triples" in loss.locator(".tgp-live text").all_text_contents()
    page.get_by_label("Temperature").fill("0")
    page.get_by_label("Tokens").fill("80")
    page.get_by_role("button", name="Write").click()
    playground.wait_for(playground.status("text"), "80 tokens")
    expected = generate_text(checkpoint, "Once upon a time", 80, temperature=0)
    assert (
        playground.part("text").locator(".tgp-text").first.evaluate("e => e.textContent")
        == "Once upon a time" + expected
    )

    page.get_by_label("Steps").fill("5")
    page.get_by_role("button", name="Continue tiny from step 40").click()
    playground.wait_for(status, "Done: 5 more steps")
    assert "45 steps in this browser" in playground.part("text").locator(".tgp-model").inner_text()

    page.get_by_role("button", name="Delete the saved model").click()
    playground.wait_for(playground.status("text"), "Deleted")
    page.reload()
    playground.wait_until_ready()
    assert "No model yet" in playground.part("text").locator(".tgp-model").inner_text()


def test_training_pauses_goes_on_and_stops(playground: Playground) -> None:
    page, status = playground.page, playground.status("train")
    start_training(playground, steps=100_000)
    playground.wait_for(status, "steps per second")
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(400)
    paused = status.inner_text()
    page.wait_for_timeout(400)
    assert status.inner_text() == paused
    assert paused.startswith("Paused at step ") and "left" in paused
    page.get_by_role("button", name="Resume").click()
    page.wait_for_function("([e, t]) => e.textContent !== t", arg=[status.element_handle(), paused])
    playground.part("train").get_by_role("button", name="Stop", exact=True).click()
    assert "saved in this browser" in playground.wait_for(status, "Stopped after")
    assert page.get_by_role("button", name="Train", exact=True).is_enabled()


def test_warnings_come_before_training(playground: Playground) -> None:
    page = playground.page
    expected = playground.part("train").locator(".tgp-status").first
    page.get_by_label("Size", exact=True).select_option("huge")
    page.get_by_label("Steps").fill("100000")
    page.get_by_label("Steps").blur()
    told = playground.wait_for(expected, "long for a browser tab")
    assert " h in all" in told
    assert "large for a browser tab" in told
    assert "will memorize it" in told
    page.get_by_label("Text", exact=True).select_option("own")
    page.get_by_label("Size", exact=True).select_option("tiny")
    told = playground.wait_for(expected, re.compile("^With WebAssembly: about [0-9.]+ ms a step"))
    assert "bytes" not in told  # no warning of a text that is not there yet
    page.get_by_label("Your text").fill("short, but long enough to train on. " * 20)
    page.get_by_label("Your text").blur()
    assert "large" not in playground.wait_for(expected, "repeat it word for word")


# ---- measure and look inside ---------------------------------------------------------------------------------------


def test_the_curve_in_the_tab_downloads_as_rows_of_the_schema(playground: Playground, tmp_path: Path) -> None:
    page = playground.page
    part = playground.part("measure")
    part.get_by_label("small (").uncheck()
    page.get_by_role("button", name="Measure").click()
    playground.wait_for(playground.status("measure"), "Measured tiny")
    assert "×" in part.locator("tbody tr").inner_text()
    assert "published: " in part.locator(".tgp-legend").inner_text()
    assert "this tab" in part.locator(".tgp-legend").inner_text()
    assert_drawn(playground, "measure", n_lines=2)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download rows (JSON)").click()
    download.value.save_as(tmp_path / "rows.json")
    tables = json.loads((tmp_path / "rows.json").read_text())
    for row in tables["runs"]:
        row["started_at"] = datetime.fromisoformat(row["started_at"])
    for table in ("runs", "steps"):
        assert all(set(row) == {column.name for column in TABLES[table]} for row in tables[table])
        to_arrow(table, [ROW_TYPES[table](**row) for row in tables[table]])
    runs, steps = tables["runs"], tables["steps"]
    assert [run["variant"] for run in runs] == ["browser-js", "browser-wasm"]
    assert len(steps) == 36
    first, second = ([s["loss"] for s in steps if s["cell_id"] == run["cell_id"]] for run in runs)
    assert first == pytest.approx(second, abs=1e-4)
    assert json.loads(runs[0]["protocol"])["measured_steps"] == sum(not step["is_warmup"] for step in steps) / 2


PLACE_CURSOR = """(area, at) => {
    area.focus();
    area.setSelectionRange(at, at);
    area.dispatchEvent(new KeyboardEvent("keyup"));
}"""


def test_looking_inside_shows_what_python_computes(playground: Playground, folder: Path, odd: Checkpoint) -> None:
    page = playground.page
    playground.open_checkpoint(folder / "config.json", folder / "model.safetensors")
    words, part = page.get_by_label("Your words"), playground.part("inside")
    page.get_by_role("combobox", name="Layer").select_option(label="2")
    words.fill("Hello\x00 <i>")
    engine = create_engine("numpy", odd.config, odd.train, seed=0)
    engine.load_state_dict(odd.weights)
    scores = engine.logits(np.frombuffer(b"Hello\x00 <i>", np.uint8)[None].astype(np.int64))[0]
    likeliest = np.exp(scores - scores.max(axis=-1, keepdims=True))
    chances = likeliest / likeliest.sum(axis=-1, keepdims=True)
    fields = part.locator(".tgp-attention rect")
    for cursor in (4, 10):
        words.evaluate(PLACE_CURSOR, cursor)
        wait_until(page, f"document.querySelectorAll('.tgp-attention rect').length === {cursor * (cursor + 1) // 2}")
        shown = [
            bar.evaluate("e => Number(e.style.getPropertyValue('--share'))")
            for bar in part.locator(".tgp-likely").all()
        ]
        assert shown == pytest.approx(np.sort(chances[cursor - 1])[::-1][: len(shown)].tolist(), abs=6e-4)
    last_row = [float(fields.nth(45 + i).get_attribute("fill-opacity") or "0") for i in range(10)]
    assert sum(last_row) == pytest.approx(1, abs=0.01)
    assert "layer 2" in (part.locator(".tgp-attention").get_attribute("aria-label") or "")


def test_the_measuring_command_finds_figures_and_their_goals(monkeypatch: pytest.MonkeyPatch) -> None:
    goals = (
        playground_measure.Goal("train", "tiny", "wasm", 1e6),
        playground_measure.Goal("generate", "tiny", "wasm", 1e9, tokens=50),
    )
    monkeypatch.setattr(playground_measure, "GOALS", goals)
    with ThreadPoolExecutor(1) as pool:  # Playwright allows one driver a thread
        training, writing = pool.submit(lambda: list(playground_measure.measure_playground(ROOT))).result()
    assert training.met and not writing.met
    assert 0 < training.value < 1e6 and 0 < writing.value < 1e9 and training.busy > 0
    assert training.text.startswith("met     train    tiny   WebAssembly") and "at most 1,000,000" in training.text
    assert writing.text.startswith("missed  generate tiny") and "at least 1,000,000,000" in writing.text


# ---- the page ------------------------------------------------------------------------------------------------------


def test_leaving_the_page_ends_its_worker(browser: Browser, address: str) -> None:
    opened = Playground(browser, address)
    page = opened.page
    page.evaluate("window.sameDocument = true")
    start_training(opened, steps=100_000)
    opened.wait_for(opened.status("train"), "steps per second")
    assert len(opened.workers()) == 1
    page.locator(".md-typeset a", has_text="derivations").first.click()
    page.wait_for_url("**/derivations/")
    page.wait_for_function("!document.querySelector('.tg-playground')")
    assert page.evaluate("window.sameDocument") is True
    page.wait_for_timeout(200)
    assert opened.workers() == []
    page.go_back()
    opened.wait_until_ready()
    assert len(opened.workers()) == 1
    opened.close()


def test_everything_can_be_reached_with_the_keyboard_on_a_phone(browser: Browser, site: str) -> None:
    opened = Playground(browser, site, width=390)
    page = opened.page
    reached = set()
    page.get_by_label("Text", exact=True).focus()
    for _ in range(80):
        label = page.evaluate(
            "(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim().split(' (')[0]"
        )
        reached.add(label)
        page.keyboard.press("Tab")
    assert {
        "Text",
        "Size",
        "Train",
        "Settings",
        "Steps",
        "Copy link",
        "Write",
        "How it chooses",
        "Temperature",
        "Your words",
        "Layer 1",
        "what is a gradient?",
        "Measure",
        "tiny",
    } <= reached
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    opened.close()


PRESSURE = """globalThis.PressureObserver = class {
    constructor(tell) { globalThis.tell = (state) => tell([{ state }]); }
    async observe() {}
    disconnect() { globalThis.tell = null; }
};"""


def test_the_processors_load_is_no_alarm(browser: Browser, site: str) -> None:
    opened = Playground(browser, site, script=PRESSURE)
    chip = opened.part("status").locator(".tgp-pressure")
    colors = []
    for state, word in (("nominal", "calm"), ("fair", "working"), ("serious", "busy"), ("critical", "fully used")):
        opened.page.evaluate("state => tell(state)", state)
        assert chip.inner_text() == f"Processor: {word}"
        colors.append(chip.evaluate("element => getComputedStyle(element).color"))
    assert (colors[0], colors[3]) == tuple(map(rgb, (LIGHT.good, LIGHT.accent)))
    assert len(set(colors)) == 4
    opened.close()


def test_without_the_browsers_word_the_pressure_is_an_estimate(browser: Browser, site: str) -> None:
    opened = Playground(browser, site, script="delete globalThis.PressureObserver;")
    chip = opened.part("status").locator(".tgp-pressure[data-level]")
    chip.wait_for()
    assert chip.inner_text().startswith("Processor: ")
    assert chip.inner_text().endswith("(estimate)")
    opened.close()
