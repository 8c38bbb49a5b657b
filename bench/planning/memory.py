"""The peak memory of a training process, predicted from the shapes before anything is allocated.

    peak = process + live · (1 + share) + slack

``live`` is the largest sum of arrays that exist at one moment; what the allocator adds to it (rounding, holes, BLAS
buffers) is the share and the slack. Both, and the size of a process that has allocated nothing, were fitted once to
fresh processes' VmHWM (x86-64, CPython 3.11, NumPy 2.4); ``tests/bench/planning/test_memory.py`` measures them anew.

Symbols as in ``tinygpt/config.py``; N = B·T, P parameters, A = B·H·T² attention weights of one block.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from bench.arms.variants import engine_name
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.dropout import n_sites
from tinygpt.engines import parse_variant
from tinygpt.engines.vectorized.memory import predicted_bytes
from tinygpt.system.threads import available_cores

FLOAT32_BYTES = 4
PROCESS_BYTES = 38_000_000  # interpreter, NumPy and this project's modules
TEXT_BYTES = 5_000_000  # a corpus, as the built-in ones are
RECORDING_BYTES = 105_000_000  # pandas and pyarrow, and the tables that they write
_SESSION_BYTES = 6_000_000  # what a session adds to an engine and its text: checkpoints, evaluation, samples
_ALLOCATOR_SHARE = 0.024
_ALLOCATOR_SLACK = 4_500_000

_BATCH_BYTES = 8 + 1 + 8  # of a token in an update's batch: its position in the text, the byte, the id

# A session's first checkpoint is read back and compared: a copy of both moments, and three arrays read.
_CHECKPOINT_COPIES = 5


def predicted_peak_bytes(variant: str, model: ModelConfig, train: TrainConfig, threads: int | None = None) -> int:
    """Peak resident memory of a process that makes an engine and takes training steps.

    Args:
        variant: an engine, or a variant such as ``vectorized[threads=1]``.
        model: the model's shape.
        train: gives the batch, dropout and accumulation.
        threads: of the engine; the variant's own, else the cores that this process may use, when omitted.

    Returns:
        bytes: within 10 % of what is measured for the project's engines; for any other class, what no training can do
        without (see :func:`is_lower_bound`).

    Raises:
        ConfigError: the variant names an unknown engine's option.
    """
    name = engine_name(variant)
    if is_lower_bound(variant):
        return PROCESS_BYTES + TEXT_BYTES + _least_bytes(model)
    own = parse_variant(variant)[1].get("threads")
    return TEXT_BYTES + _PREDICTORS[name](model, train, threads or own or available_cores())


def is_lower_bound(variant: str) -> bool:
    """Whether the prediction is a mere lower bound: nobody here has read how such an engine allocates."""
    return engine_name(variant) not in _PREDICTORS


def predicted_generation_bytes(_variant: str, model: ModelConfig, _train: TrainConfig) -> int:
    """Memory of a cell that generates, in bytes: six float32 for every parameter.

    The drawn weights, the generator's own, and for the replay an engine of the reference: the weights that it starts
    from, those that it is given, two moments. The moments are reserved and never written, which leaves room for the
    activations; a rival's library and its own copies come on top.
    """
    return PROCESS_BYTES + 6 * FLOAT32_BYTES * model.n_parameters


def predicted_session_bytes(variant: str, model: ModelConfig, train: TrainConfig, recording: bool = False) -> int:
    """Peak resident memory of ``invoke train``: steps, and a checkpoint that is read back beside the engine.

    Args:
        variant: as in :func:`predicted_peak_bytes`.
        model: the model's shape.
        train: gives the batch.
        recording: whether rows are written, which loads pandas and pyarrow.
    """
    steps = predicted_peak_bytes(variant, model, train)
    copies = _CHECKPOINT_COPIES * FLOAT32_BYTES * model.n_parameters
    # The textbook engines hold no activations between steps; the others keep their buffers.
    between = min(steps, PROCESS_BYTES + TEXT_BYTES + _persistent_bytes(engine_name(variant), model, steps))
    batch = _BATCH_BYTES * train.rows_per_step * (model.context_length + 1)
    return max(steps, between + copies) + batch + _SESSION_BYTES + (RECORDING_BYTES if recording else 0)


def _persistent_bytes(name: str, model: ModelConfig, steps: int) -> int:
    widths = {"numpy": FLOAT32_BYTES, "python": _PARAMETER_BYTES}
    return int(3 * widths[name] * model.n_parameters) if name in widths else steps


def _least_bytes(model: ModelConfig) -> int:
    """A weight, its gradient and two moments for every parameter, in float32."""
    return 4 * FLOAT32_BYTES * model.n_parameters


def _resident(live: float) -> int:
    return int(PROCESS_BYTES + _ALLOCATOR_SLACK + live * (1.0 + _ALLOCATOR_SHARE))


# ---- the textbook engines --------------------------------------------------------------------------------


def _kept_numbers(model: ModelConfig, rows: int, scores: float) -> float:
    """Numbers alive through the whole backward, besides parameters: what the forward keeps, and the loss's arrays.

    Per block 20 N·D (both norms' outputs and x̂: 4, q k v: 3, the attention's output: 1, GELU's input, tanh and
    output: 12), the attention weights, and two deviations a row. Then logits, softmax and its gradient (3 N·V), the
    last norm's output and x̂ (2 N·D), and the head's share of the embedding's gradient (V·D).
    """
    n, d, v = rows * model.context_length, model.d_model, model.vocab_size
    return model.n_layers * (20 * n * d + scores + 2 * n) + 3 * n * v + 2 * n * d + v * d


def _numpy_bytes(model: ModelConfig, train: TrainConfig, _threads: int) -> int:
    """Engine ``numpy``: the largest of what is alive at four moments, beside weights and moments (3 P).

    In the first block's backward nearly all gradients exist, and what the forward kept still does. There
    ``attention_backward`` holds 22 N·D (the branch's gradients so far 13, nine more inside) with two score-sized
    arrays, or in its middle 14 N·D with three; ``gelu_backward``, before the gradients of the attention, 25 N·D. Where
    parameters outweigh activations it is the update instead: all gradients, and of the largest matrix the clipped
    gradient and five temporaries. Dropout keeps a mask per site, accumulation two gradients from batch to batch.
    """
    n, d, t = train.batch_size * model.context_length, model.d_model, model.context_length
    scores = train.batch_size * model.n_heads * t * t
    p, kept = model.n_parameters, _kept_numbers(model, train.batch_size, scores)
    attention_pending = (model.vocab_size + t) * d + 3 * d * d + 5 * d  # gradients that come after it
    block_pending = (model.vocab_size + t) * d + 8 * d * d + 11 * d
    if train.dropout:
        kept += n_sites(model.n_layers) * n * d
    sums = 2 * p if train.accumulation > 1 else 0  # of the batches before this one, and the last one's gradients
    moments = (
        sums + kept + 22 * n * d + 2 * scores + p - attention_pending,
        sums + kept + 14 * n * d + 3 * scores + p - attention_pending,
        sums + kept + 25 * n * d + p - block_pending,
        sums + p,
        p + 6 * max(4 * d * d, model.vocab_size * d, t * d),
    )
    return _resident(FLOAT32_BYTES * (3 * p + max(moments)))


# CPython: a float object of 24 bytes and the list's pointer of 8, lists that grow ahead of need, and for what lives
# on from step to step, pools that new rows do not fill; both figures fitted.
_NUMBER_BYTES = 34.5
_PARAMETER_BYTES = 42.0


def _python_bytes(model: ModelConfig, train: TrainConfig, _threads: int) -> int:
    """Engine ``python``: the same arrays as lists of float objects; of the scores only what the causal mask shows.

    It takes all rows of an update at once, also those of accumulated batches.
    """
    n, d, t = train.rows_per_step * model.context_length, model.d_model, model.context_length
    scores = train.rows_per_step * model.n_heads * t * (t + 1) / 2
    numbers = _kept_numbers(model, train.rows_per_step, scores) + 22 * n * d + 2 * scores
    return int(PROCESS_BYTES + 1_000_000 + _NUMBER_BYTES * numbers + _PARAMETER_BYTES * 4 * model.n_parameters)


# ---- the fast engine -------------------------------------------------------------------------------------


def _vectorized_bytes(model: ModelConfig, train: TrainConfig, threads: int) -> int:
    """Engine ``vectorized``: its own module says what its arrays take."""
    return _resident(predicted_bytes(model, train, threads))


_PREDICTORS: MappingProxyType[str, Callable[[ModelConfig, TrainConfig, int], int]] = MappingProxyType(
    {"python": _python_bytes, "numpy": _numpy_bytes, "vectorized": _vectorized_bytes}
)
