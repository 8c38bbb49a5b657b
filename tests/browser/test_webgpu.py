"""Engine ``webgpu`` in Chromium, whose WebGPU computes on the processor here: as exact as Python, and hard to break."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from sitegen.commands.serve import serve_folder
from sitegen.playground.publish import SOURCES
from tests import ROOT
from tests.browser.node import in_page
from tests.browser.playing import ODD, Playground, Reference, reference, start_training
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.generation.decoding import continue_tokens
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.presets import PRESETS


@pytest.fixture(scope="module")
def modules(gpu_browser: Browser) -> Iterator[Page]:
    """An empty page with the playground's sources beside it, and the device opened."""
    with serve_folder(ROOT / SOURCES) as address:
        page = gpu_browser.new_page()
        page.goto(address)
        page.evaluate(
            """async () => {
                const load = (name) => import(new URL(name, location.href));
                const names = ["webgpu/device", "webgpu/trainer", "webgpu/reader", "webgpu/plan", "webgpu/lasting",
                    "generate", "engine/reader", "engine/trainer", "engine/weights", "kernels-js"];
                globalThis.m = Object.assign({}, ...(await Promise.all(names.map((name) => load(`${name}.js`)))));
                globalThis.readShader = (name) => fetch(`webgpu/${name}.wgsl`).then((response) => response.text());
                globalThis.gpu = await m.Gpu.open(navigator.gpu, readShader, true);
                const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
                const floats = (text) => new Float32Array(bytesOf(text).buffer);
                globalThis.text = (array) => {
                    const bytes = new Uint8Array(array.slice().buffer);
                    let words = "";
                    for (const byte of bytes) words += String.fromCharCode(byte);
                    return btoa(words);
                };
                globalThis.texts = (map) => Object.fromEntries([...map].map(([name, view]) => [name, text(view)]));
                globalThis.weightsOf = (given) =>
                    new Map(Object.entries(given).map(([name, own]) => [name, floats(own)]));
                globalThis.batchesOf = (tokens) => tokens.map((batch) => ({
                    inputs: Uint16Array.from(batch.flatMap((row) => row.slice(0, -1))),
                    targets: Uint16Array.from(batch.flatMap((row) => row.slice(1))),
                    settings: m.TRAINING,
                }));
            }"""
        )
        yield page
        page.close()


def encoded(arrays: dict[str, np.ndarray]) -> dict[str, str]:
    return {name: base64.b64encode(array.astype(np.float32).tobytes()).decode() for name, array in arrays.items()}


def decoded(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.float32)


COMPARE = """async ({ config, rows, tokens, weights, prompt, length }) => {
    const own = weightsOf(weights);
    const trainer = await m.Trainer.create(gpu, config, rows);
    trainer.load(own);
    const batches = batchesOf(tokens);
    const [{ inputs, targets }] = batches;
    const logits = text(await trainer.logits(inputs));
    const loss = await trainer.loss(inputs, targets, rows);
    const first = await trainer.loss(inputs, targets, 1);
    await trainer.lossAndGradients(inputs, targets);
    const gradients = texts(await trainer.gradients());
    const losses = [];
    for (let i = 0; i < batches.length; ) {
        const taken = await trainer.trainSteps(batches.slice(i, i + trainer.stepsAtOnce));
        losses.push(...taken);
        i += taken.length;
    }
    const squares = Object.fromEntries(await trainer.gradientSquares());
    const last = texts(await trainer.gradients());
    trainer.destroy();
    const reader = await m.Reader.create(gpu, config);
    reader.load(own);
    const writing = new m.Continuation(reader, Uint8Array.from(prompt), { temperature: 0, topK: 0, seed: 0 });
    const written = [];
    for (let next = await writing.begin(); ; ) {
        written.push(writing.choose(next));
        if (written.length === length) break;
        next = await writing.follow(written.at(-1));
    }
    const looked = await reader.look(Uint8Array.from(prompt));
    const plain = new m.ReadingEngine(config, m.createKernels);
    plain.load(own);
    const expected = plain.look(Uint8Array.from(prompt));
    const distance = (a, b) => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
    const look = [distance(looked.logits, expected.logits), distance(looked.attention, expected.attention)];
    reader.destroy();
    return { logits, loss, first, gradients, losses, squares, last, written, look };
}"""


