"""The comparison of tokenizers, from rows that the program itself recorded."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

from bench.records.store import read_table
from bench.statistics.training_parts import TOKENIZERS
from bench.training.record_training import record_events
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.numbers.registry import resolve_number
from sitegen.rows.results import Results, load_results
from sitegen.rows.tokenizers import best_of_each_kind, compared
from sitegen.tables.tokenizers import tokenizers_table
from tests.tinygpt.training.small_runs import CORPUS, plan
from tinygpt.training.session import run_session

BPE = "bpe:280"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("results")

    def record(name: str, suite: str, **changes: object) -> None:
        one = plan(root / name, recipe="muon", eval_every=4, **changes)
        list(record_events(run_session(one, CORPUS), root, suite))

    record("pace", "train", tokenizer=BPE, steps=13)
    for seed in (0, 1):
        record(f"bpe-{seed}", TOKENIZERS, tokenizer=BPE, steps=4, seed=seed)
    record("bytes", TOKENIZERS, steps=8, seed=0)
    return load_results(root)


def test_runs_of_a_shape_are_one_row_with_the_time_of_their_steps_on_the_processor(results: Results) -> None:
    found = compared(results)
    assert {(one.vocab_size, len(one.runs), one.first.steps_done) for one in found} == {(280, 2, 4), (256, 1, 8)}
    assert [one.loss for one in found] == sorted(one.loss for one in found)
    pair = best_of_each_kind(found)
    assert pair is not None
    of_bytes, other = pair
    assert (of_bytes.vocab_size, other.vocab_size) == (256, 280)
    assert of_bytes.pace is None and of_bytes.processor_seconds is None  # only comparisons have bytes here
    assert other.pace is not None and other.pace[0].suite == "train"
    assert other.processor_seconds == pytest.approx(4 * other.pace[1])
    table = unescape(tokenizers_table(results))
    assert "BPE, 280" in table and "bytes" in table and f"{other.loss:.4f}" in table


def test_the_gain_is_that_of_the_lowest_losses_and_says_how_many_seeds_show_it(results: Results) -> None:
    pair = best_of_each_kind(compared(results))
    assert pair is not None
    of_bytes, other = pair
    [loss] = [loss for run, loss in zip(other.runs, other.losses, strict=True) if run.seed == of_bytes.first.seed]
    expected = f"{100 * (1 - loss / of_bytes.loss):.1f} % (1 seed)"
    assert resolve_number("tokenizers.gain", QuotedRows(results)).text == expected


def test_without_runs_the_command_is_named(tmp_path: Path) -> None:
    empty = load_results(tmp_path)
    assert len(read_table("runs", tmp_path)) == 0
    assert "accelerator-train" in unescape(tokenizers_table(empty))
    assert resolve_number("tokenizers.gain", QuotedRows(empty)).text is None
