from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import vl_convert

from sitegen.figures import FIGURES
from sitegen.figures.base import log_ticks
from sitegen.figures.speedup import OFF_SCALE, _domains, default_baseline
from sitegen.frames import Results, load_results
from sitegen.palette import DARK, LIGHT
from sitegen.render import STATIC_WIDTH, chart_spec, render_figure
from tests.sitegen import rows

Part = dict[str, list[dict[str, object]]]
HOSTILE = "</script><script>alert(1)</script>\u202e\x00"


def one_engine() -> list[Part]:
    return [rows.joined(*(rows.cell("numpy", preset, ms) for preset, ms in rows.TIMES["numpy"].items()))]


def only_failures() -> list[Part]:
    return [
        rows.joined(
            rows.cell("numpy", "huge", 0.0, status="oom", error_tail="out of memory"),
            rows.cell("vectorized", "huge", 0.0, status="timeout", error_tail=HOSTILE),
        )
    ]


def single_point() -> list[Part]:
    return [rows.cell("numpy", "tiny", 8.0)]


def single_pair() -> list[Part]:
    return [rows.joined(rows.cell("numpy", "tiny", 8.0), rows.cell("vectorized", "tiny", 4.0))]


def two_machines() -> list[Part]:
    return [rows.ladder("a"), rows.ladder("b", scale=0.5, machine=rows.MACHINE | {"cpu": "Other 1", "cores": 8})]


def variants() -> list[Part]:
    names = ["numpy", "vectorized", "vectorized[threads=1]", "vectorized[kernels=numexpr]", 'rival\'s "engine"']
    return [rows.joined(*(rows.cell(name, "tiny", 8.0 / (1 + i)) for i, name in enumerate(names)))]


def rivals() -> list[Part]:
    return [rows.rivals("small"), rows.rivals("xl", scale=12.0, torch_status="refused")]


# case → (rows, figures that have something to draw)
CASES: dict[str, tuple[Callable[[], list[Part]], set[str]]] = {
    "nothing": (list, set()),
    "one engine": (one_engine, {"step_time", "memory"}),
    "only failures": (only_failures, {"speedup", "step_time"}),
    "single point": (single_point, {"step_time", "memory"}),
    "single pair": (single_pair, {"speedup", "step_time", "memory"}),
    "ladder and training": (
        lambda: [rows.ladder(), rows.training(steps=60)],
        {"speedup", "step_time", "memory", "loss"},
    ),
    "stack": (lambda: [rows.stack()], {"speedup", "step_time", "memory", "variants"}),
    "kernels": (lambda: [rows.kernels()], {"breakdown", "kernel_forms"}),
    "kernels of two machines": (
        lambda: [rows.kernels("a"), rows.kernels("b", machine=rows.MACHINE | {"cpu": "Other 1"})],
        {"breakdown", "kernel_forms"},
    ),
    "everything": (
        lambda: [rows.ladder(), rows.training(steps=60), rows.stack(), rows.kernels(), *rivals()],
        set(FIGURES),
    ),
    "two machines": (two_machines, {"speedup", "step_time", "memory"}),
    "rivals": (rivals, {"speedup", "step_time", "memory", "peers"}),
    "variants": (variants, {"speedup", "step_time", "memory", "variants"}),
}


