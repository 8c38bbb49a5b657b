from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sitegen.embedding.pins import RECORD, pin_figure, read_pins
from sitegen.figures.publication import PublishedFigure
from sitegen.text.errors import SiteError
from sitegen.text.site_folders import THEME
from tests import ROOT
from tests.sitegen import example_rows as rows
from tinygpt.errors import ConfigError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rows.store(tmp_path / "results", rows.ladder("run-1"))
    return tmp_path


def pin(root: Path) -> PublishedFigure:
    return pin_figure(root, root / "results", "step_time")


def content(root: Path, pinned: PublishedFigure) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / THEME / pinned.folder).iterdir()}


def test_the_pins_of_this_checkout_are_what_they_were() -> None:
    for name, pinned in read_pins(ROOT).items():
        assert pinned.folder == f"pinned/{name}/"


def test_the_same_state_has_the_same_address_and_later_results_have_another(root: Path) -> None:
    first = pin(root)
    before = content(root, first)
    rows.store(root / "results", rows.cell("numpy", "xl", 300.0, "run-2"), published=False)
    assert pin(root).folder == first.folder  # local rows are not drawn
    rows.store(root / "results", rows.cell("numpy", "huge", 300.0, "run-3"))
    second = pin(root)
    assert second.folder != first.folder
    assert content(root, first) == before
    assert set(read_pins(root)) == {first.version, second.version}
    assert read_pins(root)[first.version] == first


def test_a_pin_names_its_runs_and_keeps_words_sizes_menus_and_table(root: Path) -> None:
    rows.store(root / "results", rows.cell("vectorized", "huge", 90.0, "run-2"))
    pinned = pin_figure(root, root / "results", "speedup")
    record = json.loads(content(root, pinned)[RECORD])
    assert record["runs"] == ["run-1", "run-2"]
    read = read_pins(root)[pinned.version]
    assert read.pinned
    assert read.width > 700
    assert "baseline" in {parameter.name for parameter in read.parameters}
    assert "<td>numpy</td>" in read.table.html(read.title)
    assert set(record["files"]) == set(read.files) >= {"light.svg", "vega.json", "parquet"}


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of pinned figures, with one in it."""
    root = tmp_path_factory.mktemp("pinned")
    rows.store(root / "results", rows.ladder("run-1"))
    return (root / THEME / pin(root).folder).parent


@pytest.mark.parametrize("victim", ["step_time.csv", "step_time.light.svg", RECORD])
@pytest.mark.parametrize("harm", ["changed", "deleted"])
def test_a_pinned_file_that_is_not_what_it_was_stops_the_build(
    tmp_path: Path, pinned: Path, victim: str, harm: str
) -> None:
    root = tmp_path / "checkout"
    shutil.copytree(pinned, root / THEME / pinned.name)
    (path,) = root.rglob(victim)
    if harm == "changed":
        path.write_bytes(path.read_bytes() + b" ")
    else:
        path.unlink()
    with pytest.raises(SiteError, match=rf"{victim} is missing or not what was pinned.*git checkout"):
        read_pins(root)


def test_only_published_rows_can_be_pinned(tmp_path: Path) -> None:
    rows.store(tmp_path / "results", rows.ladder(), published=False)
    with pytest.raises(SiteError, match=r"nothing to pin.*invoke results publish"):
        pin(tmp_path)
    with pytest.raises(ConfigError, match="did you mean 'step_time'"):
        pin_figure(tmp_path, tmp_path / "results", "step_tim")
    assert read_pins(tmp_path) == {}
