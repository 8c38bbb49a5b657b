"""The peak memory of a training process, predicted from the shapes before anything is allocated.

    peak = process + live · (1 + share) + slack

``live`` is the largest sum of arrays that exist at one time. The share and the slack are the allocator's (rounding,
holes, BLAS buffers). They and the size of a process without arrays were fitted once to the VmHWM of fresh processes
(x86-64, CPython 3.11, NumPy 2.4); ``tests/bench/planning/test_memory.py`` measures again.

Symbols as in ``tinygpt/config.py``; N = B·T, P parameters, A = B·H·T² attention weights of one block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from bench.arms.variants import engine_name
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.dropout import n_sites
from tinygpt.engines import parse_variant
from tinygpt.engines.compiled.memory import predicted_bytes as compiled_bytes
from tinygpt.engines.vectorized.memory import predicted_bytes
from tinygpt.score_blocks import block_rows
from tinygpt.system.threads import available_cores
from tinygpt.trained import n_stored, n_trained, trained_shapes

Options = Mapping[str, Any]  # of a variant

FLOAT32_BYTES = 4
PROCESS_BYTES = 40_000_000  # interpreter, NumPy and this project's modules
TEXT_BYTES = 5_000_000  # a built-in corpus
RECORDING_BYTES = 105_000_000  # pandas, pyarrow and their tables
_SESSION_BYTES = 6_000_000  # a session's checkpoints, evaluation and samples
_ALLOCATOR_SHARE = 0.024
_ALLOCATOR_SLACK = 4_500_000

_BATCH_BYTES = 8 + 1 + 8  # per token of an update's batch: its position in the text, the byte, the id

# Numbers of float32 for each trained one while a checkpoint is written: engines that store moments in a form of their
# own copy both, and the double-precision one its weights too.
_MOMENT_COPIES = MappingProxyType({"vectorized": 0, "compiled": 0, "python": 6})
_OTHER_MOMENT_COPIES = 2


def predicted_peak_bytes(variant: str, model: ModelConfig, train: TrainConfig) -> int:
    """Predict the peak resident bytes of a process that makes an engine and takes training steps.

    The prediction is within 10 % of measurements for this project's engines, and a lower bound for any other class
    (see :func:`is_lower_bound`).

    Args:
        variant: an engine, or a variant such as ``vectorized[threads=1]``.
        train: batch, dropout and accumulation.

    Raises:
        ConfigError: an option of the variant is unknown.
    """
    if is_lower_bound(variant):  # weights, gradients and two moments
        return PROCESS_BYTES + TEXT_BYTES + 4 * FLOAT32_BYTES * model.n_parameters
    options = {"threads": available_cores(), **parse_variant(variant)[1]}
    made = PROCESS_BYTES + 2 * FLOAT32_BYTES * n_stored(model, train)  # given weights, and the engine's own
    return TEXT_BYTES + max(made, _PREDICTORS[engine_name(variant)](model, train, options))


def is_lower_bound(variant: str) -> bool:
    """Return whether the prediction is only a lower bound, because the engine's allocations are not known."""
    return engine_name(variant) not in _PREDICTORS


def predicted_generation_bytes(_variant: str, model: ModelConfig, _train: TrainConfig) -> int:
    """Predict the bytes of a cell that generates: six float32 per parameter.

    These are the drawn weights, the generator's own weights, and for the replay the reference engine's starting
    weights, loaded weights and two moments. The moments are reserved but never written, which leaves room for the
    activations. A peer's library and copies are not included.
    """
    return PROCESS_BYTES + 6 * FLOAT32_BYTES * model.n_parameters


def predicted_session_bytes(variant: str, model: ModelConfig, train: TrainConfig, recording: bool = False) -> int:
    """Predict the peak resident bytes of ``invoke train``: steps, and a checkpoint that is read back.

    Args:
        variant: as in :func:`predicted_peak_bytes`.
        train: batch, dropout and accumulation.
        recording: rows are written, which loads pandas and pyarrow.
    """
    steps, trained, engine = predicted_peak_bytes(variant, model, train), n_trained(model, train), engine_name(variant)
    # The first checkpoint is read back and compared: weights, but not an adapter's base, and then array by array.
    saved = (trained if train.lora else model.n_parameters) + _MOMENT_COPIES.get(engine, _OTHER_MOMENT_COPIES) * trained
    folded = model.n_parameters + 2 * model.vocab_size * model.d_model  # for a sample: all weights, and the token table
    copies = FLOAT32_BYTES * max(saved, folded)
    # Between steps the textbook engines keep weights and moments; the others keep all their buffers.
    between, number = steps, _NUMBERS_KEPT.get(engine)
    if number is not None:
        between = min(steps, PROCESS_BYTES + TEXT_BYTES + int(number * (n_stored(model, train) + 2 * trained)))
    batch = _BATCH_BYTES * train.rows_per_step * (model.context_length + 1)
    return max(steps, between + copies) + batch + _SESSION_BYTES + (RECORDING_BYTES if recording else 0)


