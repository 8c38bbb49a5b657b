from __future__ import annotations

import pytest

from bench.statistics.token_times import token_times
from bench.terminal.show_token import print_tokens
from tests.bench.rows import frames, run_row

TIMES = {"token[float32]": 0.030, "token[float32,compiled]": 0.024, "token[int8,compiled]": 0.008}


def tables():
    """Two presets of one run; at the second, int8 failed."""
    cells = []
    for preset in ("mega", "gpt2"):
        for variant, seconds in TIMES.items():
            failed = (preset, variant) == ("gpt2", "token[int8,compiled]")
            changes = {"status": "refused", "error_tail": "no"} if failed else {}
            run = run_row(variant=variant, preset=preset, kind="token", suite="token", tokens_per_step=1, **changes)
            cells.append((run, [] if failed else [seconds] * 15))
    return frames(*cells)


def test_ways_are_compared_with_the_compiled_loop_over_float32():
    times = token_times(*tables())
    assert [(time.cell.preset, time.way.name) for time in times] == [
        ("mega", "float32"), ("mega", "float32,compiled"), ("mega", "int8,compiled"),
        ("gpt2", "float32"), ("gpt2", "float32,compiled"), ("gpt2", "int8,compiled"),
    ]  # fmt: skip
    ratios = [time.ratio and time.ratio.speedup for time in times]
    assert ratios == [pytest.approx(0.8), None, pytest.approx(3.0), pytest.approx(0.8), None, None]
    assert times[2].cell.tokens_per_second == pytest.approx(125)


def test_the_terminal_shows_times_and_failures(console):
    print_tokens(console, *tables())
    text = console.file.getvalue()
    assert "int8, our compiled loop" in text and "8.00" in text and "~3.00×" in text and "refused" in text