def compared(page: Page, ref: Reference, prompt: bytes, length: int) -> dict[str, Any]:
    answer = page.evaluate(
        COMPARE,
        {
            "config": in_page(ref.model),
            "rows": ref.tokens.shape[1],
            "tokens": ref.tokens.tolist(),
            "weights": encoded(ref.weights),
            "prompt": list(prompt),
            "length": length,
        },
    )
    assert isinstance(answer, dict)
    return answer


# So many rows that gradients are sums of two parts; no tile is full.
ROWS = 7


@pytest.mark.parametrize("vocab_size", [256, 4_099], ids=["bytes", "words"])
def test_the_engine_agrees_with_python(modules: Page, vocab_size: int) -> None:
    """The larger vocabulary is no multiple of four, and logits of all rows would need two blocks."""
    ref = reference(replace(ODD, vocab_size=vocab_size), ROWS)
    prompt = "Zoë said".encode()
    length = ODD.context_length + 9  # slides once
    answer = compared(modules, ref, prompt, length)
    assert np.abs(decoded(answer["logits"]) - ref.logits.ravel()).max() < 5e-5
    for name, expected in ref.gradients.items():
        ours = decoded(answer["gradients"][name])
        assert np.linalg.norm(ours - expected.ravel()) < 1e-5 * np.linalg.norm(expected), name
    assert [step["loss"] for step in answer["losses"]] == pytest.approx(ref.losses, abs=1e-4)
    assert answer["loss"] == pytest.approx(ref.losses[0], abs=1e-5)
    assert answer["first"] == pytest.approx(first_row_loss(ref), abs=1e-5)
    norm = np.sqrt(sum(float(np.sum(decoded(own) ** 2.0)) for own in answer["last"].values()))
    assert answer["losses"][-1]["gradNorm"] == pytest.approx(norm, rel=1e-5)
    for name, own in answer["last"].items():
        assert answer["squares"][name] == pytest.approx(float(np.sum(decoded(own) ** 2.0)), rel=1e-4), name
    assert max(answer["look"]) < 5e-5
    checkpoint = Checkpoint(ref.model, TrainConfig(ROWS), ref.weights)
    expected_text = continue_tokens(checkpoint, np.array([*prompt]), SamplingSettings(length, temperature=0))
    assert answer["written"] == list(expected_text)


def test_logits_are_stored_for_a_part_of_the_rows(modules: Page) -> None:
    """Of a gallery model with 4,096 tokens, and a batch of 16: less than a quarter of them; of a text, one row."""
    config = in_page(replace(PRESETS["huge"].model, vocab_size=4_096))
    bytes_of = """([config, batch]) => {
        const { buffers, blocks, rows } = m.planOf(config, batch, gpu.limits);
        return { logits: buffers.get("logits"), rows, blocks };
    }"""
    training, reading = (modules.evaluate(bytes_of, [config, batch]) for batch in (16, 0))
    assert training["logits"] < 4 * 4_096 * training["rows"] / 4
    assert [first for first, _ in training["blocks"]] == [256 * block for block in range(16)]
    assert sum(count for _, count in training["blocks"]) == training["rows"] == 4_096
    assert reading["logits"] == 4 * 4_096


def first_row_loss(ref: Reference) -> float:
    """Mean loss of the first sequence of the first batch."""
    scores = ref.logits[0].astype(np.float64)
    targets = ref.tokens[0, 0, 1:]
    logs = scores - np.log(np.exp(scores - scores.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True))
    return float(-(logs - scores.max(axis=1, keepdims=True))[np.arange(len(targets)), targets].mean())


# ---- what it cannot compute, and devices that fail ---------------------------------------------------------------


def test_a_model_that_does_not_fit_is_refused_in_one_line(modules: Page) -> None:
    def refusal(limits: dict[str, int] | None = None, batch: int = 4, **changes: int) -> str:
        config = in_page(PRESETS["tiny"].model) | changes
        return str(
            modules.evaluate(
                """async ([config, batch, limits]) => {
                    const plan = m.planOf(config, batch, { ...pick(gpu.limits), ...limits });
                    if (!limits) return m.Trainer.create(gpu, config, batch).then(() => "", ({ message }) => message);
                    return plan.refusal;
                    function pick({ maxBufferSize, maxStorageBufferBindingSize }) {
                        return { maxBufferSize, maxStorageBufferBindingSize };
                    }
                }""",
                [config, batch, limits],
            )
        )

    assert refusal() == ""
    assert "width 30 is no multiple of 4" in refusal(dModel=30)
    assert "Heads of 80 numbers" in refusal(dModel=160, nHeads=2)
    assert "tokens a step are too many" in refusal(batch=5000)
    assert "A vocabulary of 70000 is too large" in refusal(vocabSize=70_000)
    small = {"maxBufferSize": 200_000, "maxStorageBufferBindingSize": 2**30}
    assert "allows buffers of 200000 bytes" in refusal(small)
    assert "need " in refusal(small)


