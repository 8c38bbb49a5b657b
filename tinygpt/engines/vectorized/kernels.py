"""Fused element-wise kernels in NumPy and in NumExpr.

A NumPy form is a chain of ufuncs with ``out=`` over a tile that fits in the core's cache. A NumExpr form compiles the
chain into one pass. Which one is faster depends on the processor's vector instructions and on where the operands are.
``forms`` has the table of all forms, the compiled ones of ``tinygpt.engines.loops`` included.

Every kernel works in place on float32 tiles: rows of a matrix, attention matrices, or a part of the arena. Constants
enter NumExpr as named float32 operands: a literal would turn the expression into float64.
"""

from __future__ import annotations

import math
import threading
from typing import Any, NamedTuple

import numexpr
import numpy as np

from tinygpt.config import TrainConfig
from tinygpt.layers import GELU_CUBIC, GELU_SCALE

Array = np.ndarray
TILE = 32 * 1024  # elements: 128 KiB a tile, so that a kernel's four or five operands share a 1 MiB L2

_f32 = np.float32


class _Programs(threading.local):
    """Compiled expressions of one thread: two threads cannot share a program's work space."""

    def __init__(self) -> None:
        self.programs: dict[tuple[str, tuple[str, ...]], Any] = {}

    def compiled(self, expression: str, operands: tuple[str, ...]) -> Any:
        """Compile an expression over float32 operands, once."""
        key = (expression, operands)
        if key not in self.programs:
            self.programs[key] = numexpr.NumExpr(
                expression, [(name, float) for name in operands]
            )  # `float` has 32 bits
        return self.programs[key]


_PROGRAMS = _Programs()


def _run(expression: str, out: Array, **operands: Any) -> None:
    """Evaluate an expression over named operands into ``out``."""
    names = tuple(operands)
    values = (np.asarray(value, np.float32) for value in operands.values())
    _PROGRAMS.compiled(expression, names)(*values, out=out, order="K", casting="safe", ex_uses_vml=False)


# ---- GELU: the activation and its derivative in one pass ----------------------------------------------
# With Φ = ½ (1 + tanh a), a = κ (x + 0.044715 x³), κ = √(2/π):
#     y = x Φ        dy/dx = Φ + 2 y (1 − Φ) κ (1 + 3 · 0.044715 x²)
# because ∂tanh a/∂a = 1 − tanh² a = 4 Φ (1 − Φ). The backward is then a single multiplication. Where NumPy has no
# vector instructions for tanh, Φ = 1 / (1 + e^(−2a)) takes less time.

_LINEAR, _CUBIC = _f32(GELU_SCALE), _f32(GELU_SCALE * GELU_CUBIC)  # κ and 0.044715 κ


def gelu_numpy(x: Array, y: Array, scratch: tuple[Array, Array]) -> None:
    """y ← GELU(x), x ← its derivative."""
    phi, square = scratch
    np.multiply(x, x, out=square)
    np.multiply(square, _CUBIC, out=phi)
    phi += _LINEAR
    phi *= x
    np.tanh(phi, out=phi)
    phi *= _f32(0.5)
    phi += _f32(0.5)
    _gelu_of(x, y, phi, square)


def gelu_exp(x: Array, y: Array, scratch: tuple[Array, Array]) -> None:
    """y ← GELU(x), x ← its derivative; with Φ = 1 / (1 + e^(−2a)), where e^(−2a) may be infinite."""
    phi, square = scratch
    np.multiply(x, x, out=square)
    np.multiply(square, _f32(-2.0) * _CUBIC, out=phi)
    phi -= _f32(2.0) * _LINEAR
    phi *= x
    with np.errstate(over="ignore"):
        np.exp(phi, out=phi)
    phi += _f32(1.0)
    np.divide(_f32(1.0), phi, out=phi)
    _gelu_of(x, y, phi, square)


def _gelu_of(x: Array, y: Array, phi: Array, square: Array) -> None:
    """y ← x Φ, x ← the derivative, from Φ and x²."""
    np.multiply(x, phi, out=y)
    square *= _f32(6.0) * _CUBIC
    square += _f32(2.0) * _LINEAR
    square *= y
    np.subtract(_f32(1.0), phi, out=x)
    x *= square
    x += phi


