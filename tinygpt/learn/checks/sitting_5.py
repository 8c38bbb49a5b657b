"""Checks of sitting 5: a score, a text from a model, and three functions with a planted bug."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygpt.layers import softmax
from tinygpt.learn.hints import Wrong, compare, is_close
from tinygpt.learn.student import Student

V, CONTEXT = 9, 4


def score(student: Student) -> None:
    """Nats, bits, and e to the nats."""
    log_p = np.log(np.random.default_rng(11).uniform(0.05, 1, size=40))
    nats = -log_p.mean()
    got = student.call("score", log_p, returns="nats, bits, perplexity")
    compare("nats per byte", got[0], nats, {"n": len(log_p)})
    compare("bits per byte", got[1], nats / math.log(2), suspects={
        "the same as in nats": nats, "a nat is more than a bit: divide by ln 2": nats * math.log(2)})  # fmt: skip
    compare("perplexity", got[2], math.exp(nats), suspects={
        "this is 2 to the nats; perplexity is e to the nats, or 2 to the bits": 2**nats,
        "this is e to the bits; perplexity is 2 to the bits, or e to the nats": math.exp(nats / math.log(2)),
        "this is the mean of 1/p; perplexity is e to the mean of −ln p": np.exp(-log_p).mean()})  # fmt: skip


def next_probabilities(student: Student) -> None:
    """Temperatures, the k best, equal scores, and large ones."""
    logits = np.array([0.2, 1.5, -0.7, 3.1, 0.9, 2.2, -2.0, 1.1, 0.0])
    plain, cold = softmax(logits), softmax(logits / 0.5)
    _chosen(student, logits, 1.0, 0, plain, {})
    _chosen(student, logits, 0.5, 0, cold, {
        "the temperature multiplies the scores; it has to divide them": softmax(logits * 0.5),
        "the temperature divides the probabilities; it has to divide the scores": plain / 0.5,
        "the temperature is not used": plain})  # fmt: skip
    kept = np.isin(np.arange(V), np.argsort(-logits)[:3])
    dropped = np.where(kept, plain, 0.0)
    _chosen(student, logits, 1.0, 3, dropped / dropped.sum(), {
        "the k best do not share all the probability: the rest is set to 0 after the softmax": dropped,
        "top_k is not used": plain,
        "the k worst are kept": softmax(np.where(np.isin(np.arange(V), np.argsort(logits)[:3]), logits, -np.inf)),
        "what is dropped has the score 0, and e^0 is 1; it has to be −∞": softmax(
            np.where(kept, logits, 0.0))})  # fmt: skip
    _chosen(student, logits, 0.0, 0, np.eye(V)[3], {})
    large = np.array([2000.0, 1999.0, -3000.0] + [0.0] * (V - 3))
    _chosen(student, large, 1.0, 0, softmax(large), {})
    equal, first_two = np.array([1.0, 2.0, 2.0, 2.0, 0.0]), np.array([0, 0.5, 0.5, 0, 0])
    got = np.asarray(student.call("next_probabilities", equal, 1.0, 2))
    if got.shape == equal.shape and not is_close(got, first_two) and is_close(np.sort(got), np.sort(first_two)):
        raise Wrong("of equal scores, others than the first ones are kept: sort −logits with kind='stable'")
    _chosen(student, equal, 1.0, 2, first_two, {
        "more than k symbols are kept if their scores are equal": np.array([0, 1, 1, 1, 0]) / 3})  # fmt: skip


def _chosen(
    student: Student, logits: np.ndarray, temperature: float, top_k: int, right: np.ndarray, suspects: dict[str, Any]
) -> None:
    got = student.call("next_probabilities", logits, temperature, top_k)
    compare(f"p at temperature {temperature:g}, top_k {top_k},", got, right, {"V": V}, suspects)


def _toy_model(seen: list[np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Return a model whose scores depend on the whole window, and which notes each window that it is given."""
    table = np.random.default_rng(12).normal(size=(V, V)) * 2

    def logits_of(ids: np.ndarray) -> np.ndarray:
        seen.append(np.array(ids))
        if np.ndim(ids) != 2 or len(ids) != 1:
            raise Wrong(f"the model was given ids of shape {np.shape(ids)}, and takes (1, T)")
        if np.shape(ids)[1] > CONTEXT:
            raise Wrong(f"the model was given {np.shape(ids)[1]} ids, and its context is {CONTEXT}: keep the last ones")
        if not np.shape(ids)[1]:
            raise Wrong("the model was given no id at all")
        return table[np.asarray(ids)].cumsum(axis=1)

    return logits_of


