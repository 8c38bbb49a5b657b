"""The failure clinic on the site: figure, table, texts and numbers, and that its runs stay out of everything else."""

from __future__ import annotations

import pytest

from bench.planning.forecast import trained_runs
from bench.training.clinic_cases import CASES, HEALTHY
from sitegen.figures import FIGURES
from sitegen.figures.clinic import HIGHEST
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.numbers.registry import resolve_number
from sitegen.rows.results import Results, load_results
from sitegen.rows.training import training_runs
from sitegen.tables.registry import TABLES
from sitegen.tables.samples import written_samples
from tests.sitegen import example_rows as rows


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load_results(rows.store(tmp_path_factory.mktemp("results"), *rows.clinic()))


def test_every_case_has_both_curves(results: Results) -> None:
    plotted = FIGURES["clinic"].rows(results)
    assert set(plotted.groupby(["case", "series"]).groups) == {
        (case, series) for case in CASES for series in ("training", "held out")
    }
    assert (plotted["shown_loss"] <= HIGHEST).all()
    words = FIGURES["clinic"].describe(plotted)
    assert f"{CASES['mask'].title}: 1.96 training and 2.10 held out" in words


def test_numbers_are_those_of_the_newest_run(results: Results, tmp_path) -> None:
    steps = results.steps[results.steps["run_id"] == "clinic-mask"]
    quoted = QuotedRows(results)
    assert resolve_number("clinic.train.mask", quoted).text == f"{steps['loss'].tail(20).mean():.2f}"
    assert resolve_number("clinic.held_out.mask", quoted).text == f"{steps['held_out_loss'].iloc[-1]:.2f}"
    assert resolve_number("clinic.lowest.mask", quoted).runs == ("clinic-mask",)
    nothing = QuotedRows(load_results(rows.store(tmp_path, *rows.clinic([HEALTHY]))))
    missing = resolve_number("clinic.train.mask", nothing)
    assert missing.text is None and missing.command == "invoke clinic --cases mask"


def test_texts_and_table_are_shown_or_say_how_to_make_them(results: Results, tmp_path) -> None:
    assert TABLES["clinic"](results).count("<tr>") == 1 + len(CASES)
    assert "there was a fox" in TABLES["clinic_text.mask"](results)
    nothing = load_results(tmp_path)
    assert "invoke clinic" in TABLES["clinic"](nothing)
    assert "invoke clinic &#45;&#45;cases mask" in TABLES["clinic_text.mask"](nothing)


def test_broken_runs_stay_out_of_losses_samples_and_forecasts(results: Results) -> None:
    assert training_runs(results) == []
    assert written_samples(results).empty
    assert trained_runs(results.runs, results.steps) == []
