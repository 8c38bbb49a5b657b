"""From a wrong answer to one hint: the first fault that applies, in the order in which a student can use it.

    got ─► kind ─► shape ─► dtype ─► finite ─► equal? ─► transposed ─► a known mistake ─► a constant factor ─► the place

A hint names the symptom and never the formula.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

Array = np.ndarray
Suspects = Mapping[
    str, Any
]  # hint → the answer that the mistake gives, under the answer's name where there are several
NO_SIZES: Mapping[str, float] = MappingProxyType({})
_CLOSE = 1e-6  # of the largest number of an answer: far above the error of a central difference, far below a mistake
_PLAIN = MappingProxyType({"2": 2.0, "½": 0.5, "ln 2": math.log(2), "1/ln 2": 1 / math.log(2)})


class Wrong(Exception):
    """An answer is wrong; the text is the hint."""


class Unusable(Wrong):
    """The student's file cannot be imported; the text says where and why."""


class NotBegun(Exception):
    """The function is still the stub."""


def compare(
    name: str,
    got: Any,
    expected: Any,
    sizes: Mapping[str, float] = NO_SIZES,
    suspects: Suspects = NO_SIZES,
    against: str = "the engine",
) -> None:
    """Compare an answer with the right one.

    Args:
        name: of the answer, as in the stub.
        got: the student's array or number.
        expected: the right one; its dtype decides whether whole numbers are asked for.
        sizes: letter → size, for the names of constant factors.
        suspects: hint → the wrong answer that it explains.
        against: the source of the right answer.

    Raises:
        Wrong: with the first hint that applies.
    """
    expected = np.asarray(expected)
    got = _array(name, got, expected)
    if is_close(got, expected):
        return
    if expected.ndim > 1 and expected.shape[-1] == expected.shape[-2] and is_close(got, expected.swapaxes(-1, -2)):
        raise Wrong(f"{name} is transposed: rows and columns have changed places")
    accuse(name, got, suspects)
    if factor := constant_factor(got, expected, sizes):
        raise Wrong(f"{name} is the right answer times {factor}")
    raise Wrong(f"{name} {_place(got, expected, against)}")


def accuse(name: str, got: Array, suspects: Suspects) -> None:
    """Raise the hint of the first wrong answer that this one equals, if any.

    Raises:
        Wrong: it equals one.
    """
    for hint, wrong in suspects.items():
        if is_close(got, wrong):
            raise Wrong(f"{name}: {hint}")


def is_close(got: Array, expected: Any, within: float = _CLOSE) -> bool:
    """Return whether two answers are equal but for a share of the largest number."""
    expected = np.asarray(expected)
    if got.shape != expected.shape:
        return False
    scale = float(np.abs(expected).max(initial=0.0)) or 1.0
    with np.errstate(invalid="ignore"):
        return bool(np.all(np.abs(got - expected) <= within * scale))


def constant_factor(got: Array, expected: Array, sizes: Mapping[str, float]) -> str:
    """Name the constant that turns the right answer into this one, such as ``1/√C = 0.577``; empty if none does."""
    square = float(np.vdot(expected, expected))
    ratio = float(np.vdot(expected, got)) / square if square else 0.0
    if not ratio or not is_close(got, ratio * expected):
        return ""
    sign, ratio = ("−" if ratio < 0 else ""), abs(ratio)
    if math.isclose(ratio, 1.0, rel_tol=_CLOSE):
        return "−1: the sign is wrong"
    named: dict[str, float] = {}
    for letter, size in sizes.items():
        named |= {letter: size, f"1/{letter}": 1 / size, f"√{letter}": math.sqrt(size), f"1/√{letter}": size**-0.5}
    for label, value in named.items():
        if math.isclose(ratio, value, rel_tol=_CLOSE):
            return f"{sign}{label} = {sign}{value:.4g}"
    for label, value in _PLAIN.items():
        if math.isclose(ratio, value, rel_tol=_CLOSE):
            return f"{sign}{label}"
    return f"{sign}{ratio:.6g}" if expected.ndim else ""


def _array(name: str, got: Any, expected: Array) -> Array:
    """Return an answer as an array that can be compared with the right one, or raise the hint."""
    if got is None:
        raise Wrong(f"{name} is None: is a `return` missing?")
    if isinstance(got, (tuple, list, dict)) or not isinstance(got, (np.ndarray, np.generic, int, float)):
        raise Wrong(f"{name} is a {type(got).__name__}, expected {_kind(expected)}")
    array = np.asarray(got)
    if array.shape != expected.shape:
        raise Wrong(
            f"{name} has {_shape_text(array.shape)}, expected {_shape_text(expected.shape)}{_why(array, expected)}"
        )
    whole = expected.dtype.kind in "iu"
    if array.dtype.kind not in ("iu" if whole else "iuf"):
        raise Wrong(f"{name} has dtype {array.dtype}, expected {'whole numbers, int64' if whole else 'float64'}")
    if whole and array.ndim and array.dtype.itemsize < 8:
        raise Wrong(f"{name} has dtype {array.dtype}, which counts up to {np.iinfo(array.dtype).max:,}; use int64")
    if not whole and array.dtype.kind == "f" and array.dtype.itemsize < 8:
        raise Wrong(
            f"{name} has dtype {array.dtype} from float64 inputs: one of your arrays is made with another dtype"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0]) if array.ndim else ()
        what = "NaN" if np.isnan(array[first]) else "infinite"
        raise Wrong(f"{name} is {what}{f' at {list(first)}' if first else ''}: a division by 0, an overflow or 0 · ∞")
    return array.astype(np.int64 if whole else np.float64)


def _kind(expected: Array) -> str:
    return f"an array of shape {expected.shape}" if expected.ndim else "a number"


def _shape_text(shape: tuple[int, ...]) -> str:
    return f"shape {shape}" if shape else "no axes (a number)"


def _why(got: Array, expected: Array) -> str:
    """Explain a wrong shape, where it can be explained."""
    if got.ndim == expected.ndim and got.ndim > 1 and got.shape == expected.swapaxes(-1, -2).shape:
        return ": transposed"
    if got.ndim > expected.ndim and got.shape[got.ndim - expected.ndim :] == expected.shape:
        return ": not all leading axes are summed"
    return ""


def _place(got: Array, expected: Array, against: str) -> str:
    """Say where and how far two answers differ."""
    if not expected.ndim:
        return f"is {got:.6g}, and {against} gives {expected:.6g}"
    difference = np.abs(got - expected)
    worst = np.unravel_index(int(difference.argmax()), difference.shape)
    scale = float(np.abs(expected).max(initial=0.0)) or 1.0
    share = float((difference > _CLOSE * scale).mean())
    many = "everywhere" if share > 0.95 else f"at {share:.0%} of its places"
    at = [int(i) for i in worst]
    return f"differs from {against} {many}, most at {at}: {got[worst]:.6g}, expected {expected[worst]:.6g}"
