"""Bytes of the engine's arrays, computed from the shapes before they exist, and without Numba.

Symbols as in ``config.py``; N = B·T rows of a shard. A test compares the count with a real workspace.
"""

from __future__ import annotations

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.dropout import n_sites
from tinygpt.engines.vectorized.attention import query_blocks
from tinygpt.engines.vectorized.layout import Layout, is_large
from tinygpt.engines.vectorized.mailbox import row_slices
from tinygpt.engines.vectorized.memory import FLOAT32_BYTES, attention_scores, mailbox_numbers
from tinygpt.score_blocks import block_rows
from tinygpt.trained import n_stored, n_trained

# Numba with LLVM, and the code that was read from the cache. Compiling it takes some 200 MB more, once.
NUMBA_BYTES = 145_000_000

# The room for products, in numbers: a row of zeros, a panel of B, and strips of A of the same depth.
START = 64
DEPTH = 128
PANEL = 64 * DEPTH
STRIP = 48
PART = 1024  # entries of the token table that the head multiplies with at a time
_VECTOR = 16  # of the widest processors


def _filled(count: int, unit: int) -> int:
    return -(-count // unit) * unit


def room_numbers(model: ModelConfig, length: int) -> int:
    """Count the numbers in the room for products, or for the four packed matrices of a head."""
    size = model.head_dim
    strips = _filled(max(model.d_hidden, min(model.vocab_size, PART)), STRIP) * DEPTH  # of GELU's output or the logits
    head = _filled(size, _VECTOR) * _filled(length, START) + 3 * _filled(length, _VECTOR) * _filled(size, START)
    return START + max(PANEL + strips, head)


def kept_layers(model: ModelConfig) -> int:
    """Return for how many layers attention's weights and GELU's output are kept at one time.

    The backward of a large model computes them again, layer by layer.
    """
    return 1 if is_large(model.n_parameters) else model.n_layers


def workspace_numbers(model: ModelConfig, batch: int, length: int, dropout: bool = False, low: int = 0) -> int:
    """Count the numbers in the workspace of B rows of T tokens; ``low`` is the sum of all adapters' ranks."""
    n, d, f, v = batch * length, model.d_model, model.d_hidden, model.vocab_size
    # x̂ and r of two norms, q k v, the attention's output, GELU's derivative; the attention's weights, GELU's output
    layer = 2 * (n * d + n) + 3 * n * d + n * d + n * f
    kept = attention_scores(model, batch, length) + n * f
    # the stream, a norm's output, a branch, the wide gradient; last x̂ and r; a block's logits, scores, a row, a room
    scores = max((stop - start) * stop for start, stop in query_blocks(length))
    shared = 3 * n * d + n * f + n * d + n + block_rows(n, v) * v + scores + v + room_numbers(model, length)
    masks = n_sites(model.n_layers) * n * d if dropout else 0
    return model.n_layers * layer + kept_layers(model) * kept + shared + masks + n * low


def predicted_bytes(model: ModelConfig, train: TrainConfig, threads: int, team: str = "threads") -> int:
    """Predict the bytes of a training engine: Numba, parameters, moments, gradients and workspaces."""
    layout = Layout.of(model, train, threads, folds=False, takes_turns=team == "threads")
    numbers = n_stored(model, train) + (2 + layout.gradients) * n_trained(model, train) + mailbox_numbers(model, train)
    low = 0 if train.adapter is None else model.n_layers * len(train.adapter.on) * train.adapter.rank
    for rows in row_slices(train.batch_size, layout.shards):
        numbers += workspace_numbers(model, rows.stop - rows.start, model.context_length, train.dropout > 0, low)
    return FLOAT32_BYTES * numbers + NUMBA_BYTES
