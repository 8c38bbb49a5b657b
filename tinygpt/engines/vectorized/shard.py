"""A shard: some rows of the batch, their buffers, and their forward and backward pass.

Every large buffer is allocated once. Products write into the buffers with ``out=``; the chains between the products run
in tiles that fit in the core's cache. The equations are those of ``tinygpt/layers.py``. ``projection`` (a norm and the
product that reads it), ``attention`` and ``kernels`` (GELU) describe how each part was made fast.

Rows that a projection reads end in a 1, and its bias is the last row of its weight: the product adds the bias, and in
the backward sums the bias's gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.dropout import MaskDraw, n_sites
from tinygpt.engines.vectorized.adapter import Adapter, adapter_of
from tinygpt.engines.vectorized.arena import Allocate, Arena
from tinygpt.engines.vectorized.attention import Attention, AttentionBuffers
from tinygpt.engines.vectorized.forms import KernelSet
from tinygpt.engines.vectorized.kernels import TILE
from tinygpt.engines.vectorized.memory import table_part
from tinygpt.engines.vectorized.projection import (
    FoldedProjection,
    NormNames,
    NormProjection,
    PlainProjection,
    norm_gradients,
)
from tinygpt.engines.vectorized.slab import Slab
from tinygpt.score_blocks import block_rows, row_blocks
from tinygpt.tokenizers import BYTES
from tinygpt.trained import EMBEDDINGS, lowest_trained

Array = np.ndarray

# Absolute value of a logit up to which the softmax needs no maximum subtracted: e^80, summed over a vocabulary of
# bytes, stays within float32, and e^−80 is far above its smallest number. A larger vocabulary has a smaller bound.
_LARGEST_LOGIT = 80.0


@dataclass(frozen=True)
class LayerProjections:
    """The two pairs of norm and projection in a block, and the adapters of the projections that end its branches."""

    attention: NormProjection
    mlp: NormProjection
    attention_end: Adapter | None
    mlp_end: Adapter | None


def layer_projections(model: ModelConfig, arena: Arena, allocate: Allocate | None) -> list[LayerProjections]:
    """Make every layer's pairs, folded into memory from ``allocate`` if it is given, else plain."""

    def pair(names: NormNames) -> NormProjection:
        return PlainProjection(names, arena) if allocate is None else FoldedProjection(names, arena, allocate)

    scale = 1.0 / math.sqrt(model.head_dim)
    return [
        LayerProjections(
            pair(NormNames(f"h.{layer}.ln_1", f"h.{layer}.attn.c_attn", model.d_model, scale)),
            pair(NormNames(f"h.{layer}.ln_2", f"h.{layer}.mlp.c_fc")),
            adapter_of(arena, f"h.{layer}.attn.c_proj"),
            adapter_of(arena, f"h.{layer}.mlp.c_proj"),
        )
        for layer in range(model.n_layers)
    ]


@dataclass(frozen=True)
class LayerBuffers:
    """Arrays that a layer's backward needs from its forward; N = B·T rows."""

    hat_1: Array  # (N, D + 1)
    r_1: Array  # (N, 1)
    attention: AttentionBuffers
    mixed: Array  # (N, D + 1)
    hat_2: Array  # (N, D + 1)
    r_2: Array  # (N, 1)
    derivative: Array  # (N, F) GELU's
    activated: Array  # (N, F)


