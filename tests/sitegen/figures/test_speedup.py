"""The main figure: what its rows hold, what a reader can choose, and inputs that leave little to draw."""

from __future__ import annotations

import json
import math
import re
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import pytest
import vl_convert

from sitegen.figures import FIGURES
from sitegen.figures.axes import at_size, log_ticks, parameter_axis
from sitegen.figures.chart_texts import duration_expression, ratio_expression, tick_duration
from sitegen.figures.grammar.line_names import LineNames
from sitegen.figures.menus import up_to
from sitegen.figures.render import STATIC_WIDTH, chart_spec
from sitegen.figures.speedup import default_baseline
from sitegen.rows.curves import OFF_SCALE, _edges, curve_rows, is_off_scale, steps_and_failures
from sitegen.rows.results import Results, load_results
from sitegen.tables.cost_tables import cost_terms_table
from sitegen.tables.speed_tables import failures_table, ratio_table
from sitegen.text.palette import LIGHT
from tests.sitegen import example_rows as rows
from tests.sitegen.charts import computed
from tinygpt.terminal.quantities import duration, ratio

FIGURE = FIGURES["speedup"]
Spec = dict[str, Any]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A ladder with a failure, and beside it complete runs with peers at two presets."""
    root = tmp_path_factory.mktemp("results")
    return load_results(rows.store(root, rows.ladder(), rows.peers("small"), rows.peers("xl", 12.0, "refused")))


@pytest.fixture(scope="module")
def plotted(results: Results) -> pd.DataFrame:
    return FIGURE.rows(results)


@pytest.fixture(scope="module")
def spec(plotted: pd.DataFrame) -> Spec:
    return spec_of(plotted)


def spec_of(plotted: pd.DataFrame) -> Spec:
    """Specification of the chart, unvalidated: test_figures.py validates those of all figures."""
    return chart_spec(FIGURE, plotted, LIGHT)


def parameters(spec: Spec) -> dict[str, dict[str, Any]]:
    return {parameter["name"]: parameter for parameter in spec["params"]}


def drawn(spec: Spec, **chosen: str) -> str:
    """The picture with parameters set, as a link sets them."""
    spec = deepcopy(spec)
    for name, value in chosen.items():
        parameters(spec)[name]["value"] = value
    return str(vl_convert.vegalite_to_svg(json.dumps({**spec, "width": STATIC_WIDTH}), vl_version="6.4"))


def test_the_menus_are_named_as_links_have_them_and_worded(spec: Spec) -> None:
    found = parameters(spec)
    menus = {name: found[name]["bind"]["options"] for name in ("measure", "baseline", "show")}
    assert menus == {
        "measure": ["speedup", "step_time"],
        "baseline": ["python", "numpy", "vectorized", "torch", "torch-mkl-avx512", "jax-textbook"],
        "show": ["engines", "peers"],
    }
    labels = dict(zip(menus["baseline"], found["baseline"]["bind"]["labels"], strict=True))
    assert labels["torch"] == "PyTorch"
    assert labels["torch-mkl-avx512"] == "PyTorch, AVX-512"
    assert found["baseline"]["bind"]["input"] == "radio"  # a row of buttons
    assert (found["measure"]["value"], found["baseline"]["value"], found["show"]["value"]) == (
        "speedup", "numpy", "peers",
    )  # fmt: skip


@pytest.mark.parametrize("measure", ["speedup", "step_time"])
@pytest.mark.parametrize("baseline", ["python", "torch"])
@pytest.mark.parametrize("show", ["engines", "peers"])
def test_every_choice_draws_what_it_says(spec: Spec, measure: str, baseline: str, show: str) -> None:
    svg = drawn(spec, measure=measure, baseline=baseline, show=show)
    assert "NaN" not in svg and "undefined" not in svg
    name = {"python": "python", "torch": "PyTorch"}[baseline]
    title = "time of one training step" if measure == "step_time" else f"times as fast as {name}"
    assert title in svg
    # At the end of its line, where it has one: no run has both plain Python and a peer.
    has_line = show == "peers" and (measure, baseline) != ("speedup", "python")
    assert (">PyTorch, AVX-512</text>" in svg) == has_line


def test_a_peer_is_grey_until_a_reader_points_at_it(spec: Spec) -> None:
    fills = [re.search(r'fill="(#\w+)"[^>]*>PyTorch</text>', drawn(spec, pointed=line)) for line in ("", "torch")]
    assert [found.group(1) for found in fills if found] == [LIGHT.rival, LIGHT.spare[0]]


def test_each_ratio_is_of_all_runs_that_know_it(plotted: pd.DataFrame) -> None:
    at_small = plotted[(plotted["preset"] == "small") & (plotted["baseline"] == "numpy")].set_index("variant")
    # The run with the peers measured numpy at 62 ms, the ladder at 31; python comes from there alone.
    assert at_small["value"].to_dict() == pytest.approx(
        {"python": 31 / 9000, "vectorized": math.sqrt(62 / 20 * 31 / 13), "torch": 62 / 26, "torch-mkl-avx512": 62 / 22,
         "jax-textbook": 62 / 30, "roofline": 62 / 13}
    )  # fmt: skip
    times = plotted[(plotted["preset"] == "small") & (plotted["measure"] == "step_time")].set_index("variant")
    assert times.loc["numpy", "value"] == pytest.approx(0.062)


def test_a_point_tells_what_it_is_worth_and_how_to_repeat_it(plotted: pd.DataFrame, spec: Spec) -> None:
    row = plotted[(plotted["measure"] == "step_time") & (plotted["variant"] == "torch")].iloc[0]
    assert row["verdict_text"] == "unresolved: fewer than 6 rounds"
    assert row["command"] == "invoke bench --presets small --engines torch"
    assert row["code"] == "no commit recorded"
    told = [entry["field"] for layer in spec["layer"] for entry in layer["encoding"].get("tooltip", [])]
    assert {"verdict_text", "protocol", "machine", "code", "command", "interval", "reason"} <= set(told)


def test_the_chart_writes_quantities_as_the_tables_do() -> None:
    values = [1.234e-5, 0.0134, 0.998, 0.9997, 2.31, 119.0, 4321.0, 98765.0]
    ratios = [0.00412, 0.85, 6.13, 9.999, 13.7, 241.0, 1244.0]
    chart = alt.Chart(pd.DataFrame({"value": values + ratios, "time": [True] * len(values) + [False] * len(ratios)}))
    expression = f"datum.time ? {duration_expression('datum.value')} : {ratio_expression('datum.value')}"
    svg = vl_convert.vegalite_to_svg(
        chart.transform_calculate(text=expression).mark_text().encode(text="text:N").to_dict()
    )
    written = [*map(duration, values), *map(ratio, ratios)]
    assert re.findall(r"<text[^>]*>([^<]+)</text>", svg) == written
    assert [tick_duration(seconds) for seconds in (1e-5, 0.01, 10, 600, 36_000)] == [
        "10 µs", "10 ms", "10 s", "10 min", "10 h",
    ]  # fmt: skip


def test_a_ratio_is_told_with_the_two_times_that_it_is_made_of(plotted: pd.DataFrame, spec: Spec) -> None:
    told = computed(spec, "detail")
    assert "20.0 ms against 26.0 ms a step" in told
    assert set(plotted["detail"]) - {""} <= set(told)


def test_verdicts_are_drawn(tmp_path: Path) -> None:
    def six(variant: str, times: list[float]) -> list[dict[str, list[dict[str, Any]]]]:
        return [rows.cell(variant, "small", value, round_number=number) for number, value in enumerate(times)]

    steady, shaky = [10.0 + 0.01 * n for n in range(6)], [5.0 * (1 + 0.1 * n) for n in range(6)]
    found = FIGURE.rows(
        load_results(rows.store(tmp_path, rows.joined(*six("numpy", steady), *six("vectorized", shaky))))
    )
    verdicts = found.set_index(["measure", "variant"])["verdict_text"]
    assert verdicts["step_time", "numpy"] == "stable"
    assert verdicts["step_time", "vectorized"] == "noisy: the interval is wider than 10 %"
    points = re.findall(
        r'<path aria-label="[^"]*" role="graphics-symbol" aria-roledescription="point"[^>]*>',
        drawn(spec_of(found), measure="step_time"),
    )
    hollow = [f'fill="{LIGHT.background}"' in point for point in points]
    assert sorted(hollow) == [False, True]  # numpy's is full, and the noisy one is not


def test_ratios_below_the_axis_are_one_text_a_line_clear_of_crosses_and_of_each_other() -> None:
    below = {"measure": "speedup", "state": "measured", "value": 0.01, "value_text": "0.01×", "baseline": "numpy"}
    found = pd.DataFrame(
        [
            below | {"machine": "m", "variant": variant, "preset": preset, "n_parameters": size}
            for variant, sizes in (("python", {"tiny": 70, "small": 360}), ("slow", {"tiny": 70}))
            for preset, size in sizes.items()
        ]
    )
    failure = {"state": "failed", "n_parameters": 2700, "machine": "m", "variant": "python"}
    texts, slots = _edges(pd.concat([found, pd.DataFrame([failure])], ignore_index=True))
    assert [*texts[:3]] == ["python ↓ 0.01× at tiny, 0.01× at small", "", "slow ↓ 0.01× at tiny"]
    assert [slots[0], slots[2]] == [1, 2]  # slot 0 is that of the crosses


def test_failures_belong_to_both_measures(plotted: pd.DataFrame) -> None:
    failed = plotted[plotted["state"] == "failed"]
    assert failed["measure"].isna().all()
    assert set(zip(failed["variant"], failed["preset"], failed["status"], strict=True)) == {
        ("python", "medium", "timeout"), ("torch-mkl-avx512", "xl", "refused"),
    }  # fmt: skip
    assert set(failed["reason"]) == {"no step within 600 s", "no C compiler"}


def test_peers_are_not_projected(plotted: pd.DataFrame) -> None:
    projected = plotted[plotted["state"] == "projected"]
    assert set(projected.loc[projected["measure"] == "step_time", "variant"]) <= {"python", "numpy", "vectorized"}


def test_the_table_behind_holds_every_time_and_failure(plotted: pd.DataFrame) -> None:
    table = steps_and_failures(plotted)
    assert len(table) == (plotted["measure"] != "speedup").sum()
    assert table["n_parameters"].is_monotonic_increasing
    assert table[table["preset"] == "small"]["variant"].tolist()[:4] == ["python", "numpy", "vectorized", "torch"]


def test_a_baseline_of_small_reach_is_not_the_default(tmp_path: Path) -> None:
    part = rows.ladder()
    wanted = [row for row in part.runs if row.variant != "python" or row.preset == "tiny"]
    found = FIGURE.rows(load_results(rows.store(tmp_path, replace(part, runs=wanted))))
    assert default_baseline(found) == "numpy"


def test_a_ratio_far_below_the_others_does_not_flatten_the_curve(tmp_path: Path) -> None:
    ladder = FIGURE.rows(load_results(rows.store(tmp_path, rows.ladder())))
    assert ladder.loc[is_off_scale(ladder), "value"].max() < OFF_SCALE
    spec = spec_of(ladder)
    views = json.loads(parameters(spec)["frame"]["expr"].removesuffix("[view]").strip("()"))
    assert OFF_SCALE < views["numpy|engines"]["low"] < 1 < views["numpy|engines"]["high"] < 5
    svg = drawn(spec, baseline="numpy")
    assert "python ↓ " in svg and "0.00344× at small" in svg


def test_one_engine_is_shown_by_its_times_and_asks_nothing(tmp_path: Path) -> None:
    found = FIGURE.rows(load_results(rows.store(tmp_path, rows.cell("numpy", "tiny", 8.0))))
    menus = parameters(spec_of(found))
    assert menus["measure"] == {"name": "measure", "value": "step_time"}
    assert not any("bind" in parameter for parameter in menus.values())
    assert "8.00 ms" in FIGURE.describe(found)


def test_only_failures_are_crosses_with_a_legend(tmp_path: Path) -> None:
    part = rows.joined(
        rows.cell("numpy", "huge", 0.0, status="oom", error_tail="out of memory"),
        rows.cell("torch", "huge", 0.0, status="refused", error_tail="no compiler", kind="peer"),
    )
    found = FIGURE.rows(load_results(rows.store(tmp_path, part)))
    assert found["slot"].tolist() == [0, 1]
    assert FIGURE.describe(found) == "Nothing was measured. 2 cells failed."
    assert drawn(spec_of(found)).count('aria-roledescription="point"') == 2


def test_machines_are_a_choice_and_never_in_one_picture(tmp_path: Path) -> None:
    other = rows.MACHINE | {"cpu": "Other 1", "cores": 8}
    rows.store(tmp_path, rows.ladder("a"))
    rows.store(tmp_path, rows.ladder("b", scale=0.5, machine=other), published=False)
    found = FIGURE.rows(load_results(tmp_path))
    spec = spec_of(found)
    menu = parameters(spec)["machine"]
    assert len(menu["bind"]["options"]) == 2
    assert menu["value"].startswith("this machine (local)")  # what was measured here opens first
    theirs = FIGURE.rows(load_results(tmp_path).published)
    assert spec["usermeta"]["headlines"] == {theirs["machine"].iloc[0]: FIGURE.words(theirs).headline}
    for _, pair in found[found["measure"] == "speedup"].groupby(["baseline", "variant", "preset"]):
        assert pair["machine"].is_unique
    assert "Other 1" in ratio_table(load_results(tmp_path))


def my_bench(root: Path, *variants: str) -> pd.DataFrame:
    """The figure's rows after a bench of some variants at small, here, beside a published ladder."""
    rows.store(root, rows.ladder("theirs"), rows.cell("vectorized[threads=4]", "small", 11.0, "theirs-2"))
    mine = rows.joined(*(rows.cell(name, "small", 9.0 + number, "mine") for number, name in enumerate(variants)))
    rows.store(root, mine, published=False)
    return FIGURE.rows(load_results(root))


