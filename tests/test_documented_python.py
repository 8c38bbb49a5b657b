"""Python in pages: every block compiles, and those that a reader would paste run, in order, in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.test_documented_commands import PAGES
from tinygpt import PRESETS, create_engine, save_checkpoint

_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
# The rest needs a GPU or transformers.
RUN = ("README.md", "docs/from_python.md", "docs/quickstart.md", "docs/reference/index.md")

LESSONS = [
    f"docs/learn/{name}.md"
    for name in ("chain_rule", "dropout", "heads", "initialisation", "loss", "residuals", "schedules", "targets")
]


def blocks(page: Path) -> list[str]:
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def run_page(name: str, smaller: tuple[str, str] = ("", "")) -> dict[str, Any]:
    """Run a page's blocks one after the other, with a smaller number; returns what they have defined."""
    names: dict[str, Any] = {}
    for block in blocks(ROOT / name):
        exec(compile(block.replace(*smaller), name, "exec"), names)
    return names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in, but for the checkpoint that the quickstart's commands have made."""
    monkeypatch.chdir(tmp_path)
    tiny = PRESETS["tiny"]
    save_checkpoint("runs/first", create_engine("numpy", tiny.model, tiny.train))
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_every_block_of_python_compiles(page: Path) -> None:
    for block in blocks(page):
        compile(block, page.name, "exec")


@pytest.mark.parametrize("page", ["docs/quickstart.md", "docs/reference/index.md", *LESSONS])
@pytest.mark.usefixtures("folder")
def test_the_blocks_of_a_page_run(page: str) -> None:
    assert run_page(page)


def test_the_readmes_example_learns_saves_and_writes_with_one_import(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = blocks(ROOT / "README.md")
    assert re.findall(r"^\s*(?:import|from) .*", example, re.MULTILINE) == [example.splitlines()[0]]
    assert "n_steps=500" in example
    record = run_page("README.md", ("n_steps=500", "n_steps=200"))["record"]
    assert record.step == 200 and record.loss < 3.2
    assert (folder / "runs/example/model.safetensors").is_file()
    *losses, text = capsys.readouterr().out.split("\n", 2)
    assert len(losses) == 2 and all("loss" in line for line in losses)
    assert len(text) > 100


def test_the_page_from_python_is_one_session(folder: Path) -> None:
    names = run_page("docs/from_python.md")
    assert [record.step for record in names["records"]] == list(range(1, 251))
    assert names["log"].loc[200, "loss"] < names["log"].loc[1, "loss"] - 1
    assert names["checkpoint"].step == 200
    assert names["model"].tokenizer.pieces[names["probabilities"].argmax()] == b" be"
    assert names["score"].perplexity > 1
    assert names["weights"].shape == (6, *2 * [len(names["tokens"])])
    assert (folder / "runs/notebook/optimizer.safetensors").is_file()
