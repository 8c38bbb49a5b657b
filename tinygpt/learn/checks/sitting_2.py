"""Checks of sitting 2: linear, GELU, softmax with cross-entropy, and their backwards."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tinygpt import layers
from tinygpt.learn.checks.pairs import Pair, check_backward, check_forward, check_single_axis
from tinygpt.learn.differences import precise_slopes
from tinygpt.learn.hints import Wrong, compare, is_close
from tinygpt.learn.student import Student

B, T, V = 3, 5, 11
_INPUTS, _OUTPUTS = 6, 7


def _linear_pair() -> Pair:
    rng = np.random.default_rng(1)
    shapes = {"x": (B, T, _INPUTS), "weight": (_INPUTS, _OUTPUTS), "bias": (_OUTPUTS,)}
    inputs = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    dy = rng.normal(size=(B, T, _OUTPUTS))
    sizes = {"N": B * T, "B": B, "T": T, "I": _INPUTS, "O": _OUTPUTS}
    return Pair("linear", "linear_backward", inputs, "dx, dweight, dbias", layers.linear, dy, sizes=sizes)


def linear_backward(student: Student) -> None:
    """Rows on two leading axes, and widths that no wrong product fits."""
    pair = _linear_pair()
    dy, flat = pair.dy, pair.inputs["x"].reshape(-1, _INPUTS)
    assert dy is not None
    suspects = {
        "dweight": {"dy alone, summed over the rows: x is missing": np.tile(dy.sum((0, 1)), (_INPUTS, 1)),
                    "x alone, summed over the rows: dy is missing": np.tile(flat.sum(0)[:, None], (1, _OUTPUTS))},
        "dbias": {"the bias itself: the gradient of a sum with it is dy, summed over the rows": pair.inputs["bias"]},
    }  # fmt: skip
    check_backward(student, pair, suspects)
    check_single_axis(student, pair)


def _gelu_pair() -> Pair:
    x = np.concatenate([np.linspace(-4, 4, 17), [0.3, -0.7, 1.9]]).reshape(4, 5)
    dy = np.random.default_rng(2).normal(size=x.shape)
    return Pair("gelu", "gelu_backward", {"x": x}, "dx", lambda x: layers.gelu(x)[0], dy)


def gelu(student: Student) -> None:
    """Against the tanh form, which GPT-2 uses."""
    pair = _gelu_pair()
    x = pair.inputs["x"]
    inner = layers.GELU_SCALE * (x + layers.GELU_CUBIC * x**3)
    erf = np.vectorize(math.erf)(x / math.sqrt(2))
    suspects = {
        "this is the exact form with erf; GPT-2 uses the one with tanh": 0.5 * x * (1 + erf),
        "the cubic term is missing": 0.5 * x * (1 + np.tanh(layers.GELU_SCALE * x)),
        "√(2/π) multiplies x alone; it has to multiply the cubic term too": 0.5
        * x * (1 + np.tanh(layers.GELU_SCALE * x + layers.GELU_CUBIC * x**3)),
        "x² where the cube is due": 0.5 * x * (1 + np.tanh(layers.GELU_SCALE * (x + layers.GELU_CUBIC * x**2))),
        "√(2/π) is missing": 0.5 * x * (1 + np.tanh(x + layers.GELU_CUBIC * x**3)),
        "this is ½ (1 + tanh) without the factor x": 0.5 * (1 + np.tanh(inner)),
        "this is ReLU": np.maximum(x, 0),
    }  # fmt: skip
    check_forward(student, pair, suspects)


def gelu_backward(student: Student) -> None:
    """Element by element, with numbers on both sides of 0."""
    pair = _gelu_pair()
    x, dy = pair.inputs["x"], pair.dy
    assert dy is not None
    t = np.tanh(layers.GELU_SCALE * (x + layers.GELU_CUBIC * x**3))
    inner = layers.GELU_SCALE * (1 + 3 * layers.GELU_CUBIC * x**2)
    suspects = {
        "the product rule has two terms; the one through the tanh is missing": dy * 0.5 * (1 + t),
        "the product rule has two terms; the one that differentiates the factor x is missing": dy
        * 0.5 * x * (1 - t**2) * inner,
        "this is dy: the derivative is missing": dy,
        "dy is missing: this is the derivative alone": 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * inner,
        "the chain rule stops at the tanh: the derivative of its argument is missing": dy
        * (0.5 * (1 + t) + 0.5 * x * (1 - t**2)),
        "the derivative of the tanh's argument lacks the factor 3 of x³": dy
        * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * layers.GELU_SCALE * (1 + layers.GELU_CUBIC * x**2)),
        "the derivative of tanh is 1 − tanh², not 1 − tanh": dy * (0.5 * (1 + t) + 0.5 * x * (1 - t) * inner),
    }  # fmt: skip
    check_backward(student, pair, {"dx": suspects})
    _require_a_formula(student, pair)


def _require_a_formula(student: Student, pair: Pair) -> None:
    """Compare dx with a derivative of the student's own GELU that is as precise as a formula.

    Raises:
        Wrong: it is as rough as a finite difference.
    """
    _, cache = pair.output(student)
    right = np.asarray(pair.dy) * precise_slopes(lambda x: student.module.gelu(x)[0], pair.inputs["x"])
    if not is_close(student.call("gelu_backward", pair.dy, cache), right, within=2e-12):
        raise Wrong(
            "dx is right to ten digits or so, as a finite difference is, or a formula with a rounded √(2/π); a formula "
            "with the constants of your gelu is right to 15"
        )


def _loss_pair(scale: float = 1.0) -> Pair:
    rng = np.random.default_rng(3)
    logits, targets = scale * rng.normal(size=(B, T, V)), rng.integers(0, V, size=(B, T))
    sizes = {"N": B * T, "B": B, "T": T, "V": V}

    def loss(logits: np.ndarray, targets: np.ndarray) -> float:
        return layers.cross_entropy(logits, targets)[0]

    return Pair("cross_entropy", "cross_entropy_backward", {"logits": logits}, "dlogits", loss, None, [targets], sizes)


def _picked(p: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.take_along_axis(p, targets[..., None], axis=-1)[..., 0]


def cross_entropy(student: Student) -> None:
    """A mean over all positions, and scores too large for an exponential."""
    pair = _loss_pair()
    logits, targets = pair.inputs["logits"], pair.extra[0]
    p = _picked(layers.softmax(logits), targets)
    suspects = {
        "this is the logarithm of the mean probability; the loss is the mean of the logarithms": -math.log(p.mean()),
        "this is the mean of −p; the logarithm is missing": -p.mean(),
        "this is the score of the target alone; the logarithm of the sum of exponentials is missing": -_picked(
            logits, targets).mean(),
        "the softmax runs over the positions; it has to run over the V scores of each": -np.log(
            _picked(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), targets)).mean(),
        "label smoothing: the whole truth has to be at the actual next byte": -(
            0.9 * np.log(p) + 0.1 * np.log(layers.softmax(logits)).mean(-1)).mean(),
    }  # fmt: skip
    check_forward(student, pair, suspects)
    far = np.linspace(-1000, 1000, B * T).reshape(B, T, 1)
    hints = {
        "e^1000 overflows, so subtract each row's largest score first": replace(pair, inputs={"logits": logits + far}),
        "a probability rounds to 0, and ln 0 is −∞: compute ln p as a difference, not from a quotient": (
            _loss_pair(scale=1000.0)
        ),
    }
    for hint, large in hints.items():
        loss, _ = large.output(student)
        if not np.isfinite(loss):
            raise Wrong(f"loss is {loss:.3g} for scores near 1000: {hint}")
        floor = "a small number added to p, or a lower limit of it, hides how wrong a model is: compute ln p without p"
        suspects = {floor: next((capped for capped in _capped(large) if is_close(np.asarray(loss), capped)), math.nan)}
        compare("loss, for scores near 1000,", loss, large.engine(*large.arguments), large.sizes, suspects)


def _capped(pair: Pair) -> Iterator[float]:
    """Return the losses of −ln(p + ε) for the usual ε, which are those of a lower limit ε too where p is 0."""
    p = _picked(layers.softmax(pair.inputs["logits"]), pair.extra[0])
    return (-np.log(p + 10.0**-digits).mean() for digits in range(5, 31))


def cross_entropy_backward(student: Student) -> None:
    """The gradient of the mean."""
    pair = _loss_pair()
    p, targets = layers.softmax(pair.inputs["logits"]), pair.extra[0]
    onehot = np.eye(V)[targets]
    suspects = {
        "these are the probabilities alone: the target's 1 is not subtracted": p / targets.size,
        "these are the probabilities alone, and not divided by the number of positions": p,
        "the sign of the probabilities: a score that is too high has to fall": (-p - onehot) / targets.size,
        "1 is subtracted after the division by N; both are divided": p / targets.size - onehot,
        "this is the slope of −ln p along p; the softmax has to be differentiated too": -onehot / p / targets.size,
    }
    try:
        check_backward(student, pair, {"dlogits": suspects})
    except Wrong as wrong:
        hint = _targets_hint(student, pair, p) if "dlogits differs" in str(wrong) else ""
        raise Wrong(hint or str(wrong)) from None


def _targets_hint(student: Student, pair: Pair, p: np.ndarray) -> str:
    """Return a hint from the targets that a gradient has, if it is the probabilities less targets; else nothing."""
    _, cache = pair.output(student)
    truth = p - p.shape[0] * p.shape[1] * np.asarray(student.call(pair.backward, cache))
    others = truth[pair.extra[0] != 0][:, 0]  # what it takes for the truth of byte 0 where another byte came
    if np.ptp(others) > 1e-9:
        return ""
    total = truth[0, 0].sum()
    if not math.isclose(total, 1.0, rel_tol=1e-6):
        return f"(p − targets) / N: a row of targets adds up to {total:.4g} and has to add up to 1"
    return "(p − targets) / N: a row of targets has several numbers other than 0, as with label smoothing; it has one"
