"""Each fused kernel's forms agree with each other and with the plain twin in layers.py or optim.py."""

import warnings

import numpy as np
import pytest

from tinygpt import layers
from tinygpt.config import TrainConfig
from tinygpt.engines.vectorized import kernels
from tinygpt.engines.vectorized.forms import FORMS, KERNELS, NUMPY, form_of, has_form
from tinygpt.optim import adamw_update


def forms_of(kernel):
    return [form for form in FORMS if has_form(kernel, form)]


def operands(kernel):
    """Make the same arguments for every form."""
    rng = np.random.default_rng(1)
    return KERNELS[kernel].arguments(lambda n: rng.standard_normal(n, np.float32))


# Operands to compare, where the forms may leave another one different (an overwritten gradient or branch).
KEPT = {"gelu": (0, 1), "adamw": (0, 2, 3), "residual": (0,), "normalize_backward": (3,)}


@pytest.mark.parametrize(
    ("kernel", "form"), [(kernel, form) for kernel in KERNELS for form in forms_of(kernel) if form != NUMPY]
)
def test_all_forms_agree(kernel, form):
    first, second = operands(kernel), operands(kernel)
    form_of(kernel, NUMPY)(*first)
    form_of(kernel, form)(*second)
    kept = KEPT.get(kernel, [i for i, operand in enumerate(first) if isinstance(operand, np.ndarray)])
    for i in kept:
        assert first[i].dtype == second[i].dtype == np.float32
        np.testing.assert_allclose(first[i], second[i], rtol=2e-4, atol=2e-5)


def gelu_and_slope(form, x):
    slope, y = x.copy(), np.empty_like(x)
    form_of("gelu", form)(slope, y, (np.empty_like(x), np.empty_like(x)))
    return y, slope


@pytest.mark.parametrize("form", forms_of("gelu"))
def test_gelu_matches_its_plain_twin(form):
    x = np.concatenate([np.linspace(-12, 12, 4000, dtype=np.float32), np.float32([-1e4, -40, 40, 1e4, -0.0, 1e-30])])
    expected, t = layers.gelu(x.astype(np.float64))
    slope = layers.gelu_backward(np.ones_like(expected), x.astype(np.float64), t)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an exponential that overflows is expected
        y, derivative = gelu_and_slope(form, x)
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=2e-6)
    np.testing.assert_allclose(derivative, slope, atol=4e-6)


@pytest.mark.parametrize("form", forms_of("gelu"))
def test_gelu_of_what_is_not_finite_is_what_the_plain_twin_says(form):
    x = np.tile(np.float32([np.nan, np.inf, -np.inf, 1e30, -1e30, 1.0]), 9)  # with a rest after whole vectors
    with np.errstate(all="ignore"):
        expected, _ = layers.gelu(x)
        y, derivative = gelu_and_slope(form, x)
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    assert np.isnan(derivative[np.isnan(x)]).all()
    assert np.isfinite(derivative[x == 1.0]).all()


@pytest.mark.parametrize("form", forms_of("exponentials"))
@pytest.mark.parametrize("start", [0, 4])
def test_exponentials_and_their_totals_are_an_unnormalised_causal_softmax(form, start):
    scores = np.random.default_rng(0).standard_normal((1, 3, 8, start + 8), np.float32)
    mask = np.tri(8, start + 8, start, np.float32)
    expected = layers.softmax(np.where(mask > 0, scores.astype(np.float64), -np.inf))
    total = np.empty((1, 3, 8, 1), np.float32)
    form_of("exponentials", form)(scores, mask, np.ones((start + 8, 1), np.float32), total)
    assert kernels.totals_are_safe(total)
    np.testing.assert_allclose(scores / total, expected, atol=1e-6)


@pytest.mark.parametrize("form", forms_of("exponentials"))
@pytest.mark.parametrize("largest", [60.0, 200.0, -60.0, np.nan])
def test_totals_tell_when_a_row_leaves_the_safe_range(largest, form):
    scores = np.full((1, 1, 4, 4), largest, np.float32)
    total = np.empty((1, 1, 4, 1), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        form_of("exponentials", form)(scores, np.tri(4, dtype=np.float32), np.ones((4, 1), np.float32), total)
    assert not kernels.totals_are_safe(total)


def test_without_its_maximum_a_row_has_its_largest_visible_score_at_zero():
    scores = np.arange(16, dtype=np.float32).reshape(1, 4, 4) * 100
    kernels.subtract_maximum(scores, np.tri(4, dtype=np.float32))
    assert (scores.max(axis=-1) == 0).all()
    assert (scores[0][np.tri(4) == 0] == -np.inf).all()


@pytest.mark.parametrize("form", forms_of("adamw"))
def test_adamw_matches_its_plain_twin(form):
    rng = np.random.default_rng(0)
    config = TrainConfig(batch_size=1)
    p, g, m = (rng.standard_normal(100, np.float32) for _ in range(3))
    v = np.abs(rng.standard_normal(100, np.float32))
    expected = [a.astype(np.float64) for a in (p, m, v)]
    adamw_update(expected[0], g.astype(np.float64) * 0.5, expected[1], expected[2], 4, 1e-2, config, decayed=False)
    form_of("adamw", form)(p, g, m, v, kernels.AdamWStep.at(4, 1e-2, 0.5, config), np.empty_like(p))
    for actual, wanted in zip((p, m, v), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", forms_of("normalize"))
def test_normalisation_and_its_backward_match_their_plain_twins(form):
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((5, 16)) for _ in range(2))
    _, (x_hat, r) = layers.layer_norm(x, np.ones(16), np.zeros(16), 1e-5)
    hat, deviation = np.ones((5, 17), np.float32), np.empty((5, 1), np.float32)  # with the column of ones
    mean_vector = np.full((16, 1), 1 / 16, np.float32)
    form_of("normalize", form)(x.astype(np.float32), hat, deviation, 1e-5, mean_vector)
    np.testing.assert_allclose(hat[:, :16], x_hat, atol=1e-6)
    assert (hat[:, 16] == 1).all()
    np.testing.assert_allclose(deviation, r, rtol=1e-6)
    expected, _, _ = layers.layer_norm_backward(dy, np.ones(16), (x_hat, r))
    centred = (dy - dy.mean(axis=-1, keepdims=True)).astype(np.float32)
    dx, room = np.ones((5, 16), np.float32), np.empty((5, 16), np.float32)
    form_of("normalize_backward", form)(centred, hat, deviation, dx, mean_vector, room)
    np.testing.assert_allclose(dx - 1, expected, atol=1e-5)


def test_a_compiled_kernel_has_one_signature():
    for kernel in KERNELS:
        compiled = form_of(kernel, "numba")
        compiled(*operands(kernel))
        assert len(compiled.signatures) == 1
    with pytest.raises(TypeError, match="No matching definition"):
        form_of("residual", "numba")(np.ones(3), np.ones(3), np.ones(3))
