"""Fused element-wise kernels, each in a NumPy and a NumExpr form, and the calibration that picks one.

A NumPy form is a chain of ufuncs with ``out=`` over a tile small enough to stay in the core's cache. A NumExpr
form compiles the chain into one pass. Which is faster depends on the processor's vector instructions and on
where the operands live, so ``kernels="auto"`` measures both on this machine.

Every kernel works in place on float32 tiles: rows of a matrix, attention matrices, or a stretch of the arena.
Constants enter NumExpr as named float32 operands: a literal would turn the expression into float64.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numexpr
import numpy as np

from tinygpt.config import TrainConfig
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.layers import GELU_CUBIC, GELU_SCALE

Array = np.ndarray
TILE = 32 * 1024  # elements: 128 KiB a tile, so that a kernel's four or five operands share a 1 MiB L2

_f32 = np.float32


@cache
def _compiled(expression: str, operands: tuple[str, ...], thread: int) -> Any:  # noqa: ARG001 (part of the key)
    """A compiled expression of this thread's own: one program's work space cannot serve two threads at once."""
    return numexpr.NumExpr(expression, [(name, float) for name in operands])  # its `float` has 32 bits


def _run(expression: str, out: Array, **operands: Any) -> None:
    """Evaluate an expression over named operands into ``out``."""
    names = tuple(operands)
    values = (np.asarray(value, np.float32) for value in operands.values())
    _compiled(expression, names, threading.get_ident())(*values, out=out, order="K", casting="safe", ex_uses_vml=False)


# ---- GELU: the activation and its derivative in one visit ---------------------------------------------
# With s = ½ (1 + tanh(x (c₀ + c₁ x²))), c₀ = √(2/π), c₁ = 0.044715 c₀:
#     y = x s        dy/dx = s + 2 y (1 − s) (c₀ + 3 c₁ x²)
# because dtanh/du = 1 − tanh² = 4 s (1 − s). The backward is then a single multiplication.

_C0, _C1 = _f32(GELU_SCALE), _f32(GELU_SCALE * GELU_CUBIC)


def gelu_numpy(x: Array, y: Array, scratch: tuple[Array, Array]) -> None:
    """y ← GELU(x), x ← its derivative."""
    s, w = scratch
    np.multiply(x, x, out=w)
    np.multiply(w, _C1, out=s)
    s += _C0
    s *= x
    np.tanh(s, out=s)
    s *= _f32(0.5)
    s += _f32(0.5)
    np.multiply(x, s, out=y)
    w *= _f32(6.0) * _C1
    w += _f32(2.0) * _C0
    w *= y
    np.subtract(_f32(1.0), s, out=x)
    x *= w
    x += s


def gelu_numexpr(x: Array, y: Array, scratch: tuple[Array, Array]) -> None:
    """y ← GELU(x), x ← its derivative."""
    s = scratch[0]
    _run("half + half * tanh(x * (c0 + c1 * x * x))", s, x=x, c0=_C0, c1=_C1, half=0.5)
    np.multiply(x, s, out=y)
    _run("s + y * (one - s) * (k0 + k1 * x * x)", x, x=x, y=y, s=s, one=1.0, k0=2.0 * _C0, k1=6.0 * _C1)


# ---- layer normalisation ------------------------------------------------------------------------------
# Row sums are products with a vector of 1/D, which BLAS does several times faster than a reduction.


def normalize_numpy(
    x: Array, gain: Array, bias: Array, eps: float, hat: Array, r: Array, y: Array, mean_vector: Array
) -> None:
    """hat ← (x − mean) r, y ← gain · hat + bias, r ← 1/√(var + ε); x (n, D), r (n, 1)."""
    np.subtract(x, np.matmul(x, mean_vector), out=hat)
    np.multiply(hat, hat, out=y)
    np.matmul(y, mean_vector, out=r)
    r += _f32(eps)
    np.sqrt(r, out=r)
    np.divide(_f32(1.0), r, out=r)
    hat *= r
    affine_numpy(hat, gain, bias, y)


def normalize_numexpr(
    x: Array, gain: Array, bias: Array, eps: float, hat: Array, r: Array, y: Array, mean_vector: Array
) -> None:
    """hat ← (x − mean) r, y ← gain · hat + bias, r ← 1/√(var + ε); x (n, D), r (n, 1)."""
    mean = np.matmul(x, mean_vector)  # (n, 1)
    _run("(x - mean) * (x - mean)", y, x=x, mean=mean)
    _run("one / sqrt(var + eps)", r, var=np.matmul(y, mean_vector), eps=eps, one=1.0)
    _run("(x - mean) * r", hat, x=x, mean=mean, r=r)
    affine_numexpr(hat, gain, bias, y)


def normalize_backward_numpy(
    dy: Array, gain: Array, hat: Array, r: Array, dx: Array, mean_vector: Array, scratch: tuple[Array, Array]
) -> None:
    """dx ← dx + r (g − mean(g) − hat · mean(g hat)) with g = dy · gain; the derivation is in layers.py."""
    g, w = scratch
    np.multiply(dy, gain, out=g)
    np.multiply(g, hat, out=w)
    mean_gx = np.matmul(w, mean_vector)  # (n, 1)
    g -= np.matmul(g, mean_vector)
    np.multiply(hat, mean_gx, out=w)
    g -= w
    g *= r
    dx += g


def normalize_backward_numexpr(
    dy: Array, gain: Array, hat: Array, r: Array, dx: Array, mean_vector: Array, scratch: tuple[Array, Array]
) -> None:
    """dx ← dx + r (g − mean(g) − hat · mean(g hat)) with g = dy · gain; the derivation is in layers.py."""
    g, w = scratch
    np.multiply(dy, gain, out=g)
    np.multiply(g, hat, out=w)
    mean_g, mean_gx = np.matmul(g, mean_vector), np.matmul(w, mean_vector)
    _run("dx + r * (g - mean_g - hat * mean_gx)", dx, dx=dx, r=r, g=g, mean_g=mean_g, hat=hat, mean_gx=mean_gx)


# ---- a norm's output from what its forward kept, and a branch added to the residual stream -----------


def affine_numpy(hat: Array, gain: Array, bias: Array, y: Array) -> None:
    """y ← gain · hat + bias; hat (n, D)."""
    np.multiply(hat, gain, out=y)
    y += bias


def affine_numexpr(hat: Array, gain: Array, bias: Array, y: Array) -> None:
    """y ← gain · hat + bias; hat (n, D)."""
    _run("hat * gain + bias", y, hat=hat, gain=gain, bias=bias)


def residual_numpy(x: Array, branch: Array, bias: Array) -> None:
    """x ← x + branch + bias; x (n, D). The branch is used up."""
    branch += bias
    x += branch


def residual_numexpr(x: Array, branch: Array, bias: Array) -> None:
    """x ← x + branch + bias; x (n, D)."""
    _run("x + branch + bias", x, x=x, branch=branch, bias=bias)


# ---- softmax over rows, and its backward --------------------------------------------------------------
# While every |score| is below 80, e^x can neither overflow nor lose a row's largest term, and the shift by the
# row's maximum is not needed. One flat maximum decides that far more cheaply than a maximum per row.

_SAFE_EXPONENT = 80.0


def _shift_if_needed(scores: Array, mask: Array) -> None:
    if not max(float(scores.max()), -float(scores.min())) < _SAFE_EXPONENT:
        np.copyto(scores, _f32(-np.inf), where=mask == 0)  # a masked score must not be taken for the maximum
        scores -= scores.max(axis=-1, keepdims=True)


def softmax_numpy(scores: Array, mask: Array, ones: Array) -> None:
    """scores ← softmax(scores) where mask is 1, and 0 where it is 0; scores (g, T, T), mask (T, T)."""
    _shift_if_needed(scores, mask)
    np.exp(scores, out=scores)
    scores *= mask
    total = np.matmul(scores, ones)  # (g, T, 1)
    np.divide(_f32(1.0), total, out=total)
    scores *= total


def softmax_numexpr(scores: Array, mask: Array, ones: Array) -> None:
    """scores ← softmax(scores) where mask is 1, and 0 where it is 0; scores (g, T, T), mask (T, T)."""
    _shift_if_needed(scores, mask)
    _run("exp(scores) * mask", scores, scores=scores, mask=mask)
    _run("scores / total", scores, scores=scores, total=np.matmul(scores, ones))


def softmax_backward_numpy(p: Array, dp: Array, row_dot: Array) -> None:
    """dp ← p (dp − row_dot), the gradient of the scores; row_dot = Σ_j p dp, (g, T, 1)."""
    dp -= row_dot
    dp *= p


def softmax_backward_numexpr(p: Array, dp: Array, row_dot: Array) -> None:
    """dp ← p (dp − row_dot), the gradient of the scores; row_dot = Σ_j p dp, (g, T, 1)."""
    _run("p * (dp - row_dot)", dp, p=p, dp=dp, row_dot=row_dot)


# ---- AdamW over a tile of the arena (equations in optim.py) -------------------------------------------


@dataclass(frozen=True)
class AdamWStep:
    """The numbers of one update, shared by every tile."""

    clip: float
    beta1: float
    beta2: float
    rate: float  # η / (1 − β₁ᵗ)
    v_scale: float  # 1 / √(1 − β₂ᵗ)
    eps: float
    decay: float  # 1 − η λ

    @classmethod
    def at(cls, step: int, learning_rate: float, clip: float, config: TrainConfig) -> AdamWStep:
        """The numbers of update ``step``, counted from 1."""
        beta1, beta2 = config.betas
        return cls(
            clip,
            beta1,
            beta2,
            learning_rate / (1.0 - beta1**step),
            (1.0 - beta2**step) ** -0.5,
            config.eps,
            1.0 - learning_rate * config.weight_decay,
        )


def adamw_numpy(p: Array, g: Array, m: Array, v: Array, step: AdamWStep, decayed: bool, scratch: Array) -> None:
    """Update p, m and v in place; g is scaled by the clip factor."""
    g *= _f32(step.clip)
    m *= _f32(step.beta1)
    np.multiply(g, _f32(1.0 - step.beta1), out=scratch)
    m += scratch
    v *= _f32(step.beta2)
    np.multiply(g, g, out=scratch)
    scratch *= _f32(1.0 - step.beta2)
    v += scratch
    np.sqrt(v, out=scratch)
    scratch *= _f32(step.v_scale)
    scratch += _f32(step.eps)
    np.divide(m, scratch, out=scratch)
    scratch *= _f32(step.rate)
    if decayed:
        p *= _f32(step.decay)
    p -= scratch


def adamw_numexpr(p: Array, g: Array, m: Array, v: Array, step: AdamWStep, decayed: bool, scratch: Array) -> None:  # noqa: ARG001 (one signature for both forms)
    """Update p, m and v in place; g is left as it is."""
    c1, c2 = 1.0 - step.beta1, (1.0 - step.beta2) * step.clip * step.clip
    _run("b1 * m + c1 * g", m, m=m, g=g, b1=step.beta1, c1=c1 * step.clip)
    _run("b2 * v + c2 * g * g", v, v=v, g=g, b2=step.beta2, c2=c2)
    decay = step.decay if decayed else 1.0
    _run(
        "decay * p - rate * m / (scale * sqrt(v) + eps)",
        p,
        p=p,
        m=m,
        v=v,
        decay=decay,
        rate=step.rate,
        scale=step.v_scale,
        eps=step.eps,
    )


# ---- the table, and the choice ------------------------------------------------------------------------


@dataclass(frozen=True)
class Kernel:
    """A kernel's two forms, and how to make arguments for one tile of calibration."""

    numpy: Callable[..., None]
    numexpr: Callable[..., None]
    arguments: Callable[[Callable[[int], Array]], tuple[Any, ...]]


