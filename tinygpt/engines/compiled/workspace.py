"""The workspace of some rows of a batch: every array of a forward and backward pass, and where the weights are.

Compiled functions get it as one named tuple. Symbols as in ``tinygpt/config.py``; N = B·T rows.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.dropout import n_sites
from tinygpt.engines.compiled.memory import PART, START, kept_layers, room_numbers
from tinygpt.engines.vectorized.arena import Arena
from tinygpt.engines.vectorized.attention import query_blocks
from tinygpt.engines.vectorized.slab import Slab
from tinygpt.lora import adapter_names
from tinygpt.score_blocks import block_rows
from tinygpt.trained import lowest_trained

Array = np.ndarray

# Columns of ``Workspace.offsets``: a block's parameters in the order of the arena.
BLOCK = (
    "ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias",
    "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias",
)  # fmt: skip
LN_1, LN_1_BIAS, QKV, QKV_BIAS, MIX, MIX_BIAS, LN_2, LN_2_BIAS, WIDEN, WIDEN_BIAS, NARROW, NARROW_BIAS = range(12)
# Elements of ``Workspace.ends``.
ENDS = ("wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias")
TABLE, PLACES, LN_F, LN_F_BIAS = range(4)


class Workspace(NamedTuple):
    """Arrays of B rows of T tokens."""

    batch: int  # B
    heads: int  # H
    context: int  # the model's T
    eps: np.float32
    offsets: Array  # (L, 12) where each block's parameters begin in the arena, by BLOCK
    ends: Array  # (4,) the same for the parameters outside the blocks, by ENDS
    trained: Array  # (L, 12) where their gradients begin, which is the same place; -1 for frozen ones
    trained_ends: Array  # (4,) likewise
    lowest: int  # the lowest trained layer, -1 for the embeddings
    adapters: Array  # (L, 12, 3) of a weight: where A and B of its adapter begin, and its number; -1 without one
    scale: np.float32  # adapters' α / r
    blocks: Array  # (blocks, 3) of queries: first, first after it, where the weights begin
    x: Array  # (N, D) the residual stream in the forward, its gradient in the backward
    hat: Array  # (2 L + 1, N, D) normalised rows
    r: Array  # (2 L + 1, N) their reciprocal deviations
    normed: Array  # (N, D) the norm's output, or a masked gradient
    qkv: Array  # (L, N, 3 D)
    weights: Array  # (L, …) attention's, flat; (1, …) if they are not kept for the backward
    mixed: Array  # (L, N, D) attention's output
    derivative: Array  # (L, N, F) GELU's; its input before
    activated: Array  # (L, N, F), or (1, N, F)
    logits: Array  # (R, V) of a block of rows
    part: int  # entries of the table that the head multiplies with at a time
    branch: Array  # (N, D)
    wide: Array  # (N, F) a gradient
    dqkv: Array  # (N, 3 D) in the memory of wide: never used at the same time
    scores: Array  # flat, the largest block of queries
    row: Array  # (V,)
    room: Array  # flat, for products
    nothing: Array  # (0, 1) the start of a product that is added to nothing
    low: Array  # (adapters, N, r) x A times the scale, then its gradient
    zeros: Array  # (D,)
    sums: Array  # (3, F) sums that are not read, apart from each other
    masks: Array  # (2 L + 1, N, D) dropout's; (0, N, D) without


def make_workspace(
    model: ModelConfig, arena: Arena, batch: int, length: int, dropout: bool, slab: Slab | None = None
) -> Workspace:
    """Allocate the workspace of B = ``batch`` rows of T = ``length`` tokens."""
    slab = slab or Slab()
    layers, n, d, f, v = model.n_layers, batch * length, model.d_model, model.d_hidden, model.vocab_size
    bounds = query_blocks(length)
    sizes = [batch * model.n_heads * (stop - start) * stop for start, stop in bounds]
    begins = np.cumsum([0, *sizes])
    wide, kept = slab.empty(n, f), kept_layers(model)
    room = slab.empty(room_numbers(model, length))
    room[:START] = 0.0
    starts = {name: part.start for name, part in arena.slices.items()}
    trained = {name: start if name in arena.trained else -1 for name, start in starts.items()}
    adapters, rank = _adapters(model, arena)
    return Workspace(
        batch=batch,
        heads=model.n_heads,
        context=model.context_length,
        eps=np.float32(model.layer_norm_eps),
        offsets=np.array([[starts[f"h.{layer}.{name}"] for name in BLOCK] for layer in range(layers)], np.int64),
        ends=np.array([starts[name] for name in ENDS], np.int64),
        trained=np.array([[trained[f"h.{layer}.{name}"] for name in BLOCK] for layer in range(layers)], np.int64),
        trained_ends=np.array([trained[name] for name in ENDS], np.int64),
        lowest=lowest_trained(arena.trained, layers),
        adapters=adapters,
        scale=np.float32(arena.lora.scale if arena.lora else 0.0),
        blocks=np.array([(*bound, begin) for bound, begin in zip(bounds, begins, strict=False)], np.int64),
        x=slab.empty(n, d),
        hat=slab.empty(2 * layers + 1, n, d),
        r=slab.empty(2 * layers + 1, n),
        normed=slab.empty(n, d),
        qkv=slab.empty(layers, n, 3 * d),
        weights=slab.empty(kept, int(begins[-1])),
        mixed=slab.empty(layers, n, d),
        derivative=slab.empty(layers, n, f),
        activated=slab.empty(kept, n, f),
        logits=slab.empty(block_rows(n, v), v),
        part=min(v, PART),
        branch=slab.empty(n, d),
        wide=wide,
        dqkv=wide.reshape(-1)[: n * 3 * d].reshape(n, 3 * d),
        scores=slab.empty(max((stop - start) * stop for start, stop in bounds)),
        row=slab.empty(v),
        room=room,
        nothing=room[:0].reshape(0, 1),
        low=slab.empty(int(adapters[..., 2].max()) + 1, n, rank),
        zeros=np.zeros(d, np.float32),
        sums=np.zeros((3, f), np.float32),
        masks=slab.empty(n_sites(model.n_layers) if dropout else 0, n, d),
    )


def _adapters(model: ModelConfig, arena: Arena) -> tuple[Array, int]:
    """Return ``Workspace.adapters``, and the rank."""
    places = np.full((model.n_layers, len(BLOCK), 3), -1, np.int64)
    if arena.lora is None:
        return places, 0
    for number, (layer, module) in enumerate(product(range(model.n_layers), arena.lora.on)):
        a, b = (arena.slices[name].start for name in adapter_names(f"h.{layer}.{module}"))
        places[layer, BLOCK.index(f"{module}.weight")] = a, b, number
    return places, arena.lora.rank
