"""The check of a backward: against differences of the student's own forward, then against the engine.

y, cache = forward(x, …)        loss = Σ y · dy, for a dy of random numbers
backward(dy, cache)  ?=  [loss(x + h) − loss(x − h)] / 2h, for each input
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygpt.learn.differences import central_differences
from tinygpt.learn.hints import NO_SIZES, NotBegun, Suspects, Wrong, compare, is_close
from tinygpt.learn.student import Student

Array = np.ndarray


@dataclass(frozen=True)
class Pair:
    """A forward and its backward.

    Attributes:
        forward: name of the forward, which returns y and a cache.
        backward: name of the backward.
        inputs: name → array; the forward's arguments in order, those to differentiate first.
        extra: its further arguments, which have no gradient.
        gradients: names of the backward's results, one for each input.
        dy: the gradient of y; None where y is the loss itself and the backward takes the cache alone.
        engine: y from the forward's arguments, as the engine computes it.
        sizes: letter → size, for hints about factors.
    """

    forward: str
    backward: str
    inputs: Mapping[str, Array]
    gradients: str
    engine: Callable[..., Any]
    dy: Array | None = None
    extra: Sequence[Any] = ()
    sizes: Mapping[str, float] = field(default_factory=dict)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The forward's arguments."""
        return (*self.inputs.values(), *self.extra)

    def output(self, student: Student) -> tuple[Any, Any]:
        """Return the student's y and cache."""
        y, cache = student.call(self.forward, *self.arguments, returns=f"{self.output_name}, cache")
        return y, cache

    @property
    def output_name(self) -> str:
        """The name of y in hints."""
        return "y" if self.dy is not None else "loss"


def check_forward(student: Student, pair: Pair, suspects: Suspects = NO_SIZES) -> None:
    """Compare the student's y with the engine's.

    Raises:
        NotBegun, Wrong.
    """
    y, _ = pair.output(student)
    compare(pair.output_name, y, pair.engine(*pair.arguments), pair.sizes, suspects)


def check_backward(student: Student, pair: Pair, suspects: Mapping[str, Suspects] = NO_SIZES) -> dict[str, Array]:  # type: ignore[assignment]
    """Compare the student's gradients with differences of the student's forward, and that with the engine.

    Args:
        student: the student.
        pair: the functions and their arguments.
        suspects: a gradient's name → hint → the wrong gradient that it explains.

    Returns:
        the right gradients by name.

    Raises:
        NotBegun, Wrong.
    """
    names = pair.gradients.split(", ")
    try:
        y, cache = pair.output(student)
    except NotBegun:
        raise Wrong(f"{pair.forward} is not written yet") from None
    upstream = () if pair.dy is None else (pair.dy,)
    with student.counted(pair.forward) as calls:
        given = student.call(pair.backward, *upstream, cache, returns=pair.gradients if len(names) > 1 else "")
    if len(calls) > 1:
        raise Wrong(
            f"{pair.backward} calls {pair.forward} {len(calls)} times: differences check a gradient, and are too slow "
            "and too rough to train with; derive a formula"
        )
    answers = list(given) if len(names) > 1 else [given]
    again = student.call(pair.backward, *upstream, cache, returns=pair.gradients if len(names) > 1 else "")
    for name, first, second in zip(names, answers, again if len(names) > 1 else [again], strict=True):
        if np.shape(first) == np.shape(second) and not np.array_equal(first, second, equal_nan=True):
            raise Wrong(f"{name} changes when {pair.backward} is called again: it adds to a gradient that it has kept")
    expected = {
        name: central_differences(functools.partial(_loss, student, pair, index), pair.inputs[name[1:]])
        for index, name in enumerate(names)
    }
    for name, answer in zip(names, answers, strict=True):
        others = {
            f"this is {other}: the results are in another order": expected[other] for other in names if other != name
        }
        compare(
            name, answer, expected[name], pair.sizes, {**suspects.get(name, NO_SIZES), **others}, "central differences"
        )
    if not is_close(np.asarray(y), pair.engine(*pair.arguments)):
        raise Wrong(f"right for your own {pair.forward}, which differs from the engine's: check that first")
    return expected


def check_single_axis(student: Student, pair: Pair) -> None:
    """Repeat the check of a backward with the rows on one leading axis, (N, …).

    Raises:
        Wrong: the functions need two.
    """
    (name, x), *_ = pair.inputs.items()
    dy = np.asarray(pair.dy)
    rows = replace(pair, inputs={**pair.inputs, name: x.reshape(-1, x.shape[-1])}, dy=dy.reshape(-1, dy.shape[-1]))
    try:
        check_backward(student, rows)
    except Wrong as wrong:
        raise Wrong(f"right for (B, T, …), but not for rows on one leading axis, (N, …): {wrong}") from None


def _loss(student: Student, pair: Pair, index: int, moved: Array) -> float:
    """Return Σ y · dy with one input replaced."""
    arguments = [*pair.arguments]
    arguments[index] = moved
    y, _ = getattr(student.module, pair.forward)(*arguments)
    return float(y if pair.dy is None else np.vdot(y, pair.dy))
