from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sitegen.figures import FIGURES
from sitegen.figures.render import chart_spec
from sitegen.figures.speedup import baselines, default_baseline
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.numbers.registry import resolve_number
from sitegen.rows.cells import cell_frame
from sitegen.rows.projections import cost_models, mark_bridges, projected_cells, projected_ratios
from sitegen.rows.ratios import ratio_frame
from sitegen.rows.results import Results, load_results
from sitegen.tables.cost_tables import budget_table, cost_model_table, forecasts_table
from sitegen.text.palette import DARK, LIGHT
from tests.sitegen import example_rows as rows
from tinygpt.presets import LADDER
from tinygpt.terminal import quantities


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """python at two presets, numpy at four, vectorized at five; a local machine with two engines beside it."""
    local = rows.joined(
        rows.cell("numpy", "tiny", 5.0, run_id="mine"), rows.cell("numpy", "small", 20.0, run_id="mine")
    )
    rows.store(tmp_path, local, published=False)
    return load_results(rows.store(tmp_path, rows.ladder()))


def test_presets_are_projected_where_another_engine_was_measured(results: Results) -> None:
    projected = projected_cells(cell_frame(results))
    found = {(row.variant, row.preset) for row in projected.itertuples()}
    assert found == {("python", "medium"), ("python", "large"), ("python", "xl"), ("numpy", "xl")}
    assert set(projected["origin"]) == {"published"}, "the machine that prose quotes, and no other"
    assert (projected["seconds_low"] < projected["seconds"]).all()
    assert (projected["seconds"] < projected["seconds_high"]).all()
    models = cost_models(cell_frame(results))
    for row in projected.itertuples():
        assert models[str(row.variant)].id in str(row.code)
        assert row.command == f"invoke bench --suite full --presets {row.preset} --engines {row.variant}"


def test_one_side_of_a_projected_ratio_was_measured(results: Results) -> None:
    cells = cell_frame(results)
    ratios = projected_ratios(cells)
    measured = {(row.variant, row.preset) for row in cells[cells["state"] == "measured"].itertuples()}
    for row in ratios.itertuples():
        sides = [(row.variant, row.preset) in measured, (row.baseline, row.preset) in measured]
        assert sorted(sides) == [False, True]
        assert row.speedup == pytest.approx(row.baseline_seconds / row.seconds)
        assert row.speedup_low < row.speedup < row.speedup_high
    xl = ratios[(ratios["preset"] == "xl") & (ratios["baseline"] == "python")]
    assert list(xl["variant"]) == ["vectorized"], "numpy at xl is projected as well: no ratio of two guesses"


def test_no_aggregate_contains_a_projection(results: Results) -> None:
    assert set(cell_frame(results)["state"]) == {"measured", "failed"}
    assert not ratio_frame(results)["evidence"].str.contains("projected").any()
    quoted = QuotedRows(results)
    missing = resolve_number("speedup.vectorized.python.xl", quoted)
    assert missing.text is None
    assert resolve_number("presets.measured.python", quoted).text == f"2 of {len(LADDER)}"
    plotted = FIGURES["speedup"].rows(results)
    assert (plotted["state"] == "projected").any()
    assert default_baseline(plotted) == default_baseline(plotted[plotted["state"] != "projected"])
    assert set(baselines(plotted)) == set(plotted.loc[plotted["state"] == "measured", "baseline"].dropna())


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("name", ["speedup", "step_time"])
def test_projected_points_are_strokes_and_their_lines_dashed(results: Results, name: str, theme: Any) -> None:
    figure = FIGURES[name]
    plotted = figure.rows(results)
    assert "projection" in figure.describe(plotted)
    layers = chart_spec(figure, plotted, theme)["layer"]
    projected = [layer for layer in layers if "projected" in json.dumps(layer.get("transform", []))]
    points = [layer["mark"] for layer in projected if layer["mark"]["type"] == "point"]
    assert [mark["shape"] for mark in points] == ["stroke"]
    assert [layer["mark"]["type"] for layer in projected] == ["rule", "point"]
    lines = [layer["mark"] for layer in layers if "bridge" in json.dumps(layer.get("transform", []))]
    assert [("strokeDash" in mark, mark["type"]) for mark in lines] == [(True, "line")]
    # Round points, hollow or full, are of measured rows alone.
    for layer in layers:
        mark = layer["mark"]
        if mark["type"] == "point" and "shape" not in mark:
            assert "datum.state == 'measured'" in json.dumps(layer["transform"])