def gelu_numexpr(x: Array, y: Array, scratch: tuple[Array, Array]) -> None:
    """y ← GELU(x), x ← its derivative."""
    phi = scratch[0]
    _run("half + half * tanh(x * (k1 + k3 * x * x))", phi, x=x, k1=_LINEAR, k3=_CUBIC, half=0.5)
    np.multiply(x, phi, out=y)
    _run("phi + y * (one - phi) * (k1 + k3 * x * x)", x, x=x, y=y, phi=phi, one=1.0, k1=2.0 * _LINEAR, k3=6.0 * _CUBIC)


# ---- layer normalisation: the part that depends only on the rows -------------------------------------
# Row sums are inner products (``vecdot``) or products with a vector of 1/D: several times faster than reductions.


def normalize_numpy(x: Array, hat: Array, r: Array, eps: float, mean_vector: Array) -> None:
    """hat ← (x − mean) r, r ← 1/√(var + ε); x (n, D), hat (n, D or more), r (n, 1)."""
    hat = hat[:, : x.shape[1]]
    np.subtract(x, np.matmul(x, mean_vector), out=hat)
    np.vecdot(hat, hat, out=r[:, 0])
    r *= mean_vector[0]
    r += _f32(eps)
    np.sqrt(r, out=r)
    np.divide(_f32(1.0), r, out=r)
    hat *= r


def normalize_numexpr(x: Array, hat: Array, r: Array, eps: float, mean_vector: Array) -> None:
    """hat ← (x − mean) r, r ← 1/√(var + ε); shapes as in :func:`normalize_numpy`."""
    hat = hat[:, : x.shape[1]]
    mean = np.matmul(x, mean_vector)  # (n, 1)
    np.subtract(x, mean, out=hat)
    np.vecdot(hat, hat, out=r[:, 0])
    _run("one / sqrt(total * share + eps)", r, total=r, share=mean_vector[0, 0], eps=eps, one=1.0)
    _run("(x - mean) * r", hat, x=x, mean=mean, r=r)


def normalize_backward_numpy(dhat: Array, hat: Array, r: Array, dx: Array, mean_vector: Array, scratch: Array) -> None:
    """dx ← dx + r (dhat − hat · mean(dhat · hat)) for dhat that sums to 0 over a row; layers.py derives it."""
    hat = hat[:, : dhat.shape[1]]
    projected = np.vecdot(dhat, hat)[:, None]  # (n, 1)
    projected *= mean_vector[0]
    np.multiply(hat, projected, out=scratch)
    dhat -= scratch
    dhat *= r
    dx += dhat


def normalize_backward_numexpr(
    dhat: Array, hat: Array, r: Array, dx: Array, mean_vector: Array, scratch: Array
) -> None:
    """dx ← dx + r (dhat − hat · mean(dhat · hat)) for dhat that sums to 0 over a row; layers.py derives it."""
    hat = hat[:, : dhat.shape[1]]
    projected = np.vecdot(dhat, hat)[:, None] * mean_vector[0]  # (n, 1)
    _run("dx + r * (dhat - hat * projected)", dx, dx=dx, r=r, dhat=dhat, hat=hat, projected=projected)


# ---- a branch added to the residual stream -----------------------------------------------------------


def residual_numpy(x: Array, branch: Array, bias: Array) -> None:
    """x ← x + branch + bias; x (n, D). The branch is overwritten."""
    branch += bias
    x += branch


def residual_numexpr(x: Array, branch: Array, bias: Array) -> None:
    """x ← x + branch + bias; x (n, D)."""
    _run("x + branch + bias", x, x=x, branch=branch, bias=bias)


# ---- attention's exponentials -------------------------------------------------------------------------
# While every row's largest score is between −50 and 50, e^x neither overflows nor loses that term, dividing a
# gradient by the row's total stays far from float32's smallest numbers, and no maximum need be subtracted.
# The totals show it: a total between e⁻⁵⁰ and e⁵⁰ means such a largest score, up to a factor of the row's length.

_LEAST_TOTAL, _LARGEST_TOTAL = math.exp(-50.0), math.exp(50.0)