def test_a_lost_device_is_replaced_by_the_other_engine(modules: Page) -> None:
    """A run with a lost device ends with the same weights as one without, and a text goes on where it was."""
    distances = modules.evaluate(
        """async (config) => {
            const other = () => Promise.resolve(new m.TrainingEngine(config, m.createKernels, 2));
            const normal = m.createNormal(m.createRandom(1));
            const plain = await other();
            plain.initialise(normal);
            const length = 2 * config.contextLength;
            const tokens = (step) => Uint8Array.from({ length }, (_, i) => (i * 7 + step * 31) % 256);
            const batch = (step) => ({ inputs: tokens(step), targets: tokens(step + 1), settings: m.TRAINING });
            const lost = await m.Gpu.open(navigator.gpu, readShader, true);
            const trainer = new m.LastingTrainer(await m.Trainer.create(lost, config, 2), other);
            await trainer.load(plain.weights());
            const steps = [];
            while (trainer.updates < 8) {
                const before = trainer.updates;
                if (before === 4 && !trainer.failure) lost.device.destroy();
                const taken = await trainer.trainSteps([batch(before)]);
                steps.push([before, taken.length]);
            }
            for (let step = 0; step < 8; step++) plain.trainSteps([batch(step)]);
            const ours = await trainer.weights();
            let most = 0;
            for (const [name, view] of plain.weights()) {
                view.forEach((value, i) => (most = Math.max(most, Math.abs(value - ours.get(name)[i]))));
            }

            const again = await m.Gpu.open(navigator.gpu, readShader, true);
            const reading = () => Promise.resolve(new m.ReadingEngine(config, m.createKernels));
            const reader = new m.LastingReader(await m.Reader.create(again, config), reading);
            const calm = await reading();
            await reader.load(plain.weights());
            calm.load(plain.weights());
            const text = async (engine, onto) => {
                const writing = new m.Continuation(engine, Uint8Array.of(65), { temperature: 0, topK: 0, seed: 0 });
                const written = [];
                for (let next = await writing.begin(); written.length < 40; ) {
                    written.push(writing.choose(next));
                    next = await writing.follow(written.at(-1));
                    if (written.length === onto) again.device.destroy();
                }
                return written;
            };
            return {
                most,
                steps,
                failure: [trainer.failure.message, trainer.failure.report],
                texts: [await text(reader, 12), await text(calm, -1)],
                reading: reader.failure.message,
            };
        }""",
        in_page(ODD),
    )
    assert distances["most"] < 1e-5
    assert [4, 0] in distances["steps"] and distances["steps"][-1] == [7, 1]
    message, report = distances["failure"]
    assert "lost" in message and "\n" not in message
    assert "adapter: " in report and "maxBufferSize: " in report and "browser: " in report
    assert distances["texts"][0] == distances["texts"][1]
    assert "lost" in distances["reading"]


def test_a_shader_that_does_not_compile_is_named_in_a_report(modules: Page) -> None:
    message, report = modules.evaluate(
        """async (config) => {
            const spoilt = (code) => code.replace("fn main(", "fn main({");
            const broken = (name) => readShader(name).then((code) => (name === "norm" ? spoilt(code) : code));
            const other = await m.Gpu.open(navigator.gpu, broken, true);
            return m.Trainer.create(other, config, 2).then(
                () => ["", ""],
                (error) => [error.message, error.report],
            );
        }""",
        in_page(ODD),
    )
    assert message == "The shader norm does not compile on this graphics card."
    assert "shader norm" in report and "const D = 20u;" in report and "adapter: " in report


# ---- on the page ---------------------------------------------------------------------------------------------------

SMALLEST = {
    "name": "tiny", "nLayers": 1, "dModel": 16, "nHeads": 2, "contextLength": 16, "batchSize": 2, "parameters": 7_680,
}  # fmt: skip


def opened_with_webgpu(browser: Browser, site: str, kernels: str = "webgpu") -> Playground:
    """Open the page with a preset for a processor that imitates a graphics card."""
    presets = [SMALLEST, SMALLEST | {"name": "small"}]
    opened = Playground(
        browser, site, change=lambda index: index.update(models=[], presets=presets), query=f"?kernels={kernels}"
    )
    opened.page.set_default_timeout(180_000)
    return opened