def test_the_view_that_opens_draws_what_was_measured_here(tmp_path: Path) -> None:
    found = my_bench(tmp_path, "numpy", "vectorized[threads=1]", "vectorized[threads=2]")
    local = found[found["machine"].str.startswith("this machine")]
    assert set(local["tier"]) == {0}
    spec = spec_of(found)
    shown = parameters(spec)["show"]["value"]
    baseline = parameters(spec)["baseline"]["value"]
    assert baseline == "numpy" == default_baseline(found)
    in_view = up_to(local[(local["measure"] == "speedup") & (local["baseline"] == baseline)], shown)
    assert set(in_view["variant"]) == {"vectorized[threads=1]", "vectorized[threads=2]"}
    assert "vectorized[threads=2]" in drawn(spec)
    # A published variant is one of "everything measured", as before.
    assert set(found.loc[found["variant"] == "vectorized[threads=4]", "tier"]) == {2}


def test_the_words_for_a_chart_follow_the_view_that_opens(tmp_path: Path) -> None:
    found = my_bench(tmp_path, "numpy", "vectorized[threads=1]")
    words = FIGURE.describe(found)
    assert "this machine (local)" in words
    assert "vectorized[threads=1] 0.9" in words
    assert "vectorized[threads=4]" not in words


def test_a_baseline_that_was_not_measured_here_does_not_hide_what_was(tmp_path: Path) -> None:
    whole = my_bench(tmp_path / "ours", "numpy", "vectorized")
    assert default_baseline(whole) == "numpy"
    rows.store(tmp_path / "theirs", rows.ladder("theirs"))
    assert default_baseline(FIGURE.rows(load_results(tmp_path / "theirs"))) == "python"