def totals_are_safe(total: Array) -> bool:
    """Return whether sums of plain exponentials are in the range where they are exact; NaN and infinity are not."""
    return bool(total.min() > _LEAST_TOTAL and total.max() < _LARGEST_TOTAL)


def subtract_maximum(scores: Array, mask: Array) -> None:
    """Subtract every row's largest visible score; scores (…, n, width), mask (n, width) is 1 where visible."""
    np.copyto(scores, _f32(-np.inf), where=mask == 0)  # a masked score must not be the maximum
    scores -= scores.max(axis=-1, keepdims=True)


def exponentials_numpy(scores: Array, mask: Array, ones: Array, total: Array) -> None:
    """scores ← e^scores · mask, total ← its row sums.

    scores (B, H, n, width), mask (n, width) of ones and zeros, ones (width, 1), total (B, H, n, 1).
    """
    np.exp(scores, out=scores)
    scores *= mask
    np.matmul(scores, ones, out=total)


def exponentials_numexpr(scores: Array, mask: Array, ones: Array, total: Array) -> None:
    """scores ← e^scores · mask, total ← its row sums; shapes as in :func:`exponentials_numpy`."""
    _run("exp(scores) * mask", scores, scores=scores, mask=mask)
    np.matmul(scores, ones, out=total)


# ---- AdamW over a tile of the arena (equations in optim.py) -------------------------------------------


class AdamWStep(NamedTuple):
    """The constants of one update, shared by every tile."""

    clip: float
    beta1: float
    beta2: float
    rate: float  # η / (1 − β₁^τ)
    second_scale: float  # 1 / √(1 − β₂^τ)
    eps: float
    decay: float  # 1 − η λ
    learning_rate: float  # η

    @classmethod
    def at(cls, step: int, learning_rate: float, clip: float, config: TrainConfig) -> AdamWStep:
        """Return the constants of update ``step``, τ, counted from 1."""
        beta1, beta2 = config.betas
        return cls(
            clip,
            beta1,
            beta2,
            learning_rate / (1.0 - beta1**step),
            (1.0 - beta2**step) ** -0.5,
            config.eps,
            1.0 - learning_rate * config.weight_decay,
            learning_rate,
        )


def adamw_numpy(theta: Array, dtheta: Array, m1: Array, m2: Array, step: AdamWStep, scratch: Array) -> None:
    """Update θ, m₁ and m₂ in place from dθ times the step's clip factor; the caller applies weight decay."""
    m1 *= _f32(step.beta1)
    np.multiply(dtheta, _f32((1.0 - step.beta1) * step.clip), out=scratch)
    m1 += scratch
    m2 *= _f32(step.beta2)
    np.multiply(dtheta, dtheta, out=scratch)
    scratch *= _f32((1.0 - step.beta2) * step.clip * step.clip)
    m2 += scratch
    # With η̂ = rate and ν = second_scale: η̂ m₁ / (ν √m₂ + ε) = (η̂ / ν) m₁ / (√m₂ + ε / ν), one pass fewer
    np.sqrt(m2, out=scratch)
    scratch += _f32(step.eps / step.second_scale)
    np.divide(m1, scratch, out=scratch)
    scratch *= _f32(step.rate / step.second_scale)
    theta -= scratch


def adamw_numexpr(theta: Array, dtheta: Array, m1: Array, m2: Array, step: AdamWStep, scratch: Array) -> None:
    """Update θ, m₁ and m₂ in place from dθ times the step's clip factor; the caller applies weight decay."""
    c1, c2 = (1.0 - step.beta1) * step.clip, (1.0 - step.beta2) * step.clip * step.clip
    _run("b1 * m1 + c1 * dtheta", m1, m1=m1, dtheta=dtheta, b1=step.beta1, c1=c1)
    _run("b2 * m2 + c2 * dtheta * dtheta", m2, m2=m2, dtheta=dtheta, b2=step.beta2, c2=c2)
    rate, eps = step.rate / step.second_scale, step.eps / step.second_scale
    _run("theta - rate * m1 / (sqrt(m2) + eps)", theta, theta=theta, m1=m1, m2=m2, rate=rate, eps=eps)