class Shard:
    """The workspace of B rows of T tokens.

    Args:
        batch: B, rows of this shard.
        length: T, tokens per row.
        gradient: index of the arena's gradient that this shard writes.
        dropout: make room for masks.
    """

    def __init__(
        self,
        model: ModelConfig,
        arena: Arena,
        projections: list[LayerProjections],
        batch: int,
        length: int,
        kernels: KernelSet,
        gradient: int,
        dropout: bool = False,
    ) -> None:
        n, d, f, v = batch * length, model.d_model, model.d_hidden, model.vocab_size
        self.model, self.arena, self.projections = model, arena, projections
        self.batch, self.length, self.kernels, self.gradient = batch, length, kernels, gradient
        self.lowest = lowest_trained(arena.trained, model.n_layers)  # where the backward ends
        self.slab = slab = Slab()
        self.attention = Attention(model, batch, length, kernels, slab)
        self.layers = [
            LayerBuffers(
                hat_1=slab.with_ones(n, d),
                r_1=slab.empty(n, 1),
                attention=self.attention.buffers(slab),
                mixed=slab.with_ones(n, d),
                hat_2=slab.with_ones(n, d),
                r_2=slab.empty(n, 1),
                derivative=slab.empty(n, f),
                activated=slab.empty(n, f),
            )
            for _ in range(model.n_layers)
        ]
        self.x = slab.empty(n, d)  # the residual stream in the forward, its gradient in the backward; updated in place
        self.normed = slab.with_ones(n, d)  # a norm's output, where a projection needs it
        self.final_hat, self.final_r = slab.with_ones(n, d), slab.empty(n, 1)
        self.blocks = row_blocks(n, v)
        self.scores = slab.empty(block_rows(n, v), v)
        self.table_part = slab.empty(table_part(model, n), d)
        self.largest_logit = _LARGEST_LOGIT - math.log(max(1.0, v / BYTES.vocab_size))
        self.branch = slab.empty(n, d)
        self.wide = slab.empty(n, f)
        self.dqkv = self.wide.reshape(-1)[: n * 3 * d].reshape(n, 3 * d)  # never used at the same time as wide
        self.masks = slab.empty(n_sites(model.n_layers), n, d) if dropout else None
        self.dropped = slab.empty(n, d) if dropout else None  # in the backward, a branch's gradient times its mask
        self.scratch = (slab.empty(max(TILE, d)), slab.empty(TILE))
        self.mean_vector = np.full((d, 1), 1.0 / d, np.float32)
        self.ones_row = np.ones((1, n), np.float32)
        self.ones_v = np.ones((v, 1), np.float32)
        rows = max(1, TILE // d)
        self.row_tiles = [slice(start, min(start + rows, n)) for start in range(0, n, rows)]

    # ---- dropout -----------------------------------------------------------------------------------------

    def draw_masks(self, masks: MaskDraw, first_row: int) -> None:
        """Draw an update's masks for this shard's rows, which start at row ``first_row`` of the batch."""
        assert self.masks is not None
        masks.fill(self.masks.reshape(len(self.masks), self.batch, self.length, -1), first_row)

    def _mask(self, x: Array, site: int, masked: bool) -> None:
        """x ← x · mask, in place."""
        if masked and self.masks is not None:
            x *= self.masks[site]

    def _masked(self, dx: Array, site: int, masked: bool) -> Array:
        """Return dx · mask in a separate buffer, or dx itself without dropout."""
        if not masked or self.masks is None or self.dropped is None:
            return dx
        return np.multiply(dx, self.masks[site], out=self.dropped)

    # ---- pieces of the forward ---------------------------------------------------------------------------

    def embed(self, tokens: Array) -> None:
        """x ← token table[tokens] + position table."""
        w = self.arena.parameters
        np.take(w["wte.weight"], tokens.reshape(-1), axis=0, out=self.x, mode="clip")
        rows = self.x.reshape(self.batch, self.length, -1)
        rows += w["wpe.weight"][: self.length]

    def normalize(self, hat: Array, r: Array) -> None:
        """hat, r ← the normalised rows of the residual stream, and their reciprocal deviations."""
        for rows in self.row_tiles:
            self.kernels.normalize(
                self.x[rows], hat[rows], r[rows], self.model.layer_norm_eps, self.mean_vector
            )  # fmt: skip

    def activate(self, hidden: Array, activated: Array) -> None:
        """activated ← GELU(hidden), hidden ← its derivative."""
        flat, out = hidden.reshape(-1), activated.reshape(-1)
        for start in range(0, len(flat), TILE):
            x = flat[start : start + TILE]
            self.kernels.gelu(x, out[start : start + TILE], (self.scratch[0][: len(x)], self.scratch[1][: len(x)]))

    def forward(self, tokens: Array, masked: bool = False) -> None:
        """Tokens (B, T) → the last norm's output in ``normed``, for the head; ``masked`` applies the drawn masks."""
        w = self.arena.parameters
        self.embed(tokens)
        self._mask(self.x, 0, masked)
        for layer, (projections, buffers) in enumerate(zip(self.projections, self.layers, strict=True)):
            h = f"h.{layer}"
            self.normalize(buffers.hat_1, buffers.r_1)
            projections.attention.forward(buffers.hat_1, self.normed, buffers.attention.qkv)
            self.attention.forward(buffers.attention, buffers.mixed)
            np.matmul(buffers.mixed, self.arena.joined(self.arena.flat_parameters, f"{h}.attn.c_proj"), out=self.branch)
            if projections.attention_end is not None:
                projections.attention_end.forward(buffers.mixed[:, :-1], self.branch)
            self._mask(self.branch, 1 + 2 * layer, masked)
            self.x += self.branch

            self.normalize(buffers.hat_2, buffers.r_2)
            # The buffer of the derivative holds GELU's input until the kernel overwrites it.
            projections.mlp.forward(buffers.hat_2, self.normed, buffers.derivative)
            self.activate(buffers.derivative, buffers.activated)
            np.matmul(buffers.activated, w[f"{h}.mlp.c_proj.weight"], out=self.branch)
            if projections.mlp_end is not None:
                projections.mlp_end.forward(buffers.activated, self.branch)
            if masked:
                self.branch += w[f"{h}.mlp.c_proj.bias"]
                self._mask(self.branch, 2 + 2 * layer, masked)
                self.x += self.branch
                continue
            for rows in self.row_tiles:
                self.kernels.residual(self.x[rows], self.branch[rows], w[f"{h}.mlp.c_proj.bias"])
        self.normalize(self.final_hat, self.final_r)
        final = self.normed[:, :-1]
        np.multiply(self.final_hat[:, :-1], w["ln_f.weight"], out=final)
        final += w["ln_f.bias"]

    # ---- the head ----------------------------------------------------------------------------------------

    def logits(self, rows: slice, out: Array) -> Array:
        """out (R, V) ← the scores of some rows."""
        return np.matmul(self.normed[rows, :-1], self.arena.parameters["wte.weight"].T, out=out)

    def _block(self, rows: slice) -> Array:
        return self.logits(rows, self.scores[: rows.stop - rows.start])

    def token_losses(self, targets: Array) -> Array:
        """Return each row's cross-entropy, (N, 1) float64."""
        targets = targets.reshape(-1)
        return np.concatenate([self.block_losses(self._block(rows), targets[rows])[0] for rows in self.blocks])

    def block_losses(self, z: Array, targets: Array) -> tuple[Array, Array]:
        """Return the cross-entropies of scores (R, V), (R, 1) float64, and the sums of exponentials; z ← e^z."""
        if not max(float(z.max()), -float(z.min())) < self.largest_logit:  # also if one is NaN
            z -= z.max(axis=-1, keepdims=True)
        target_z = np.take_along_axis(z, targets[:, None], axis=-1).astype(np.float64)
        np.exp(z, out=z)
        total = np.matmul(z, self.ones_v)  # (R, 1)
        return np.log(total.astype(np.float64)) - target_z, total

    def loss_and_dlogits(self, z: Array, targets: Array, positions: int) -> float:
        """Return the sum of the losses of scores (R, V); z ← (softmax − onehot) / positions, in place."""
        losses, total = self.block_losses(z, targets)
        z *= np.float32(1.0 / positions) / total
        z.reshape(-1)[np.arange(len(z)) * z.shape[1] + targets] -= np.float32(1.0 / positions)
        return float(losses.sum())

    def head(self, targets: Array, positions: int) -> float:
        """Return the sum of the losses; the table's gradient ← the head's share, and branch ← ∂loss/∂normed.

        A block of rows goes through all of it before the next one begins.
        """
        loss, targets = 0.0, targets.reshape(-1)
        table, dtable = self.arena.parameters["wte.weight"], self.arena.gradients[self.gradient].get("wte.weight")
        for rows in self.blocks:
            z, x = self._block(rows), self.normed[rows, :-1]
            loss += self.loss_and_dlogits(z, targets[rows], positions)
            np.matmul(z, table, out=self.branch[rows])
            if dtable is None:  # the table is frozen
                continue
            if rows.start == 0:
                np.matmul(z.T, x, out=dtable)  # the embedding's share is added last
                continue
            for start in range(0, len(table), len(self.table_part)):
                part = dtable[start : start + len(self.table_part)]
                part += np.matmul(z[:, start : start + len(part)].T, x, out=self.table_part[: len(part)])
        return loss

    # ---- pieces of the backward --------------------------------------------------------------------------

    def normalize_backward(self, dhat: Array, hat: Array, r: Array) -> None:
        """Add the norm's input gradient to x, the residual stream's gradient; dhat is overwritten."""
        for rows in self.row_tiles:
            part = dhat[rows]
            self.kernels.normalize_backward(
                part, hat[rows], r[rows], self.x[rows], self.mean_vector,
                self.scratch[0][: part.size].reshape(part.shape),
            )  # fmt: skip

    def last_norm_backward(self) -> None:
        """Compute from branch, ∂loss/∂normed, the last norm's gradients, and x ← ∂loss/∂x."""
        w, g = self.arena.parameters, self.arena.gradients[self.gradient]
        if "ln_f.weight" in g:
            norm_gradients(self.branch, self.final_hat, g["ln_f.weight"], g["ln_f.bias"])
        self.branch *= w["ln_f.weight"]
        self.branch -= np.matmul(self.branch, self.mean_vector)
        self.x[...] = 0.0
        self.normalize_backward(self.branch, self.final_hat, self.final_r)

    def forward_backward(self, tokens: Array, targets: Array, positions: int, masked: bool = False) -> float:
        """Return the sum of the losses for tokens and targets (B, T); the gradients overwrite the arena's.

        Args:
            tokens: inputs (B, T).
            targets: the next tokens (B, T).
            positions: number of positions in the mean loss, over the whole batch.
            masked: apply the drawn masks.
        """
        self.forward(tokens, masked)
        loss = self.head(targets, positions)
        w, g = self.arena.parameters, self.arena.gradients[self.gradient]
        flat_g, dx = self.arena.flat_gradients[self.gradient], self.x
        self.last_norm_backward()
        for layer in reversed(range(max(0, self.lowest), self.model.n_layers)):
            h, projections, buffers = f"h.{layer}", self.projections[layer], self.layers[layer]
            dy = self._masked(dx, 2 + 2 * layer, masked)
            if f"{h}.mlp.c_proj.weight" in g:
                np.matmul(buffers.activated.T, dy, out=g[f"{h}.mlp.c_proj.weight"])
                np.matmul(self.ones_row, dy, out=g[f"{h}.mlp.c_proj.bias"][None])
            np.matmul(dy, w[f"{h}.mlp.c_proj.weight"].T, out=self.wide)
            if projections.mlp_end is not None:
                projections.mlp_end.backward(buffers.activated, dy, self.wide, self.gradient)
            self.wide *= buffers.derivative
            projections.mlp.backward(
                self.wide, buffers.hat_2, self.normed, self.gradient, self.branch, self.mean_vector
            )
            self.normalize_backward(self.branch, buffers.hat_2, buffers.r_2)

            dy = self._masked(dx, 1 + 2 * layer, masked)
            if f"{h}.attn.c_proj.weight" in g:
                np.matmul(buffers.mixed.T, dy, out=self.arena.joined(flat_g, f"{h}.attn.c_proj"))
            np.matmul(dy, w[f"{h}.attn.c_proj.weight"].T, out=self.branch)
            if projections.attention_end is not None:
                projections.attention_end.backward(buffers.mixed[:, :-1], dy, self.branch, self.gradient)
            self.attention.backward(buffers.attention, buffers.mixed, self.branch, self.dqkv)
            projections.attention.backward(
                self.dqkv, buffers.hat_1, self.normed, self.gradient, self.branch, self.mean_vector
            )
            self.normalize_backward(self.branch, buffers.hat_1, buffers.r_1)
        if self.lowest == EMBEDDINGS:
            self._mask(dx, 0, masked)
            self.embed_backward(tokens)
        return loss

    def embed_backward(self, tokens: Array) -> None:
        """Add dx to the table rows of the tokens and positions."""
        g = self.arena.gradients[self.gradient]
        if "wte.weight" in g:
            flat = tokens.reshape(-1)
            order = np.argsort(flat, kind="stable")
            present, starts = np.unique(flat[order], return_index=True)
            np.take(self.x, order, axis=0, out=self.branch, mode="clip")
            g["wte.weight"][present] += np.add.reduceat(self.branch, starts, axis=0)
        if "wpe.weight" in g:
            g["wpe.weight"][self.length :] = 0.0
            np.sum(self.x.reshape(self.batch, self.length, -1), axis=0, out=g["wpe.weight"][: self.length])
