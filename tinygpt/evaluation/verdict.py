"""A model's scores as one word with reasons: *memorized*, *learning* or *fluent*.

memorized   it repeats its training text: many verbatim windows, or a training loss far below the held-out one
fluent      its words exist, its loss on new text is close to that on known text, and it does not repeat itself
learning    neither, so far

Texts repeat themselves even without a model: some windows of an author's held-out pages occur in the other pages. So
verbatim windows are compared with those of the held-out text itself.
"""

from __future__ import annotations

from dataclasses import dataclass

MEMORIZED, LEARNING, FLUENT = "memorized", "learning", "fluent"

VERBATIM_AT_MOST = 0.10  # share of the windows above the held-out text's own
HELD_OUT_OVER_TRAIN = 1.5  # ratio of the losses from which a model has memorized
REAL_WORDS_AT_LEAST = 0.95
DISTINCT_AT_LEAST = 0.5  # relative to the held-out text's share of distinct word pairs


@dataclass(frozen=True)
class Verdict:
    """A word (``memorized``, ``learning`` or ``fluent``), and at least one sentence of reasons."""

    word: str
    reasons: tuple[str, ...]


def judge(
    train_loss: float,
    held_out_loss: float,
    real_words: float,
    distinct_pairs: float,
    held_out_distinct_pairs: float,
    verbatim: float,
    held_out_verbatim: float,
) -> Verdict:
    """Judge a model by its scores.

    Args:
        train_loss: loss on a sample of the training text, nats per byte.
        held_out_loss: loss on the held-out text, nats per byte.
        real_words: share of the generated words that exist.
        distinct_pairs: share of distinct pairs among the generated word pairs.
        held_out_distinct_pairs: the same for as much held-out text.
        verbatim: share of the generated windows that occur in the training text.
        held_out_verbatim: the same for as much held-out text.
    """
    gap = f"the held-out loss is {held_out_loss:.2f} nats per byte, the training loss {train_loss:.2f}"
    copied = (
        f"{verbatim:.1%} of its 50-byte windows stand in the training text word for word, "
        f"{held_out_verbatim:.1%} of the held-out text's own"
    )
    memorized = []
    if verbatim - held_out_verbatim > VERBATIM_AT_MOST:
        memorized.append(f"it repeats what it read: {copied}")
    if held_out_loss > HELD_OUT_OVER_TRAIN * train_loss:
        memorized.append(f"it knows the training text far better than any other: {gap}")
    if memorized:
        return Verdict(MEMORIZED, tuple(memorized))
    missing = []
    if real_words < REAL_WORDS_AT_LEAST:
        missing.append(f"{real_words:.1%} of its words exist, less than {REAL_WORDS_AT_LEAST:.0%}")
    if distinct_pairs < DISTINCT_AT_LEAST * held_out_distinct_pairs:
        missing.append(
            f"it goes round in circles: {distinct_pairs:.0%} of its word pairs are distinct, "
            f"{held_out_distinct_pairs:.0%} of the held-out text's"
        )
    if missing:
        return Verdict(LEARNING, (*missing, gap))
    return Verdict(FLUENT, (f"{real_words:.1%} of its words exist", copied, gap))
