"""Checks of sitting 1: bytes, pairs of bytes, and the loss of a table."""

from __future__ import annotations

import math

import numpy as np

from tinygpt.learn.hints import Wrong, compare
from tinygpt.learn.student import Student

V = 256
_TEXT = "To be, or not to be: señor, 你好.\n"
_IDS = np.frombuffer(_TEXT.encode(), np.uint8).astype(np.int64)


def to_ids(student: Student) -> None:
    """A text with characters of one, two and three bytes."""
    characters = np.array([ord(char) for char in _TEXT])
    got = student.call("to_ids", _TEXT)
    if np.shape(got) == characters.shape:
        raise Wrong(f"ids has {len(characters)} numbers, one per character; the text has {len(_IDS)} bytes in UTF-8")
    compare("ids", got, _IDS)


def inputs_and_targets(student: Student) -> None:
    """Every id but the last has a target: its successor."""
    inputs, targets = student.call("inputs_and_targets", _IDS, returns="inputs, targets")
    if np.array_equal(inputs, targets):
        raise Wrong("the targets equal the inputs: a model would learn to copy the byte that it has just read")
    for name, got in (("inputs", inputs), ("targets", targets)):
        if np.shape(got) == _IDS.shape:
            raise Wrong(f"{name} has all {len(_IDS)} ids: the last id has no successor, so one pair is too many")
    swapped = {"inputs and targets have changed places": _IDS[1:]}
    compare("inputs", inputs, _IDS[:-1], suspects=swapped)
    compare("targets", targets, _IDS[1:])


def _pair_counts(ids: np.ndarray) -> np.ndarray:
    counts = np.zeros((V, V))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return counts


def count_pairs(student: Student) -> None:
    """Pairs that occur several times count several times."""
    counts = _pair_counts(_IDS)
    round_trip = counts.copy()
    round_trip[_IDS[-1], _IDS[0]] += 1
    suspects = {
        "a pair that occurs twice is counted once: `+=` with index arrays adds once for each place": counts.clip(max=1),
        "the last byte and the first are counted as a pair": round_trip,
    }
    compare("counts", student.call("count_pairs", _IDS), counts, suspects=suspects, against="a count by hand")
    many = np.tile(_IDS[:2], 70_000)  # more than any number of 16 bits
    got, right = np.asarray(student.call("count_pairs", many)), _pair_counts(many)
    first, second = many[:2]
    if got[first, second] != right[first, second]:
        raise Wrong(
            f"counts has dtype {got.dtype}, in which a pair that occurs {right[first, second]:,.0f} times "
            f"is counted as {got[first, second]:,}: use int64"
        )


def bigram_table(student: Student) -> None:
    """Each row is a distribution, that of a byte which never occurred included."""
    counts, smoothing = _pair_counts(_IDS), 0.5
    added = counts + smoothing
    table = added / added.sum(axis=1, keepdims=True)
    suspects = {
        "the smoothing is added to the counts but left out of the row's total": added
        / np.maximum(counts.sum(axis=1, keepdims=True), smoothing),
        "the columns add up to 1; p(next | current) needs rows that do": added / added.sum(axis=0, keepdims=True),
        "the whole table adds up to 1; each row has to": added / added.sum(),
        "each column is divided by a row's total; keepdims=True gives the totals the shape (256, 1)": added
        / added.sum(axis=1),
        "the smoothing is not added": counts / np.maximum(counts.sum(axis=1, keepdims=True), 1),
        "1 is added to each count instead of the smoothing": (counts + 1) / (counts + 1).sum(axis=1, keepdims=True),
    }
    got = student.call("bigram_table", counts, smoothing)
    if np.shape(got) == table.shape and np.isnan(np.asarray(got, float)).any():
        raise Wrong("table is NaN in the row of a byte that never occurred: its total is 0 without the smoothing")
    try:
        compare("table", got, table, {"V": V}, suspects)
    except Wrong:
        _require_rows_of_one(got, table, suspects)
        raise


def _require_rows_of_one(got: np.ndarray, table: np.ndarray, suspects: dict[str, np.ndarray]) -> None:
    from tinygpt.learn.hints import is_close

    if np.shape(got) != table.shape or any(is_close(np.asarray(got), wrong) for wrong in suspects.values()):
        return
    totals = np.asarray(got, float).sum(axis=1)
    if not np.allclose(totals, 1):
        worst = int(np.abs(totals - 1).argmax())
        raise Wrong(f"row {worst} of table adds up to {totals[worst]:.4g}; every row has to add up to 1")


def nats_per_byte(student: Student) -> None:
    """The mean surprise of a table at a text."""
    table = np.random.default_rng(0).dirichlet(np.ones(V), size=V)
    p = table[_IDS[:-1], _IDS[1:]]
    suspects = {
        "this is the perplexity, e to the loss; the loss is its logarithm": math.exp(-np.log(p).mean()),
        "this is the logarithm of the mean probability; the loss is the mean of the logarithms": -math.log(p.mean()),
        "the table is read with the next byte as its row": -np.log(table[_IDS[1:], _IDS[:-1]]).mean(),
        "this is the sum over the pairs; the loss is their mean": -np.log(p).sum(),
        "divided by the number of bytes; there is one pair fewer": -np.log(p).sum() / len(_IDS),
        "this is in bits (log2); nats use the natural logarithm": -np.log2(p).mean(),
        "the sign is wrong: the logarithm of a probability is negative, a loss is not": np.log(p).mean(),
    }
    compare("loss", student.call("nats_per_byte", table, _IDS), -np.log(p).mean(), suspects=suspects)
