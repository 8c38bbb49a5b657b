"""Grades of texts and of the model that wrote them: *noise*, *letters*, *words*, *phrases*, *sentences*, *passages*.

Texts get a grade if they pass its bars and those of all grades below. ``BARS`` is the whole rule: each row has a grade,
a bar and its reason. Shares are compared with the corpus's own; the five constants below are choices. None was set by
looking at a trained model.

"Nearer" is half way between the two shares, which is the same bar for every ability. A bar whose measure is missing is
left out and named, but a grade without its first measure is not given. A share is missing if the author's own pieces
cannot be told from the scrambled ones in so little text; losses, swaps and context are missing without a model.

*Memorized* is a flag beside the grade, raised by one of three signs:

    covered    bytes in copies of 50 bytes and more, as a share 5 % above the upper end of the author's interval
    longest    a copy of 100 bytes and more that is twice as long as the longest in all held-out pieces
    history    the held-out loss is 5 % above its own minimum

Authors repeat themselves, so copies count only beside those of held-out pieces. A model whose loss on new text rises
unlearns what all texts share and learns what this one has alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tinygpt.evaluation.ladder import Standing
from tinygpt.evaluation.loss import bits
from tinygpt.evaluation.measures import Measure, TextMeasures
from tinygpt.evaluation.overlap import WINDOW
from tinygpt.evaluation.swaps import SwapResult

GRADES = ("noise", "letters", "words", "phrases", "sentences", "passages")

DISTINCT_AT_LEAST = 0.5  # relative to the author's share of distinct word pairs
FORGIVEN = 0.01  # below the author's interval: one word in a hundred, about one in a paragraph
CONTEXT_AT_LEAST = 200  # bytes
COVERED_AT_MOST = 0.05  # above the author's interval
LONGEST_AT_MOST = 2.0  # times the author's longest copy
ABOVE_MINIMUM_AT_MOST = 0.05  # relative to the minimum; an evaluation of a run that has settled moves by 1 or 2 %


@dataclass(frozen=True)
class LossHistory:
    """Held-out losses of a model's own run, on equal batches.

    Attributes:
        lowest: of the run up to these weights, nats per byte.
        now: of these weights.
    """

    lowest: float
    now: float


@dataclass(frozen=True)
class ModelMeasures:
    """Measures that need a model.

    Attributes:
        held_out_loss: nats per byte.
        standing: of this loss among the counting models.
        swaps: outcome of the swap probe; None if the held-out text has no pair.
        counted_swaps: the same of the best counting model.
        context: bytes before a byte that lower its loss; None if it was not measured.
        history: of the model's run; None if there is none.
    """

    held_out_loss: float
    standing: Standing
    swaps: SwapResult | None = None
    counted_swaps: SwapResult | None = None
    context: int | None = None
    history: LossHistory | None = None


@dataclass(frozen=True)
class Judgement:
    """A grade with its reasons.

    Attributes:
        grade: one of ``GRADES``.
        memorized: the flag.
        reasons: for the flag, for the grade, and against the next one, in sentences without a full stop.
        missing: measures that were not available, each with the reason.
    """

    grade: str
    memorized: bool
    reasons: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        return self.grade + (", memorized" if self.memorized else "")


@dataclass(frozen=True)
class _Evidence:
    texts: TextMeasures
    model: ModelMeasures | None
    memorized: tuple[str, ...]


@dataclass(frozen=True)
class _Passed:
    """The outcome of a bar."""

    passed: bool
    reason: str


_Outcome = _Passed | str | None  # a string is the reason why the measure is missing; None: it does not apply


@dataclass(frozen=True)
class Bar:
    """A bar of a grade.

    Attributes:
        grade: one of ``GRADES``.
        text: the bar, in words.
        reason: for this bar.
        check: compares texts and model with it.
    """

    grade: str
    text: str
    reason: str
    check: Callable[[_Evidence], _Outcome]


def judge(texts: TextMeasures, model: ModelMeasures | None = None) -> Judgement:
    """Judge texts written at temperature 1, or by an author, with the measures of the model that wrote them, if any."""
    memorized = signs_of_memorizing(texts, model.history if model else None)
    evidence = _Evidence(texts, model, memorized)
    outcomes = {grade: [bar.check(evidence) for bar in BARS if bar.grade == grade] for grade in GRADES[1:]}
    grade, reasons = GRADES[0], []
    for name, found in outcomes.items():
        checks = [outcome for outcome in found if isinstance(outcome, _Passed)]
        failed = [check.reason for check in checks if not check.passed]
        if failed or not isinstance(found[0], _Passed):
            reasons += [f"not {name}: {reason}" for reason in failed]
            break
        grade = name
        reasons = [check.reason for check in checks]
    missing = [outcome for found in outcomes.values() for outcome in found if isinstance(outcome, str)]
    if model is None:
        missing.append("no model: no loss, no swap probe, no context")
    elif model.history is None:
        missing.append("no history of the run: its lowest held-out loss is unknown")
    return Judgement(grade, bool(memorized), (*(f"memorized: {sign}" for sign in memorized), *reasons), tuple(missing))


def signs_of_memorizing(texts: TextMeasures, history: LossHistory | None) -> tuple[str, ...]:
    """Return the signs of memorizing, in sentences; none for a text that is not memorized."""
    signs = []
    covered, longest = texts.covered, texts.longest_bytes
    if covered.texts.share > covered.author.high + COVERED_AT_MOST:
        signs.append(
            f"{covered.texts.share:.0%} of its bytes stand in copies of {WINDOW} bytes and more, "
            f"{covered.author.share:.0%} of the author's"
        )
    if longest >= 2 * WINDOW and longest > LONGEST_AT_MOST * texts.author_longest_bytes:
        signs.append(f"one copy has {longest:,} bytes, the author's longest {texts.author_longest_bytes:,}")
    if history and history.now > (1 + ABOVE_MINIMUM_AT_MOST) * history.lowest:
        signs.append(f"its held-out loss rose from {history.lowest:.2f} to {history.now:.2f} nats per byte")
    return tuple(signs)


# ---- bars --------------------------------------------------------------------------------------------------


def _nearer(name: str, thing: str, floor: str) -> Callable[[_Evidence], _Outcome]:
    def check(evidence: _Evidence) -> _Outcome:
        measure = evidence.texts.shares.get(name)
        if measure is None:
            return None
        if not measure.tells:
            return f"{thing}: so little text does not tell the author's from {floor}"
        share = measure.texts.share
        return _Passed(
            share >= measure.half_way,
            f"{thing}: {share:.0%}, the author's {measure.author.share:.0%}, {floor} {measure.floor:.0%}"
            + _doubt(measure),
        )

    return check


def _doubt(measure: Measure) -> str:
    return " (close)" if measure.texts.low < measure.half_way < measure.texts.high else ""


def _distinct(evidence: _Evidence) -> _Outcome:
    own, author = evidence.texts.distinct[1], evidence.texts.author_distinct[1]
    if not author:
        return "distinct word pairs: the held-out pieces have none"
    return _Passed(own >= DISTINCT_AT_LEAST * author, f"distinct word pairs: {own:.0%}, the author's {author:.0%}")


def _spells(evidence: _Evidence) -> _Outcome:
    words = evidence.texts.shares["words"]
    return _Passed(
        words.texts.high >= words.author.low - FORGIVEN,
        f"words that exist: {words.texts.share:.1%} [{words.texts.low:.1%}, {words.texts.high:.1%}], "
        f"in the author's pieces {words.author.low:.1%} to {words.author.high:.1%}",
    )


def _beats_counting(evidence: _Evidence) -> _Outcome:
    if evidence.model is None:
        return None
    return _Passed(
        evidence.model.standing.saved_bits > 0, standing_text(evidence.model.held_out_loss, evidence.model.standing)
    )


def _notices_swaps(evidence: _Evidence) -> _Outcome:
    if evidence.model is None:
        return None
    own, counted = evidence.model.swaps, evidence.model.counted_swaps
    if own is None or counted is None:
        return "swap probe: the held-out text has no two adjacent words of equal length"
    best = evidence.model.standing.best.name
    return _Passed(
        own.right >= counted.right,
        f"exchanged words noticed: {own.right:.0%} of {own.n_pairs}, the {best} {counted.right:.0%}",
    )


def _own_words(evidence: _Evidence) -> _Outcome:
    return _Passed(not evidence.memorized, "it copies" if evidence.memorized else "not memorized")


def _uses_context(evidence: _Evidence) -> _Outcome:
    if evidence.model is None or evidence.model.context is None:
        return None
    context = evidence.model.context
    return _Passed(context >= CONTEXT_AT_LEAST, f"context in use: {context} bytes, two sentences {CONTEXT_AT_LEAST}")


BARS = (
    Bar(
        "letters", "byte frequencies, nearer to the author's than to noise's", "noise draws all bytes alike",
        _nearer("letters", "byte frequencies in common", "noise"),
    ),
    Bar(
        "words", "words that exist, nearer to the author's share than to that of the author's letters, shuffled",
        "shuffled letters are words by chance, mostly short ones",
        _nearer("words", "words that exist", "shuffled letters"),
    ),
    Bar(
        "phrases", "known pairs of words, nearer to the author's share than to that of the author's words, shuffled",
        "words that do not fit each other are a list",
        _nearer("pairs", "known pairs of words", "shuffled words"),
    ),
    Bar("phrases", "half of the author's share of distinct word pairs", "one phrase again and again is one", _distinct),
    Bar(
        "sentences", "known triples among the triples of known pairs, nearer to the author's share than to that of "
        "words drawn pair by pair", "pairs that fit need not make a clause",
        _nearer("triples", "known triples of words", "words drawn by pairs"),
    ),
    Bar(
        "sentences", "words that exist: its interval meets the author's, or is one word in a hundred below it",
        "a reader stumbles over every word that is none", _spells,
    ),
    Bar(
        "sentences", "in code, lines that parse, nearer to the author's share than to that of the author's words, "
        "shuffled", "a line is the sentence of a program", _nearer("lines", "lines that parse", "shuffled words"),
    ),
    Bar(
        "sentences", "with a model: a held-out loss below that of every counting model",
        "counting looks back seven bytes at most, and no sentence is that short", _beats_counting,
    ),
    Bar(
        "sentences", "with a model: two exchanged words of equal length noticed as often as by the best counting model",
        "both orders have the same letters in the same words: the rest is grammar", _notices_swaps,
    ),
    Bar("sentences", "not memorized", "a copy shows the author's grammar", _own_words),
    Bar(
        "passages", "words of the second half that the first half has, nearer to the author's share than to that of "
        "two halves of different pieces", "a passage keeps its subject",
        _nearer("returning", "words that return", "exchanged halves"),
    ),
    Bar(
        "passages", "with a model: a context in use of 200 bytes", "two sentences: one can follow from the other",
        _uses_context,
    ),
)  # fmt: skip
"""The rule, in the order of the grades; the first bar of a grade is the one that it cannot do without."""


def standing_text(loss: float, standing: Standing) -> str:
    """Describe a loss's place among the counting models."""
    value, best = f"{bits(loss):.2f} bits a byte", standing.best
    if loss == best.nats:
        return f"{value}, those of the best counting model, the {best.name}"
    if standing.better is None:
        return f"{value}, {standing.saved_bits:.2f} fewer than the best counting model, the {best.name}"
    lacks = f"{-standing.saved_bits:.2f} more than the best counting model, the {best.name}"
    if standing.beaten is None:
        return f"{value}, worse than every counting model; {lacks}"
    return f"{value}, between the {standing.beaten.name} and the {standing.better.name}; {lacks}"
