"""Checks of sitting 3: layer normalisation, causal attention, heads."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tinygpt import layers
from tinygpt.learn.checks.pairs import Pair, check_backward, check_forward, check_single_axis
from tinygpt.learn.hints import NotBegun, Suspects, Wrong, accuse, compare
from tinygpt.learn.student import Student

B, T, D, H, C = 3, 7, 10, 2, 5
_EPS = 0.3  # large, so that its place shows


def _norm_pair() -> Pair:
    rng = np.random.default_rng(4)
    inputs = {"x": 2 + rng.normal(size=(B, T, D)), "gain": 1 + rng.normal(size=D), "bias": rng.normal(size=D)}

    def norm(x: np.ndarray, gain: np.ndarray, bias: np.ndarray, eps: float) -> np.ndarray:
        return layers.layer_norm(x, gain, bias, eps)[0]

    sizes = {"N": B * T, "D": D, "B": B, "T": T}
    return Pair(
        "layer_norm", "layer_norm_backward", inputs, "dx, dgain, dbias", norm, rng.normal(size=(B, T, D)), [_EPS], sizes
    )


def layer_norm(student: Student) -> None:
    """Rows whose mean is not 0, and an ε that shows."""
    pair = _norm_pair()
    x, gain, bias = pair.inputs.values()
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    suspects = {
        "the mean is not subtracted": gain * x / np.sqrt(variance + _EPS) + bias,
        "ε is added to the deviation; it belongs under the root": gain * centred / (np.sqrt(variance) + _EPS) + bias,
        "ε is missing": gain * centred / np.sqrt(variance) + bias,
        "divided by the variance and not by its root": gain * centred / (variance + _EPS) + bias,
        "the variance divides by D − 1; here it is the mean of the squares": gain
        * centred / np.sqrt(variance * D / (D - 1) + _EPS) + bias,
        "gain and bias are missing": centred / np.sqrt(variance + _EPS),
        "the mean and the variance run over the positions; each row of D numbers has its own": gain
        * (x - x.mean((0, 1))) / np.sqrt(x.var((0, 1)) + _EPS) + bias,
        "the mean and the variance are those of the whole array; each row of D numbers has its own": gain
        * (x - x.mean()) / np.sqrt(x.var() + _EPS) + bias,
    }  # fmt: skip
    check_forward(student, pair, suspects)


def layer_norm_backward(student: Student) -> None:
    """The mean and the deviation depend on x too."""
    pair = _norm_pair()
    x, gain, _ = pair.inputs.values()
    dy = pair.dy
    assert dy is not None
    _, (x_hat, r) = layers.layer_norm(x, gain, np.zeros(D), _EPS)

    def dx(u: np.ndarray, mean: float = 1.0, along: float = 1.0, factor: np.ndarray = r) -> np.ndarray:
        return factor * (u - mean * u.mean(-1, keepdims=True) - along * x_hat * (u * x_hat).mean(-1, keepdims=True))

    suspects: dict[str, Suspects] = {
        "dx": {
            "x changes the mean too: what reaches it through the mean is missing": dx(gain * dy, mean=0),
            "x changes the deviation too: what reaches it through 1/√(variance + ε) is missing": dx(gain * dy, along=0),
            "mean and deviation are taken as constants: both depend on x": dx(gain * dy, mean=0, along=0),
            "the gain is missing: y is gain times x̂": dx(dy),
            "the factor 1/√(variance + ε) is missing": dx(gain * dy, factor=np.ones(1)),
            "a sum over the row where a mean is due": dx(gain * dy, mean=D, along=D),
            "a sum over the row where a mean is due, in the mean's path": dx(gain * dy, mean=D),
            "a sum over the row where a mean is due, in the deviation's path": dx(gain * dy, along=D),
            "the sign is wrong: the paths through mean and deviation are subtracted": dx(gain * dy, mean=-1, along=-1),
        },
        "dgain": {
            "the gain multiplies x̂, not x": (dy * x).sum((0, 1)),
            "the gain multiplies x̂, which is divided by the deviation too": (dy * x_hat / r).sum((0, 1)),
            "x̂ is missing: this is the gradient of the bias": dy.sum((0, 1)),
        },
        "dbias": {"the bias is added after the gain: it has no part in this gradient": (dy * gain).sum((0, 1))},
    }
    try:
        check_backward(student, pair, suspects)
    except Wrong as wrong:
        raise Wrong(_row_sum_hint(student, pair) if "dx differs" in str(wrong) else str(wrong)) from None
    check_single_axis(student, pair)


def _row_sum_hint(student: Student, pair: Pair) -> str:
    """Return a hint from the two directions in which a norm's dx has no part."""
    _, cache = pair.output(student)
    dx = np.asarray(student.call(pair.backward, pair.dy, cache, returns=pair.gradients)[0])
    x = pair.inputs["x"]
    total, size = dx.sum(-1), np.abs(dx).sum(-1)
    if (np.abs(total) > 1e-6 * size).any():
        return (
            f"a row of dx adds up to {total[0, 0]:.3g} and has to add up to 0: adding a number to all of x changes "
            "nothing, so look at the mean's path"
        )
    along = (dx * (x - x.mean(-1, keepdims=True))).sum(-1)[0, 0]
    return (
        f"dx is right in the mean's path and wrong in the deviation's: its part along x̂ is {along:.3g} in the first row"
    )