def test_no_results_have_no_rows(tmp_path: Path) -> None:
    nothing = load_results(tmp_path)
    assert curve_rows(nothing).empty
    for table in (ratio_table, failures_table, cost_terms_table):
        assert "invoke bench" in table(nothing)


def test_tables_tell_ratios_failures_and_terms(results: Results) -> None:
    ratios = ratio_table(results)
    assert ratios.count("<tr>") == 1 + sum(
        len(group.drop_duplicates("preset"))
        for _, group in curve_rows(results).query("measure == 'speedup' and state == 'measured'").groupby("baseline")
    )
    assert "unresolved" in ratios
    assert "no C compiler" in failures_table(results)
    terms = cost_terms_table(results)
    assert terms.count("<tr>") == 1 + 2 + 5 + 5


def test_presets_of_one_size_are_spread_in_order_and_close_ones_drop_their_counts() -> None:
    sizes = pd.DataFrame({"n_parameters": [6_416_896, 9_608_704, 25_039_872, 25_138_176, 473_244_160]})
    shown = parameter_axis(sizes, LineNames("variant", {})).to_dict()["axis"]
    places = at_size(sizes)["at_size"].tolist()
    assert shown["values"] == places
    assert min(after - before for before, after in pairwise(places)) > 0.3  # no line jumps where two sizes are equal
    assert '["xl"], ["huge"], ["massive"], ["mega"], ["behemoth", "473 M", ' in shown["labelExpr"]


