"""The figures of docs/learn and docs/derivations show what the library computes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sitegen.figures import FIGURES
from sitegen.figures.lessons import attention_gradient, layer_norm_plane, rates
from sitegen.rows.results import Results
from tinygpt.layers import attention, gelu, layer_norm, softmax
from tinygpt.presets import PRESETS
from tinygpt.recipes import RECIPES
from tinygpt.schedule import learning_rate_at

COMPUTED = [name for name, figure in FIGURES.items() if not figure.needs]


@pytest.fixture(scope="module")
def results() -> Results:
    return Results(*[None] * 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", COMPUTED)
def test_a_computed_figure_is_the_same_every_time(name: str, results: Results) -> None:
    first, second = FIGURES[name].rows(results), FIGURES[name].rows(results)
    assert len(first) and first.equals(second)
    assert FIGURES[name].describe(first).endswith(".")


def test_gelus_derivative_is_its_slope(results: Results) -> None:
    lines = FIGURES["gelu"].rows(results).pivot_table(index="x", columns="series", values="y")
    x = lines.index.to_numpy()
    assert lines["GELU"].to_numpy() == pytest.approx(gelu(x)[0])
    slope = (gelu(x + 1e-6)[0] - gelu(x - 1e-6)[0]) / 2e-6
    assert lines["its derivative"].to_numpy() == pytest.approx(slope, abs=1e-8)


def test_the_matrices_of_four_positions_are_an_attention_and_its_slopes() -> None:
    weights, dweights, dscores = attention_gradient.matrices().values()
    scores = np.array(attention_gradient.SCORES)

    def weights_of(scores: np.ndarray) -> np.ndarray:
        return softmax(np.where(np.tri(4, dtype=bool), scores, -np.inf))

    assert weights == pytest.approx(weights_of(scores))
    for query, key in np.ndindex(4, 4):
        move = np.zeros((4, 4))
        move[query, key] = 1e-6
        slope = (dweights * (weights_of(scores + move) - weights_of(scores - move))).sum() / 2e-6
        assert dscores[query, key] == pytest.approx(slope, abs=1e-9)
    assert dscores.sum(axis=1) == pytest.approx(np.zeros(4), abs=1e-12)
    y = attention(np.concatenate([scores, 2 * np.eye(4), np.eye(4)], axis=1)[None], 1)[0]
    assert y[0] == pytest.approx(weights)


def test_the_plane_of_a_norm_holds_what_it_claims() -> None:
    found = layer_norm_plane.projections()
    x_hat = found["normalised"]
    assert x_hat == pytest.approx(layer_norm(layer_norm_plane.X, np.ones(3), np.zeros(3), 0.0)[0])
    assert np.linalg.norm(x_hat, axis=1) == pytest.approx(np.full(4, math.sqrt(3)))
    assert x_hat[1] == pytest.approx(x_hat[2])  # a factor and a shift
    assert (found["kept"] * x_hat).sum(axis=1) == pytest.approx(np.zeros(4), abs=1e-12)  # along the circle
    assert found["kept"].sum(axis=1) == pytest.approx(np.zeros(4), abs=1e-12)  # in the plane


def test_the_rates_are_those_of_a_run(results: Results) -> None:
    rows = FIGURES["rates"].rows(results)
    preset = PRESETS["small"]
    train = RECIPES["cosine"].apply(preset.train, preset.model, rates.STEPS)
    for step, rate in rows.loc[rows["series"] == "cosine", ["step", "rate"]].to_numpy():
        assert rate == learning_rate_at(train, int(step))


def test_the_stream_of_the_diagram_grows_backwards_by_its_branches(results: Results) -> None:
    rows = FIGURES["stream_backward"].rows(results)
    assert rows["branch"].tolist() == [
        f"{kind} {block}" for block in range(1, 5) for kind in ("attention", "MLP")
    ] + [""]  # fmt: skip
    for before, after in zip(rows.iloc[:-1].itertuples(), rows.iloc[1:].itertuples(), strict=True):
        assert abs(after.gradient - before.added) <= before.gradient <= after.gradient + before.added