def generate(student: Student) -> None:
    """Greedy, then drawn, with a prompt that is longer than the context."""
    prompt = [1, 5, 2, 7, 3, 0]
    for temperature, top_k in ((0.0, 0), (1.0, 0), (0.8, 3)):
        seen: list[np.ndarray] = []
        model, rng = _toy_model(seen), np.random.default_rng(13)
        right = list(prompt)
        for _ in range(10):
            logits = model(np.array([right[-CONTEXT:]]))[0, -1]
            right.append(_draw(logits, temperature, top_k, rng))
        windows = [*seen]
        seen.clear()
        arguments = (10, CONTEXT, temperature, top_k, np.random.default_rng(13))
        got = student.call("generate", model, prompt, *arguments)
        if len(got) == 10:
            raise Wrong("the result has the 10 new ids alone; the prompt belongs before them")
        if len(seen) < 2:
            raise Wrong(f"the model is asked {len(seen)} times for 10 ids: it is asked once for each")
        if not np.array_equal(seen[0], windows[0]):
            last = f"the last {CONTEXT} ids of the prompt are {prompt[-CONTEXT:]}"
            raise Wrong(f"the model reads {seen[0][0].tolist()} first; {last}")
        if seen[1][0, -1] != got[len(prompt)]:
            raise Wrong(f"the model reads {seen[1][0].tolist()} after its first draw; its own new id is not at the end")
        compare(f"ids at temperature {temperature:g}, top_k {top_k},", np.array(got), np.array(right))


def _draw(logits: np.ndarray, temperature: float, top_k: int, rng: np.random.Generator) -> int:
    best = np.argsort(-logits, kind="stable")[: top_k or None]
    p = np.zeros(V)
    p[best] = softmax(logits[best] / temperature) if temperature else np.eye(len(best))[0]
    return int(np.searchsorted(p.cumsum(), rng.random() * p.sum(), side="right"))


def cut_batch(student: Student) -> None:
    """Shifted by one, inside every window."""
    ids = np.random.default_rng(14).integers(0, 256, size=50)
    starts, length = np.array([0, 17, 49 - 8]), 8
    inputs, targets = student.call("cut_batch", ids, starts, length, returns="inputs, targets")
    windows = starts[:, None] + np.arange(length)
    compare("inputs", inputs, ids[windows], suspects={"they begin one place late": ids[windows + 1]})
    compare("targets", targets, ids[windows + 1], suspects={
        "the planted bug is still in it: look at a row of inputs and of targets side by side": ids[windows],
        "inside a window they are shifted, and its last target is its first byte": np.roll(ids[windows], -1, axis=1),
        "they are shifted the wrong way": ids[windows - 1]})  # fmt: skip


def mixing_weights(student: Student) -> None:
    """A triangle whose rows add up to 1."""
    q, k = np.random.default_rng(15).normal(size=(2, 3, 6, 5))
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(5)
    right = softmax(np.where(np.tri(6, dtype=bool), scores, -np.inf))
    got = student.call("mixing_weights", q, k)
    if np.shape(got) == right.shape and np.isnan(np.asarray(got, float)).any():
        raise Wrong("A is NaN in a row: its position sees nothing, not even itself")
    suspects = {
        "the planted bug is still in it: which weights of row 0 are not 0, and which may be?": softmax(
            np.where(np.tri(6, k=1, dtype=bool), scores, -np.inf)),
        "the weights of the future are set to 0 after the softmax, so a row no longer adds up to 1": softmax(scores)
        * np.tri(6),
    }  # fmt: skip
    compare("A", got, right, {"C": 5}, suspects)


def residual_backward(student: Student) -> None:
    """Two paths."""
    rng = np.random.default_rng(16)
    dy, matrix = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 4))
    got = student.call("residual_backward", dy, lambda d: d @ matrix)
    compare("dx", got, dy + dy @ matrix, suspects={
        "the planted bug is still in it: y = x + f(x) uses x twice": dy @ matrix,
        "the path through the branch is missing": dy,
        "the branch gets the sum; it has to get dy": dy + (dy + dy @ matrix) @ matrix})  # fmt: skip