def test_a_model_trained_with_webgpu_is_an_ordinary_checkpoint(gpu_browser: Browser, site: str, tmp_path: Path) -> None:
    opened = opened_with_webgpu(gpu_browser, site)
    page = opened.page
    assert page.locator("[data-kernels=webgpu]").count() == 1
    start_training(opened, steps=6)
    opened.wait_for(opened.status("train"), "Done: 6 steps")
    for name in ("model.safetensors", "config.json"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download {name}").click()
        download.value.save_as(tmp_path / name)
    checkpoint = load_checkpoint(tmp_path)
    assert (checkpoint.config.n_layers, checkpoint.config.d_model) == (1, 16)
    assert all(np.isfinite(array).all() for array in checkpoint.weights.values())
    opened.close()


def test_a_device_lost_in_the_middle_is_told_and_training_goes_on(gpu_browser: Browser, site: str) -> None:
    opened = opened_with_webgpu(gpu_browser, site)
    (worker,) = [worker for worker in opened.page.workers if worker.url.endswith("playground/worker.js")]
    worker.evaluate(
        """() => {
            const { createCommandEncoder } = GPUDevice.prototype;
            let count = 0;
            GPUDevice.prototype.createCommandEncoder = function (...values) {
                if (++count === 12) this.destroy();
                return createCommandEncoder.apply(this, values);
            };
        }"""
    )
    start_training(opened, steps=60)
    opened.wait_for(opened.status("train"), "Done: 60 steps")
    notice = opened.part("status").inner_text()
    assert "graphics card was lost" in notice and "WebAssembly" in notice
    report = opened.part("status").locator("pre").text_content() or ""
    assert "adapter: " in report
    opened.close()


def test_without_a_graphics_card_webassembly_computes(browser: Browser, site: str) -> None:
    opened = Playground(browser, site, query="?kernels=webgpu")
    assert opened.page.locator("[data-kernels=wasm]").count() == 1
    assert "WebGPU" in opened.part("status").inner_text()
    opened.close()


def test_the_curve_has_three_lines(gpu_browser: Browser, site: str, tmp_path: Path) -> None:
    opened = opened_with_webgpu(gpu_browser, site)
    part = opened.part("measure")
    part.get_by_label("small (").uncheck()
    opened.page.get_by_role("button", name="Measure").click()
    opened.wait_for(opened.status("measure"), "Measured tiny")
    assert part.locator("thead th").all_inner_texts()[1:4] == ["plain JavaScript", "WebAssembly", "WebGPU"]
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name="Download rows (JSON)").click()
    download.value.save_as(tmp_path / "rows.json")
    tables = json.loads((tmp_path / "rows.json").read_text())
    assert [run["variant"] for run in tables["runs"]] == ["browser-js", "browser-wasm", "browser-webgpu"]
    machines = [json.loads(run["machine"])["accelerator"] for run in tables["runs"]]
    assert machines[0] == machines[1] is None and machines[2]
    losses = [[s["loss"] for s in tables["steps"] if s["cell_id"] == run["cell_id"]] for run in tables["runs"]]
    assert losses[2] == pytest.approx(losses[0], abs=1e-4)
    opened.close()


HAS_HALVES = "async () => (await navigator.gpu.requestAdapter()).features.has('shader-f16')"


def test_products_of_16_bits_show_their_drift_or_what_the_card_lacks(gpu_browser: Browser, site: str) -> None:
    opened = opened_with_webgpu(gpu_browser, site, "webgpu-f16")
    part, lacking = opened.part("measure"), "no 16-bit numbers (shader-f16); WebGPU computes in 32 bits."
    offered = opened.page.evaluate(HAS_HALVES)
    assert opened.page.locator(f"[data-kernels={'webgpu-f16' if offered else 'webgpu'}]").count() == 1
    assert (lacking in opened.part("status").inner_text()) != offered
    assert (lacking in part.inner_text()) != offered
    if offered:
        part.get_by_label("small (").uncheck()
        opened.page.get_by_role("button", name="Measure").click()
        opened.wait_for(opened.status("measure"), "Measured tiny")
        headings, cells = (part.locator(f"table {kind}").all_inner_texts() for kind in ("thead th", "tbody td"))
        assert headings[-1] == "16-bit products: drift of the loss"
        assert 0 < float(cells[-1]) < 0.01
    opened.close()
