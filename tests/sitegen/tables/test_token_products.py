from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.numbers.registry import resolve_number
from sitegen.rows.results import Results, load_results
from sitegen.tables.token_products import token_table
from tests.sitegen import example_rows as rows

TIMES = {
    "token[float32]": 30.0,
    "token[float32,compiled]": 24.0,
    "token[int8,compiled]": 8.0,
    "token[int8,numkong]": 6.0,
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """One run, whose numkong gave wrong results at one preset."""
    changes = {"run_id": "token-1", "kind": "token", "suite": "token", "tokens_per_step": 1}
    wrong = {"status": "diverged", "error_tail": "a result is off by 0.1"}
    cells = [
        rows.cell(
            variant, preset, time, **changes, **(wrong if (variant, preset) == ("token[int8,numkong]", "gpt2") else {})
        )
        for preset in ("mega", "gpt2")
        for variant, time in TIMES.items()
    ]
    root = tmp_path_factory.mktemp("results")
    return load_results(rows.store(root, rows.ladder(), rows.joined(*cells)))


def test_each_way_has_its_ratio_and_its_time_or_its_failure(results: Results) -> None:
    table = unescape(token_table(results))
    lines = [re.sub("<[^>]+>", " ", line) for line in re.findall(r"<tr>.*?</tr>", table)]
    assert ["mega" in lines[0], "gpt2" in lines[0], "2026-11-20" in lines[0]] == [True, True, True]
    assert [line.strip().split("  ")[0] for line in lines[1:]] == [
        "float32, NumPy", "float32, our compiled loop", "int8, our compiled loop", "int8, numkong: rounds the row too",
    ]  # fmt: skip
    assert "3.00×" in lines[3] and "8.00 ms" in lines[3] and "1 round, no interval" in lines[3]
    assert "diverged" in lines[4] and "a result is off by 0.1" in table


def test_a_page_without_rows_has_the_command(tmp_path: Path) -> None:
    assert "invoke bench --suite token" in unescape(token_table(load_results(tmp_path)))


def test_prose_quotes_a_way_at_a_preset(results: Results) -> None:
    quoted = QuotedRows(results)
    assert resolve_number("token_ms.int8,compiled.gpt2", quoted).text == "8.00 ms"
    assert resolve_number("token_over.int8,compiled.gpt2", quoted).text == "3.00× (1 round)"
    missing = resolve_number("token_over.int8,numkong.gpt2", quoted)
    assert (missing.text, missing.command) == (None, "invoke bench --suite token --presets gpt2")
