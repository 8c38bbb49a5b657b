"""Loss by position: the loss of the same bytes with 1, 2, … T bytes of context, and the context that a model uses.

The mean over all windows at each position compares different bytes with each other, and their difficulty varies by more
than a long context gains. Here every target is predicted at every position. A stretch of T targets takes the windows
that start at each of 2 T − 1 consecutive bytes:

    bytes      a b c d e f g …         T = 3, targets d e f
    windows    a b c → b c d
                 b c d → c d e
                   c d e → d e f       d with 1 byte of context, e with 2, f with 3
                     d e f → e f g
                       e f g → f g h

Stretches are spread evenly over the text. The gain of a longer context is measured within each and averaged over them,
so its standard error is that of the stretches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinygpt.arguments import number, whole_number
from tinygpt.data import in_tokens
from tinygpt.engines import Engine
from tinygpt.errors import CorpusError
from tinygpt.evaluation.loss import window_losses

N_PREDICTED = 110_000  # bytes to predict, about; seconds for a model of a million weights
_FEWEST = 2  # stretches: one has no standard error
THRESHOLD = 0.05  # nats per byte: a sample of this size has standard errors of 0.01 to 0.02 there
_SURE = 2.0  # standard errors


@dataclass(frozen=True)
class PositionLosses:
    """Losses of the same tokens by the length of their context.

    Attributes:
        losses: nats per byte; item t is the loss at position t, with t + 1 tokens of context.
        errors: standard error of each one's distance from the mean of the longest eighth, nats per byte.
        n_targets: number of tokens behind each loss.
        n_windows: number of windows in which they were predicted.
        threshold: the gain that counts, nats per byte.
        bytes_per_token: of the predicted tokens.
    """

    losses: tuple[float, ...]
    errors: tuple[float, ...]
    n_targets: int
    n_windows: int
    threshold: float
    bytes_per_token: float = 1.0

    @property
    def context_bytes(self) -> int:
        """The longest context, in bytes."""
        return round(len(self.losses) * self.bytes_per_token)

    @property
    def used(self) -> int:
        """The context that the model uses, in bytes: all longer ones gain no more than the threshold."""
        return self._length(0.0)

    @property
    def used_between(self) -> tuple[int, int]:
        """The shortest and the longest ``used`` that two standard errors allow."""
        return self._length(-_SURE), self._length(_SURE)

    def _length(self, errors: float) -> int:
        """Return the length after the last that leaves more than the threshold to gain, shifted by standard errors."""
        losses = np.array(self.losses)
        gain = losses - losses[-_longest(len(losses)) :].mean() + errors * np.array(self.errors)
        above = np.flatnonzero(gain > self.threshold)
        length = min(int(above[-1]) + 2, len(losses)) if len(above) else 1
        return round(length * self.bytes_per_token)


def loss_by_position(
    engine: Engine, tokens: np.ndarray, n_predicted: int = N_PREDICTED, threshold: float = THRESHOLD
) -> PositionLosses:
    """Measure a model's losses by the length of the context. Equal arguments give equal losses.

    Args:
        engine: an engine with the model's weights.
        tokens: ids of held-out text (n,).
        n_predicted: number of tokens to predict, about; at least two stretches of (2 T − 1) T are.
        threshold: nats per byte, above 0.

    Raises:
        ConfigError: the number or the threshold is out of range.
        CorpusError: the text is shorter than two stretches of 3 T − 1 tokens.
    """
    whole_number("n_predicted", n_predicted, 1)
    number("threshold", threshold, above=True)
    length = engine.config.context_length
    size = 3 * length - 1
    if len(tokens) < _FEWEST * size:
        raise CorpusError(
            f"the text has {in_tokens(len(tokens))}", f"at least {_FEWEST * size:,} for a context of {length}"
        )
    n_stretches = min(max(_FEWEST, n_predicted // ((2 * length - 1) * length)), len(tokens) // size)
    starts = np.linspace(0, len(tokens) - size, n_stretches).astype(np.int64)
    window, position = np.arange(2 * length - 1)[:, None], np.arange(length)
    target = np.arange(length)[:, None]
    stretches = []
    for start in starts:
        losses = window_losses(engine, tokens[start + window + np.arange(length + 1)])  # (2 T − 1, T)
        stretches.append(losses[length - 1 + target - position, position].mean(axis=0))  # over the same T bytes
    predicted = np.concatenate([tokens[start + length : start + 2 * length] for start in starts])
    per_byte = engine.tokenizer.tokens_per_byte(predicted)
    curves = np.array(stretches) * per_byte  # (stretches, T)
    distances = curves - curves[:, -_longest(length) :].mean(axis=1, keepdims=True)
    errors = distances.std(axis=0, ddof=1) / np.sqrt(n_stretches)
    return PositionLosses(
        losses=tuple(curves.mean(axis=0).tolist()),
        errors=tuple(errors.tolist()),
        n_targets=n_stretches * length,
        n_windows=n_stretches * len(window),
        threshold=threshold,
        bytes_per_token=1.0 / per_byte,
    )


def _longest(context_length: int) -> int:
    """Return the number of positions with the longest contexts, whose mean is the loss of a full context."""
    return max(1, context_length // 8)
