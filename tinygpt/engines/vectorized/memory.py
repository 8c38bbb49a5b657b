"""Bytes of the engine's arrays, computed from the shapes for the capacity check before the arrays exist.

Symbols as in ``config.py``; N = B·T rows of a shard. A test compares the count with a real shard.
"""

from __future__ import annotations

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.dropout import n_sites
from tinygpt.engines.vectorized.attention import query_blocks
from tinygpt.engines.vectorized.kernels import TILE
from tinygpt.engines.vectorized.layout import Layout
from tinygpt.engines.vectorized.mailbox import row_slices
from tinygpt.score_blocks import block_count, block_rows
from tinygpt.trained import n_stored, n_trained

FLOAT32_BYTES = 4
# Pages that a worker process writes after the fork, and so no longer shares with its parent.
_FORKED_BYTES = 6_500_000
_TABLE_PART = 2**20  # numbers


def attention_scores(model: ModelConfig, batch: int, length: int) -> int:
    """Count the scores that a layer keeps: every block of queries against the keys up to its end."""
    return batch * model.n_heads * sum((stop - start) * stop for start, stop in query_blocks(length))


def table_part(model: ModelConfig, rows: int) -> int:
    """Return to how many entries of the table's gradient a block of rows adds at a time; 0 if there is one block."""
    entries = max(1, _TABLE_PART // model.d_model)
    return min(model.vocab_size, entries) if block_count(rows, model.vocab_size) > 1 else 0


def shard_numbers(model: ModelConfig, batch: int, length: int, dropout: bool = False) -> int:
    """Count the numbers in the workspace of B rows of T tokens."""
    n, d, h, v = batch * length, model.d_model, model.n_heads, model.vocab_size
    # x̂ and r of two norms, q k v, the attention's output (each with its column of ones), GELU's output and derivative
    layer = 2 * (n * (d + 1) + n) + 3 * n * d + n * (d + 1) + 2 * n * model.d_hidden
    layer += attention_scores(model, batch, length) + n * h
    blocks = query_blocks(length)
    # transposed keys, E v, scaled dy, one group's scores, and with many blocks the sums of dk and dv
    attention = h * batch * (model.head_dim + 1) * length * 2 + n * d + TILE + (2 * n * d if len(blocks) > 2 else 0)
    # the stream, a branch, the wide gradient; a norm's output, the last x̂ and r; a block's scores and a
    # part of the table's gradient; scratch
    shared = 2 * n * d + n * model.d_hidden + 2 * n * (d + 1) + n + block_rows(n, v) * v + TILE + max(TILE, d)
    shared += table_part(model, n) * d
    masks = (n_sites(model.n_layers) + 1) * n * d if dropout else 0
    return model.n_layers * layer + attention + shared + masks


def mailbox_numbers(model: ModelConfig, train: TrainConfig) -> int:
    """Count the numbers in the mailbox: tokens, targets and losses of 8 bytes. Training asks for no scores."""
    return train.batch_size * model.context_length * 6


def predicted_bytes(model: ModelConfig, train: TrainConfig, threads: int) -> int:
    """Predict the bytes of a training engine: parameters, moments, gradients, folded weights and workspaces."""
    layout = Layout.of(model, train, threads)
    numbers = n_stored(model, train) + (2 + layout.gradients + (train.accumulation > 1)) * n_trained(model, train)
    if layout.folded:
        numbers += model.n_layers * (model.d_model + 1) * 7 * model.d_model
    numbers += mailbox_numbers(model, train)
    for rows in row_slices(train.batch_size, layout.shards):
        numbers += shard_numbers(model, rows.stop - rows.start, model.context_length, train.dropout > 0)
    return FLOAT32_BYTES * numbers + _FORKED_BYTES * (layout.workers - 1)
