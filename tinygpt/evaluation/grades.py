"""Grades of texts and of the model that wrote them: *noise*, *letters*, *words*, *phrases*, *sentences*, *passages*.

Texts get a grade if they pass its bars and those of all grades below. ``BARS`` is the whole rule: each row has a grade,
a bar and its reason. Shares are compared with the corpus's own (``measures.py``, ``shares.py``). The constants were set
on draws of the author's pieces, counting models and texts made to fool the rule, and adjusted over several rounds.

A bar holds for the texts together and for each of them: six texts of the author's and two of noise are no passages. A
bar whose measure is missing is left out and named, but a grade without its first measure is not given. A share is
missing if scrambled pieces reach what the author's do in so little text; loss and context are missing without a model.

*Memorized* is a flag beside the grade, raised by one of two signs:

    copies     bytes in copies of 20, 30, … 400 bytes and more: a share above the author's ceiling at one of the lengths
    history    the held-out loss is 5 % above its own minimum

Authors repeat themselves, so copies count only beside those of held-out pieces. There is no one length of a copy: short
ones add up in a text of stitches, one long one is a recitation. A model whose loss on new text rises unlearns what all
texts share and learns what this one has alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from tinygpt.evaluation.ladder import Standing
from tinygpt.evaluation.measures import COPY_LENGTHS, TextMeasures
from tinygpt.evaluation.shares import Measure

GRADES = ("noise", "letters", "words", "phrases", "sentences", "passages")

# What texts can do, from letters to clauses; a corpus has either pairs and triples, or lines and blocks.
_ABILITIES = MappingProxyType(
    {
        "letters": "byte frequencies in common",
        "words": "words that exist",
        "pairs": "known pairs of words",
        "lines": "lines that parse",
        "triples": "known triples of words",
        "blocks": "blocks that parse",
    }
)
FORGIVEN = 0.01  # below the author's interval: one word in a hundred, about one in a paragraph
CONTEXT_AT_LEAST = 200  # bytes
LONG_COPY = 100  # bytes: one text may have more of the short copies than others, by chance
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
        standing: of its held-out loss among the counting models.
        context: bytes before a byte that lower its loss; None if it was not measured.
        history: of the model's run; None if there is none.
    """

    standing: Standing
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
        applicable = [outcome for outcome in found if outcome is not None]
        checks = [outcome for outcome in applicable if isinstance(outcome, _Passed)]
        failed = [check.reason for check in checks if not check.passed]
        if failed or not isinstance(applicable[0], _Passed):
            reasons += [f"not {name}: {reason}" for reason in failed]
            break
        grade = name
        reasons = [check.reason for check in checks]
    missing = [outcome for found in outcomes.values() for outcome in found if isinstance(outcome, str)]
    if model is None:
        missing.append("no model: no loss, no context")
    elif model.history is None:
        missing.append("no history of the run: its lowest held-out loss is unknown")
    return Judgement(grade, bool(memorized), (*(f"memorized: {sign}" for sign in memorized), *reasons), tuple(missing))


def signs_of_memorizing(texts: TextMeasures, history: LossHistory | None) -> tuple[str, ...]:
    """Return the signs of memorizing, in sentences; none for a text that is not memorized."""
    found = (
        _excess(texts.shares[f"copied_{least}"], f"bytes in copies of {least} and more", least >= LONG_COPY)
        for least in COPY_LENGTHS
    )
    signs = [sign for sign in found if sign]
    if history and history.now > (1 + ABOVE_MINIMUM_AT_MOST) * history.lowest:
        signs.append(f"its held-out loss rose from {history.lowest:.2f} to {history.now:.2f} nats per byte")
    return tuple(signs)


def _excess(measure: Measure, thing: str, in_one: bool = True) -> str | None:
    """Describe a share above the author's ceiling, of the texts together or of one of them; None if there is none."""
    author = measure.author
    if measure.texts.share > measure.ceiling:
        return f"{thing}: {measure.texts.share:.0%}, the author's {author.low:.0%} to {author.high:.0%}"
    if in_one and measure.highest > measure.ceiling_of_each:
        return f"{thing}: {measure.highest:.0%} of one text, at most {author.highest:.0%} of a piece of the author's"
    return None


# ---- bars --------------------------------------------------------------------------------------------------