def test_without_projections_there_are_no_empty_layers(tmp_path: Path) -> None:
    pair = rows.joined(rows.cell("numpy", "tiny", 8.0), rows.cell("vectorized", "tiny", 4.0))
    results = load_results(rows.store(tmp_path, pair))
    for name in ("speedup", "step_time"):
        spec = json.dumps(chart_spec(FIGURES[name], FIGURES[name].rows(results), LIGHT))
        assert "datum.bridge" not in spec and "'projected'" not in spec


def test_nothing_measured_projects_nothing(tmp_path: Path) -> None:
    results = load_results(tmp_path)
    cells = cell_frame(results)
    assert cost_models(cells) == {}
    assert projected_cells(cells).empty and projected_ratios(cells).empty
    assert "invoke bench" in cost_model_table(results) and "invoke bench" in budget_table(results)


def test_a_dashed_line_runs_from_the_measured_neighbours() -> None:
    frame = pd.DataFrame(
        {
            "state": ["measured", "measured", "projected", "failed", "measured", "measured", "measured"],
            "n_parameters": [1, 2, 3, 3, 4, 5, 2],
            "variant": ["a"] * 6 + ["b"],
        }
    )
    assert list(mark_bridges(frame, ["variant"])) == [False, True, True, False, True, False, False]


def test_the_error_is_published(results: Results) -> None:
    quoted = QuotedRows(results)
    model = cost_models(quoted.cells)["vectorized"]
    assert resolve_number("cost.error.vectorized", quoted).text == f"{model.largest_error:.0%}".replace("%", " %")
    assert resolve_number("cost.median.numpy", quoted).text
    table = html.unescape(cost_model_table(results))
    assert table.count("<tr>") == 1 + sum(len(times) for times in rows.TIMES.values())
    for left in model.left_out:
        assert quantities.signed_percent(left.relative_error) in table


def test_the_share_of_forecasts_that_held_is_shown_where_runs_predict_each_other(tmp_path: Path) -> None:
    trained = [rows.training(f"train-{number}", steps=1000 + 500 * number) for number in range(3)]
    one, several = (load_results(rows.store(tmp_path / str(len(some)), *some)) for some in (trained[:1], trained))
    assert "No training runs that predict each other" in forecasts_table(one)
    table = html.unescape(forecasts_table(several))
    assert "its own first part, or a shorter run" in table and "100 %" in table
    assert "advice" not in table


def test_advice_counts_as_inside_where_its_spread_was_stored(tmp_path: Path) -> None:
    advice = ({"expected_loss": 1.5, "expected_spread": 0.2}, {"expected_loss": 1.5, "expected_spread": 0.01},
              {"expected_loss": 1.5}, {})  # fmt: skip
    trained = [rows.training(f"train-{number}", steps=1000, **changes) for number, changes in enumerate(advice)]
    table = forecasts_table(load_results(rows.store(tmp_path, *trained)))
    with_spread, without = re.findall(r"<tr><td>advice before the run(.*?)</tr>", html.unescape(table), re.DOTALL)
    assert re.findall(r">([^<>]+)</td>", with_spread) == ["2", "2", "0.05", "0.11", "50 %"]
    assert without.startswith(", without a spread")


def test_a_budget_is_told_for_every_preset(tmp_path: Path) -> None:
    results = load_results(rows.store(tmp_path, rows.ladder(), rows.training(steps=1000)))
    table = html.unescape(budget_table(results))
    assert all(f"<td>{preset}</td>" in table for preset in LADDER)
    assert "~" in table


def test_errors_are_written_with_their_sign() -> None:
    assert [quantities.signed_percent(value) for value in (0.083, -0.331, 0.001, -0.001)] == [
        "+8 %",
        "−33 %",
        "0 %",
        "0 %",
    ]