def _resident(live: float) -> int:
    return int(PROCESS_BYTES + _ALLOCATOR_SLACK + live * (1.0 + _ALLOCATOR_SHARE))


# ---- the textbook engines --------------------------------------------------------------------------------


def _kept_numbers(model: ModelConfig, rows: int, scores: float) -> float:
    """Count the numbers that live through the whole backward, besides parameters: the caches.

    Per block 20 N·D (both norms' outputs and x̂: 4, q k v: 3, the attention's output: 1, GELU's input, tanh and
    output: 12), the attention weights, and two deviations per row. Then the last norm's output and x̂ (2 N·D), and the
    head's share of the embedding's gradient (V·D).
    """
    n, d, v = rows * model.context_length, model.d_model, model.vocab_size
    return model.n_layers * (20 * n * d + scores + 2 * n) + 2 * n * d + v * d


def _numpy_bytes(model: ModelConfig, train: TrainConfig, _options: Options) -> int:
    """Predict engine ``numpy``: the largest sum of live arrays in a step, besides weights and moments.

    The head holds its input's gradient (N·D) and, of a block of positions, four arrays of the scores' size, or two and
    the block's share of the table's gradient. In the first block's backward nearly all gradients exist, and so do the
    forward's caches. ``attention_backward`` holds 22 N·D (13 of the branch's gradients so far, nine more inside) with
    two score-sized arrays, or in its middle 14 N·D with three. ``gelu_backward``, before the attention's gradients,
    holds 25 N·D. At the end the embedding's share of the table's gradient and the sum are there. If parameters outweigh
    activations, the peak is the update: all gradients, and of the largest matrix the clipped gradient and five
    temporaries. Dropout keeps a mask per site, accumulation two gradients between batches.
    """
    n, d, t, v = train.batch_size * model.context_length, model.d_model, model.context_length, model.vocab_size
    scores = train.batch_size * model.n_heads * t * t
    p, kept = n_trained(model, train), _kept_numbers(model, train.batch_size, scores)
    attention_pending = (v + t) * d + 3 * d * d + 5 * d  # later gradients
    block_pending = (v + t) * d + 8 * d * d + 11 * d
    if train.freezes:  # some of them, or none
        attention_pending = block_pending = 0
    if train.dropout:
        kept += n_sites(model.n_layers) * n * d
    sums = 2 * p if train.accumulation > 1 else 0  # of the earlier batches, and the last one's gradients
    width = train.batch_size * v
    block = block_rows(t, width) * width
    moments = (
        sums + kept + n * d + max(4 * block, 2 * block + v * d),
        sums + kept + 22 * n * d + 2 * scores + p - attention_pending,
        sums + kept + 14 * n * d + 3 * scores + p - attention_pending,
        sums + kept + 25 * n * d + p - block_pending,
        sums + kept + n * d + p + v * d,
        sums + p,
        p + 6 * max(map(math.prod, trained_shapes(model, train).values())),
    )
    return _resident(FLOAT32_BYTES * (n_stored(model, train) + 2 * p + max(moments)))


# CPython: a float object of 24 bytes, the list's pointer of 8, and lists that grow ahead of need. Numbers that live
# from step to step also leave pools that new rows do not fill. Both numbers are fitted.
_NUMBER_BYTES = 34.5
_PARAMETER_BYTES = 42.0
_NUMBERS_KEPT = MappingProxyType({"numpy": FLOAT32_BYTES, "python": _PARAMETER_BYTES})  # bytes of a parameter


def _python_bytes(model: ModelConfig, train: TrainConfig, _options: Options) -> int:
    """Predict engine ``python``: the same arrays as lists of float objects, with only the visible half of the scores.

    Logits, softmax and its gradient live through the backward too. It takes all rows of an update at once, including
    those of accumulated batches.
    """
    n, d, t = train.rows_per_step * model.context_length, model.d_model, model.context_length
    scores = train.rows_per_step * model.n_heads * t * (t + 1) / 2
    numbers = _kept_numbers(model, train.rows_per_step, scores) + 3 * n * model.vocab_size + 22 * n * d + 2 * scores
    return int(PROCESS_BYTES + 1_000_000 + _NUMBER_BYTES * numbers + _PARAMETER_BYTES * 4 * model.n_parameters)


# ---- the fast engines ------------------------------------------------------------------------------------


def _vectorized_bytes(model: ModelConfig, train: TrainConfig, options: Options) -> int:
    """Predict engine ``vectorized`` by its own module."""
    return _resident(predicted_bytes(model, train, options["threads"]))


def _compiled_bytes(model: ModelConfig, train: TrainConfig, options: Options) -> int:
    """Predict engine ``compiled`` by its own module."""
    return _resident(compiled_bytes(model, train, options["threads"], options.get("team", "threads")))


_PREDICTORS: MappingProxyType[str, Callable[[ModelConfig, TrainConfig, Options], int]] = MappingProxyType(
    {"python": _python_bytes, "numpy": _numpy_bytes, "vectorized": _vectorized_bytes, "compiled": _compiled_bytes}
)
