"""The pages of derivations/, fast/ and learn/ name what exists, and their figures follow from the code."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from tests import ROOT
from tests import test_documented_python as documented_python
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.vectorized.attention import query_blocks
from tinygpt.engines.vectorized.kernels import TILE
from tinygpt.optim import adamw_update
from tinygpt.params import initial_parameters
from tinygpt.presets import PRESETS

DERIVED, FAST = ROOT / "docs/derivations", ROOT / "docs/fast"
LESSONS = [ROOT / name for name in documented_python.LESSONS]
PAGES = sorted((*DERIVED.glob("*.md"), *FAST.glob("*.md"), *LESSONS))
CODE = "\n".join(path.read_text() for folder in ("tinygpt", "tests") for path in (ROOT / folder).rglob("*.py"))


def title(page: Path) -> str:
    return f"{page.parent.name}/{page.stem}"


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    for path in re.findall(r"`((?:tinygpt|bench|tests|site)/[\w/.]*)`", text):
        assert (ROOT / path).exists(), path
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if len(cells) != 2 or " in `" not in cells[1]:
            continue
        names, _, path = cells[1].rpartition(" in ")
        source = (ROOT / path.strip("`")).read_text()
        for name in re.findall(r"`([\w.]+)`", names):
            assert re.search(rf"\b(def|class) {name.rpartition('.')[2]}\b", source), f"{name} in {path}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "index"], ids=title)
def test_pages_name_the_test_that_checks_them(page: Path) -> None:
    tests = re.findall(r"`(test_\w+)`", page.read_text())
    assert tests
    for test in tests:
        assert f"def {test}(" in CODE, test


@pytest.mark.parametrize(
    "page",
    [page for page in DERIVED.glob("*.md") if page.stem not in ("index", "generation", "muon", "lora")],
    ids=title,
)
def test_a_derivation_shows_its_code_and_has_a_forward_and_a_backward(page: Path) -> None:
    text = page.read_text()
    assert re.search(r"## Plain code\n\nThe exercise comes first: .*\(\.\./learn/sitting_\d\.md#[\w-]+\)", text)
    assert "{{ source(" in text
    assert page.stem == "adamw" or re.search(r"^(## |\*\*)Backward", text, re.M)


def test_the_table_of_blocks_is_what_the_engine_does() -> None:
    rows = re.findall(
        r'^\| (\d+) \| (\d+) \| {{ derived\("([\d.]+) %"\) }} \|$', (FAST / "attention.md").read_text(), re.M
    )
    assert len(rows) == 4
    for context, count, percent in rows:
        blocks = query_blocks(int(context))
        assert len(blocks) == int(count)
        part = sum((stop - start) * stop for start, stop in blocks) / int(context) ** 2
        assert 100 * part == float(percent)


def test_figures_of_the_configuration_are_those_of_the_code() -> None:
    pages = {page.stem: page.read_text() for page in FAST.glob("*.md")}
    for name in ("index", "gelu", "attention", "adamw"):
        assert f"{TILE:,} numbers" in pages[name], name
    medium, behemoth = PRESETS["medium"], PRESETS["behemoth"]
    assert rf"N = {medium.train.batch_size} \cdot {medium.model.context_length} =" in pages["layer_norm"]
    assert rf"${behemoth.train.batch_size} \cdot {behemoth.model.context_length}$ positions" in pages["layer_norm"]
    assert f"width of {behemoth.model.d_model}" in pages["layer_norm"]


# ---- arithmetic on the pages -----------------------------------------------------------------------------


def test_the_head_of_the_smallest_preset_has_a_sixth_of_the_operations() -> None:
    model = PRESETS["tiny"].model
    d, head = model.d_model, 6 * model.vocab_size
    assert len(query_blocks(model.context_length)) == 1  # so all of 12 TD is computed
    share = head / (model.n_layers * (72 * d + 12 * model.context_length) + head)
    assert f'{{{{ derived("{100 * share:.0f} %") }}}}' in (FAST / "index.md").read_text()


def test_the_bytes_of_a_token_are_those_of_the_blocks_weights() -> None:
    found = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \|$", (FAST / "generation.md").read_text(), re.M)
    rows = [row for row in found if row[0] in PRESETS]
    assert len(rows) == 5
    for name, size, speed in rows:
        model = PRESETS[name].model
        n_bytes = 4 * 12 * model.n_layers * model.d_model**2
        assert float(re.search(r'"([\d.]+) MB"', size)[1]) == pytest.approx(n_bytes / 1e6, rel=0.03)
        if speed != "–":
            assert int(re.search(r'"(\d+) ', speed)[1]) == pytest.approx(20e9 / n_bytes, rel=0.01)


def test_epsilon_leaves_a_part_of_the_gradient_along_the_normalised_row() -> None:
    weights = initial_parameters(ModelConfig(1, 128, 1, 256), seed=0)
    x = weights["wte.weight"] + weights["wpe.weight"]
    rest = 1e-5 / (2 * 0.02**2 + 1e-5)
    assert np.mean(1e-5 / (x.var(axis=-1) + 1e-5)) == pytest.approx(rest, rel=0.05)
    assert f'{{{{ derived("{100 * rest:.1f} %") }}}}' in (DERIVED / "layer_norm.md").read_text()


def last_update(gradients: np.ndarray, config: TrainConfig) -> np.ndarray:
    """Return the last update of parameters that saw these gradients, (steps, parameters), in units of the rate."""
    theta, m1, m2 = np.zeros((3, gradients.shape[1]))
    for step, gradient in enumerate(gradients, 1):
        before = theta.copy()
        adamw_update(theta, gradient, m1, m2, step, config.learning_rate, config, decayed=False)
    return (before - theta) / config.learning_rate


def test_a_step_of_adamw_is_as_long_as_its_page_says() -> None:
    config, text = TrainConfig(batch_size=1), (DERIVED / "adamw.md").read_text()
    beta1, beta2 = config.betas
    assert last_update(np.array([[-3e-4]]), config) == pytest.approx(-1.0, rel=1e-3)
    assert last_update(np.full((50, 1), 0.2), config) == pytest.approx(1.0, rel=1e-3)

    longest = (1 - beta1) / math.sqrt((1 - beta2) * (1 - beta1**2 / beta2))
    assert f'{{{{ derived("{longest:.3f}") }}}} times' in text
    # Equality in Cauchy and Schwarz: gradients in proportion to the quotient of their weights.
    worst = (beta1 / beta2) ** np.arange(199, -1, -1.0)
    assert last_update(worst[:, None], config) == pytest.approx(longest, rel=1e-3)

    signs = np.random.default_rng(0).choice([-1.0, 1.0], (200, 4000))
    typical = math.sqrt(np.mean(np.square(last_update(signs, config))))
    assert f'{{{{ derived("{math.sqrt((1 - beta1) / (1 + beta1)):.2f}") }}}}' in text
    assert typical == pytest.approx(math.sqrt((1 - beta1) / (1 + beta1)), rel=0.1)

    halved = math.log(2) / (config.learning_rate * config.weight_decay)
    assert f'{{{{ derived("{halved:,.0f}") }}}} updates' in text
