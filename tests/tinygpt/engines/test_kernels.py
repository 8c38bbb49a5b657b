"""Each fused kernel's two forms agree with each other and with the plain twin in layers.py or optim.py."""

import numpy as np
import pytest

from tinygpt import layers
from tinygpt.config import TrainConfig
from tinygpt.engines.vectorized import kernels
from tinygpt.optim import adamw_update


def operands(name):
    """Make the same arguments twice, for the two forms."""
    for _ in range(2):
        rng = np.random.default_rng(1)
        yield kernels.KERNELS[name].arguments(lambda n, rng=rng: rng.standard_normal(n, np.float32))


def arrays(arguments):
    return [a for a in arguments if isinstance(a, np.ndarray)]


# Operands to compare, where the forms may leave another one different (an overwritten gradient or branch).
KEPT = {"adamw": (0, 2, 3), "residual": (0,), "normalize_backward": (3,)}


@pytest.mark.parametrize("name", kernels.KERNELS)
def test_both_forms_agree(name):
    first, second = operands(name)
    kernels.KERNELS[name].numpy(*first)
    kernels.KERNELS[name].numexpr(*second)
    written = arrays(first), arrays(second)
    kept = KEPT.get(name, range(len(written[0])))
    written = [[group[i] for i in kept] for group in written]
    for a, b in zip(*written, strict=True):
        assert a.dtype == b.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_gelu_matches_its_plain_twin():
    x = np.linspace(-6, 6, 1000, dtype=np.float32).reshape(4, 250)
    expected, t = layers.gelu(x.astype(np.float64))
    slope = layers.gelu_backward(np.ones_like(expected), x.astype(np.float64), t)
    tile, y = x.copy(), np.empty_like(x)
    kernels.gelu_numpy(tile, y, (np.empty_like(x), np.empty_like(x)))
    np.testing.assert_allclose(y, expected, atol=1e-6)
    np.testing.assert_allclose(tile, slope, atol=2e-6)


@pytest.mark.parametrize("form", [kernels.exponentials_numpy, kernels.exponentials_numexpr])
@pytest.mark.parametrize("start", [0, 4])
def test_exponentials_and_their_totals_are_an_unnormalised_causal_softmax(form, start):
    scores = np.random.default_rng(0).standard_normal((3, 8, start + 8), np.float32)
    mask = np.tri(8, start + 8, start, np.float32)
    expected = layers.softmax(np.where(mask > 0, scores.astype(np.float64), -np.inf))
    total = np.empty((3, 8, 1), np.float32)
    form(scores, mask, np.ones((start + 8, 1), np.float32), total)
    assert kernels.totals_are_safe(total)
    np.testing.assert_allclose(scores / total, expected, atol=1e-6)


@pytest.mark.parametrize("largest", [60.0, 200.0, -60.0, np.nan])
def test_totals_tell_when_a_row_leaves_the_safe_range(largest):
    scores = np.full((1, 4, 4), largest, np.float32)
    total = np.empty((1, 4, 1), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        kernels.exponentials_numpy(scores, np.tri(4, dtype=np.float32), np.ones((4, 1), np.float32), total)
    assert not kernels.totals_are_safe(total)


def test_without_its_maximum_a_row_has_its_largest_visible_score_at_zero():
    scores = np.arange(16, dtype=np.float32).reshape(1, 4, 4) * 100
    kernels.subtract_maximum(scores, np.tri(4, dtype=np.float32))
    assert (scores.max(axis=-1) == 0).all()
    assert (scores[0][np.tri(4) == 0] == -np.inf).all()


@pytest.mark.parametrize("form", [kernels.adamw_numpy, kernels.adamw_numexpr])
def test_adamw_matches_its_plain_twin(form):
    rng = np.random.default_rng(0)
    config = TrainConfig(batch_size=1)
    p, g, m = (rng.standard_normal(100, np.float32) for _ in range(3))
    v = np.abs(rng.standard_normal(100, np.float32))
    expected = [a.astype(np.float64) for a in (p, m, v)]
    adamw_update(expected[0], g.astype(np.float64) * 0.5, expected[1], expected[2], 4, 1e-2, config, decayed=False)
    form(p, g, m, v, kernels.AdamWStep.at(4, 1e-2, 0.5, config), np.empty_like(p))
    for actual, wanted in zip((p, m, v), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", [kernels.normalize_numpy, kernels.normalize_numexpr])
def test_normalisation_and_its_backward_match_their_plain_twins(form):
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((5, 16)) for _ in range(2))
    _, (x_hat, r) = layers.layer_norm(x, np.ones(16), np.zeros(16), 1e-5)
    hat, deviation = np.empty((5, 16), np.float32), np.empty((5, 1), np.float32)
    mean_vector = np.full((16, 1), 1 / 16, np.float32)
    form(x.astype(np.float32), hat, deviation, 1e-5, mean_vector)
    np.testing.assert_allclose(hat, x_hat, atol=1e-6)
    np.testing.assert_allclose(deviation, r, rtol=1e-6)
    expected, _, _ = layers.layer_norm_backward(dy, np.ones(16), (x_hat, r))
    centred = (dy - dy.mean(axis=-1, keepdims=True)).astype(np.float32)
    dx = np.ones((5, 16), np.float32)
    kernels.normalize_backward_numpy(centred, hat, deviation, dx, mean_vector, np.empty((5, 16), np.float32))
    np.testing.assert_allclose(dx - 1, expected, atol=1e-5)
