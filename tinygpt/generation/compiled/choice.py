"""The choice of the next token, as in ``tinygpt/generation/sampling.py``: the same id for the same scores and number.

There all scores are sorted. Here they are a heap, from which only as many are taken as it needs: the draw mostly ends
among the first few.
"""

from __future__ import annotations

import math

import numpy as np

from tinygpt.engines.loops.compiling import loop

Array = np.ndarray

NONE = -1  # the best score is not finite


@loop
def penalize(scores: Array, seen: Array, below: np.float32, above: np.float32) -> None:
    """Multiply the scores (V,) of a text's tokens, a mask (V,), by the factor of those below 0 or of the rest."""
    for token in range(len(scores)):
        if seen[token]:
            scores[token] *= below if scores[token] < 0 else above


@loop
def choose(scores: Array, drawn: float, temperature: float, top_k: int, top_p: float, min_p: float, heap: Array) -> int:
    """Choose an id from scores (V,), with a number drawn from [0, 1).

    Args:
        temperature: 0 takes the best.
        top_k: number of best scores to choose from.
        top_p: probability that the best of these have together.
        min_p: least share of the best one's probability.
        heap: room for V whole numbers.
    """
    best = 0
    for token in range(len(scores)):
        if math.isnan(scores[token]):
            return NONE
        if scores[token] > scores[best]:
            best = token
    if not math.isfinite(scores[best]):
        return NONE
    if temperature == 0.0:
        return best
    total = 0.0
    if top_k < len(scores):
        _fill(heap, scores)
        for taken in range(top_k):
            total += _weight(scores, _take(heap, len(heap) - taken, scores), best, temperature)
    else:
        for token in range(len(scores)):
            total += _weight(scores, token, best, temperature)
    if top_p < 1.0 or min_p > 0.0:
        enough, total = top_p * total, 0.0
        _fill(heap, scores)
        for taken in range(top_k):
            weight = _weight(scores, _take(heap, len(heap) - taken, scores), best, temperature)
            if weight < min_p or (taken > 0 and total >= enough):
                break
            total += weight
    _fill(heap, scores)
    reached, token = 0.0, best
    for taken in range(top_k):
        following = _take(heap, len(heap) - taken, scores)
        weight = _weight(scores, following, best, temperature)
        if weight > 0.0:
            token = following
        reached += weight
        if weight == 0.0 or reached > drawn * total:
            break
    return token


@loop
def _weight(scores: Array, token: int, best: int, temperature: float) -> float:
    return math.exp((np.float64(scores[token]) - np.float64(scores[best])) / temperature)


@loop
def _fill(heap: Array, scores: Array) -> None:
    """Make a heap of all ids: each is better than the two below it."""
    for token in range(len(heap)):
        heap[token] = token
    for place in range(len(heap) // 2 - 1, -1, -1):
        _sink(heap, len(heap), place, scores)


@loop
def _take(heap: Array, size: int, scores: Array) -> int:
    """Take the best id from the first ``size`` of the heap, which then is shorter by one."""
    token = heap[0]
    heap[0] = heap[size - 1]
    _sink(heap, size - 1, 0, scores)
    return token


@loop
def _sink(heap: Array, size: int, place: int, scores: Array) -> None:
    while 2 * place + 1 < size:
        below = 2 * place + 1
        if below + 1 < size and _is_better(heap[below + 1], heap[below], scores):
            below += 1
        if not _is_better(heap[below], heap[place], scores):
            return
        heap[place], heap[below] = heap[below], heap[place]
        place = below


@loop
def _is_better(one: int, other: int, scores: Array) -> bool:
    """Equal scores rank by id."""
    return scores[one] > scores[other] or (scores[one] == scores[other] and one < other)
