"""Exports: every format says the same, a user's files stay, and no cell is a formula."""

from __future__ import annotations

import csv
import io
import json
import re

import pandas as pd
import pytest

from bench.records.export import EXPORT_FORMATS, PROTOCOL_COLUMNS, csv_bytes, export
from bench.records.protocol import Protocol
from bench.records.rows import Rows
from bench.records.schema import TABLES
from bench.records.store import write_tables
from bench.statistics.cells import cell_summary
from tests import ROOT
from tests.bench.rows import frames, rounds, run_row, sample_row, step_rows
from tinygpt.errors import ConfigError

READERS = {
    "csv": pd.read_csv,
    "json": lambda path: pd.DataFrame(json.loads(path.read_text())),
    "parquet": pd.read_parquet,
}
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")', "\uff1d1")


def write_run(root, run_id="run-a", **changes):
    run = run_row(run_id, **changes)
    write_tables(root, run_id, Rows([run], step_rows(run, [0.1] * 15), [sample_row(run, "=1+1")]))
    return run


@pytest.mark.parametrize("format_name", EXPORT_FORMATS)
def test_export(results_root, tmp_path, format_name):
    run = write_run(results_root)
    paths = export(results_root, tmp_path / "out", format_name)
    assert [path.name for path in paths] == [f"{name}.{format_name}" for name in TABLES]
    assert READERS[format_name](paths[1])["seconds"].tolist() == [99.0] * 3 + [0.1] * 15
    runs, protocol = READERS[format_name](paths[0]), Protocol(**json.loads(run.protocol))
    assert {name: runs[name][0] for name in PROTOCOL_COLUMNS} == {
        name: getattr(protocol, name) for name in PROTOCOL_COLUMNS
    }
    assert runs["threads"].tolist() == [2]


def test_export_knows_its_formats(results_root, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'json'"):
        export(results_root, tmp_path, "jsn")


def test_a_users_file_is_not_overwritten(results_root, tmp_path):
    write_run(results_root)
    out = tmp_path / "out"
    out.mkdir()
    mine = out / "samples.csv"
    mine.write_text("mine")
    with pytest.raises(ConfigError, match=r"samples\.csv is there already; allowed: another folder, or --replace"):
        export(results_root, out)
    assert [path.name for path in out.iterdir()] == [mine.name]
    assert mine.read_text() == "mine"
    export(results_root, out, replace=True)
    assert mine.read_text() != "mine"
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "runs.csv").symlink_to(tmp_path / "nowhere.csv")
    with pytest.raises(ConfigError, match="is there already"):
        export(results_root, tmp_path / "linked")


def test_no_cell_of_a_csv_is_a_formula(results_root, tmp_path):
    frame = pd.DataFrame({"text": FORMULAS, "number": [-1.5] * len(FORMULAS), "label": pd.Categorical(FORMULAS)})
    frame["mixed"] = pd.Series([-2, "-2", None, "a=b", 0.5, True, "", " =1"], dtype=object)
    lines = [*csv.DictReader(io.StringIO(csv_bytes(frame).decode(), newline=""))]
    assert [line["text"] for line in lines] == [f"'{text}" for text in FORMULAS] == [line["label"] for line in lines]
    assert [line["number"] for line in lines] == ["-1.5"] * len(FORMULAS)
    assert [line["mixed"] for line in lines] == ["-2", "'-2", "", "a=b", "0.5", "True", "", " =1"]
    write_run(results_root)
    paths = export(results_root, tmp_path)
    assert pd.read_csv(paths[2])["text"].tolist() == ["'=1+1"]


def test_the_readmes_example_gives_what_the_statistics_give(tmp_path, monkeypatch):
    """It joins steps with runs by ``cell_id`` and leaves warm-ups out."""
    runs, steps = frames(*rounds("numpy", [0.2, 0.3]), *rounds("vectorized", [0.1], run_id="run-b"))
    for name, frame in (("runs", runs), ("steps", steps)):
        (tmp_path / f"{name}.csv").write_bytes(csv_bytes(frame))
    text = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import pandas.*?)```", text, re.DOTALL)
    assert "cell_id" in code and "is_warmup" in code
    monkeypatch.chdir(tmp_path)
    (tmp_path / "export").symlink_to(tmp_path)
    names: dict[str, object] = {}
    exec(code, names)
    medians = names["medians"]
    for cell in cell_summary(runs, steps):
        rows = medians[(medians["run_id"] == cell.run_id) & (medians["variant"] == cell.variant)]
        assert rows["seconds"].tolist() == [pytest.approx(sorted(t)[len(t) // 2]) for t in cell.round_times.values()]
