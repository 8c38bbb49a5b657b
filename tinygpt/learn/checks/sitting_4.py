"""Checks of sitting 4: a block, the whole model, clipping, the rate, AdamW. ``training.py`` has the last one.

The reference is ``tinygpt/learn/gpt.py``, whose gradients equal the engine's and which computes in any precision.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.learn import gpt
from tinygpt.learn.differences import central_differences
from tinygpt.learn.hints import NO_SIZES, NotBegun, Suspects, Wrong, compare, is_close
from tinygpt.learn.student import Student
from tinygpt.optim import clip_factor, global_norm
from tinygpt.params import Arrays, initial_parameters
from tinygpt.schedule import learning_rate_at

B, T, D, H, L, V = 2, 5, 4, 2, 2, 7
_SHAPE = ModelConfig(n_layers=L, d_model=D, n_heads=H, context_length=T + 1, vocab_size=V)


def _weights(seed: int) -> Arrays:
    """Return weights of a tiny model in float64, large enough that every path matters."""
    rng = np.random.default_rng(seed)
    drawn = initial_parameters(_SHAPE, seed)
    return {name: rng.normal(size=array.shape) * 0.5 + (array.ndim == 1) for name, array in drawn.items()}


def _compare_gradients(
    got: Any, expected: Mapping[str, np.ndarray], sizes: Mapping[str, float], suspects: Mapping[str, Suspects]
) -> None:
    """Compare a dictionary of gradients with central differences, from the model's end, where a mistake begins.

    Raises:
        Wrong: it is no such dictionary, or a gradient is wrong.
    """
    if not isinstance(got, dict):
        raise Wrong(f"gradients is a {type(got).__name__}, expected a dictionary, name → array")
    if missing := [name for name in expected if name not in got]:
        raise Wrong(f"gradients has no {missing[0]!r}; it needs a gradient for each of the {len(expected)} weights")
    if unknown := [name for name in got if name not in expected]:
        raise Wrong(f"gradients has {unknown[0]!r}, which is no weight; the names are those of the weights")
    for name in reversed(list(expected)):
        hints = suspects.get(name, NO_SIZES)
        compare(f"the gradient of {name}", got[name], expected[name], sizes, hints, "central differences")


# ---- one block ------------------------------------------------------------------------------------------


def block_backward(student: Student) -> None:
    """Every weight, then the stream, whose gradient goes two ways at each branch."""
    rng = np.random.default_rng(7)
    x, dy = rng.normal(size=(B, T, D)), rng.normal(size=(B, T, D))
    w = {name.removeprefix("h.0."): array for name, array in _weights(7).items() if name.startswith("h.0.")}
    block = functools.partial(getattr(student.module, "block", _missing), n_heads=H)

    def loss(moved: np.ndarray, name: str) -> float:
        y, _ = block(moved, w) if name == "x" else block(x, {**w, name: moved})
        return float(np.vdot(y, dy))

    try:
        y, cache = student.call("block", x, w, H, returns="y, cache")
    except NotBegun:
        raise Wrong("block is given in the stub: leave it as it is") from None
    except Wrong as wrong:
        raise Wrong(f"block has to work first: {wrong}") from None
    middle, attention = _branch(x, w, "attn")
    end, network = _branch(middle, w, "mlp")
    dx, gradients = student.call("block_backward", dy, cache, returns="dx, gradients")
    expected = {name: central_differences(functools.partial(loss, name=name), w[name]) for name in w}
    into_attention = {
        "the gradient goes past the network as well as through it: x + f(x) has two paths": network(dy),
        "attention's branch gets dy; by then the network's part has to be added to it": dy,
    }
    mistakes = {"attn.c_proj.bias": {hint: stream.sum((0, 1)) for hint, stream in into_attention.items()}}
    _compare_gradients(gradients, expected, {"B": B, "T": T, "D": D}, mistakes)
    right = central_differences(functools.partial(loss, name="x"), x)
    dmiddle = dy + network(dy)
    suspects = {
        "the gradient goes past attention as well as through it: x + f(x) has two paths": attention(dmiddle),
        "dy goes past attention; by then the network's part has to be added to it": dy + attention(dmiddle),
        "what comes through the two branches is missing": dy,
    }
    compare("dx", dx, right, {"B": B, "T": T}, suspects, "central differences")
    if not is_close(np.asarray(y), end):
        raise Wrong(
            "right for your own block, which differs from the engine's: it is given, so leave it as it is in the stub"
        )


def _missing(*_: Any, **__: Any) -> Any:
    raise Wrong("sitting_4.py has no function block")


def _branch(x: np.ndarray, w: Arrays, kind: str) -> tuple[np.ndarray, gpt.Back]:
    """Return x + f(x) for one branch, and the backward of f alone."""
    norm, first = {"attn": ("ln_1", "c_attn"), "mlp": ("ln_2", "c_fc")}[kind]
    middle: gpt.Layer = functools.partial(gpt.attention, H) if kind == "attn" else gpt.gelu
    unused = {name: np.zeros_like(array) for name, array in w.items()}
    y, back = gpt.branch(w, unused, norm, f"{kind}.{first}", middle, f"{kind}.c_proj", x)
    return y, lambda dy: back(dy) - dy


# ---- the whole model ------------------------------------------------------------------------------------


def gradients_of(
    w: Arrays, tokens: np.ndarray, targets: np.ndarray, shape: ModelConfig
) -> tuple[float, Arrays, np.ndarray]:
    """Return the loss, all gradients, and those of the logits."""
    config = gpt.Config(shape.n_layers, shape.d_model, shape.n_heads, shape.context_length, shape.vocab_size)
    gradients = {name: np.zeros_like(array) for name, array in w.items()}
    logits, back = gpt.model(w, gradients, config, tokens)
    loss, dlogits = gpt.cross_entropy(logits, targets)
    back(dlogits)
    return loss, gradients, dlogits


def backward(student: Student) -> None:
    """Tokens that occur twice, a position that is not read, and a table with two uses."""
    rng = np.random.default_rng(8)
    w, tokens, targets = _weights(8), rng.integers(0, V, size=(B, T)), rng.integers(0, V, size=(B, T))
    tokens[0] = [2, 5, 2, 2, 1]
    forward = getattr(student.module, "forward", _missing)

    def loss(moved: np.ndarray, name: str) -> float:
        return float(forward({**w, name: moved}, tokens, targets, L, H)[0])

    try:
        value, cache = student.call("forward", w, tokens, targets, L, H, returns="loss, cache")
    except NotBegun:
        raise Wrong("forward is given in the stub: leave it as it is") from None
    except Wrong as wrong:
        raise Wrong(f"forward has to work first: {wrong}") from None
    got = student.call("backward", cache)
    expected = {name: central_differences(functools.partial(loss, name=name), w[name]) for name in w}
    right, gradients, _ = gradients_of(w, tokens, targets, _SHAPE)
    suspects = {"wte.weight": _table_mistakes(w, tokens, targets, gradients["wte.weight"])}
    if isinstance(got, dict) and np.shape(got.get("wpe.weight", 0)) == (T, D):
        raise Wrong(
            f"the gradient of wpe.weight has {T} rows, and the table has {T + 1}: a row that was not read has 0"
        )
    _compare_gradients(got, expected, {"B": B, "T": T, "N": B * T, "V": V}, suspects)
    if not is_close(np.asarray(value), right):
        raise Wrong(
            "right for your own forward, which differs from the engine's: it is given, so leave it as it is in the stub"
        )


def _table_mistakes(w: Arrays, tokens: np.ndarray, targets: np.ndarray, right: np.ndarray) -> dict[str, np.ndarray]:
    """Return the gradients that a token table has if a part of it is forgotten."""
    embedding, once = np.zeros_like(right), np.zeros_like(right)
    for row, target in zip(tokens, targets, strict=True):  # one sequence: the position table's gradient is dx itself
        dx = gradients_of(w, row[None], target[None], _SHAPE)[1]["wpe.weight"][:T] / B
        np.add.at(embedding, row, dx)
        once[row] = dx
    head = right - embedding
    return {
        "the part of the embedding is missing: the table is read at the model's beginning too": head,
        "the part of the head is missing: the logits are made with the table too": embedding,
        "a token that occurs twice counts once: `+=` with index arrays adds once for each row": head + once,
    }


# ---- the update -----------------------------------------------------------------------------------------


def clip(student: Student) -> None:
    """A gradient that is too long, and one that is not."""
    rng = np.random.default_rng(9)
    long = {"a": 8 * rng.normal(size=(3, 4)), "b": 4 * rng.normal(size=5)}
    norm = global_norm(long.values())
    clipped, got = student.call("clip", long, 1.0, returns="gradients, norm")
    suspects = {
        "this is the square of the norm; its root is missing": norm**2,
        "this is the norm after clipping; return the one before": 1.0,
        "this is the sum of the arrays' norms; the norm is the root of the sum of all squares": sum(
            map(np.linalg.norm, long.values())
        ),
    }
    compare("norm", got, norm, suspects=suspects)
    alone = "each array is clipped alone; all have one common norm and factor"
    for name, array in long.items():
        mistakes = {
            alone: array / np.linalg.norm(array),
            "each number is clipped alone; that changes the gradient's direction": array.clip(-1, 1),
            "nothing is clipped": array,
            "divided by the square of the norm": array / norm**2,
        }
        answer = clipped.get(name) if isinstance(clipped, dict) else clipped
        compare(f"the clipped gradient {name!r}", answer, array * clip_factor(norm, 1.0), suspects=mistakes)
    wide = student.call("clip", long, 2 * norm, returns="gradients, norm")[0]
    for name, array in long.items():
        compare(f"gradient {name!r}, whose norm is below max_norm,", wide[name], array, suspects={
            "it is made longer; a gradient that is short enough stays as it is": 2 * array})  # fmt: skip


def learning_rate(student: Student) -> None:
    """The whole curve."""
    peak, warmup, n_steps, floor = 0.003, 5, 40, 0.1
    config = TrainConfig(batch_size=1, learning_rate=peak, warmup_steps=warmup, decay_steps=n_steps, decay_to=floor)
    steps = np.arange(n_steps + 10)
    rising = steps < warmup
    right = np.array([learning_rate_at(config, int(step)) for step in steps])
    got = np.array(
        [student.call("learning_rate", int(step), peak, warmup, n_steps, floor) for step in steps], dtype=object
    )
    try:
        got = got.astype(float)
    except (TypeError, ValueError):
        raise Wrong("the rate is not a number at every step") from None
    ended, from_zero = (steps - warmup) / (n_steps - warmup), steps / n_steps
    turn = 0.5 * (1 + np.cos(np.pi * ended.clip(0, 1)))

    def curve(first: np.ndarray, rest: np.ndarray) -> np.ndarray:
        return np.where(rising, first, rest)

    suspects = {
        "the first update has the rate 0, so it changes nothing: count from step + 1": curve(
            peak * steps / (warmup + 1), right),
        "the warm-up is step / warmup_steps; the first update then has the rate 0": curve(peak * steps / warmup, right),
        "the warm-up ends one step early: divide by warmup_steps + 1": curve(peak * (steps + 1) / warmup, right),
        "the cosine ends at 0; it has to end at floor · peak": curve(right, peak * turn),
        "after the warm-up the rate falls along a straight line; it has to be half a cosine": curve(
            right, peak * (floor + (1 - floor) * (1 - ended.clip(0, 1)))),
        "the cosine begins at step 0; it has to begin after the warm-up": curve(
            right, peak * (floor + (1 - floor) * 0.5 * (1 + np.cos(np.pi * from_zero.clip(0, 1))))),
        "after n_steps the rate rises again; it has to stay at floor · peak": curve(
            right, peak * (floor + (1 - floor) * 0.5 * (1 + np.cos(np.pi * ended)))),
    }  # fmt: skip
    compare("the rate at the steps 0, 1, …", got, right, suspects=suspects)


_BETAS, _EPS, _DECAY, _RATE = (0.9, 0.95), 1e-2, 0.1, 0.05


def _adamw(
    weight: np.ndarray, gradient: np.ndarray, m1: np.ndarray, m2: np.ndarray, step: int, mistake: str = ""
) -> np.ndarray:
    """Return the new weight from the new means, with a mistake or without."""
    beta1, beta2 = _BETAS
    if mistake == "step":
        step += 1
    first = m1 if mistake in ("correction", "first") else m1 / (1 - beta1**step)
    second = m2 if mistake in ("correction", "second") else m2 / (1 - beta2**step)
    root = {"under": np.sqrt(second + _EPS), "root": second + _EPS}.get(mistake, np.sqrt(second) + _EPS)
    if mistake == "eps":
        root = np.sqrt(second)
    move = _RATE * (gradient if mistake == "mean" else first) / root
    decay = {"no decay": 0.0, "rate": _DECAY}.get(mistake, _RATE * _DECAY)
    return weight * (1 - decay) + (move if mistake == "sign" else -move)


_UPDATE_MISTAKES = {
    "correction": "the bias corrections are missing: both means start at 0 and are too small at first",
    "first": "the bias correction of m1 is missing",
    "second": "the bias correction of m2 is missing",
    "step": "the bias corrections use step + 1; the step is counted from 1 already",
    "under": "ε is under the root; it has to be added to the root",
    "root": "the root of m2 is missing",
    "eps": "ε is missing",
    "mean": "the gradient itself is divided; divide its running mean m1",
    "no decay": "the weight decay is missing",
    "rate": "the weight decay is not multiplied by the rate",
    "sign": "the sign is wrong: the update goes against the gradient",
}


def adamw(student: Student) -> None:
    """Three updates, one after the other."""
    rng = np.random.default_rng(10)
    weight, m1, m2 = rng.normal(size=(3, 4)), np.zeros((3, 4)), np.zeros((3, 4))
    beta1, beta2 = _BETAS
    for step in (1, 2, 3):
        gradient = rng.normal(size=(3, 4))
        answers = student.call(
            "adamw", weight, gradient, m1, m2, step, _RATE, _BETAS, _EPS, _DECAY, returns="weight, m1, m2"
        )
        decayed = gradient + _DECAY * weight
        old_way = {
            "the decay is added to the gradient; AdamW applies it to the weight alone": beta1 * m1
            + (1 - beta1) * decayed
        }
        swapped = "β and 1 − β have changed places"
        compare("m1", answers[1], beta1 * m1 + (1 - beta1) * gradient, suspects={
            swapped: (1 - beta1) * m1 + beta1 * gradient,
            "1 − β₁ is missing: the running mean grows without it": beta1 * m1 + gradient, **old_way})  # fmt: skip
        compare("m2", answers[2], beta2 * m2 + (1 - beta2) * gradient**2, suspects={
            swapped: (1 - beta2) * m2 + beta2 * gradient**2,
            "the gradient is not squared": beta2 * m2 + (1 - beta2) * gradient,
            "the whole mean is squared": (beta2 * m2 + (1 - beta2) * gradient) ** 2,
            "1 − β₂ is missing": beta2 * m2 + gradient**2})  # fmt: skip
        m1, m2 = beta1 * m1 + (1 - beta1) * gradient, beta2 * m2 + (1 - beta2) * gradient**2
        suspects = {hint: _adamw(weight, gradient, m1, m2, step, kind) for kind, hint in _UPDATE_MISTAKES.items()}
        right = _adamw(weight, gradient, m1, m2, step)
        compare(f"weight after update {step}", answers[0], right, suspects=suspects)
        weight = right
