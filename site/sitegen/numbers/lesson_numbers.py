"""Numbers of the pages in docs/learn: computed while the site is built, from small experiments on the library.

They depend on the code and the gallery's models alone, so they always exist.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sitegen.experiments.depth import deviation, length, likeness, untrained
from sitegen.experiments.heads import Head, heads
from sitegen.experiments.scores import random_scores
from sitegen.experiments.updates import distance_at_the_end, dropout_of_ones, first_update_share
from sitegen.numbers.number import Answer
from sitegen.numbers.quoted_rows import QuotedRows
from tinygpt.evaluation.loss import bits
from tinygpt.gallery import gallery_names, load_gallery_model
from tinygpt.rounding import INT8
from tinygpt.terminal import quantities

LOSS = 1.9  # nats per byte: the subject of docs/learn/loss.md
DROPOUT = 0.2
_ORDERS = (1, 2, 3, 4, 6, 8)  # of counting models
_MODELS = MappingProxyType({"shakespeare": "shakespeare-bytes", "stories": "stories"})  # a text → its model of bytes


def _answer(compute: Callable[[], str], source: str) -> Callable[[QuotedRows], Answer]:
    return lambda _: (compute(), f"computed with the site: {source}", ())


def _power_of_ten(value: float) -> str:
    """A number as its power of ten alone: 2.7e-54 → 10⁻⁵⁴."""
    return f"10{str(math.floor(math.log10(value))).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _nearest() -> Head:
    return min(heads(), key=lambda head: head.distance)


def _farthest() -> Head:
    return max(heads(), key=lambda head: head.distance)


def _place(head: Head) -> str:
    return f"head {head.head + 1} of layer {head.layer + 1}"


def _untrained(**options: Any) -> str:
    words = ", ".join(f"{name}={value}" for name, value in options.items())
    return "an untrained model of 12 blocks, width 64" + f" ({words})" * bool(words)


def _loss_at(std: float) -> Callable[[QuotedRows], Answer]:
    return _answer(lambda: quantities.loss(untrained(std=std).loss), f"first loss of {_untrained(std=std)}")


def _likeness(residual: bool, depth: int) -> Callable[[QuotedRows], Answer]:
    source = f"mean cosine between two positions after {depth} branches of {_untrained(residual=residual)}"
    return _answer(lambda: f"{likeness(untrained(residual).stream[depth]):.3f}", source)


def _growth(scaled: bool) -> Callable[[QuotedRows], Answer]:
    def compute() -> str:
        stream = untrained(scaled=scaled).stream
        return quantities.ratio(deviation(stream[-1]) / deviation(stream[0]))

    return _answer(compute, f"the stream's deviation at the end over that at the start, {_untrained(scaled=scaled)}")


def _gradient_ratio(scaled: bool) -> Callable[[QuotedRows], Answer]:
    def compute() -> str:
        gradient = untrained(scaled=scaled).gradient
        return quantities.ratio(length(gradient[0]) / length(gradient[-1]))

    return _answer(compute, f"norm of dx at the embedding over that at the end, {_untrained(scaled=scaled)}")


def _slope(scaled: bool) -> Callable[[QuotedRows], Answer]:
    source = f"mean of Σ A (1 − A) at a width of 64, {'with' if scaled else 'without'} 1/√C"
    return _answer(lambda: f"{random_scores(64, scaled).slope:.2f}", source)


@lru_cache
def _evaluation(name: str) -> dict[str, Any]:
    """Return the evaluation in the card of the gallery's model of a text's bytes."""
    return load_gallery_model(_MODELS[name]).card.evaluation


def _rung(name: str, order: int) -> Callable[[QuotedRows], Answer]:
    def compute() -> str:
        return next(quantities.loss(rung["nats"]) for rung in _evaluation(name)["ladder"] if rung["order"] == order)

    return _answer(compute, f"a Kneser-Ney model of order {order} on the held-out part of {name}, in its model's card")


def _of_model(name: str) -> Callable[[QuotedRows], Answer]:
    return _answer(lambda: quantities.loss(_evaluation(name)["held_out_loss"]), f"held-out loss, in the card of {name}")


def _int8_cost() -> str:
    """The most that rounding cost one of the models that are stored so, over its whole held-out text."""
    cards = [load_gallery_model(name).card for name in gallery_names()]
    costs = [card.evaluation["held_out_loss"] - card.float32_held_out_loss for card in cards if card.precision == INT8]
    return f"{max(costs):.4f}"


def _grade(name: str) -> Callable[[QuotedRows], Answer]:
    return _answer(lambda: str(_evaluation(name)["judgement"]["grade"]), f"in the card of {name}")


def _deviation_of_scores(width: int, scaled: bool) -> Callable[[QuotedRows], Answer]:
    return _answer(
        lambda: f"{random_scores(width, scaled).deviation:.1f}",
        f"standard deviation of scores of random vectors of width {width}, {'with' if scaled else 'without'} 1/√C",
    )


ANSWERS: MappingProxyType[str, Callable[[QuotedRows], Answer]] = MappingProxyType(
    {
        "lesson.loss_bits": _answer(lambda: f"{bits(LOSS):.2f} bits", f"{LOSS} / ln 2"),
        "lesson.loss_perplexity": _answer(lambda: f"{math.exp(LOSS):.1f}", f"e to {LOSS}"),
        "lesson.loss_probability": _answer(lambda: quantities.percent(math.exp(-LOSS)), f"e to -{LOSS}"),
        "lesson.loss_size": _answer(lambda: quantities.percent(bits(LOSS) / 8), f"{LOSS} / ln 2 / 8"),
        **{f"lesson.ladder_{name}_{order}": _rung(name, order) for name in _MODELS for order in _ORDERS},
        **{f"lesson.ladder_{name}_model": _of_model(name) for name in _MODELS},
        **{f"lesson.grade_{name}": _grade(name) for name in _MODELS},
        "lesson.int8_cost": _answer(
            _int8_cost, "held-out loss less that before rounding, the largest of the gallery's cards"
        ),
        "lesson.scores_without": _deviation_of_scores(64, False),
        "lesson.scores_with": _deviation_of_scores(64, True),
        "lesson.slope_without": _slope(False),
        "lesson.slope_with": _slope(True),
        "lesson.heads_nearest": _answer(lambda: _place(_nearest()), "smallest mean distance back, two lines of a play"),
        "lesson.heads_previous": _answer(
            lambda: quantities.percent(_nearest().previous),
            "its mean weight of the byte before, on two lines of a play",
        ),
        "lesson.heads_farthest": _answer(
            lambda: _place(_farthest()), "largest mean distance back, two lines of a play"
        ),
        "lesson.heads_distance": _answer(
            lambda: f"{_farthest().distance:.0f} bytes", "its mean distance back on two lines of a play"
        ),
        "lesson.start_small": _loss_at(0.02),
        "lesson.start_large": _loss_at(0.2),
        "lesson.start_huge": _loss_at(1.0),
        "lesson.growth_plain": _growth(False),
        "lesson.growth_scaled": _growth(True),
        "lesson.gradient_plain": _gradient_ratio(False),
        "lesson.gradient_scaled": _gradient_ratio(True),
        "lesson.gradient_bare": _answer(
            lambda: _power_of_ten(length(untrained(False, False).gradient[0])),
            f"norm of dx at the embedding of {_untrained(residual=False, norms=False)}",
        ),
        "lesson.likeness_start": _likeness(True, 0),
        "lesson.likeness_with_4": _likeness(True, 4),
        "lesson.likeness_with_24": _likeness(True, 24),
        "lesson.likeness_without_4": _likeness(False, 4),
        "lesson.likeness_without_24": _likeness(False, 24),
        "lesson.update_3e-4": _answer(
            lambda: quantities.percent(first_update_share(3e-4), 1), "the first AdamW update of weights of N(0, 0.02)"
        ),
        "lesson.update_3e-3": _answer(
            lambda: quantities.percent(first_update_share(3e-3), 1), "the first AdamW update of weights of N(0, 0.02)"
        ),
        "lesson.end_constant": _answer(
            lambda: f"{distance_at_the_end(False):.3f}", "AdamW on ½ p² with noisy gradients, a constant rate"
        ),
        "lesson.end_cosine": _answer(
            lambda: f"{distance_at_the_end(True):.3f}", "AdamW on ½ p² with noisy gradients, a cosine"
        ),
        "lesson.dropout_share": _answer(
            lambda: quantities.percent(dropout_of_ones(DROPOUT).share, 1), f"the library's masks at {DROPOUT}"
        ),
        "lesson.dropout_mean": _answer(
            lambda: f"{dropout_of_ones(DROPOUT).mean:.3f}", f"ones under the library's masks at {DROPOUT}"
        ),
        "lesson.dropout_deviation": _answer(
            lambda: f"{dropout_of_ones(DROPOUT).deviation:.3f}", f"ones under the library's masks at {DROPOUT}"
        ),
    }
)