def results_of(tmp_path: Path, parts: list[Part]) -> Results:
    return load_results(rows.store(tmp_path, *parts))


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_a_figure_or_none_on_purpose(
    case: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, drawn = CASES[case]
    results = results_of(tmp_path, make())
    found = set()
    for name, figure in FIGURES.items():
        plotted = figure.rows(results)
        if plotted.empty:
            continue
        found.add(name)
        spec = chart_spec(figure, plotted, LIGHT)
        svg = vl_convert.vegalite_to_svg(json.dumps({**spec, "width": STATIC_WIDTH}), vl_version="6.4")
        assert "NaN" not in svg
        assert figure.describe(plotted).endswith(".")
        assert chart_spec(figure, plotted, DARK)["config"] != spec["config"]
    assert found == drawn
    assert "WARN" not in "".join(capfd.readouterr())  # Vega's "infinite extent" and the like


def test_the_menu_offers_every_baseline_and_the_ratios_are_there(tmp_path: Path) -> None:
    plotted = FIGURES["speedup"].rows(results_of(tmp_path, [rows.ladder()]))
    spec = chart_spec(FIGURES["speedup"], plotted, LIGHT)
    menu = next(parameter for parameter in spec["params"] if parameter["name"] == "baseline")
    assert menu["bind"]["options"] == ["python", "numpy", "vectorized"]
    assert menu["value"] == "python"
    for baseline in menu["bind"]["options"]:
        assert (plotted["baseline"] == baseline).any()


def test_a_baseline_of_small_reach_is_not_the_default(tmp_path: Path) -> None:
    part = rows.ladder()
    wanted = [row for row in part["runs"] if row["variant"] != "python" or row["preset"] == "tiny"]
    plotted = FIGURES["speedup"].rows(results_of(tmp_path, [part | {"runs": wanted}]))
    assert default_baseline(plotted) == "numpy"


def test_a_ratio_far_below_the_others_does_not_flatten_the_curve(tmp_path: Path) -> None:
    figure = FIGURES["speedup"]
    ladder = figure.rows(results_of(tmp_path, [rows.ladder()]))
    pairs = ladder[ladder["baseline"] == "numpy"]
    assert pairs["speedup"].min() < OFF_SCALE
    low, high = _domains(ladder, ["numpy"])["numpy"]
    assert OFF_SCALE < low < 1 < high < 5
    texts = [layer["encoding"].get("text", {}) for layer in chart_spec(figure, ladder, LIGHT)["layer"]]
    arrows = [text for text in texts if text.get("field") == "edge_text"]
    assert len(arrows) == 1


def test_failures_are_marks_with_their_reason_and_do_not_hide_each_other(tmp_path: Path) -> None:
    plotted = FIGURES["step_time"].rows(results_of(tmp_path, only_failures()))
    assert plotted["slot"].tolist() == [0, 1]
    assert plotted["status"].tolist() == ["oom", "timeout"]
    assert plotted["reason"].tolist()[0] == "out of memory"
    assert "\u202e" not in plotted["reason"].tolist()[1]
    assert "\x00" not in plotted["reason"].tolist()[1]


def test_no_failure_layer_where_nothing_failed(tmp_path: Path) -> None:
    figure = FIGURES["step_time"]
    whole = results_of(tmp_path / "a", single_pair())
    broken = results_of(tmp_path / "b", [rows.joined(single_pair()[0], rows.cell("python", "tiny", 0, status="oom"))])
    layers = [len(chart_spec(figure, figure.rows(results), LIGHT)["layer"]) for results in (whole, broken)]
    assert layers[1] == layers[0] + 1


def test_rendered_files_agree_with_each_other_and_come_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = FIGURES["step_time"]
    plotted = figure.rows(results_of(tmp_path / "results", [rows.ladder()]))
    folder, cache = tmp_path / "out", tmp_path / "cache"
    folder.mkdir()
    rendered = render_figure(figure, plotted, folder, cache)
    assert set(rendered.files) == {"light.svg", "dark.svg", "png", "json", "dark.json", "csv"}
    lines = list(csv.DictReader(io.StringIO((folder / rendered.files["csv"]).read_text())))
    spec = json.loads((folder / rendered.files["json"]).read_text())
    assert len(lines) == len(plotted)
    assert any(len(data) == len(plotted) for data in spec["datasets"].values())
    assert (folder / rendered.files["png"]).read_bytes().startswith(b"\x89PNG")
    svg = (folder / rendered.files["light.svg"]).read_text()
    assert "data:font/woff2;base64," in svg  # an image cannot use the page's fonts
    assert rendered.width >= STATIC_WIDTH - 1

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("rendered again although nothing changed")

    monkeypatch.setattr(vl_convert, "vegalite_to_svg", refuse)
    monkeypatch.setattr(vl_convert, "vegalite_to_png", refuse)
    assert render_figure(figure, plotted, folder, cache).version == rendered.version


def test_a_specification_is_safe_inside_a_script_element(tmp_path: Path) -> None:
    figure = FIGURES["step_time"]
    plotted = figure.rows(results_of(tmp_path / "results", only_failures()))
    (tmp_path / "out").mkdir()
    rendered = render_figure(figure, plotted, tmp_path / "out", tmp_path / "cache")
    assert "<" not in (tmp_path / "out" / rendered.files["json"]).read_text()
    assert "<script" not in (tmp_path / "out" / rendered.files["light.svg"]).read_text()


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
