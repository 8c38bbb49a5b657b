from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import vl_convert

from sitegen.figures import FIGURES
from sitegen.figures.render import STATIC_WIDTH, begin_figure, chart_spec
from sitegen.rows.results import Results, load_results
from sitegen.text.escape import json_text
from sitegen.text.palette import DARK, LIGHT, in_dark
from sitegen.text.pictures import lighter_svg
from tests.sitegen import example_rows as rows

Part = dict[str, list[dict[str, object]]]
MANY = 10
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
    names = ["numpy", "vectorized", "vectorized[threads=1]", "vectorized[kernels=numexpr]", 'peer\'s "engine"']
    return [rows.joined(*(rows.cell(name, "tiny", 8.0 / (1 + i)) for i, name in enumerate(names)))]


def peers() -> list[Part]:
    return [rows.peers("small"), rows.peers("xl", scale=12.0, torch_status="refused")]


def texts() -> list[Part]:
    return [rows.texts(), rows.texts("texts-2", machine=rows.MACHINE | {"cpu": "Other 1"}, jax_status="crashed")]


def accelerators() -> list[Part]:
    return [rows.ladder(), rows.accelerated(), rows.on_gpu("jax[dispatch=3,precision=bfloat16]", "xl", 2.0, "gpu-2")]


def only_failures_on_a_gpu() -> list[Part]:
    return [rows.on_gpu("jax[dispatch=3]", "mega", 0.0, status="oom", error_tail=HOSTILE)]


MEASURED = {name for name, figure in FIGURES.items() if figure.needs}
# Altair's check takes longer than drawing: these have every figure, and every kind of failure.
VALIDATED = ("everything", "only failures", "only texts that failed", "only failures on an accelerator", "nothing")
COMPUTED = FIGURES.keys() - MEASURED  # from the code: every case draws the same, so that one is enough
# case → (rows, figures that have something to draw)
CASES: dict[str, tuple[Callable[[], list[Part]], set[str]]] = {
    "nothing": (list, COMPUTED),
    "one engine": (one_engine, {"speedup", "step_time", "memory"}),
    "only failures": (only_failures, {"speedup", "step_time"}),
    "single point": (single_point, {"speedup", "step_time", "memory"}),
    "single pair": (single_pair, {"speedup", "step_time", "memory"}),
    "ladder and training": (
        lambda: [rows.ladder(), rows.training(steps=120)],
        {"speedup", "step_time", "memory", "loss"},
    ),
    "a shape of one's own": (
        lambda: [
            rows.ladder(),
            rows.shaped(),
            rows.training(preset=rows.SHAPE, steps=120),
            rows.texts("t", [rows.SHAPE]),
        ],
        {"speedup", "step_time", "memory", "loss", "generation"},
    ),
    "a shape of one's own alone": (lambda: [rows.shaped()], {"speedup", "step_time", "memory"}),
    "a shape beyond the ladder's end": (
        lambda: [rows.ladder(), rows.shaped(preset="xl[n_layers=9]")],
        {"speedup", "step_time", "memory"},
    ),
    "stack": (lambda: [rows.stack()], {"speedup", "step_time", "memory", "variants", "rungs"}),
    "kernels": (lambda: [rows.kernels()], {"breakdown", "kernel_forms"}),
    "kernels of two machines": (
        lambda: [rows.kernels("a"), rows.kernels("b", machine=rows.MACHINE | {"cpu": "Other 1"})],
        {"breakdown", "kernel_forms"},
    ),
    "everything": (
        lambda: [
            rows.ladder(),
            rows.training(steps=120),
            rows.stack(),
            rows.kernels(),
            *peers(),
            *texts(),
            *rows.sweep(),
            *rows.race(),
            *rows.by_the_clock(),
            *rows.clinic(),
            rows.accelerated(),
            rows.history(),
        ],
        MEASURED,
    ),
    "history": (lambda: [rows.history()], {"history"}),
    "two machines": (two_machines, {"speedup", "step_time", "memory"}),
    "peers": (peers, {"speedup", "step_time", "memory", "peers", "roofline"}),
    "texts": (texts, {"generation"}),
    "only texts that failed": (lambda: [rows.texts(status="oom", jax_status="oom")], {"generation"}),
    "accelerators": (accelerators, {"speedup", "step_time", "memory", "accelerator"}),
    "an accelerator alone": (lambda: [rows.accelerated()], {"accelerator"}),
    "only failures on an accelerator": (only_failures_on_a_gpu, {"accelerator"}),
    "variants": (variants, {"speedup", "step_time", "memory", "variants", "rungs"}),
}


