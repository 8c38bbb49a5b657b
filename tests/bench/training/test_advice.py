"""Advice on what to train: the choice, its text, and the difference after the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.planning.budget import Budget, BudgetRow
from bench.planning.final_losses import EndOfRun
from bench.planning.forecast import CannotTell, Forecast
from bench.records.store import read_table
from bench.statistics.cost_model import Estimate
from bench.training.advice import TOKENS_PER_PARAMETER, advice_text, advise, outcome_text, with_outlook
from bench.training.record_training import Expected, record_events
from tinygpt.corpora import Corpus
from tinygpt.errors import CapacityError
from tinygpt.presets import PRESETS
from tinygpt.training.events import EvaluationRecord, PlanRecord, StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.session import run_session


def row(preset: str, steps: int, loss: float | None, fits: bool = True, spread: float = 0.05) -> BudgetRow:
    unknown = CannotTell("no run on stories is on record", "invoke train --record")
    expected = unknown if loss is None else Forecast(loss, spread, preset)
    tokens = steps * PRESETS[preset].tokens_per_step
    return BudgetRow(preset, Estimate(0.02, 0.018, 0.022), False, steps, tokens, expected, 10**8, fits)


def budget(*rows: BudgetRow) -> Budget:
    return Budget(15.0, "vectorized", "stories", rows, None, 0.9, None)


def test_the_lowest_expected_loss_that_fits_is_chosen():
    rows = (row("tiny", 9000, 1.9), row("small", 4000, 1.6), row("medium", 900, 1.5, fits=False))
    advice = advise(budget(*rows, row("large", 100, 2.2)))
    assert (advice.row.preset, advice.steps, advice.expected) == ("small", 4000, Expected(900.0, 1.6, 0.05))
    text = advice_text(advice)
    for words in ("15 minutes", "preset small", "lowest expected loss", "about 4,000 steps", "1.60 ± 0.05"):
        assert words in text


def test_overlapping_intervals_are_said_and_the_one_that_ends_lowest_is_chosen():
    vague, narrow, worse = row("small", 4000, 1.5, spread=0.3), row("medium", 900, 1.6), row("large", 100, 2.2)
    advice = advise(budget(vague, narrow, worse))
    assert advice.row is narrow
    assert advice.reason == "cannot tell which of small and medium is better; its interval of the loss ends lowest"
    apart = advise(budget(row("small", 4000, 1.5), row("medium", 900, 1.7)))
    assert (apart.row.preset, apart.reason) == ("small", "the lowest expected loss")


def test_an_advice_says_when_the_tokens_buy_less_than_the_interval_spans():
    vague = replace(row("small", 4000, None), loss=Forecast(1.49, 0.24, "small", 9.8, 0.29))
    assert "1.49 ± 0.24 nats per byte (the tokens beyond that run's end buy 0.29, less" in advice_text(
        advise(budget(vague))
    )


def test_other_settings_have_the_same_choice_and_no_expected_loss():
    advice = advise(budget(row("tiny", 9000, 1.9), row("small", 4000, 1.6)))
    assert advice.for_run(TrainingPlan(Path("runs/a"), recipe="muon", dropout=0.1)) == advice
    other = advice.for_run(TrainingPlan(Path("runs/a"), recipe="muon", learning_rate=1e-3))
    assert (other.row.preset, other.steps, other.expected) == ("small", 4000, Expected(900.0, None))
    text = advice_text(other)
    assert text.endswith("with the recipe's own settings, unknown with --recipe muon --learning-rate 0.001")
    assert "1.60 ± 0.05 nats per byte" in text


def test_an_unknown_text_is_ranked_on_the_best_known_one_and_the_loss_is_shown_on_the_way():
    ends = [
        EndOfRun(preset, "fables", tokens, loss, {0.2: 1.2 + tokens / 1e9, 0.5: 1.1})
        for preset, gain in (("tiny", 0.0), ("small", 0.2))
        for tokens, loss in ((2.5e6, 2.0 - gain), (4e6, 1.8 - gain))
    ]
    advice = advise(budget(row("tiny", 9000, None), row("small", 4000, None)), ends)
    assert (advice.row.preset, advice.reason) == ("small", "the lowest expected loss on fables")
    assert advice.expected == Expected(900.0) and advice.dropout == 0.0
    assert "cannot tell" in advice_text(advice)
    plan = TrainingPlan(Path("runs/a"), steps=3000)
    shown: list[str] = []
    events = [
        EvaluationRecord(600, 2.5, 2.4, 1.0),
        PlanRecord(600, plan),
        EvaluationRecord(900, 2.4, 2.3, 1.0),
        PlanRecord(900, plan),
    ]
    assert list(with_outlook(iter(events), ends, shown)) == events
    assert shown == ["at 20% of the time: expected at the end, a held-out loss of 1.99 to 2.00"]


def test_a_text_that_is_read_often_gets_dropout():
    read = replace(budget(row("small", 40_000, 1.6)), text_tokens=1_000_000)
    assert advise(read).dropout > 0.0
    assert advise(replace(read, text_tokens=40_000_000)).dropout == 0.0


def test_without_curves_the_largest_preset_with_enough_text_is_chosen():
    enough = TOKENS_PER_PARAMETER * PRESETS["small"].model.n_parameters // PRESETS["small"].tokens_per_step + 1
    rows = (row("tiny", 90_000, None), row("small", enough, None), row("medium", 900, None))
    assert advise(budget(*rows)).row.preset == "small"
    assert advise(budget(row("tiny", 3, None), row("small", 1, None))).row.preset == "tiny"
    assert "enough text" in advice_text(advise(budget(*rows)))


def test_an_error_if_no_preset_fits():
    with pytest.raises(CapacityError, match="invoke doctor"):
        advise(budget(row("tiny", 10, 2.0, fits=False)))


def test_the_outcome_is_compared_with_the_advice(tmp_path):
    plan = TrainingPlan(tmp_path, preset="tiny")
    stop = StopRecord("finished", None, 0, 1000, plan, 1.5, 1.66, 990.0)
    assert outcome_text(Expected(900.0, 1.6, 0.05), stop) == (
        "it took 16.5 min instead of 15.0 min (+10%); held-out loss 1.660, expected 1.600 ± 0.050"
    )
    assert "expected" not in outcome_text(Expected(900.0, None), stop)


def test_the_advice_is_in_the_run_s_row(tmp_path):
    text = b"The fox saw a hen. The hen saw the fox. Off she went.\n" * 20
    corpus = Corpus("fables", text, text, "public domain", "here")
    plan = TrainingPlan(tmp_path / "run", preset="tiny", corpus="fables", engine="numpy", steps=2)
    list(record_events(run_session(plan, corpus), tmp_path, expected=Expected(60.0, 5.0, 0.25)))
    runs = read_table("runs", tmp_path)
    expected = runs[["expected_seconds", "expected_loss", "expected_spread"]]
    assert expected.iloc[0].tolist() == [60.0, 5.0, 0.25]
    assert runs["wall_seconds"].iloc[0] < 60.0
    again = replace(plan, out=Path(tmp_path / "other"))
    list(record_events(run_session(again, corpus), tmp_path))
    assert read_table("runs", tmp_path)["expected_seconds"].isna().sum() == 1
