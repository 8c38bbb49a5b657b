"""Tables at any width: no number is cut or folded, important columns stay, names break where they may."""

from __future__ import annotations

import io
import random
from itertools import pairwise

import pytest
from rich.console import Console
from rich.text import Text

from bench.statistics.compare import Comparison, Finding, Point
from bench.statistics.ratios import Ratio
from bench.terminal.show import print_comparison
from bench.terminal.tables import print_table, ratio_text

NAMES = ("preset", "engine")
NUMBERS = ("step", "95 % interval", "verdict", "tokens/s", "over numpy")
SPARE = ("tokens/s", "verdict")
ENGINES = ("numpy", "vectorized[team=threads]", "torch-cuda-compile-graphs", "vectorized[threads=16,kernels=numexpr]")


def lines(width, rows, names=NAMES, numbers=NUMBERS, spare=SPARE):
    console = Console(file=io.StringIO(), width=width)
    print_table(console, names, numbers, rows, spare)
    return console.file.getvalue().splitlines()


def some_rows(seed):
    draw = random.Random(seed)

    def number():
        unit = draw.choice((" ms", "×", "×*"))
        return f"{draw.choice(('', '~'))}{draw.randrange(10 ** draw.randrange(1, 9)):,}{unit}"

    return [
        ("tiny", draw.choice(ENGINES), number(), f"{number()} to {number()}", draw.choice(("stable", "unresolved")),
         number(), number())
        for _ in range(5)
    ]  # fmt: skip


@pytest.mark.parametrize("width", [80, 120, 200, *range(40, 80, 3)])
@pytest.mark.parametrize("seed", range(5))
def test_a_number_is_whole_or_its_column_is_absent(width, seed):
    rows = some_rows(seed)
    printed = lines(width, rows)
    assert max(map(len, printed)) <= width
    text = "\n".join(printed)
    heading = printed[: next(i for i, line in enumerate(printed) if "─" in line)]
    for column, name in enumerate(NUMBERS, 2):
        if name.split()[0] in " ".join(heading).split():
            assert all(row[column] in text for row in rows), name
    assert "…" not in text


def test_columns_go_by_importance_and_the_rest_from_the_right():
    rows = some_rows(0)
    shown = [
        {name for name in NUMBERS if name.split()[0] in " ".join(lines(width, rows)[:3])} for width in range(30, 200, 2)
    ]
    assert shown[-1] == {*NUMBERS}
    assert all(few <= more for few, more in pairwise(shown)), "a wider terminal never shows less"
    first_gone = next(gone for columns in reversed(shown) if (gone := {*NUMBERS} - columns))
    assert first_gone == {"tokens/s"}


def test_names_break_before_brackets_and_never_within_a_number():
    printed = lines(34, [("tiny", "vectorized[threads=16]", "1,430 ms")], numbers=("step",))
    assert [line.split() for line in printed[2:4]] == [["tiny", "vectorized", "1,430", "ms"], ["[threads=16]"]]
    assert "[threads=16]" in "\n".join(lines(40, [("tiny", Text("[threads=16]", "dim"), "1 ms")], numbers=("step",)))


def test_an_unresolved_ratio_is_marked():
    rounds = (2.0, 2.1, 2.0, 2.1, 2.0, 2.1)
    assert ratio_text(Ratio(2.0, 1.9, 2.1, rounds)) == "2.00×"
    assert ratio_text(Ratio(1.1, 0.9, 1.2, rounds)) == "~1.10×", "the interval holds 1"
    assert ratio_text(Ratio(2.0, float("nan"), float("nan"), rounds[:5])) == "~2.00×", "five rounds"
    assert ratio_text(None) == "–"


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_comparison_keeps_its_ratio_interval_and_outcome(width):
    inf = float("inf")
    ends = {(1.9, 2.1): "1.900 to 2.100 (96%)", (1.9, inf): "above 1.900 (96%)", (0.0, 0.9): "below 0.900 (96%)"}
    ends[0.0, inf] = "no interval"
    found = [Finding(2.0, *pair, 0.96, inf, "inconclusive", "one run") for pair in ends]
    points = tuple(Point("vectorized[team=threads]", "behemoth", 1.0, 0.5, one) for one in found)
    console = Console(file=io.StringIO(), width=width)
    print_comparison(Comparison("a", "b", points, (), 0.05), console)
    text = console.file.getvalue()
    rows = [line for line in text.splitlines() if line.startswith("behemoth")]
    assert all(len(line) <= width and "2.000×" in line and "inconclusive" in line for line in rows)
    assert all(words in line for line, words in zip(rows, ends.values(), strict=True))
    assert "all 4: one run" in text