def results_of(tmp_path: Path, parts: list[Part]) -> Results:
    root = rows.store(tmp_path, *parts)
    if len(parts) > MANY:  # the case that draws everything
        rows.contribute(root, rows.ladder("elsewhere", machine=rows.MACHINE | {"cpu": "Laptop 7"}))
    return load_results(root)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return results_of(tmp_path_factory.mktemp("everything"), CASES["everything"][0]())


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_a_figure_or_none_on_purpose(
    case: str, everything: Results, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, drawn = CASES[case]
    results = everything if case == "everything" else results_of(tmp_path, make())
    found = set()
    for name, figure in FIGURES.items():
        if name in COMPUTED - drawn or (plotted := figure.rows(results)).empty:
            continue
        found.add(name)
        spec = chart_spec(figure, plotted, LIGHT, validate=case in VALIDATED)
        svg = vl_convert.vegalite_to_svg(json.dumps({**spec, "width": STATIC_WIDTH}), vl_version="6.4")
        assert "NaN" not in svg
        assert figure.describe(plotted).endswith(".")
        for headline in (figure.words(plotted).headline, *spec["usermeta"]["headlines"].values()):
            assert 10 < len(headline) < 130 and not headline.endswith(".") and "nan" not in headline, headline
    assert found == drawn
    assert "WARN" not in "".join(capfd.readouterr())  # Vega's "infinite extent" and the like


@pytest.mark.parametrize("name", FIGURES)
def test_a_chart_in_the_dark_theme_is_the_light_one_in_other_colours(name: str, everything: Results) -> None:
    plotted = FIGURES[name].rows(everything)
    light, dark = (json_text(chart_spec(FIGURES[name], plotted, theme)) for theme in (LIGHT, DARK))
    assert in_dark(light.replace(f'"theme":"{LIGHT.name}"', f'"theme":"{DARK.name}"')) == dark != light


def test_failures_are_marks_with_their_reason_and_do_not_hide_each_other(tmp_path: Path) -> None:
    plotted = FIGURES["step_time"].rows(results_of(tmp_path, only_failures()))
    assert plotted["slot"].tolist() == [0, 1]
    assert plotted["status"].tolist() == ["oom", "timeout"]
    assert plotted["reason"].tolist()[0] == "out of memory"
    assert "\u202e" not in plotted["reason"].tolist()[1]
    assert "\x00" not in plotted["reason"].tolist()[1]


def test_failures_of_another_machine_leave_no_gap_below_a_cross(tmp_path: Path) -> None:
    machines = {"a": rows.MACHINE, "b": rows.MACHINE | {"cpu": "Other 1"}}
    parts = [rows.cell("numpy", "tiny", 0.0, name, status="oom", machine=one) for name, one in machines.items()]
    assert FIGURES["step_time"].rows(results_of(tmp_path, parts))["slot"].tolist() == [0, 0]


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
    rendered = begin_figure(figure, plotted, folder, cache)()
    assert rendered is not None
    kinds = {"light.svg", "dark.svg", "png", "json", "vega.json", "dark.vega.json", "csv", "parquet"}
    assert set(rendered.files) == kinds
    lines = list(csv.DictReader(io.StringIO((folder / rendered.files["csv"]).read_text())))
    spec = json.loads((folder / rendered.files["json"]).read_text())
    assert len(lines) == len(plotted)
    assert any(len(data) == len(plotted) for data in spec["datasets"].values())
    compiled = json.loads((folder / rendered.files["vega.json"]).read_text())
    (columns,) = next(data["values"] for data in compiled["data"] if "flatten" in str(data.get("transform")))
    assert {len(column) for column in columns.values()} == {len(plotted)}
    marks = [draw(what).count("aria-label") for draw, what in (
        (vl_convert.vegalite_to_svg, spec | {"width": STATIC_WIDTH}),
        (vl_convert.vega_to_svg, compiled),
    )]  # fmt: skip
    assert marks[0] == marks[1] > len(plotted)
    stored, written = pd.read_parquet(folder / rendered.files["parquet"]), pd.read_csv(folder / rendered.files["csv"])
    empty = stored.isna() | (stored == "")  # which CSV cannot tell apart
    pd.testing.assert_frame_equal(empty, written.isna())
    pd.testing.assert_frame_equal(stored.mask(empty, 0), written.mask(empty, 0), check_dtype=False)
    assert (folder / rendered.files["png"]).read_bytes().startswith(b"\x89PNG")
    svg = (folder / rendered.files["light.svg"]).read_text()
    texts = " ".join(html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]+)</text>", svg))
    for words in (rendered.words.headline, rendered.words.measure, "TinyGPT · Example 9000, 2 cores"):
        assert words in texts
    assert rendered.picture_height > rendered.height > 300
    assert "data:font/woff2;base64," in svg  # an image cannot use the page's fonts
    dark_spec = json.dumps(chart_spec(figure, plotted, DARK) | {"width": STATIC_WIDTH}, sort_keys=True)
    dark = lighter_svg(vl_convert.vegalite_to_svg(dark_spec, vl_version="6.4"))
    assert dark.partition(">")[2] in (folder / rendered.files["dark.svg"]).read_text()
    assert rendered.width >= STATIC_WIDTH - 1

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("rendered again although nothing changed")

    for name in ("vega_to_svg", "svg_to_png", "vegalite_to_vega"):
        monkeypatch.setattr(vl_convert, name, refuse)
    again = begin_figure(figure, plotted, folder, cache)()
    assert again is not None
    assert again.version == rendered.version