def _nearer(name: str, thing: str, floor: str) -> Callable[[_Evidence], _Outcome]:
    def check(evidence: _Evidence) -> _Outcome:
        measure = evidence.texts.shares.get(name)
        if measure is None:
            return None
        if not measure.tells:
            return f"{thing}: too little text to distinguish the author's from {floor}"
        passed = measure.reached and measure.lowest >= measure.bar_of_each
        share = (
            f"{measure.lowest:.0%} of one text, at least {measure.author.lowest:.0%} of each piece of the author's"
            if measure.reached and not passed
            else f"{measure.texts.share:.0%}, the author's {measure.author.share:.0%}"
        )
        return _Passed(passed, f"{thing}: {share}, {floor} {measure.author.floor:.0%}{_doubt(measure)}")

    return check


def _doubt(measure: Measure) -> str:
    return " (close)" if measure.texts.low < measure.half_way < measure.texts.high else ""


def _not_above(name: str, thing: str) -> Callable[[_Evidence], _Outcome]:
    def check(evidence: _Evidence) -> _Outcome:
        measure = evidence.texts.shares[name]
        excess = _excess(measure, thing)
        return _Passed(excess is None, excess or f"{thing}: {measure.texts.share:.0%}, no more than the author's")

    return check


def _like_the_author(evidence: _Evidence) -> _Outcome:
    """Compare every ability with the author's own range, where the bars below ask for half of the way to it."""
    shares = evidence.texts.shares
    for name, thing in _ABILITIES.items():
        if name in shares and shares[name].tells and not shares[name].is_the_authors:
            measure = shares[name]
            author = f"at least {measure.author.least:.0%} and {measure.author.lowest:.0%}"
            own = f"{measure.texts.share:.0%}, of one text {measure.lowest:.0%}"
            return _Passed(False, f"{thing}: {own}; the author's {author}")
    return _Passed(True, "every share is one of the author's own")


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
    return _Passed(evidence.model.standing.beats_all, str(evidence.model.standing))


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
        "words", "words of three letters and more that exist, nearer to the author's share than to that of the "
        "author's letters, shuffled", "shuffled letters are words by chance, nearly always short ones",
        _nearer("words", "words that exist", "shuffled letters"),
    ),
    Bar(
        "phrases", "in prose, known pairs of words, nearer to the author's share than to that of the author's words, "
        "shuffled", "words that do not fit each other are a list",
        _nearer("pairs", "known pairs of words", "shuffled words"),
    ),
    Bar(
        "phrases", "in code, lines that parse, nearer to the author's share than to that of the author's words, "
        "shuffled", "a line is the phrase of a program", _nearer("lines", "lines that parse", "shuffled words"),
    ),
    Bar(
        "sentences", "in prose, known triples among the triples of known pairs, nearer to the author's share than to "
        "that of words drawn pair by pair", "pairs that fit need not make a clause",
        _nearer("triples", "known triples of words", "words drawn by pairs"),
    ),
    Bar(
        "sentences", "in code, blocks that parse, nearer to the author's share than to that of the author's lines, "
        "shuffled", "a block is the sentence of a program", _nearer("blocks", "blocks that parse", "shuffled lines"),
    ),
    Bar(
        "sentences", "words that exist: its interval meets the author's, or is one word in a hundred below it",
        "a reader stumbles over every word that does not exist", _spells,
    ),
    Bar(
        "sentences", "with a model: a held-out loss below that of every counting model, by more than chance",
        "counting looks back seven bytes at most, and no sentence is that short", _beats_counting,
    ),
    Bar(
        "sentences", "bytes that repeat 30 and more of the same text, not above the author's share",
        "a sentence said twice is one sentence", _not_above("repeated", "bytes that repeat earlier ones"),
    ),
    Bar("sentences", "not memorized", "a copy shows the author's grammar", _own_words),
    Bar(
        "passages", "words of the second half that the first half has, nearer to the author's share than to that of "
        "two halves of different pieces", "a passage keeps its subject",
        _nearer("returning", "words that return", "exchanged halves"),
    ),
    Bar(
        "passages", "the same words, not above the author's share", "a passage goes on",
        _not_above("returning", "words that return"),
    ),
    Bar(
        "passages", "each of the shares above in the author's own range, for the texts together and for each",
        "half of the way to the author is not the author", _like_the_author,
    ),
    Bar(
        "passages", "with a model: a context in use of 200 bytes", "two sentences: one can follow from the other",
        _uses_context,
    ),
)  # fmt: skip
"""The rule, in the order of the grades; the first bar of a grade that applies is the one that it cannot do without."""
