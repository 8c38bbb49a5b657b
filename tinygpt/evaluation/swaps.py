"""The swap probe: is a line likelier as it was written than with two adjacent words exchanged?

The two words have equal length and no capital, so nothing but their order differs: blanks and line breaks stay where
they are. A model that spells well and knows no grammar guesses. But an exchange also breaks the few bytes at its seams,
which a counting model of a high order notices as often as a trained one: no grade depends on the outcome.

Both versions are scored in one window of held-out text, which has as much before the exchanged words as after them. The
bytes before them are equal, so the difference is that of the words themselves and of what follows.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from tinygpt.engines import Engine
from tinygpt.errors import CorpusError
from tinygpt.evaluation.counting import CountingModel
from tinygpt.evaluation.loss import window_losses
from tinygpt.tokenizers import BYTES

N_PAIRS = 300
WINDOW = 96  # bytes predicted around a pair, if the model's context is no shorter
# A capital shows where a line or a name begins, which is spelling. Bytes from 128 on are letters of UTF-8.
_LETTER = rb"[a-z\x80-\xff]"
_WORD = rb"(%b+(?:'%b+)*)" % (_LETTER, _LETTER)
_TWO_WORDS = re.compile(rb"(?<![\w\x80-\xff'])(?=%b %b(?![\w\x80-\xff']))" % (_WORD, _WORD))  # may overlap
_TIE = 1e-9  # nats: the sums of a unigram's equal terms differ by rounding
_Z = 1.959964  # the normal distribution's 97.5 % quantile


@dataclass(frozen=True)
class SwapResult:
    """The outcome of a probe.

    Attributes:
        n_pairs: number of pairs.
        right: share of pairs whose written order is likelier; a tie counts half.
        low, high: the share's 95 % interval (Wilson, "Probable inference, the law of succession, and statistical
            inference", Journal of the American Statistical Association 22, 1927).
    """

    n_pairs: int
    right: float
    low: float
    high: float


def swap_probe(subject: Engine | CountingModel, held_out: bytes, n_pairs: int = N_PAIRS) -> SwapResult:
    """Probe a model with evenly spread pairs of a held-out text; equal texts and windows give equal pairs.

    Args:
        subject: an engine with the model's weights, or a counting model.
        held_out: the text; the pairs come from its lines.
        n_pairs: the largest number of pairs.

    Raises:
        CorpusError: the text has no such pair.
    """
    length = min(WINDOW, subject.config.context_length) if isinstance(subject, Engine) else WINDOW
    written, swapped = swap_windows(held_out, length, n_pairs)
    both = np.concatenate([written, swapped])
    if isinstance(subject, Engine):
        nats = _window_nats(subject, both)
    else:
        nats = -subject.log_probabilities(both)[:, 1:].sum(axis=1)
    margin = nats[len(written) :] - nats[: len(written)]  # nats that the exchange costs
    n, right = len(margin), float((margin > _TIE).sum() + 0.5 * (abs(margin) <= _TIE).sum())
    return SwapResult(n, right / n, *wilson_interval(right, n))


def _window_nats(engine: Engine, windows: np.ndarray) -> np.ndarray:
    """Return the loss of each window of bytes (N, n) after its first token, (N,) nats; equally long ones together."""
    rows = [engine.tokenizer.encode(window.tobytes()) for window in windows]
    sizes, nats = np.array([len(row) for row in rows]), np.zeros(len(rows))
    for size in np.unique(sizes[sizes > 1]):
        members = np.flatnonzero(sizes == size)
        nats[members] = window_losses(engine, np.stack([rows[member] for member in members])).sum(axis=1)
    return nats


def swap_windows(text: bytes, length: int, n_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return windows of a text as it is and with two words exchanged, both (N, length + 1) uint8.

    The two words differ, have equal length and no capital; there is one blank between them, and together they take
    at most half of a window.

    Raises:
        CorpusError: the text has no such pair, or is shorter than a window.
    """
    spans = [
        (match.start(1), match.end(2))
        for match in _TWO_WORDS.finditer(text)
        if match.start()  # a window's first byte is not predicted
        and len(match[1]) == len(match[2]) <= (length - 2) // 4
        and match[1] != match[2]
    ]
    if not spans or len(text) < length + 1:
        problem = f"the text has {len(spans)} pairs of different words of equal length in {len(text):,} bytes"
        raise CorpusError(problem, f"at least one, in {length + 1} bytes or more")
    tokens = BYTES.encode(text)
    chosen = np.unique(np.linspace(0, len(spans) - 1, min(n_pairs, len(spans))).round().astype(np.int64))
    written, swapped = [], []
    for start, stop in (spans[index] for index in chosen):
        first = min(max(0, (start + stop - length - 1) // 2), len(text) - length - 1)
        window = tokens[first : first + length + 1]
        other = window.copy()
        size, at = (stop - start - 1) // 2, start - first
        other[at : at + size], other[at + size + 1 : at + 2 * size + 1] = (
            window[at + size + 1 : at + 2 * size + 1], window[at : at + size],
        )  # fmt: skip
        written.append(window)
        swapped.append(other)
    return np.array(written), np.array(swapped)


def wilson_interval(right: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, from the number of successes among n > 0."""
    share, z2 = right / n, _Z**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return middle - half, middle + half
