"""The playground page in a browser, and models made by the Python engines to hold it against."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, ViewportSize

from sitegen.commands.serve import serve_folder
from tests.browser.watching import Watched
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import create_engine
from tinygpt.params import Arrays, initial_parameters

MODULES = "assets/generated/playground/"
SUB_PATH = "somebody/tiny-gpt/"

# Sizes that no vector width, tile or block divides; heads of two, then of ten numbers.
ODD = ModelConfig(n_layers=2, d_model=20, n_heads=2, context_length=41)
STEPS, ROWS = 20, 3


# A mark counts as drawn by its fill or its stroke, a line by its stroke alone.
CONTRASTS = """([part, scheme]) => {
    document.body.setAttribute("data-md-color-scheme", scheme);
    const channels = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
    const light = ([r, g, b]) =>
        [[r, 0.2126], [g, 0.7152], [b, 0.0722]]
            .map(([value, share]) => [value / 255, share])
            .map(([c, share]) => share * (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
            .reduce((a, b) => a + b);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const [r, g, b, alpha = 1] = channels(getComputedStyle(at).backgroundColor);
            if (alpha === 1 && r !== undefined) return light([r, g, b]);
        }
        return 1;
    };
    const found = {};
    for (const path of document.querySelectorAll(`[data-playground=${part}] .tgp-chart path`)) {
        const style = getComputedStyle(path);
        const paints = path.classList.contains("tgp-mark") ? [style.stroke, style.fill] : [style.stroke];
        const ground = behind(path);
        const ratios = paints
            .filter((paint) => paint !== "none")
            .map((paint) => light(channels(paint)))
            .map((paint) => (Math.max(paint, ground) + 0.05) / (Math.min(paint, ground) + 0.05));
        const name = path.getAttribute("class");
        found[name] = Math.min(found[name] ?? Infinity, ratios.length ? Math.max(...ratios) : 1);
    }
    return found;
}"""


@dataclass(frozen=True)
class Reference:
    """Results of a Python engine.

    Attributes:
        model: shape.
        weights: before the first step.
        tokens: (STEPS, B, T + 1) ids; a batch's targets are its inputs, one further.
        logits: (B, T, V) of the first batch.
        gradients: of the first batch, by name.
        losses: of STEPS steps of AdamW.
    """

    model: ModelConfig
    weights: Arrays
    tokens: np.ndarray
    logits: np.ndarray
    gradients: Arrays
    losses: list[float]


def trembling_weights(model: ModelConfig, seed: int) -> Arrays:
    """Starting weights shaken enough that every part of the model matters to its output."""
    rng = np.random.default_rng(seed)
    weights = initial_parameters(model, seed)
    return {
        name: array + np.float32(0.1) * rng.standard_normal(array.shape, np.float32) for name, array in weights.items()
    }


def reference(model: ModelConfig, rows: int = ROWS) -> Reference:
    """Compute with the textbook engine."""
    weights = trembling_weights(model, seed=1)
    engine = create_engine("numpy", model, TrainConfig(batch_size=rows), seed=0)
    engine.load_state_dict(weights)
    tokens = np.random.default_rng(2).integers(0, model.vocab_size, (STEPS, rows, model.context_length + 1))
    inputs, targets = tokens[0, :, :-1], tokens[0, :, 1:]
    logits, (_, gradients) = engine.logits(inputs), engine.loss_and_gradients(inputs, targets)
    gradients = {name: gradient.copy() for name, gradient in gradients.items()}
    losses = [float(engine.train_step(batch[:, :-1], batch[:, 1:]).loss) for batch in tokens]
    return Reference(model, weights, tokens, logits, gradients, losses)


def save_odd_checkpoint(folder: Path, model: ModelConfig = ODD) -> Checkpoint:
    """A checkpoint to open from disk."""
    weights = trembling_weights(model, seed=1)
    checkpoint = Checkpoint(model, TrainConfig(batch_size=ROWS), weights)
    save_checkpoint(folder, checkpoint)
    return checkpoint


@contextmanager
def served_below(site: Path, folder: Path) -> Iterator[str]:
    """Serve a built site as it is, two folders below a host's root; gives the site's address."""
    (folder / SUB_PATH).parent.mkdir(parents=True)
    (folder / SUB_PATH.rstrip("/")).symlink_to(site)
    with serve_folder(folder) as url:
        yield url + SUB_PATH


class Playground(Watched):
    """The page, opened and ready.

    Args:
        browser: to open it in.
        site: the site's address.
        width: of the window, in pixels.
        change: edits what the site ships (index.json) on its way to the page; without one, the gallery is taken out,
            so that tests say the same whatever models it holds.
        script: runs in the page before its own.
        query: of the address.
        context: a browser's profile that is open already; a new one without it.
    """

    def __init__(
        self,
        browser: Browser,
        site: str,
        width: int = 1280,
        change: Callable[[dict[str, Any]], object] | None = None,
        script: str = "",
        query: str = "",
        context: BrowserContext | None = None,
    ) -> None:
        size: ViewportSize = {"width": width, "height": 900}
        self.context = context or browser.new_context(viewport=size, accept_downloads=True)
        self._browser = browser
        self.context.add_init_script(script)
        super().__init__(self.context)
        self.site = site
        self._change = change or (lambda index: index.update(models=[]))
        self.page.route("**/playground/index.json", self._hand_over)
        self.page.set_default_timeout(60_000)
        self.page.goto(f"{site}playground/{query}")
        self.wait_until_ready()

    def _hand_over(self, route: Route) -> None:
        answer = route.fetch()
        index = answer.json()
        self._change(index)
        route.fulfill(response=answer, json=index)

    def beside(self, query: str = "") -> Playground:
        """The page in a second tab of the same browser."""
        return Playground(self._browser, self.site, change=self._change, query=query, context=self.context)

    def wait_until_ready(self) -> None:
        """Wait for the worker, and unfold all controls."""
        self.page.locator(".tg-playground[data-ready]").wait_for()
        self.page.evaluate("for (const fold of document.querySelectorAll('.tgp-fold')) fold.open = true")

    def part(self, name: str) -> Locator:
        return self.page.locator(f"[data-playground={name}]")

    def status(self, name: str) -> Locator:
        """The line in which a part says how its task goes; it comes last of the part's lines."""
        return self.part(name).locator(".tgp-status").last

    def open_checkpoint(self, *files: Path) -> None:
        self.page.get_by_label("Open a checkpoint").set_input_files([*files])

    def wait_for(self, locator: Locator, words: str | re.Pattern[str]) -> str:
        """Wait until an element shows some words; returns all of its text."""
        locator.filter(has_text=words).wait_for()
        return locator.inner_text()

    def workers(self) -> list[str]:
        """Addresses of the page's own workers; the theme's search has another."""
        return [worker.url for worker in self.page.workers if worker.url.endswith("playground/worker.js")]

    def write(self, tokens: int, words: str | None = None) -> str:
        """Let the model continue the words at temperature 0; returns words and text as they are shown."""
        if words is not None:
            self.page.get_by_label("Your words").fill(words)
        self.page.get_by_label("Tokens").fill(str(tokens))
        self.page.get_by_label("Temperature").fill("0")
        self.page.get_by_role("button", name="Write").click()
        self.wait_for(self.status("text"), f"{tokens} tokens")
        return str(self.part("text").locator(".tgp-text").first.evaluate("element => element.textContent"))

    def contrasts(self, part: str, scheme: str) -> dict[str, float]:
        """Class of each line and mark in a part's chart and legend → its least contrast with the background."""
        found = self.page.evaluate(CONTRASTS, [part, scheme])
        assert isinstance(found, dict)
        return found

    def close(self) -> None:
        """Leave, after checking that nothing was asked of another host and nothing complained."""
        assert self.foreign(self.site) == []
        assert self.complaints == []
        self.context.close()


def start_training(playground: Playground, steps: int, preset: str = "tiny") -> None:
    """Press "Train"."""
    page = playground.page
    page.get_by_label("Size", exact=True).select_option(preset)
    page.get_by_label("Steps").fill(str(steps))
    page.get_by_role("button", name="Train", exact=True).click()


def evaluate_module(page: Page, script: str, argument: object) -> object:
    """Run a script's function with the page's own modules: ``async (modules, argument) => …``."""
    return page.evaluate(
        f"""async ([base, argument]) => {{
            const names = ["engine/reader", "engine/trainer", "generate", "kernels-js", "kernels-wasm"];
            const loaded = await Promise.all(names.map((name) => import(`${{base}}${{name}}.js`)));
            const modules = Object.assign({{ base }}, ...loaded);
            const [simd, relaxed] = await Promise.all(
                ["kernels", "kernels-relaxed"].map((name) => modules.loadKernels(new URL(`${{base}}${{name}}.wasm`))),
            );
            modules.kernels = {{ plain: modules.createKernels, simd, relaxed }};
            return ({script})(modules, argument);
        }}""",
        argument,
    )
