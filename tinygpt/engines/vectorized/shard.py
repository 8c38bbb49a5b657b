"""A shard: some rows of the batch, the buffers they need, and their forward and backward pass.

Every large buffer is allocated once. Products write into them with ``out=``; the chains between the products run
in row tiles that stay in the core's cache. The equations are those of ``tinygpt/layers.py``; what differs:

    * heads are laid out (3, B·H, T, C), so that every attention product is contiguous
    * the query is scaled by 1/√C when the bias is added, and not the (T, T) scores
    * Σ_j P dP, which the softmax's backward needs, is taken as dy · y over C numbers instead of T
    * GELU's derivative is computed with GELU, and kept in place of its input
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.engines.vectorized.kernels import TILE, KernelSet
from tinygpt.params import Arrays

Array = np.ndarray


def _empty(*shape: int) -> Array:
    return np.empty(shape, np.float32)


@dataclass(frozen=True)
class BlockBuffers:
    """What one block keeps from its forward for its backward; N = B·T rows."""

    hat_1: Array  # (N, D)
    r_1: Array  # (N, 1)
    heads: Array  # (3, B·H, T, C): scaled queries, keys, values
    weights: Array  # (B·H, T, T) attention
    mixed: Array  # (N, D)
    hat_2: Array  # (N, D)
    r_2: Array  # (N, 1)
    derivative: Array  # (N, F) GELU's
    activated: Array  # (N, F)


class Shard:
    """The workspace of B rows of T tokens.

    Args:
        model: the model's shape.
        batch: B, rows of this shard.
        length: T, tokens per row.
        kernels: the form of every fused kernel.
    """

    def __init__(self, model: ModelConfig, batch: int, length: int, kernels: KernelSet) -> None:
        n, d, f, v, h = batch * length, model.d_model, model.d_hidden, model.vocab_size, model.n_heads
        self.model, self.batch, self.length, self.kernels = model, batch, length, kernels
        self.blocks = [
            BlockBuffers(
                hat_1=_empty(n, d),
                r_1=_empty(n, 1),
                heads=_empty(3, batch * h, length, model.head_dim),
                weights=_empty(batch * h, length, length),
                mixed=_empty(n, d),
                hat_2=_empty(n, d),
                r_2=_empty(n, 1),
                derivative=_empty(n, f),
                activated=_empty(n, f),
            )
            for _ in range(model.n_layers)
        ]
        self.x = _empty(n, d)  # the residual stream, updated in place
        self.normed = _empty(n, d)  # a norm's output, recomputed from hat in the backward
        self.final_hat, self.final_r = _empty(n, d), _empty(n, 1)
        self.logits = _empty(n, v)
        self.dx = _empty(n, d)
        self.branch = _empty(n, d)
        self.wide = _empty(n, f)
        self.qkv = _empty(n, 3 * d)
        self.dheads = _empty(3, batch * h, length, model.head_dim)
        self.heads_per_tile = max(1, min(batch * h, TILE // (length * length)))
        self.dscores = _empty(self.heads_per_tile, length, length)
        self.scratch = (_empty(max(TILE, f)), _empty(max(TILE, f)))
        self.causal = np.tril(np.ones((length, length), np.float32))
        self.mean_vector = np.full((d, 1), 1.0 / d, np.float32)
        self.ones_row = np.ones((1, n), np.float32)
        self.ones_t = np.ones((length, 1), np.float32)
        self.ones_v = np.ones((v, 1), np.float32)
        self.ones_c = np.ones((model.head_dim, 1), np.float32)

    # ---- tiles -------------------------------------------------------------------------------------------

    def _row_tiles(self, width: int) -> list[slice]:
        """Slices over the N rows, each about one tile of elements."""
        rows = max(1, TILE // width)
        n = self.batch * self.length
        return [slice(start, min(start + rows, n)) for start in range(0, n, rows)]

    def _scratch_like(self, tile: Array) -> tuple[Array, Array]:
        first, second = (buffer[: tile.size].reshape(tile.shape) for buffer in self.scratch)
        return first, second

    def _head_tiles(self) -> list[slice]:
        """Slices over the B·H attention matrices."""
        count = self.batch * self.model.n_heads
        return [slice(g, min(g + self.heads_per_tile, count)) for g in range(0, count, self.heads_per_tile)]

    # ---- pieces of the forward ---------------------------------------------------------------------------

    def _normalize(self, gain: Array, bias: Array, hat: Array, r: Array) -> Array:
        for rows in self._row_tiles(self.model.d_model):
            self.kernels.normalize(
                self.x[rows], gain, bias, self.model.layer_norm_eps, hat[rows], r[rows], self.normed[rows],
                self.mean_vector,
            )  # fmt: skip
        return self.normed

    def _add_branch(self, bias: Array) -> None:
        """x ← x + branch + bias."""
        for rows in self._row_tiles(self.model.d_model):
            self.kernels.residual(self.x[rows], self.branch[rows], bias)

    def _split_heads(self, merged: Array) -> Array:
        """A (N, 3 D) array seen as (3, B, H, T, C); no copy."""
        b, t, h, c = self.batch, self.length, self.model.n_heads, self.model.head_dim
        return merged.reshape(b, t, 3, h, c).transpose(2, 0, 3, 1, 4)

    def _by_head(self, rows: Array) -> Array:
        """A (N, D) array seen as (B, H, T, C); no copy."""
        b, t, h, c = self.batch, self.length, self.model.n_heads, self.model.head_dim
        return rows.reshape(b, t, h, c).transpose(0, 2, 1, 3)

    def _attend(self, buffers: BlockBuffers, bias: Array) -> None:
        """qkv (N, 3 D) without its bias → buffers.mixed (N, D)."""
        b, t, h, c = self.batch, self.length, self.model.n_heads, self.model.head_dim
        heads = buffers.heads.reshape(3, b, h, t, c)
        np.add(self._split_heads(self.qkv), bias.reshape(3, 1, h, 1, c), out=heads)
        q, k, v = buffers.heads
        q *= np.float32(1.0 / math.sqrt(c))
        out = self.dheads[0]  # free in the forward: the heads' outputs, (B·H, T, C)
        for tile in self._head_tiles():
            weights = buffers.weights[tile]
            np.matmul(q[tile], k[tile].swapaxes(-1, -2), out=weights)
            self.kernels.softmax(weights, self.causal, self.ones_t)
            np.matmul(weights, v[tile], out=out[tile])
        self._by_head(buffers.mixed)[...] = out.reshape(b, h, t, c)

    def forward(self, w: Arrays, tokens: Array) -> Array:
        """tokens (B, T) → logits (N, V), in this shard's buffer."""
        np.take(w["wte.weight"], tokens.reshape(-1), axis=0, out=self.x, mode="clip")
        self.x.reshape(self.batch, self.length, -1)[...] += w["wpe.weight"][: self.length]
        for layer, buffers in enumerate(self.blocks):
            h = f"h.{layer}"
            normed = self._normalize(w[f"{h}.ln_1.weight"], w[f"{h}.ln_1.bias"], buffers.hat_1, buffers.r_1)
            np.matmul(normed, w[f"{h}.attn.c_attn.weight"], out=self.qkv)
            self._attend(buffers, w[f"{h}.attn.c_attn.bias"])
            np.matmul(buffers.mixed, w[f"{h}.attn.c_proj.weight"], out=self.branch)
            self._add_branch(w[f"{h}.attn.c_proj.bias"])

            normed = self._normalize(w[f"{h}.ln_2.weight"], w[f"{h}.ln_2.bias"], buffers.hat_2, buffers.r_2)
            hidden = buffers.derivative  # holds GELU's input until the kernel turns it into the derivative
            np.matmul(normed, w[f"{h}.mlp.c_fc.weight"], out=hidden)
            bias = w[f"{h}.mlp.c_fc.bias"]
            for rows in self._row_tiles(self.model.d_hidden):
                tile = hidden[rows]
                tile += bias
                self.kernels.gelu(tile, buffers.activated[rows], self._scratch_like(tile))
            np.matmul(buffers.activated, w[f"{h}.mlp.c_proj.weight"], out=self.branch)
            self._add_branch(w[f"{h}.mlp.c_proj.bias"])
        final = self._normalize(w["ln_f.weight"], w["ln_f.bias"], self.final_hat, self.final_r)
        return np.matmul(final, w["wte.weight"].T, out=self.logits)

    # ---- pieces of the backward --------------------------------------------------------------------------

    def _loss_and_dlogits(self, targets: Array, positions: int) -> float:
        """Sum of the losses; logits ← (softmax − onehot) / positions, in place."""
        z, chosen = self.logits, targets.reshape(-1, 1)
        if not max(float(z.max()), -float(z.min())) < 80.0:
            z -= z.max(axis=-1, keepdims=True)
        target_z = np.take_along_axis(z, chosen, axis=-1).astype(np.float64)
        np.exp(z, out=z)
        total = np.matmul(z, self.ones_v)  # (N, 1)
        loss = float((np.log(total.astype(np.float64)) - target_z).sum())
        z *= np.float32(1.0 / positions) / total
        flat = z.reshape(-1)
        flat[np.arange(len(z)) * z.shape[1] + chosen[:, 0]] -= np.float32(1.0 / positions)
        return loss

    def _normalize_backward(self, dy: Array, gain: Array, hat: Array, r: Array, dgain: Array, dbias: Array) -> None:
        """dx += the norm's input gradient; dgain, dbias are written."""
        np.matmul(self.ones_row, dy, out=dbias[None])
        np.einsum("nd,nd->d", dy, hat, out=dgain)
        for rows in self._row_tiles(self.model.d_model):
            tile = dy[rows]
            self.kernels.normalize_backward(
                tile, gain, hat[rows], r[rows], self.dx[rows], self.mean_vector, self._scratch_like(tile)
            )

    def _restore_normed(self, hat: Array, gain: Array, bias: Array) -> Array:
        """A norm's output again, from what its forward kept."""
        for rows in self._row_tiles(self.model.d_model):
            self.kernels.affine(hat[rows], gain, bias, self.normed[rows])
        return self.normed

    def _attend_backward(self, buffers: BlockBuffers, dmixed: Array) -> Array:
        """dmixed (N, D) → dqkv (N, 3 D), in this shard's buffer."""
        b, t, h, c = self.batch, self.length, self.model.n_heads, self.model.head_dim
        # The residual stream is not needed any more: its buffer holds dy by head.
        self.x.reshape(b, h, t, c)[...] = self._by_head(dmixed)
        dy = self.x.reshape(b * h, t, c)
        dmixed *= buffers.mixed
        row_dot = np.ascontiguousarray(
            np.matmul(dmixed.reshape(b, t, h, c), self.ones_c).transpose(0, 2, 1, 3)
        ).reshape(b * h, t, 1)
        q, k, v = buffers.heads
        dq, dk, dv = self.dheads
        for tile in self._head_tiles():
            p = buffers.weights[tile]
            ds = self.dscores[: p.shape[0]]
            np.matmul(p.swapaxes(-1, -2), dy[tile], out=dv[tile])
            np.matmul(dy[tile], v[tile].swapaxes(-1, -2), out=ds)
            self.kernels.softmax_backward(p, ds, row_dot[tile])
            np.matmul(ds, k[tile], out=dq[tile])
            np.matmul(ds.swapaxes(-1, -2), q[tile], out=dk[tile])
        dq *= np.float32(1.0 / math.sqrt(c))
        self._split_heads(self.qkv)[...] = self.dheads.reshape(3, b, h, t, c)
        return self.qkv

    def _linear_backward(self, dy: Array, x: Array, name: str, w: Arrays, g: Arrays, dx: Array) -> None:
        """The gradients of one projection: weight and bias into g, the input's into dx."""
        np.matmul(x.T, dy, out=g[f"{name}.weight"])
        np.matmul(self.ones_row, dy, out=g[f"{name}.bias"][None])
        np.matmul(dy, w[f"{name}.weight"].T, out=dx)

    def forward_backward(self, w: Arrays, g: Arrays, tokens: Array, targets: Array, positions: int) -> float:
        """The shard's summed loss; its gradients overwrite g.

        Args:
            w: parameters by name.
            g: gradients by name, overwritten.
            tokens: (B, T).
            targets: (B, T).
            positions: B·T of the whole batch, over which the loss is a mean.
        """
        self.forward(w, tokens)
        final = self.normed
        loss = self._loss_and_dlogits(targets, positions)
        np.matmul(self.logits.T, final, out=g["wte.weight"])  # the tied head's share; the embedding's is added last
        np.matmul(self.logits, w["wte.weight"], out=self.branch)
        self.dx[...] = 0.0
        self._normalize_backward(
            self.branch, w["ln_f.weight"], self.final_hat, self.final_r, g["ln_f.weight"], g["ln_f.bias"]
        )
        for layer in reversed(range(self.model.n_layers)):
            h, buffers = f"h.{layer}", self.blocks[layer]
            self._linear_backward(self.dx, buffers.activated, f"{h}.mlp.c_proj", w, g, self.wide)
            self.wide *= buffers.derivative
            normed = self._restore_normed(buffers.hat_2, w[f"{h}.ln_2.weight"], w[f"{h}.ln_2.bias"])
            self._linear_backward(self.wide, normed, f"{h}.mlp.c_fc", w, g, self.branch)
            self._normalize_backward(
                self.branch, w[f"{h}.ln_2.weight"], buffers.hat_2, buffers.r_2,
                g[f"{h}.ln_2.weight"], g[f"{h}.ln_2.bias"],
            )  # fmt: skip
            self._linear_backward(self.dx, buffers.mixed, f"{h}.attn.c_proj", w, g, self.branch)
            dqkv = self._attend_backward(buffers, self.branch)
            normed = self._restore_normed(buffers.hat_1, w[f"{h}.ln_1.weight"], w[f"{h}.ln_1.bias"])
            self._linear_backward(dqkv, normed, f"{h}.attn.c_attn", w, g, self.branch)
            self._normalize_backward(
                self.branch, w[f"{h}.ln_1.weight"], buffers.hat_1, buffers.r_1,
                g[f"{h}.ln_1.weight"], g[f"{h}.ln_1.bias"],
            )  # fmt: skip
        self._embed_backward(g, tokens)
        return loss

    def _embed_backward(self, g: Arrays, tokens: Array) -> None:
        """Add dx to the rows of the tables that the tokens and positions read."""
        flat = tokens.reshape(-1)
        order = np.argsort(flat, kind="stable")
        present, starts = np.unique(flat[order], return_index=True)
        np.take(self.dx, order, axis=0, out=self.branch, mode="clip")
        g["wte.weight"][present] += np.add.reduceat(self.branch, starts, axis=0)
        g["wpe.weight"][self.length :] = 0.0
        np.sum(self.dx.reshape(self.batch, self.length, -1), axis=0, out=g["wpe.weight"][: self.length])
