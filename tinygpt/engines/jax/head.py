"""The tied head and its loss in JAX, a block of positions at a time.

    z = x tableᵀ      loss = mean(log Σ exp(z) − z[target])      dz = (softmax(z) − onehot) / N
    dx = dz table     dtable = dzᵀ x

A derived backward would keep the scores z (N, V), or compute them again. Here the forward computes the gradients too,
while a block's scores exist, and the backward only multiplies them by the loss's own gradient.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

from tinygpt.engines.jax.settings import Arithmetic


def scores(x: Array, table: Array, arithmetic: Arithmetic) -> Array:
    """x (R, D) and table (V, D) → scores (R, V), float32."""
    table = table.astype(arithmetic.dtype)
    return jnp.matmul(x.astype(arithmetic.dtype), table.T, precision=arithmetic.precision).astype(jnp.float32)


def losses(z: Array, targets: Array) -> Array:
    """Cross-entropies (R,) of scores (R, V), nats: log Σ exp(z) − z[target].

    A comparison of ids picks the target's score and fuses with the surrounding operations; indexing would be a scatter
    in the backward.
    """
    chosen = jnp.where(_is_target(z, targets), z, 0.0).sum(-1)
    return jax.nn.logsumexp(z, axis=-1) - chosen


def _is_target(z: Array, targets: Array) -> Array:
    return jnp.arange(z.shape[-1]) == targets.reshape(-1, 1)


def block_count(shape: tuple[int, int], vocab_size: int, most: int) -> int:
    """Return the number of blocks for a batch of ``shape`` (B, T): the fewest that divide T, with ``most`` scores each.

    Every block has positions of all rows, so that devices that have different rows share each block.
    """
    b, t = shape
    fits = (count for count in range(1, t) if t % count == 0 and b * (t // count) * vocab_size <= most)
    return next(fits, t)


def _cut(values: Array, shape: tuple[int, int], count: int) -> Array:
    """(N, …) → (count, N / count, …), the blocks."""
    b, t = shape
    blocks = jnp.moveaxis(values.reshape(b, count, t // count, *values.shape[1:]), 1, 0)
    return blocks.reshape(count, b * t // count, *values.shape[1:])


def _joined(blocks: Array, shape: tuple[int, int]) -> Array:
    """The blocks → (N, …)."""
    (b, t), count = shape, len(blocks)
    values = jnp.moveaxis(blocks.reshape(count, b, t // count, *blocks.shape[2:]), 0, 1)
    return values.reshape(b * t, *blocks.shape[2:])


def blocked_losses(
    x: Array, table: Array, targets: Array, shape: tuple[int, int], count: int, arithmetic: Arithmetic
) -> Array:
    """Cross-entropies (N,) for x (N, D), table (V, D) and targets (N,), where N = B·T and ``shape`` is (B, T)."""

    def block(each: tuple[Array, Array]) -> Array:
        return losses(scores(each[0], table, arithmetic), each[1])

    return _joined(lax.map(block, (_cut(x, shape, count), _cut(targets, shape, count))), shape)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def blocked_loss(
    x: Array, table: Array, targets: Array, shape: tuple[int, int], count: int, arithmetic: Arithmetic
) -> Array:
    """The mean of :func:`blocked_losses`, a scalar."""
    return blocked_losses(x, table, targets, shape, count, arithmetic).mean()


def _forward(
    x: Array, table: Array, targets: Array, shape: tuple[int, int], count: int, arithmetic: Arithmetic
) -> tuple[Array, tuple[Array, Array]]:
    product = partial(jnp.matmul, precision=arithmetic.precision, preferred_element_type=jnp.float32)

    def block(total: tuple[Array, Array], each: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
        (loss, dtable), (part, wanted) = total, each
        z = scores(part, table, arithmetic)
        dz = (jax.nn.softmax(z, axis=-1) - _is_target(z, wanted)) / len(x)
        dz = dz.astype(arithmetic.dtype)
        dtable = dtable + product(dz.T, part.astype(arithmetic.dtype))
        return (loss + losses(z, wanted).sum(), dtable), product(dz, table.astype(arithmetic.dtype))

    start = jnp.zeros(()), jnp.zeros_like(table)
    (loss, dtable), dx = lax.scan(block, start, (_cut(x, shape, count), _cut(targets, shape, count)))
    return loss / len(x), (_joined(dx, shape), dtable)


def _backward(
    _shape: tuple[int, int], _count: int, _arithmetic: Arithmetic, gradients: tuple[Array, Array], dloss: Array
) -> tuple[Array, Array, None]:
    dx, dtable = gradients
    return dloss * dx, dloss * dtable, None


blocked_loss.defvjp(_forward, _backward)
