"""The forms of each fused kernel, a choice among them as text, and the time of a tile in each.

    numpy     a chain of NumPy's calls; every kernel has this form
    exp       the same chain through one exponential, for kernels with a tanh
    numexpr   one or two expressions, each compiled by NumExpr to one pass
    numba     the loops of engine ``compiled``, if the extra ``fast`` is installed

A choice is ``FORM`` for every kernel that has the form, or ``FORM:NAME+NAME``, and again ``+FORM:NAME``, for some. All
other kernels are in NumPy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from tinygpt.config import TrainConfig
from tinygpt.engines.extras import FAST
from tinygpt.engines.vectorized import kernels
from tinygpt.engines.vectorized.kernels import TILE, AdamWStep
from tinygpt.errors import ConfigError, unknown_name

Array = np.ndarray
Draw = Callable[[int], Array]

NUMPY, EXP, NUMEXPR, NUMBA = FORMS = ("numpy", "exp", "numexpr", "numba")
INTERPRETED = (NUMPY, EXP, NUMEXPR)  # those that every installation has


@dataclass(frozen=True)
class Kernel:
    """A kernel.

    Attributes:
        forms: of every installation, by name; all kernels have a compiled one besides.
        arguments: makes the arguments for one tile, from a function that draws so many numbers.
    """

    forms: Mapping[str, Callable[..., None]]
    arguments: Callable[[Draw], tuple[Any, ...]]


_ROWS, _WIDTH = 128, TILE // 128
_STEP = AdamWStep.at(1, 3e-4, 1.0, TrainConfig(batch_size=1))


def _rows(draw: Draw, count: int) -> list[Array]:
    return [draw(TILE).reshape(_ROWS, _WIDTH) for _ in range(count)]


def _of_rows() -> tuple[Array, Array]:
    """Make the reciprocal deviations of the rows, and the mean's vector."""
    return np.ones((_ROWS, 1), np.float32), np.full((_WIDTH, 1), 1.0 / _WIDTH, np.float32)


def _normalize(draw: Draw) -> tuple[Any, ...]:
    r, mean_vector = _of_rows()
    return *_rows(draw, 2), r, 1e-5, mean_vector


def _normalize_backward(draw: Draw) -> tuple[Any, ...]:
    r, mean_vector = _of_rows()
    return *_rows(draw, 2), r, *_rows(draw, 1), mean_vector, *_rows(draw, 1)


def _exponentials(draw: Draw) -> tuple[Any, ...]:
    heads, queries, keys = TILE // (64 * 128), 64, 128
    totals = np.empty((1, heads, keys, 1), np.float32)  # of all queries; a block's are a part of each head's
    scores = draw(TILE).reshape(1, heads, queries, keys)
    return scores, np.tri(queries, keys, queries, np.float32), np.ones((keys, 1), np.float32), totals[:, :, queries:]


KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {
        "gelu": Kernel(
            {NUMPY: kernels.gelu_numpy, EXP: kernels.gelu_exp, NUMEXPR: kernels.gelu_numexpr},
            lambda draw: (draw(TILE), draw(TILE), (draw(TILE), draw(TILE))),
        ),
        "normalize": Kernel({NUMPY: kernels.normalize_numpy, NUMEXPR: kernels.normalize_numexpr}, _normalize),
        "normalize_backward": Kernel(
            {NUMPY: kernels.normalize_backward_numpy, NUMEXPR: kernels.normalize_backward_numexpr}, _normalize_backward
        ),
        "residual": Kernel(
            {NUMPY: kernels.residual_numpy, NUMEXPR: kernels.residual_numexpr},
            lambda draw: (*_rows(draw, 2), draw(_WIDTH)),
        ),
        "exponentials": Kernel(
            {NUMPY: kernels.exponentials_numpy, NUMEXPR: kernels.exponentials_numexpr}, _exponentials
        ),
        "adamw": Kernel(
            {NUMPY: kernels.adamw_numpy, NUMEXPR: kernels.adamw_numexpr},
            lambda draw: (*(draw(TILE) for _ in range(3)), np.abs(draw(TILE)), _STEP, draw(TILE)),
        ),
    }
)


