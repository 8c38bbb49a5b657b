"""The figures about the inside of the fast engine: parts of a step, forms of a kernel, the stack of wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.arms.kernel_parts import PARTS
from bench.records.rows import Rows
from sitegen.figures import FIGURES
from sitegen.figures.breakdown import part_colors
from sitegen.figures.render import chart_spec
from sitegen.figures.variants import OFF_SCALE, STAGES
from sitegen.rows.results import load_results
from sitegen.text.palette import DARK, LIGHT, Theme
from tests.sitegen import example_rows as rows


def test_a_bar_is_a_whole_step(tmp_path: Path) -> None:
    plotted = FIGURES["breakdown"].rows(load_results(rows.store(tmp_path, rows.kernels())))
    assert len(plotted) == 2 * len(PARTS)
    for _, bar in plotted.groupby("preset"):
        assert bar["part"].tolist() == [*PARTS]
        assert bar["start"].tolist()[1:] == pytest.approx(bar["end"].tolist()[:-1])
        assert (bar["start"].iloc[0], bar["end"].iloc[-1]) == pytest.approx((0.0, 1.0))
    product = plotted.iloc[0]
    assert (product["share_text"], product["stopwatch"]) == ("50 %", "+5.3 %")
    assert plotted["share_text"].iloc[len(PARTS) - 1] == "5 %"
    assert FIGURES["breakdown"].describe(plotted).count("product 50 %") == 2


@pytest.mark.parametrize(
    ("name", "part"), [("breakdown", rows.kernels), ("kernel_forms", rows.kernels), ("generation", rows.texts)]
)
def test_machines_are_a_choice(tmp_path: Path, name: str, part: Callable[..., Rows]) -> None:
    other = part("b", machine=rows.MACHINE | {"cpu": "Other 1"})
    plotted = FIGURES[name].rows(load_results(rows.store(tmp_path, part("a"), other)))
    spec = chart_spec(FIGURES[name], plotted, LIGHT)
    [menu] = [parameter for parameter in spec["params"] if parameter["name"] == "machine"]
    assert menu["bind"]["input"] == "radio"
    assert [words.split(",")[0] for words in menu["bind"]["labels"]] == ["Example 9000", "Other 1"]
    assert spec["usermeta"]["headlines"].keys() == {menu["bind"]["options"][1]}


def test_generators_are_lines_below_the_name_of_their_preset_and_no_line_is_empty(tmp_path: Path) -> None:
    few = rows.cell("vectorized", "huge", 900.0, "few", kind="generation", tokens_per_step=256)
    jax = rows.cell("jax[device=cpu]", "huge", 1900.0, "few", kind="generation", tokens_per_step=256)
    store = rows.store(tmp_path, rows.texts("a", ("xl", "small"), jax_status="oom"), rows.joined(few, jax))
    figure = FIGURES["generation"]
    spec = chart_spec(figure, figure.rows(load_results(store)), LIGHT)
    [drawn] = spec["datasets"].values()
    drawn = sorted(drawn, key=lambda row: row["line"])
    four = ["vectorized", "torch", "jax-textbook", "torch-1-thread"]
    assert [row["variant"] or row["preset"] for row in drawn] == [
        "small", *four, "xl", *four, "huge", "vectorized", "jax[device=cpu]",
    ]  # fmt: skip
    assert len({row["line"] for row in drawn}) == len(drawn) == spec["height"] / 18
    words = [layer["transform"][-1].get("calculate", "") for layer in spec["layer"] if layer.get("transform")]
    assert any("datum.status" in text for text in words), "what failed has a name, not only a cross"


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_no_two_parts_share_a_colour(theme: Theme) -> None:
    assert len(set(part_colors(theme))) == len(PARTS)


def test_each_kernel_says_who_wins_and_what_the_engine_took(tmp_path: Path) -> None:
    plotted = FIGURES["kernel_forms"].rows(load_results(rows.store(tmp_path, rows.kernels())))
    assert len(plotted) == 3 * 2 * 2
    by_label = plotted.drop_duplicates("label").set_index("label")["faster"]
    assert by_label["gelu, cache"] == "NumPy 12.0×"
    assert by_label["normalize backward, memory"] == "neither"
    assert by_label["adamw, memory"] == "NumExpr 1.33×"
    taken = plotted[plotted["taken"] == "yes"]
    assert set(zip(taken["kernel"], taken["form"], strict=True)) == {
        ("gelu", "NumPy"), ("normalize_backward", "NumPy"), ("adamw", "NumExpr"),
    }  # fmt: skip


def test_the_stack_counts_from_numpy_and_each_stage_from_the_one_before(tmp_path: Path) -> None:
    plotted = FIGURES["variants"].rows(load_results(rows.store(tmp_path, rows.stack())))
    tiny = plotted[plotted["preset"] == "tiny"].set_index("stage")
    assert tiny.index.tolist() == [*STAGES.values()]
    assert tiny["speedup"].tolist() == pytest.approx([0.01, 1.0, 2.0, 3.0, 4.0, 30 / 6.5, 5.0, 6.0])
    assert tiny["gain"].tolist() == ["", "100×", "2.00×", "1.50×", "1.33×", "1.15×", "1.08×", "1.20×"]
    assert tiny["evidence"]["processes"] == "6 rounds"
    assert plotted[plotted["preset"] == "small"]["stage"].tolist() == [*STAGES.values()][1:]


def test_a_stack_comes_from_one_run_and_only_python_may_come_from_another(tmp_path: Path) -> None:
    ladder = rows.ladder("run-2")  # newer code perhaps, but without the stages between
    plotted = FIGURES["variants"].rows(
        load_results(rows.store(tmp_path, rows.stack(presets=("small", "medium")), ladder))
    )
    assert set(plotted["preset"]) == {"small", "medium"}
    small = plotted[plotted["preset"] == "small"].set_index("stage")
    assert small["evidence"]["python"] == "1 round"
    unlike = rows.stack(presets=("medium", "small"))
    plotted = FIGURES["variants"].rows(load_results(rows.store(tmp_path / "b", unlike, ladder)))
    small = plotted[plotted["preset"] == "small"].set_index("stage")
    assert small["evidence"]["python"] == "1 round, from another run"
    assert small["speedup"]["python"] == pytest.approx(31 / 9000, rel=0.05)
    assert small["speedup"]["processes"] == pytest.approx(4.0)


def test_plain_python_does_not_flatten_the_stack(tmp_path: Path) -> None:
    figure = FIGURES["variants"]
    plotted = figure.rows(load_results(rows.store(tmp_path, rows.stack())))
    spec = chart_spec(figure, plotted, LIGHT)
    low, high = spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert OFF_SCALE < low < 1 < 6 < high < 9
    assert spec["layer"][-1]["encoding"]["text"]["field"] == "edge_text"


@pytest.mark.parametrize("name", ["breakdown", "kernel_forms", "variants"])
def test_without_rows_there_is_a_command_that_makes_some(tmp_path: Path, name: str) -> None:
    results = load_results(rows.store(tmp_path, rows.ladder()))
    assert FIGURES[name].rows(results).empty
    assert FIGURES[name].command.startswith("invoke bench --")