def test_a_specification_holds_what_it_draws_and_no_more(tmp_path: Path) -> None:
    figure = FIGURES["step_time"]
    plotted = figure.rows(results_of(tmp_path, [rows.joined(rows.cell("python", "tiny", 8.123456789), *single_pair())]))
    spec = chart_spec(figure, plotted, LIGHT)
    data = max(spec["datasets"].values(), key=len)
    assert "measured_on" in plotted and all("measured_on" not in row for row in data)
    assert {row["value"] for row in data} <= {float(f"{value:.5g}") for value in plotted["value"]}


def test_a_picture_loses_the_words_of_its_marks() -> None:
    svg = '<svg role="img" width="1.234"><path aria-label="a > b" role="x" d="M1.23456,2L3,4.5"/><text>1.2345</text>'
    assert lighter_svg(svg) == '<svg role="img" width="1.234"><path d="M1.23,2L3,4.5"/><text>1.2345</text>'


def test_a_specification_is_safe_inside_a_script_element(tmp_path: Path) -> None:
    figure = FIGURES["step_time"]
    plotted = figure.rows(results_of(tmp_path / "results", only_failures()))
    (tmp_path / "out").mkdir()
    rendered = begin_figure(figure, plotted, tmp_path / "out", tmp_path / "cache")()
    assert rendered is not None
    assert "<" not in (tmp_path / "out" / rendered.files["vega.json"]).read_text()
    assert "<" not in (tmp_path / "out" / rendered.files["json"]).read_text()
    assert "<script" not in (tmp_path / "out" / rendered.files["light.svg"]).read_text()
