"""How fast the playground's engine is in a headless browser on this machine, beside what is required of it.

A page starts the worker as a reader's page does. Training goes by the pipeline's protocol (warm-up steps, then measured
ones; the median counts) and generation by the page's own settings (the best of three texts counts, as the worker tells
it). Beside the time on the clock stands the processor time of the browser's process: where the clock shows more,
something else was running, and the figures are those of a busy machine.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.records.protocol import MEASURED_STEPS, WARMUP_STEPS
from sitegen.commands.chromium import find_chromium
from sitegen.commands.serve import HOST
from sitegen.playground.publish import SOURCES, preset_entry
from tinygpt.presets import get_preset

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
KERNELS = {"js": "plain JavaScript", "wasm": "WebAssembly"}
_TEXTS = 3


@dataclass(frozen=True)
class Reach:
    """The speed required of one preset with one kind of kernels.

    Attributes:
        task: "train" or "generate".
        preset: its name.
        kernels: a key of ``KERNELS``.
        goal: milliseconds a training step at most, or tokens a second at least.
        tokens: of a generated text.
    """

    task: str
    preset: str
    kernels: str
    goal: float
    tokens: int = 0


REACHES = (
    Reach("train", "small", "wasm", 50.0),
    Reach("train", "medium", "wasm", 200.0),
    Reach("train", "small", "js", 465.0),
    Reach("train", "medium", "js", 1641.0),
    Reach("generate", "small", "wasm", 20_000.0, 20_000),
    Reach("generate", "huge", "wasm", 300.0, 600),
)


@dataclass(frozen=True)
class Measured:
    """A figure beside its goal.

    Attributes:
        reach: what was required.
        value: milliseconds a step, or tokens a second.
        busy: processor seconds a second on the clock.
    """

    reach: Reach
    value: float
    busy: float

    @property
    def met(self) -> bool:
        """Whether the goal was reached."""
        return self.value <= self.reach.goal if self.reach.task == "train" else self.value >= self.reach.goal

    @property
    def text(self) -> str:
        """The finding as a line."""
        reach, training = self.reach, self.reach.task == "train"
        unit = "ms a step" if training else "tokens a second"
        goal = f"{'at most' if training else 'at least'} {reach.goal:,.0f}"
        return (
            f"{'met   ' if self.met else 'missed'}  {reach.task:8} {reach.preset:6} {KERNELS[reach.kernels]:16} "
            f"{self.value:9,.1f} {unit}, {goal}; processor {self.busy:.0%} of the time"
        )


# The page's own messages to its worker. The text is any: no time depends on it.
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


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def measure_playground(root: Path) -> Iterator[Measured]:
    """Measure everything in ``REACHES``; yields as it is done. About a minute in all.

    Args:
        root: the checkout.

    Raises:
        MissingDependencyError: no browser is installed.
        ModuleNotFoundError: Playwright is not.
    """
    from playwright.sync_api import sync_playwright  # of the extra `dev`, and nothing else here needs it

    browser_path = find_chromium("measuring")
    handler = partial(_Quiet, directory=str(root / SOURCES))
    with ThreadingHTTPServer((HOST, 0), handler) as server, sync_playwright() as playwright:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        browser = playwright.chromium.launch(executable_path=browser_path, args=[*FLAGS])
        session = browser.new_browser_cdp_session()

        def processor_seconds() -> float:
            processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
            return float(sum(process["cpuTime"] for process in processes if process["type"] == "renderer"))

        try:
            page = browser.new_page()
            page.set_default_timeout(0)
            page.goto(f"http://{HOST}:{server.server_address[1]}/")
            page.evaluate(_START)
            # A browser that has just started is still compiling, the kernels too: the first measurement does not count.
            _find(REACHES[0], page.evaluate, processor_seconds)
            for reach in REACHES:
                yield _find(reach, page.evaluate, processor_seconds)
        finally:
            browser.close()
            server.shutdown()
            thread.join()


def _find(reach: Reach, evaluate: Callable[[str, Any], Any], processor_seconds: Callable[[], float]) -> Measured:
    preset = preset_entry(reach.preset) | {"eps": get_preset(reach.preset).model.layer_norm_eps}
    training = reach.task == "train"
    steps = {"kind": reach.kernels, "warmupSteps": WARMUP_STEPS, "measuredSteps": MEASURED_STEPS}
    texts = {"texts": _TEXTS, "count": reach.tokens}
    begun, used = time.perf_counter(), processor_seconds()
    values = evaluate(f"(request) => {reach.task}(request)", {"preset": preset, **(steps if training else texts)})
    busy = (processor_seconds() - used) / (time.perf_counter() - begun)
    return Measured(reach, statistics.median(values) if training else max(values), busy)
