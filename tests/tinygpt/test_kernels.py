"""Each fused kernel's two forms agree with each other and with the plain twin in layers.py or optim.py."""

import numpy as np
import pytest

from tinygpt import layers
from tinygpt.config import TrainConfig
from tinygpt.engines.vectorized import kernels
from tinygpt.optim import adamw_update


def operands(name):
    """The same arguments twice, for the two forms."""
    for _ in range(2):
        rng = np.random.default_rng(1)
        yield kernels.KERNELS[name].arguments(lambda n, rng=rng: rng.standard_normal(n, np.float32))


def arrays(arguments):
    return [a for a in arguments if isinstance(a, np.ndarray)]


# Which operands count, where a form may leave another one in a state of its own (a gradient, a branch used up).
KEPT = {"adamw": (0, 2, 3), "residual": (0,)}


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


@pytest.mark.parametrize("form", [kernels.softmax_numpy, kernels.softmax_numexpr])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_softmax_matches_its_plain_twin_at_any_magnitude(form, scale):
    scores = np.random.default_rng(0).standard_normal((3, 8, 8), np.float32) * np.float32(scale)
    mask = np.tril(np.ones((8, 8), np.float32))
    expected = layers.softmax(np.where(mask > 0, scores.astype(np.float64), -np.inf))
    form(scores, mask, np.ones((8, 1), np.float32))
    np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("decayed", [True, False])
@pytest.mark.parametrize("form", [kernels.adamw_numpy, kernels.adamw_numexpr])
def test_adamw_matches_its_plain_twin(form, decayed):
    rng = np.random.default_rng(0)
    config = TrainConfig(batch_size=1)
    p, g, m = (rng.standard_normal(100, np.float32) for _ in range(3))
    v = np.abs(rng.standard_normal(100, np.float32))
    expected = [a.astype(np.float64) for a in (p, m, v)]
    adamw_update(expected[0], g.astype(np.float64) * 0.5, expected[1], expected[2], 4, 1e-2, config, decayed)
    form(p, g, m, v, kernels.AdamWStep.at(4, 1e-2, 0.5, config), decayed, np.empty_like(p))
    for actual, wanted in zip((p, m, v), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-6)


def test_auto_resolves_to_a_choice_that_can_be_repeated():
    chosen = kernels.choose_kernels("auto")
    assert kernels.choose_kernels(chosen.spec) == chosen
    assert chosen.spec == "numpy" or chosen.spec.startswith("numexpr")


def test_mixed_choice():
    chosen = kernels.choose_kernels("numexpr:adamw+gelu")
    assert chosen.spec == "numexpr:gelu+adamw"
    assert chosen.adamw is kernels.adamw_numexpr
    assert chosen.softmax is kernels.softmax_numpy