@dataclass(frozen=True)
class KernelSet:
    """The chosen form of each kernel: one attribute per row of :data:`KERNELS`.

    Attributes:
        spec: the choice as text, from :func:`write_choice`.
    """

    spec: str
    gelu: Callable[..., None]
    normalize: Callable[..., None]
    normalize_backward: Callable[..., None]
    residual: Callable[..., None]
    exponentials: Callable[..., None]
    adamw: Callable[..., None]


# ---- forms ---------------------------------------------------------------------------------------------


def installed_forms() -> tuple[str, ...]:
    """List the forms that this installation has."""
    return FORMS if FAST.is_installed() else INTERPRETED


def has_form(kernel: str, form: str) -> bool:
    """Return whether a kernel has a form, in a whole installation."""
    return form == NUMBA or form in KERNELS[kernel].forms


@cache
def form_of(kernel: str, form: str) -> Callable[..., None]:
    """Return a kernel in a form.

    Raises:
        MissingDependencyError: the form is compiled, and the extra ``fast`` is not installed.
    """
    if form != NUMBA:
        return KERNELS[kernel].forms[form]
    module = FAST.module("tinygpt.engines.loops.kernels", f"kernels={NUMBA}")
    compiled: Callable[..., None] = module.compiled_kernel(kernel, KERNELS[kernel].arguments(_zeros))
    return compiled


def _zeros(size: int) -> Array:
    return np.zeros(size, np.float32)


def tile_seconds(kernel: str, forms: Iterable[str], repeats: int = 7) -> dict[str, float]:
    """Return the best time of one tile in each of the forms that a kernel has, in seconds."""
    rng, best = np.random.default_rng(0), {}
    for form in forms:
        if not has_form(kernel, form):
            continue
        run, times = form_of(kernel, form), []
        for _ in range(repeats):
            # New operands each time: in-place kernels applied repeatedly would drift to infinity.
            arguments = KERNELS[kernel].arguments(lambda size: rng.standard_normal(size, np.float32))
            start = time.perf_counter()
            run(*arguments)
            times.append(time.perf_counter() - start)
        best[form] = min(times)
    return best


# ---- a choice as text ----------------------------------------------------------------------------------


def read_choice(text: str) -> dict[str, str]:
    """Return each kernel's form.

    Raises:
        ConfigError: a form or a kernel is unknown, or the kernel lacks the form.
    """
    if text in FORMS:
        return {kernel: text if has_form(kernel, text) else NUMPY for kernel in KERNELS}
    chosen, form = dict.fromkeys(KERNELS, NUMPY), ""
    for item in text.split("+"):
        prefix, _, kernel = item.rpartition(":")
        form = prefix or form
        if form not in FORMS:
            raise ConfigError(
                f"kernels is {text!r}", f"auto, fastest, {', '.join(FORMS)}, or FORM:NAME+NAME, as in numexpr:adamw"
            )
        if kernel not in KERNELS:
            raise unknown_name("kernel", kernel, KERNELS)
        if not has_form(kernel, form):
            forms = ", ".join(name for name in FORMS if has_form(kernel, name))
            raise ConfigError(f"kernels is {text!r}, and {kernel} has no form {form}", forms)
        chosen[kernel] = form
    return chosen


def write_choice(chosen: Mapping[str, str]) -> str:
    """Write each kernel's form in the shortest text that :func:`read_choice` reads."""
    for form in FORMS:
        if read_choice(form) == chosen:
            return form
    names = {form: [kernel for kernel in KERNELS if chosen[kernel] == form] for form in FORMS if form != NUMPY}
    return "+".join(f"{form}:{'+'.join(of_form)}" for form, of_form in names.items() if of_form)
