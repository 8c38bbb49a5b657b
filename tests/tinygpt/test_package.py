"""The public names of the package, and their representations in a notebook."""

from __future__ import annotations

import ast
from types import ModuleType

import pytest

import tinygpt
from tests import ROOT
from tests.tinygpt.small_checkpoint import MODEL, TRAIN, arrays, state
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.corpora.corpus import Corpus, Parts
from tinygpt.data import BatchSampler
from tinygpt.generation.inference import InferenceModel
from tinygpt.optim import OptimizerState
from tinygpt.tokenizers import BYTES

TEXT = b"Once upon a time there was a text. " * 1000
CHECKPOINT = Checkpoint(MODEL, TRAIN, arrays(1), OptimizerState(5, arrays(2), arrays(3)), state(5))


def test_every_public_name_is_there_and_none_is_a_module() -> None:
    for name in tinygpt.__all__:
        assert not isinstance(getattr(tinygpt, name), ModuleType), name


@pytest.mark.parametrize("package", ["tinygpt", "bench", "site/sitegen"])
def test_no_package_exports_a_name_that_one_of_its_modules_has(package: str) -> None:
    for file in (ROOT / package).rglob("__init__.py"):
        itself = ".".join(file.parent.relative_to(ROOT / "site" if package.startswith("site") else ROOT).parts)
        imports = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.ImportFrom)]
        names = {alias.asname or alias.name for node in imports if node.module != itself for alias in node.names}
        modules = {path.stem for path in file.parent.iterdir() if path.suffix == ".py" or path.is_dir()}
        assert not names & modules, f"{file.relative_to(ROOT)} exports {names & modules}"


def test_the_package_is_typed() -> None:
    assert (ROOT / "tinygpt/py.typed").is_file()


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (CHECKPOINT, "<checkpoint: 1 layers, width 4, 2 heads, context 3, 1,288 parameters, step 5>"),
        (CHECKPOINT.optimizer, "OptimizerState(step=5)"),
        (Corpus("mine", TEXT, TEXT, "yours", "your disk"), "<corpus mine: 35,000 bytes to train on, 35,000 held out>"),
        (Parts(TEXT, TEXT), "Parts()"),
        (BatchSampler(BYTES.encode(TEXT), 4, 8, 0).batch(0), "<batch of 4 × 8 tokens>"),
        (InferenceModel(CHECKPOINT), "<model for generation: 1 layers, width 4,"),
        (tinygpt.create_engine("numpy", MODEL, TRAIN), "<engine numpy: 1 layers, width 4,"),
        (tinygpt.load_gallery_model("stories"), "<gallery model stories: 4 layers, width 128,"),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_a_notebook_prints_is_one_short_line(thing: object, words: str) -> None:
    shown = repr(thing)
    assert shown.startswith(words)
    assert len(shown) < 120 and "\n" not in shown
