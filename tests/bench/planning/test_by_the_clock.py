"""The plan of a run by the clock: steps from a timed step, passes in the run's own tokens."""

from __future__ import annotations

import pytest

from bench.planning import by_the_clock
from bench.planning.by_the_clock import plan_minutes
from bench.training.advice import advise
from tests.tinygpt.training.small_runs import CORPUS
from tinygpt.corpora.token_files import corpus_tokens
from tinygpt.errors import ConfigError
from tinygpt.presets import PRESETS
from tinygpt.system.memory import Memory
from tinygpt.tokenizers import load_tokenizer


def test_other_tokens_are_timed_with_their_vocabulary_and_read_a_text_more_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int | None] = []

    def calibrate(*arguments: object) -> dict[str, float]:
        sizes.append(arguments[-1])  # type: ignore[arg-type]
        return {"tiny": 0.5}

    monkeypatch.setattr(by_the_clock, "calibrate", calibrate)
    memory = Memory(10**10, "the system")
    passes, dropouts = [], []
    for name in ("bytes", "bpe:280"):
        text = corpus_tokens(CORPUS, load_tokenizer(name, CORPUS))
        budget = plan_minutes([], 2.0, 0.0, "numpy", "fables", text, memory, ("tiny",), "muon", print)
        row = budget.rows[0]
        assert row.tokens == row.steps * PRESETS["tiny"].tokens_per_step
        assert budget.text_tokens == len(text.train)
        dropouts.append(advise(budget).dropout)
        passes.append(row.tokens / budget.text_tokens)
    assert sizes == [256, 280] and dropouts == [0.1, 0.2]
    assert passes[1] > 1.5 * passes[0]


def test_minutes_that_are_over_before_the_first_step_are_refused(monkeypatch):
    monkeypatch.setattr(by_the_clock, "calibrate", lambda *_arguments: {"tiny": 0.5})
    text = corpus_tokens(CORPUS, load_tokenizer("bytes", CORPUS))
    with pytest.raises(ConfigError, match=r"^--minutes 1 is over before the first step: preparing took 70\.0 s"):
        plan_minutes([], 1.0, 70.0, "numpy", "fables", text, Memory(10**10, "the system"), ("tiny",), "muon", print)