def test_every_preset_has_its_name_on_a_narrow_axis_too() -> None:
    sizes = pd.DataFrame({"n_parameters": [6_416_896, 9_608_704, 25_039_872, 25_138_176, 473_244_160]})
    shown = parameter_axis(sizes, LineNames("variant", {})).to_dict()["axis"]
    assert shown["labelOverlap"] is False  # which would drop names
    small, large = re.findall(r"[\d.]+", shown["labelLineHeight"]["expr"])[-2:]
    assert 4 * float(small) == 3 * float(large), "the title below keeps its place, in a view that keeps its margin"
    labels = shown["labelExpr"].replace("\u200b", "~")
    assert '["~", "xl"], ["huge"], ["~", "massive"], ["mega"], ["behemoth", "473 M", "~"]' in labels
    assert '["~", "~", "xl"], ["~", "huge"], ["massive"], ["~", "~", "mega"], ["behemoth", "473 M", "~"]' in labels
    assert (
        '["~", "~", "xl"], ["~", "huge"], ["~", "~", "~", "massive"], ["mega"], ["behemoth", "473 M", "~", "~"]'
        in labels
    )


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ([0.8, 3.3], [1.0, 1.5, 2.0, 3.0]),
        ([0.9, 1500.0], [1.0, 10.0, 100.0, 1000.0]),
        ([0.9, 40.0], [1.0, 2.0, 5.0, 10.0, 20.0]),
        ([1.0, 2.0], [1.0, 1.2, 1.4, 1.7, 2.0]),
    ],
)
def test_ticks_are_numbers_that_people_count_in(domain: list[float], expected: list[float]) -> None:
    assert log_ticks(domain) == expected


@pytest.mark.parametrize("name", ["speedup", "roofline", "peers", "memory"])
def test_a_narrow_chart_names_every_preset_once(tmp_path: Path, name: str) -> None:
    presets = ["tiny", "small", "medium", "large", "xl", "huge"]
    found = FIGURES[name].rows(load_results(rows.store(tmp_path, *map(rows.peers, presets))))
    spec = chart_spec(FIGURES[name], found, LIGHT) | {"width": 350}
    spec["params"] = [one | ({"value": 350} if one["name"] == "room" else {}) for one in spec["params"]]
    drawn = vl_convert.vegalite_to_svg(json.dumps(spec), vl_version="6.4")
    assert sorted(set(re.findall(r">([a-z]+)<", drawn)) & {*presets}) == sorted(presets)