_TILE_ROWS, _TILE_WIDTH = 128, TILE // 128
_STEP = AdamWStep.at(1, 3e-4, 1.0, TrainConfig(batch_size=1))


def _rows(draw: Callable[[int], Array], count: int) -> list[Array]:
    return [draw(TILE).reshape(_TILE_ROWS, _TILE_WIDTH) for _ in range(count)]


def _mean_vector(width: int) -> Array:
    return np.full((width, 1), 1.0 / width, np.float32)


KERNELS: dict[str, Kernel] = {
    "gelu": Kernel(
        gelu_numpy,
        gelu_numexpr,
        lambda draw: (*_rows(draw, 2), tuple(_rows(draw, 2))),
    ),
    "normalize": Kernel(
        normalize_numpy,
        normalize_numexpr,
        lambda draw: (
            *_rows(draw, 1), draw(_TILE_WIDTH), draw(_TILE_WIDTH), 1e-5, *_rows(draw, 1),
            np.ones((_TILE_ROWS, 1), _f32), *_rows(draw, 1), _mean_vector(_TILE_WIDTH),
        ),
    ),
    "normalize_backward": Kernel(
        normalize_backward_numpy,
        normalize_backward_numexpr,
        lambda draw: (
            *_rows(draw, 1), draw(_TILE_WIDTH), *_rows(draw, 1), np.ones((_TILE_ROWS, 1), _f32),
            *_rows(draw, 1), _mean_vector(_TILE_WIDTH), tuple(_rows(draw, 2)),
        ),
    ),
    "affine": Kernel(
        affine_numpy,
        affine_numexpr,
        lambda draw: (*_rows(draw, 1), draw(_TILE_WIDTH), draw(_TILE_WIDTH), *_rows(draw, 1)),
    ),
    "residual": Kernel(
        residual_numpy, residual_numexpr, lambda draw: (*_rows(draw, 2), draw(_TILE_WIDTH)),
    ),
    "softmax": Kernel(
        softmax_numpy,
        softmax_numexpr,
        lambda draw: (
            draw(TILE).reshape(-1, 64, 64), np.tril(np.ones((64, 64), _f32)), np.ones((64, 1), _f32),
        ),
    ),
    "softmax_backward": Kernel(
        softmax_backward_numpy,
        softmax_backward_numexpr,
        lambda draw: (*(draw(TILE).reshape(-1, 64, 64) for _ in range(2)), draw(TILE // 64).reshape(-1, 64, 1)),
    ),
    "adamw": Kernel(
        adamw_numpy,
        adamw_numexpr,
        lambda draw: (*(draw(TILE) for _ in range(3)), np.abs(draw(TILE)), _STEP, True, draw(TILE)),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class KernelSet:
    """The form that each kernel takes: one attribute per row of :data:`KERNELS`.

    Attributes:
        spec: the choice as text, which :func:`choose_kernels` reads back: ``numpy``, ``numexpr``, or
            ``numexpr:adamw+gelu`` for those in NumExpr and the rest in NumPy.
    """

    spec: str
    gelu: Callable[..., None]
    normalize: Callable[..., None]
    normalize_backward: Callable[..., None]
    affine: Callable[..., None]
    residual: Callable[..., None]
    softmax: Callable[..., None]
    softmax_backward: Callable[..., None]
    adamw: Callable[..., None]


def calibration_seconds(name: str, repeats: int = 7) -> tuple[float, float]:
    """Best time of one tile in each form, (NumPy, NumExpr), in seconds."""
    kernel = KERNELS[name]
    rng = np.random.default_rng(0)
    best = []
    for form in (kernel.numpy, kernel.numexpr):
        times = []
        for _ in range(repeats):
            # Fresh operands: in-place kernels applied over and over would drift to infinities.
            arguments = kernel.arguments(lambda n: rng.standard_normal(n, np.float32))
            start = time.perf_counter()
            form(*arguments)
            times.append(time.perf_counter() - start)
        best.append(min(times))
    return best[0], best[1]


@cache
def calibrated_spec() -> str:
    """Measure every kernel once per process and name the faster forms."""
    numexpr.set_num_threads(1)  # the batch is what is spread over threads, never a kernel
    faster = []
    for name in KERNELS:
        numpy_seconds, numexpr_seconds = calibration_seconds(name)
        if numexpr_seconds < numpy_seconds:
            faster.append(name)
    return _spec(faster)


def _spec(in_numexpr: list[str]) -> str:
    if len(in_numexpr) == len(KERNELS):
        return "numexpr"
    return "numexpr:" + "+".join(in_numexpr) if in_numexpr else "numpy"


def choose_kernels(spec: str = "auto") -> KernelSet:
    """Resolve ``auto``, ``numpy``, ``numexpr`` or a mixed choice such as ``numexpr:adamw+gelu``.

    Raises:
        ConfigError: the text is none of these, or names an unknown kernel.
    """
    resolved = calibrated_spec() if spec == "auto" else spec
    form, _, names = resolved.partition(":")
    if form not in ("numpy", "numexpr") or (form == "numpy" and names):
        raise ConfigError(f"kernels is {spec!r}", "auto, numpy, numexpr, or numexpr:NAME+NAME")
    chosen = names.split("+") if names else (list(KERNELS) if form == "numexpr" else [])
    for name in chosen:
        if name not in KERNELS:
            raise unknown_name("kernel", name, KERNELS, "invoke train --engine vectorized[kernels=auto]")
    if chosen:
        numexpr.set_num_threads(1)
    forms = {name: kernel.numexpr if name in chosen else kernel.numpy for name, kernel in KERNELS.items()}
    return KernelSet(_spec([name for name in KERNELS if name in chosen]), **forms)
