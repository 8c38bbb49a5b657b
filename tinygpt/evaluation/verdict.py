"""A model's scores in one plain word, with the reasons: *memorized*, *learning* or *fluent*.

memorized   it repeats its training text: many verbatim windows, or a training loss far below the held-out one
fluent      its words exist, its loss on new text is close to that on known text, and it does not go round in circles
learning    neither, yet

Texts repeat themselves without any model: of an author's held-out pages, too, some windows stand in the others. So
verbatim windows are weighed against those of the held-out text itself.
"""

from __future__ import annotations

from dataclasses import dataclass

MEMORIZED, LEARNING, FLUENT = "memorized", "learning", "fluent"

VERBATIM_AT_MOST = 0.10  # of the windows, beyond the held-out text's own share
HELD_OUT_OVER_TRAIN = 1.5  # a loss on new text this many times that on known text is learning by heart
REAL_WORDS_AT_LEAST = 0.95
DISTINCT_AT_LEAST = 0.5  # of the held-out text's own share of distinct word pairs


@dataclass(frozen=True)
class Verdict:
    """A word and why.

    Attributes:
        word: ``memorized``, ``learning`` or ``fluent``.
        reasons: sentences, at least one.
    """

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
    """Weigh a model's scores.

    Args:
        train_loss: on a sample of the training text, nats per byte.
        held_out_loss: on the held-out text, nats per byte.
        real_words: share of the words written that exist.
        distinct_pairs: share of the word pairs written that are distinct.
        held_out_distinct_pairs: that of as much held-out text.
        verbatim: share of the windows written that stand in the training text.
        held_out_verbatim: that of as much held-out text.
    """
    gap = f"the held-out loss is {held_out_loss:.2f} nats per byte, the training loss {train_loss:.2f}"
    copied = (
        f"{verbatim:.1%} of its 50-byte windows stand in the training text word for word, "
        f"{held_out_verbatim:.1%} of the held-out text's own"
    )
    by_heart = []
    if verbatim - held_out_verbatim > VERBATIM_AT_MOST:
        by_heart.append(f"it repeats what it read: {copied}")
    if held_out_loss > HELD_OUT_OVER_TRAIN * train_loss:
        by_heart.append(f"it knows the training text far better than any other: {gap}")
    if by_heart:
        return Verdict(MEMORIZED, tuple(by_heart))
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
