"""`invoke export` without the packages of other programs; tests/parity/test_export.py has the rest."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tinygpt.slow_gpt2 import random_model
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.errors import ConfigError, MissingDependencyError
from tinygpt.export.formats import FORMATS, export_model, find_format


def test_the_folder_for_transformers_has_the_model_and_nothing_of_the_run(tmp_path: Path) -> None:
    model = random_model()
    assert "all 28 parameters read back" in export_model(model, FORMATS["safetensors"], tmp_path / "out")
    names = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    for name, array in load_checkpoint(tmp_path / "out").weights.items():
        np.testing.assert_array_equal(array, model.weights[name])
    with pytest.raises(ConfigError, match="exists; allowed: a new path"):
        export_model(model, FORMATS["safetensors"], tmp_path / "out")


@pytest.mark.parametrize("name", ["onnx", "gguf"])
def test_a_missing_package_is_one_line_with_its_extra(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, FORMATS[name].module, raising=False)
    with pytest.raises(MissingDependencyError, match=rf"format '{name}' needs {name}.*tinygpt\[export\]"):
        export_model(random_model(), FORMATS[name], tmp_path / "out")
    assert [*tmp_path.iterdir()] == []


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown format 'ggml' \\(did you mean 'gguf'"):
        find_format("ggml")
