"""Models of the hub: which files are fetched, when, and what is refused before gigabytes are."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.tinygpt.gpt2_folder import MODEL, weights, write_gpt2
from tests.tinygpt.hub_double import HubDouble
from tinygpt.checkpoints.hub_models import hub_model_folder, hub_model_shape
from tinygpt.checkpoints.layout import CONFIG, INDEX, TOKENIZER, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.errors import CheckpointError, MissingDependencyError, TinyGPTError
from tinygpt.system.hub import repository_of

NAME = "someone/small-gpt2"


def refusal(name: str = NAME) -> str:
    with pytest.raises(TinyGPTError) as caught:
        hub_model_folder(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("gpt2", "openai-community/gpt2"),
        ("gpt2-xl", "openai-community/gpt2-xl"),
        ("distilgpt2", "distilbert/distilgpt2"),
        ("openai-community/gpt2", "openai-community/gpt2"),
        ("hf:gpt2", "openai-community/gpt2"),
        ("hf:someone/some.model_1", "someone/some.model_1"),
        ("gpt3", None),
        ("shakespeare", None),
        ("./gpt2", None),
        ("/someone/model", None),
        ("a/b/c", None),
        ("../up", None),
        ("", None),
    ],
)
def test_names_of_the_hub(name: str, repository: str | None) -> None:
    assert repository_of(name) == repository


def test_only_data_files_are_fetched_and_once(hub: HubDouble) -> None:
    folder = write_gpt2(hub.root / NAME)
    for name in ("pytorch_model.bin", "modeling.py", "README.md", "tf_model.h5", "other.safetensors"):
        (folder / name).write_bytes(b"not to be read")
    (folder / "onnx").mkdir()
    (folder / "onnx" / WEIGHTS).write_bytes(b"not to be read")
    found = hub_model_folder(NAME)
    assert {path.name for path in found.iterdir()} == {CONFIG, TOKENIZER, WEIGHTS}
    assert load_checkpoint(found).config == MODEL
    hub.offline, asked = True, len(hub.asked)
    assert hub_model_folder(NAME) == found and len(hub.asked) == asked


def test_all_files_of_an_index_are_fetched(hub: HubDouble) -> None:
    folder = write_gpt2(hub.root / NAME)
    (folder / WEIGHTS).unlink()
    places = {name: f"model-{number % 3}-of-3.safetensors" for number, name in enumerate(weights())}
    for place in set(places.values()):
        save_file({name: array for name, array in weights().items() if places[name] == place}, folder / place)
    (folder / INDEX).write_text(json.dumps({"weight_map": places}))
    found = hub_model_folder(NAME)
    np.testing.assert_array_equal(load_checkpoint(found).weights["ln_f.bias"], weights()["ln_f.bias"])
    (found / "model-1-of-3.safetensors").unlink()  # as after an interrupted download
    hub.offline = True
    assert "is not in the hub's cache, and the hub could not be reached" in refusal()
    hub.offline = False
    assert len(list(hub_model_folder(NAME).glob("*.safetensors"))) == 3


def test_a_part_that_another_program_fetched_is_completed(hub: HubDouble) -> None:
    write_gpt2(hub.root / NAME)
    cached = hub_model_folder(NAME)
    (cached / TOKENIZER).unlink()
    assert load_checkpoint(hub_model_folder(NAME)).tokenizer.vocab_size == MODEL.vocab_size


def test_the_configuration_is_checked_before_the_weights_are_fetched(hub: HubDouble) -> None:
    write_gpt2(hub.root / NAME, activation_function="relu")
    assert f"{NAME}/{CONFIG} has activation_function 'relu'" in refusal()
    assert not (hub.cache / NAME / WEIGHTS).exists()


def test_the_shape_needs_the_configuration_alone(hub: HubDouble) -> None:
    write_gpt2(hub.root / NAME)
    assert hub_model_shape(NAME) == MODEL
    assert [path.name for path in (hub.cache / NAME).iterdir()] == [CONFIG]


def test_pickles_alone_are_refused_and_not_fetched(hub: HubDouble) -> None:
    folder = write_gpt2(hub.root / NAME)
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")
    message = refusal()
    assert f"{NAME}/pytorch_model.bin is a pickle" in message and "data, never code" in message and "run:" in message
    assert not (hub.cache / NAME).exists()
    (folder / "pytorch_model.bin").unlink()
    assert f"{NAME} holds no {WEIGHTS}" in refusal()


def test_what_the_hub_refuses_is_one_line(hub: HubDouble) -> None:
    assert f"the hub has no public model {NAME}" in refusal()
    hub.gated.add(NAME)
    assert f"gives {NAME} only to accounts that have agreed" in refusal()
    hub.gated.clear()
    write_gpt2(hub.root / NAME)
    hub.full = True
    assert f"cannot keep {NAME} in the hub's cache: No space left on device; allowed: a disk with room" in refusal()
    hub.offline = True
    message = refusal()
    assert f"{NAME} is not in the hub's cache, and the hub could not be reached (ConnectionError)" in message


def test_without_the_client_its_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match=r"no folder 'someone/small-gpt2'.*install 'tinygpt\[hub\]'"):
        hub_model_folder(NAME)
    write_gpt2(tmp_path / "gpt2")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "gpt3")
    assert load_checkpoint(tmp_path / "gpt2").config == MODEL  # a folder needs no client