def _attention_pair(leading: tuple[int, ...] = (B,)) -> Pair:
    rng = np.random.default_rng(5)
    inputs = {name: rng.normal(size=(*leading, T, C)) for name in "qkv"}
    sizes = {"C": C, "T": T, "B": B}
    dy = rng.normal(size=(*leading, T, C))
    return Pair("attention", "attention_backward", inputs, "dq, dk, dv", _one_head, dy, sizes=sizes)


def _one_head(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the engine's attention for one head, (B, T, C)."""
    return layers.attention(np.concatenate([q, k, v], axis=-1), 1)[0]


def _weights(scores: np.ndarray, visible: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return the softmax of the scores where they are visible, 0 elsewhere."""
    e = np.where(visible, np.exp(scores), 0.0)
    return e / e.sum(axis=axis, keepdims=True)


_PAST = np.tri(T, dtype=bool)


def attention(student: Student) -> None:
    """The future is changed, then the numbers are compared."""
    pair = _attention_pair()
    q, k, v = pair.inputs.values()
    scores = q @ k.swapaxes(-1, -2)
    plain = _weights(scores / math.sqrt(C), np.ones_like(_PAST))
    late = np.where(_PAST, plain, 0.0)
    suspects = {
        "the scores are not divided by √C": _weights(scores, _PAST) @ v,
        "the scores are divided by C; the factor is 1/√C": _weights(scores / C, _PAST) @ v,
        "the scores are multiplied by √C; the factor is 1/√C": _weights(scores * math.sqrt(C), _PAST) @ v,
        "mask: the weights are set to 0 after the softmax, so a row no longer adds up to 1": late @ v,
        "the softmax runs over the queries; each query's weights have to add up to 1": _weights(
            scores / math.sqrt(C), _PAST, axis=-2) @ v,
        "the scores in the future are 0, and e^0 is 1; they have to be −∞": _weights(
            np.where(_PAST, scores / math.sqrt(C), 0.0), np.ones_like(_PAST)) @ v,
        "the scores are k qᵀ: a row has to be a query's": _weights(scores.swapaxes(-1, -2) / math.sqrt(C), _PAST) @ v,
    }  # fmt: skip
    y = np.asarray(pair.output(student)[0])
    if y.shape == v.shape:
        accuse("y", y, suspects)
        _require_weights_of_one(student, pair)
        _require_blind_to_the_future(student, pair, y)
    check_forward(student, pair, suspects)
    large = replace(pair, inputs={"q": 1000 * q, "k": k, "v": v})
    y = np.asarray(large.output(student)[0])
    if not np.isfinite(y).all():
        hint = "e^1000 overflows, so subtract the largest score that each row sees first"
        raise Wrong(f"y is {y[~np.isfinite(y)][0]:.3g} for scores near 1000: {hint}")
    compare("y, for scores near 1000,", y, _one_head(*large.inputs.values()))


def _require_weights_of_one(student: Student, pair: Pair) -> None:
    """Mix values that are all 1.

    Raises:
        Wrong: the mixture is another number.
    """
    q, k, v = pair.inputs.values()
    totals = np.asarray(student.call(pair.forward, q, k, np.ones_like(v), returns="y, cache")[0])[0, :, 0]
    for position, total in enumerate(totals):
        if abs(total - 1) > 1e-9:
            problem = f"the weights of position {position} add up to {total:.3g} and have to add up to 1"
            raise Wrong(f"y: {problem}: the softmax runs over the keys that it sees")


def _require_blind_to_the_future(student: Student, pair: Pair, y: np.ndarray) -> None:
    """Change one key and value after the other, and see which positions notice.

    Raises:
        Wrong: a position sees a later one, or not all earlier ones.
    """
    if np.isnan(y).any():
        at = int(np.argwhere(np.isnan(y))[0][-2])
        raise Wrong(f"mask: y is NaN at position {at}: it sees no position at all, and every position sees itself")
    sees = np.empty((T, T), bool)  # [t, s]
    for s in range(T):
        changed = {name: array.copy() for name, array in pair.inputs.items()}
        for name in "kv":
            changed[name][:, s] += 1.0
        moved, _ = student.call(pair.forward, *changed.values(), returns="y, cache")
        sees[:, s] = np.abs(np.asarray(moved) - y).max((0, 2)) > 1e-9
    for t, s in np.argwhere(sees & ~_PAST):
        raise Wrong(f"mask: y at position {t} changes with the key and value at {s}: it sees the future")
    for t, s in np.argwhere(~sees & _PAST):
        raise Wrong(f"mask: y at position {t} does not depend on the key and value at {s}, which it may see")


def attention_backward(student: Student) -> None:
    """Through the product, the softmax and the scores."""
    pair = _attention_pair()
    q, k, v = pair.inputs.values()
    dy = pair.dy
    assert dy is not None
    a, c = _weights(q @ k.swapaxes(-1, -2) / math.sqrt(C), _PAST), math.sqrt(C)
    da = dy @ v.swapaxes(-1, -2)
    ds = a * (da - (a * da).sum(-1, keepdims=True))
    wrong_ds = {
        "the softmax's backward is missing: this takes dA for dS": da,
        "the softmax's backward is missing: this takes dA for dS, where the mask lets it through": da * _PAST,
        "the softmax's backward lacks the sum over the row: all weights of a row change together": a * da,
        "the softmax's backward has its diagonal alone: a score moves every weight of its row": a * (1 - a) * da,
        "the softmax's backward lacks the factor A": np.where(_PAST, da - (a * da).sum(-1, keepdims=True), 0),
        "the sum in the softmax's backward runs over the queries": a * (da - (a * da).sum(-2, keepdims=True)),
        "the sum in the softmax's backward is not weighted by A": a * (da - da.sum(-1, keepdims=True)),
        "this is the mean over the row where a sum is due": a * (da - (a * da).mean(-1, keepdims=True)),
    }
    suspects: dict[str, Suspects] = {
        "dq": {
            "dS is transposed here: query t uses the keys s ≤ t": ds.swapaxes(-1, -2) @ k / c,
            **{hint: wrong @ k / c for hint, wrong in wrong_ds.items()},
        },
        "dk": {
            "dS is not transposed: key s is used by the queries t ≥ s": ds @ q / c,
            **{hint: wrong.swapaxes(-1, -2) @ q / c for hint, wrong in wrong_ds.items()},
        },
        "dv": {
            "A is not transposed: value s is used by the queries t ≥ s": a @ dy,
            "dy alone: the weights are missing": dy,
        },
    }
    check_backward(student, pair, suspects)
    _check_heads_axis(student)


def _check_heads_axis(student: Student) -> None:
    """Repeat the comparison with two leading axes, as several heads need it."""
    pair = _attention_pair((B, H))
    q, k, v = pair.inputs.values()
    dy = pair.dy
    y, cache = pair.output(student)
    merged = [layers.merge_heads(part) for part in (q, k, v)]
    right, kept = layers.attention(np.concatenate(merged, axis=-1), H)
    compare("y, for (B, H, T, C),", y, layers.split_heads(right, H))
    dqkv = layers.attention_backward(layers.merge_heads(np.asarray(dy)), kept)
    answers = student.call(pair.backward, dy, cache, returns=pair.gradients)
    for name, got, part in zip(("dq", "dk", "dv"), answers, np.split(dqkv, 3, axis=-1), strict=True):
        compare(f"{name}, for (B, H, T, C),", got, layers.split_heads(part, H), pair.sizes)


def split_heads(student: Student) -> None:
    """The axes move; where attention passes, the whole of several heads is compared with the engine."""
    x = np.arange(B * T * D, dtype=float).reshape(B, T, D)
    expected = layers.split_heads(x, H)
    suspects = {
        "a reshape alone mixes positions with columns: cut D into H · C first, then move the axis H": x.reshape(
            B, H, T, C),
        "the columns go to the heads in turn; head h has the C columns from h · C on": x.reshape(
            B, T, C, H).transpose(0, 3, 1, 2),
    }  # fmt: skip
    compare("heads", student.call("split_heads", x, H), expected, suspects=suspects)
    try:
        attention(student)
        attention_backward(student)
    except (Wrong, NotBegun):  # each has a line of its own
        return
    rng = np.random.default_rng(6)
    qkv, dy = rng.normal(size=(B, T, 3 * D)), rng.normal(size=(B, T, D))
    right, kept = layers.attention(qkv, H)
    try:
        y, cache = student.call("multi_head", qkv, H, returns="y, cache")
        compare("y", y, right)
        compare("dqkv", student.call("multi_head_backward", dy, cache), layers.attention_backward(dy, kept))
    except (Wrong, NotBegun) as problem:
        given = "multi_head, multi_head_backward and merge_heads are given: leave them as they are in the stub"
        raise Wrong(f"split_heads is right; {given} ({problem or 'not written'})") from None
