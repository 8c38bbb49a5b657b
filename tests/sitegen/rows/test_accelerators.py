"""Rows that an accelerator computed: apart from the processor's everywhere, beside them where they belong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
import vl_convert

from bench.arms.kernel_parts import PEAK, PEAK_SIZE
from bench.records.rows import KernelRow, Rows
from sitegen.figures import FIGURES
from sitegen.figures.render import STATIC_WIDTH, chart_spec
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.numbers.registry import PATTERNS, resolve_number
from sitegen.rows.accelerators import overtaking_words, step_flops
from sitegen.rows.cells import cell_frame
from sitegen.rows.results import load_results
from sitegen.rows.training import loss_frame
from sitegen.tables.accelerator_tables import (
    accelerator_table,
    kernels_table,
    precision_table,
    scaling_table,
    webgpu_table,
)
from sitegen.tables.registry import TABLES
from sitegen.text.palette import LIGHT
from tests.sitegen import example_rows as rows
from tests.sitegen.charts import computed
from tinygpt.presets import LADDER
from tinygpt.terminal.quantities import short_count

FIGURE = FIGURES["accelerator"]
MESH = "jax[dispatch=3,mesh=data2]"
BFLOAT16 = "jax[dispatch=3,precision=bfloat16]"


@pytest.fixture(scope="module")
def quoted(tmp_path_factory: pytest.TempPathFactory) -> QuotedRows:
    """A processor's ladder and peers, an accelerator's run, and runs there that do other work."""
    root = tmp_path_factory.mktemp("results")
    others = rows.joined(
        rows.on_gpu("jax[dispatch=3]", "xl", 20.0, "gpu-2", batch=64),
        rows.on_gpu(MESH, "xl", 10.8, "gpu-2", batch=64),
        rows.on_gpu(BFLOAT16, "xl", 1.9, "gpu-2"),
    )
    trained = rows.training("train-gpu", "small", variant="jax[dispatch=8]", engine="jax", wall_seconds=31.0,
                            machine=rows.canonical(rows.GPU), held_out_loss=1.25)  # fmt: skip
    parts = rows.ladder(), rows.peers("xl", 8.0), rows.accelerated(), others, trained, rows.training()
    return QuotedRows(load_results(rows.store(root, *parts)))


@pytest.fixture(scope="module")
def plotted(quoted: QuotedRows) -> pd.DataFrame:
    return FIGURE.rows(quoted.results)


def test_nothing_said_about_processors_changes(quoted: QuotedRows, tmp_path: Path) -> None:
    parts = rows.ladder(), rows.peers("xl", 8.0), rows.training()
    without = QuotedRows(load_results(rows.store(tmp_path, *parts)))
    for name in ("speedup", "step_time", "memory", "peers", "roofline"):
        figure = FIGURES[name]
        pd.testing.assert_frame_equal(figure.rows(quoted.results), figure.rows(without.results))
    tables = "status", "speedup", "failures", "peers", "cost_terms", "cost_model", "budget"
    for name in tables:
        assert TABLES[name](quoted.results) == TABLES[name](without.results), name
    numbers = ("count.processors", "speedup_range.vectorized.numpy", "train_minutes.stories.small",
               "loss.held_out.stories.small", "cost.error.vectorized", "presets.measured.jax")  # fmt: skip
    for name in numbers:
        assert resolve_number(name, quoted).text == resolve_number(name, without).text


def test_an_engine_for_accelerators_counts_as_measured_on_an_accelerator(quoted: QuotedRows, tmp_path: Path) -> None:
    counted = rf"<code>jax</code>.*?(\d+) of {len(LADDER)}"
    without = load_results(rows.store(tmp_path, rows.ladder()))
    assert re.findall(counted, TABLES["engines"](without)) == ["0"]
    presets = {run.preset for run in rows.accelerated().runs if run.engine == "jax"}
    assert re.findall(counted, TABLES["engines"](quoted.results)) == [str(len(presets))]


def test_a_machine_with_a_gpu_also_has_a_processor(tmp_path: Path) -> None:
    part = rows.joined(
        rows.cell("numpy", "tiny", 8.0, machine=rows.GPU),
        rows.cell("jax[device=cpu]", "tiny", 5.0, machine=rows.GPU),
        rows.on_gpu("jax", "tiny", 0.6, "run-1"),
    )
    cells = cell_frame(load_results(rows.store(tmp_path, part)))
    assert set(cells["variant"]) == {"numpy", "jax[device=cpu]"}
    assert cells["machine"].str.startswith("published: Host 7, 16 cores").all()


def test_lines_of_two_machines_stand_side_by_side(plotted: pd.DataFrame) -> None:
    times = plotted[(plotted["measure"] == "step_time") & (plotted["state"] == "measured")]
    assert set(times["variant"]) == {
        "jax", "torch-cuda", "torch-cuda-graphs", BFLOAT16, "vectorized", "processor-best",
    }  # fmt: skip
    machines = times.groupby("device")["machine"].unique()
    assert [name.split(",")[0] for name in machines["accelerator"]] == ["published: Example GPU 80GB"]
    assert [name.split(",")[0] for name in machines["processor"]] == ["published: Example 9000"]
    at_xl = times[times["preset"] == "xl"].set_index("variant")
    assert at_xl["value"].to_dict() == pytest.approx(
        {"jax": 3.8, "torch-cuda": 13.0, "torch-cuda-graphs": 3.8, BFLOAT16: 1.9, "vectorized": 160.0,
         "processor-best": 176.0}
    )  # fmt: skip
    assert at_xl.loc["processor-best", "engine"] == "torch-mkl-avx512"
    assert at_xl.loc["jax", "beside"] == "42.1× as fast as vectorized on the processor, another machine"
    # The batch of 64 is other work, and bfloat16 another arithmetic: shown when everything is, and never as the engine.
    assert at_xl["tier"].to_dict()[BFLOAT16] == 2
    assert (times.loc[times["variant"] == "jax", "engine"] == "jax[dispatch=3]").all()


def test_the_crossing_lies_where_the_lines_meet(plotted: pd.DataFrame) -> None:
    (meeting,) = plotted[plotted["state"] == "crossing"].to_dict("records")
    assert (meeting["variant"], meeting["preset"]) == ("torch-cuda", "tiny to small")
    assert 70_464 < meeting["n_parameters"] < 366_432
    assert 6.0 < meeting["value"] < 7.0
    assert meeting["note"] == f"ring: level at {short_count(meeting['n_parameters'])} parameters"
    assert (plotted.loc[plotted["state"] != "crossing", "note"] == "").all()
    words = FIGURE.describe(plotted)
    assert "is faster than vectorized on the processor from a size between tiny and small on (unresolved)." in words
    assert "jax engine on Example GPU 80GB is faster" in words
    assert "at every preset from tiny to xl (unresolved)." in words


def test_the_table_behind_has_a_line_for_each_cell_with_its_readings(plotted: pd.DataFrame) -> None:
    table = FIGURE.tabulated(plotted)
    assert len(table) == (plotted["measure"] == "step_time").sum()
    (row,) = table[(table["variant"] == "jax") & (table["preset"] == "xl")].to_dict("records")
    readings = plotted[(plotted["variant"] == "jax") & (plotted["preset"] == "xl")].set_index("measure")["value_text"]
    assert [row[name] for name in ("step_time", "rate", "dispatch")] == [
        readings[name] for name in ("step_time", "rate", "dispatch")
    ]
    assert set(table.loc[table["state"] == "crossing", "rate"]) == {""}


def test_work_grows_and_dispatch_stays(plotted: pd.DataFrame) -> None:
    shares = plotted[plotted["measure"] == "dispatch"].set_index(["variant", "preset"])["value"]
    assert shares["jax", "tiny"] > 0.8
    assert shares["jax", "huge"] < 0.6
    assert shares["jax"].is_monotonic_decreasing
    rates = plotted[plotted["measure"] == "rate"].set_index(["variant", "preset"])["value"]
    assert rates["jax", "huge"] > 10 * rates["jax", "tiny"]
    assert (plotted.loc[plotted["measure"] == "dispatch", "evidence"].str.contains("off$")).all()


@pytest.mark.parametrize("field", ["value_text", "interval"])
def test_the_chart_writes_what_the_rows_for_download_say(plotted: pd.DataFrame, field: str) -> None:
    spec = chart_spec(FIGURE, plotted, LIGHT)
    assert computed(spec, field) == [text for text in plotted[field] if text]
    assert not any(str(text) in json.dumps(spec["datasets"]) for text in plotted["interval"] if text)


@pytest.mark.parametrize("measure", ["step_time", "rate", "dispatch"])
@pytest.mark.parametrize("show", ["engines", "all"])
def test_every_choice_draws_what_it_says(plotted: pd.DataFrame, measure: str, show: str) -> None:
    spec = chart_spec(FIGURE, plotted, LIGHT)
    for parameter in spec["params"]:
        if parameter["name"] in ("measure", "show"):
            parameter["value"] = {"measure": measure, "show": show}[parameter["name"]]
    svg = vl_convert.vegalite_to_svg(json.dumps({**spec, "width": STATIC_WIDTH}), vl_version="6.4")
    assert "NaN" not in svg and "undefined" not in svg
    titles = {"step_time": "milliseconds of a training step", "rate": "GFLOP/s", "dispatch": "that is dispatch"}
    assert f"{titles[measure]}" in svg
    assert ("PyTorch, CUDA graph" in svg) == (show == "all")
    assert ("ring: level at" in svg) == (measure == "step_time" and show == "all")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("name", "Example GPU 80GB"),
        ("faster", "at every preset from tiny to xl"),
        ("eager_faster", "from a size between tiny and small on"),
        ("ends", "6.67× at tiny and 42.1× at xl (medians of two machines, no interval)"),
        ("level", "2 of 6"),
        ("over_torch_range", "0.800 to 1.02× (unresolved)"),
        ("over_processor.small", "13.0× (medians of two machines, no interval)"),
        ("over_processor.huge", None),
        ("over_torch.tiny", "0.833× (1 round)"),
        ("step_ms.small", "1.00 ms"),
        ("eager_ms.small", "7.00 ms"),
        ("launches.tiny", "12.0× (1 round)"),
        ("rate.huge", "15,800 GFLOP/s"),
        ("several.xl", "1.85× (1 round)"),
        ("several.tiny", None),
        ("loss.stories.small", "1.25"),
        ("minutes.stories.small", "0.52 min"),
    ],
)
def test_numbers_about_accelerators(quoted: QuotedRows, name: str, text: str | None) -> None:
    assert resolve_number(f"accelerator.{name}", quoted).text == text


def test_without_rows_everything_says_how_to_make_some(tmp_path: Path) -> None:
    results = load_results(rows.store(tmp_path, rows.ladder()))
    assert FIGURE.rows(results).empty
    assert FIGURE.command.startswith("invoke accelerator ")
    for name in ("accelerator", "accelerator_scaling", "status_accelerators"):
        assert "invoke accelerator --out rows" in unescape(TABLES[name](results))
    places = {"PRESET": "tiny", "CORPUS": "stories"}
    for pattern in (name for name in PATTERNS if name.startswith("accelerator.")):
        name = ".".join(places.get(part, part) for part in pattern.split("."))
        found = resolve_number(name, QuotedRows(results))
        assert found.text is None
        assert found.command.startswith(("invoke accelerator", "invoke accelerator-train"))


def test_tables_hold_every_preset_and_every_mesh(quoted: QuotedRows) -> None:
    table = unescape(accelerator_table(quoted.results))
    assert table.count("<tr>") == 1 + 6
    for words in (
        "PyTorch, CUDA graph",
        "3.80 ms",
        ">1 round, no interval</small>",
        "published: Example GPU 80GB",
    ):
        assert words in table
    assert "bfloat16" not in table, "a table of float32"
    several = unescape(scaling_table(quoted.results))
    assert several.count("<tr>") == 2
    assert "1.85× <small" in several


def test_other_arithmetic_is_compared_with_the_cards_peak_in_it(tmp_path: Path) -> None:
    ours = rows.on_gpu(BFLOAT16, "xl", 2.0)
    peak = 4 * step_flops("xl") / 0.002  # FLOP/s, of which the step above reaches a quarter
    part = KernelRow(
        run_id=ours.runs[0].run_id, cell_id=ours.runs[0].cell_id, preset="xl", measure="part", worker=0, repeat=19,
        is_warmup=False, name="products", seconds=0.0015, elements=10,
    )  # fmt: skip
    large = replace(part, name=PEAK, seconds=2 * PEAK_SIZE**3 / peak, elements=1)
    theirs = rows.on_gpu("torch-cuda[precision=bfloat16]", "xl", 3.0)
    results = load_results(rows.store(tmp_path, ours + theirs + Rows(kernels=[part, large])))
    table = unescape(precision_table(results))
    assert table.count("<tr>") == 2
    for words in ("products and branches in bfloat16", "1.50× <small", "25 %"):
        assert words in table
    kernels = unescape(kernels_table(results))
    assert kernels.count("<tr>") == 2 and "1.50 ms" in kernels and "0.500 ms" in kernels


def test_the_status_page_has_the_accelerators_cells_apart(quoted: QuotedRows, tmp_path: Path) -> None:
    apart = unescape(TABLES["status_accelerators"](quoted.results))
    assert "published: Example GPU 80GB" in apart
    assert "torch-cuda-graphs" in apart
    assert "GPU" not in unescape(TABLES["status"](quoted.results))
    late = rows.on_gpu("jax[dispatch=3]", "mega", 0.0, status="oom", error_tail="RESOURCE_EXHAUSTED: 80 GiB")
    alone = load_results(rows.store(tmp_path, late))
    assert "RESOURCE_EXHAUSTED" in unescape(TABLES["status_accelerators"](alone))
    assert "Nothing is measured yet" in unescape(TABLES["status"](alone))


def test_a_training_run_there_names_the_accelerator(quoted: QuotedRows) -> None:
    machines = loss_frame(quoted.results, 8).groupby("variant")["machine"].first()
    assert machines["jax[dispatch=8]"].startswith("published: Example GPU 80GB")
    assert machines["vectorized"].startswith("published: Example 9000")


def test_words_for_curves_that_meet_often_once_and_never() -> None:
    theirs = {"tiny": 1.0, "small": 1.0, "medium": 1.0, "large": 1.0}

    def words(*times: float) -> str | None:
        return overtaking_words(dict(zip(theirs, times, strict=False)), theirs)

    assert words() is None
    assert words(2.0, 2.0) == "at no preset up to small"
    assert words(0.5) == "at tiny"
    assert words(2.0, 0.5, 0.5) == "from a size between tiny and small on"
    assert words(0.5, 2.0) == "up to a size between tiny and small"
    assert words(2.0, 0.5, 2.0) == "from a size between tiny and small up to one between small and medium"
    assert words(0.5, 2.0, 0.5) == (
        "up to a size between tiny and small, and again from a size between small and medium on"
    )


def test_the_playgrounds_engine_has_a_table_once_it_is_measured(tmp_path: Path) -> None:
    assert "not measured" in webgpu_table(load_results(rows.store(tmp_path / "without", rows.accelerated())))
    both = rows.joined(
        rows.accelerated(), *(rows.on_gpu("webgpu", name, 7.6, kind="peer", loss_drift=1e-6) for name in ("xl", "huge"))
    )
    table = unescape(webgpu_table(load_results(rows.store(tmp_path / "with", both))))
    assert table.count("<tr>") == 3
    for shown in ("7.60 ms", "3.80 ms", "13.0 ms", "2.00×", "0.000 %"):
        assert shown in table.split("xl")[1]
