"""The bytes that the engine's arrays take, from the shapes alone: what the capacity check asks before they exist.

Symbols as in ``config.py``; N = B·T rows of a shard. A test compares the count with what a shard really takes.
"""

from __future__ import annotations

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.dropout import n_sites
from tinygpt.engines.vectorized.attention import query_blocks
from tinygpt.engines.vectorized.kernels import TILE
from tinygpt.engines.vectorized.layout import Layout
from tinygpt.engines.vectorized.mailbox import row_slices

FLOAT32_BYTES = 4
# A worker process's own part of what it shares with its parent: pages written after the fork.
_FORKED_BYTES = 6_500_000


def attention_scores(model: ModelConfig, batch: int, length: int) -> int:
    """Scores that one layer keeps: every block of queries against the keys up to its end."""
    return batch * model.n_heads * sum((stop - start) * stop for start, stop in query_blocks(length))


def shard_numbers(model: ModelConfig, batch: int, length: int, dropout: bool = False) -> int:
    """Numbers in the workspace of B rows of T tokens, with masks or without."""
    n, d, h, v = batch * length, model.d_model, model.n_heads, model.vocab_size
    # x̂ and r of two norms, q k v, the attention's output (each with its column of ones), GELU's output and derivative
    layer = 2 * (n * (d + 1) + n) + 3 * n * d + n * (d + 1) + 2 * n * model.d_hidden
    layer += attention_scores(model, batch, length) + n * h
    blocks = query_blocks(length)
    # transposed keys, E v, scaled dy, one group's scores, and with many blocks the sums of dk and dv
    attention = h * batch * (model.head_dim + 1) * length * 2 + n * d + TILE + (2 * n * d if len(blocks) > 2 else 0)
    # the stream, a branch, the wide gradient; a norm's output, the last x̂ and r; logits; scratch
    shared = 2 * n * d + n * model.d_hidden + 2 * n * (d + 1) + n + n * v + TILE + max(TILE, d)
    masks = (n_sites(model.n_layers) + 1) * n * d if dropout else 0
    return model.n_layers * layer + attention + shared + masks


def predicted_bytes(model: ModelConfig, train: TrainConfig, threads: int) -> int:
    """Bytes of all arrays of a training engine: parameters, moments, gradients, folded weights and workspaces.

    Args:
        model: the model's shape.
        train: gives the batch.
        threads: of the engine.
    """
    layout = Layout.of(model, train, threads)
    numbers = (3 + layout.shards + (train.accumulation > 1)) * model.n_parameters
    if layout.folded:
        numbers += model.n_layers * (model.d_model + 1) * 7 * model.d_model
    numbers += train.batch_size * model.context_length * (model.vocab_size + 4)  # the mailbox
    for rows in row_slices(train.batch_size, layout.shards):
        numbers += shard_numbers(model, rows.stop - rows.start, model.context_length, train.dropout > 0)
    return FLOAT32_BYTES * numbers + _FORKED_BYTES * (layout.workers - 1)
