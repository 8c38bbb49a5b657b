"""Measure the playground's engine in a headless browser on this machine, against its goals.

A page starts the worker as a reader's page does. Training follows the pipeline's protocol (warm-up steps, then measured
steps; the median counts), generation the page's settings (the best of three texts counts, in the worker's own figures).
Each line also gives the processor time of the browser's process as a share of wall time: if it is well below 100 %,
other programs were running and the figures are those of a busy machine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.records.protocol import MEASURED_STEPS, WARMUP_STEPS
from sitegen.commands.chromium import find_chromium
from sitegen.commands.serve import serve_folder
from sitegen.playground.publish import SOURCES, preset_entry
from tinygpt.presets import PRESETS

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
KERNELS = {"js": "plain JavaScript", "wasm": "WebAssembly"}
_TEXTS = 3


@dataclass(frozen=True)
class Goal:
    """The speed required of one preset with one kind of kernels.

    Attributes:
        task: "train" or "generate".
        preset: name of the preset.
        kernels: a key of ``KERNELS``.
        limit: milliseconds a training step at most, or tokens a second at least.
        tokens: of a generated text.
    """

    task: str
    preset: str
    kernels: str
    limit: float
    tokens: int = 0


GOALS = (
    Goal("train", "small", "wasm", 50.0),
    Goal("train", "medium", "wasm", 200.0),
    Goal("train", "small", "js", 465.0),
    Goal("train", "medium", "js", 1641.0),
    Goal("generate", "small", "wasm", 20_000.0, 20_000),
    Goal("generate", "huge", "wasm", 300.0, 600),
)


@dataclass(frozen=True)
class Measured:
    """A measured speed and its goal.

    Attributes:
        goal: the required speed.
        value: milliseconds a step, or tokens a second.
        busy: processor seconds per second of wall time.
    """

    goal: Goal
    value: float
    busy: float

    @property
    def met(self) -> bool:
        """True if the goal is met."""
        return self.value <= self.goal.limit if self.goal.task == "train" else self.value >= self.goal.limit

    @property
    def text(self) -> str:
        """The measurement as a line."""
        goal, training = self.goal, self.goal.task == "train"
        unit = "ms a step" if training else "tokens a second"
        limit = f"{'at most' if training else 'at least'} {goal.limit:,.0f}"
        return (
            f"{'met   ' if self.met else 'missed'}  {goal.task:8} {goal.preset:6} {KERNELS[goal.kernels]:16} "
            f"{self.value:9,.1f} {unit}, {limit}; processor {self.busy:.0%} of the time"
        )


# Sends the page's own messages to its worker. The text is arbitrary, because no time depends on it.
_START = """async () => {
    const load = (name) => import(new URL(name, location.href));
    const modules = await Promise.all(["client.js", "layout.js", "safetensors.js"].map(load));
    const { Client, parameterShapes, size, writeConfig, writeTensors } = Object.assign({}, ...modules);
    const client = new Client(new URL("worker.js", location.href));
    await client.call("start");
    const text = Uint8Array.from({ length: 100_000 }, (_, i) => 97 + ((i * 7 + (i >> 5)) % 26));
    const wave = (shape) => Float32Array.from({ length: size(shape) }, (_, i) => 0.04 * Math.sin(i * i));
    globalThis.train = async ({ preset, ...request }) => {
        const message = { config: preset, batchSize: preset.batchSize, text, seed: 0, ...request };
        const { steps } = await client.call("measure", message);
        return steps.filter(({ isWarmup }) => !isWarmup).map(({ seconds }) => 1000 * seconds);
    };
    globalThis.generate = async ({ preset, texts, count }) => {
        const shapes = [...parameterShapes(preset)];
        const buffer = writeTensors(new Map(shapes.map(([name, shape]) => [name, { shape, data: wave(shape) }])), {});
        await client.call("open", { configText: JSON.stringify(writeConfig(preset)), buffer, about: preset.name });
        const settings = { prompt: "Once upon a time", temperature: 0.8, topK: 0, seed: 0, count };
        const rates = [];
        while (rates.length < texts) rates.push((await client.call("generate", settings)).tokensPerSecond);
        return rates;
    };
}"""


def measure_playground(root: Path) -> Iterator[Measured]:
    """Measure every goal in a minute or so; yields each as soon as it is measured.

    Raises:
        MissingDependencyError: no browser is installed.
        ModuleNotFoundError: Playwright is not installed.
    """
    from playwright.sync_api import sync_playwright  # of the extra `dev`; the other tasks here do not need it

    browser_path = find_chromium("measuring")
    with serve_folder(root / SOURCES) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=[*FLAGS])
        session = browser.new_browser_cdp_session()

        def processor_seconds() -> float:
            processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
            return float(sum(process["cpuTime"] for process in processes if process["type"] == "renderer"))

        try:
            page = browser.new_page()
            page.set_default_timeout(0)
            page.goto(address)
            page.evaluate(_START)
            # The first measurement does not count: a browser that has just started is still compiling.
            for number, goal in enumerate((GOALS[0], *GOALS)):
                measured = _measure(goal, page.evaluate, processor_seconds)
                if number:
                    yield measured
        finally:
            browser.close()


def _measure(goal: Goal, evaluate: Callable[[str, Any], Any], processor_seconds: Callable[[], float]) -> Measured:
    preset = preset_entry(goal.preset) | {"eps": PRESETS[goal.preset].model.layer_norm_eps}
    training = goal.task == "train"
    steps = {"kind": goal.kernels, "warmupSteps": WARMUP_STEPS, "measuredSteps": MEASURED_STEPS}
    texts = {"texts": _TEXTS, "count": goal.tokens}
    begun, used = time.perf_counter(), processor_seconds()
    values = evaluate(f"(request) => {goal.task}(request)", {"preset": preset, **(steps if training else texts)})
    busy = (processor_seconds() - used) / (time.perf_counter() - begun)
    return Measured(goal, statistics.median(values) if training else max(values), busy)
