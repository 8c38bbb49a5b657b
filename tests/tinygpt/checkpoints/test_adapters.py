"""Adapters in folders: PEFT's names and orientation, the base, and one line for every folder that does not fit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.tinygpt.small_checkpoint import MODEL, TRAIN, arrays, edit_state, failure, save, state
from tinygpt.checkpoints.adapter_files import weights_sha256
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import ADAPTER, ADAPTER_CONFIG, BASE_CONFIG, CONFIG, OPTIMIZER, STATE, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.checkpoints.trainable import load_engine
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.gallery.sources import folder_shape
from tinygpt.lora import adapter_shapes, merged, parse_lora
from tinygpt.optim import OptimizerState
from tinygpt.params import Arrays, parameter_shapes

LORA = "rank=2,alpha=6,on=attn+mlp.c_fc"
TUNED = replace(TRAIN, lora=LORA)


def adapter(seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    shapes = adapter_shapes(parameter_shapes(MODEL), parse_lora(LORA))
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    save(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def folder(base: Path, tmp_path: Path) -> Path:
    """An adapter with the state of a run."""
    training = replace(state(5), base_sha256=weights_sha256(arrays(5)))
    optimizer = OptimizerState(5, adapter(1), adapter(2))
    tuned = Checkpoint(MODEL, TUNED, arrays(5), optimizer, training, adapter=adapter(0), base=str(base))
    return save_checkpoint(tmp_path / "adapter", tuned)


def edit(folder: Path, **changes: object) -> Path:
    """Change adapter_config.json of a folder, and leave no state that has its hash."""
    (folder / STATE).unlink(missing_ok=True)
    (folder / OPTIMIZER).unlink(missing_ok=True)
    path = folder / ADAPTER_CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def test_everything_comes_back_exactly(folder: Path, base: Path) -> None:
    loaded = load_checkpoint(folder)
    assert (loaded.config, loaded.train, loaded.base, loaded.step) == (MODEL, TUNED, str(base), 5)
    assert loaded.optimizer is not None and loaded.adapter is not None
    for found, expected in (
        (loaded.weights, arrays(5)),
        (loaded.adapter, adapter(0)),
        (loaded.optimizer.first_moment, adapter(1)),
        (loaded.optimizer.second_moment, adapter(2)),
    ):
        assert list(found) == list(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)
    for name, array in merged(arrays(5), adapter(0), 3.0).items():
        np.testing.assert_array_equal(loaded.state_dict()[name], array)
    assert not (folder / WEIGHTS).exists()


def test_the_files_are_pefts(folder: Path, base: Path) -> None:
    stored = load_file(folder / ADAPTER)
    name = "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight"
    assert sorted(stored)[0] == name and len(stored) == 2 * 3
    np.testing.assert_array_equal(stored[name], adapter(0)["h.0.attn.c_attn.lora_A"].T)
    config = json.loads((folder / ADAPTER_CONFIG).read_text())
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (2, 6, str(base))
    assert config["target_modules"] == ["attn.c_attn", "attn.c_proj", "mlp.c_fc"]
    assert config["fan_in_fan_out"] is True and config["peft_type"] == "LORA"


@pytest.mark.parametrize("prefix", ["base_model.model.", "base_model.model.transformer.", ""])
def test_an_adapter_without_a_state_is_one_from_elsewhere(folder: Path, prefix: str) -> None:
    stored = load_file(folder / ADAPTER)
    save_file({prefix + name.partition("transformer.")[2]: array for name, array in stored.items()}, folder / ADAPTER)
    assert not (folder / CONFIG).exists()  # beside which transformers would look for whole weights
    (folder / BASE_CONFIG).unlink()
    loaded = load_checkpoint(edit(folder))
    assert (loaded.train.lora, loaded.training, loaded.optimizer) == (LORA, None, None)
    assert loaded.adapter is not None
    for name, array in adapter(0).items():
        np.testing.assert_array_equal(loaded.adapter[name], array)


def test_an_adapter_of_an_older_format_is_read(folder: Path) -> None:
    (folder / BASE_CONFIG).rename(folder / CONFIG)
    digests = json.loads((folder / STATE).read_text())["sha256"]
    edit_state(folder, format_version=5, sha256={CONFIG: digests.pop(BASE_CONFIG), **digests})
    assert load_checkpoint(folder).step == 5
    assert folder_shape(folder) == (MODEL, TUNED)


def test_another_base_may_be_given(folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "other", 6)
    loaded = load_checkpoint(edit(folder), base=load_checkpoint(tmp_path / "other"))
    np.testing.assert_array_equal(loaded.weights["ln_f.weight"], arrays(6)["ln_f.weight"])


def without(name: str) -> Callable[[Path], object]:
    def remove(folder: Path) -> None:
        stored = load_file(folder / ADAPTER)
        save_file({key: array for key, array in stored.items() if name not in key}, edit(folder) / ADAPTER)

    return remove


def renamed(folder: Path) -> None:
    stored = load_file(edit(folder) / ADAPTER)
    save_file({name.replace("attn.c_attn", "lm_head"): array for name, array in stored.items()}, folder / ADAPTER)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: edit(folder, base_model_name_or_path="/nowhere"), "/nowhere, is not here; allowed: the folder"),
        (lambda folder: edit(folder, base_model_name_or_path=None), "which it does not name, is not here"),
        (lambda folder: edit(folder, r=3), "'h.0.attn.c_attn.lora_A' has shape (4, 2); allowed: shape (4, 3)"),
        (lambda folder: edit(folder, r=0), "rank is 0; allowed: a whole number, 1 or more"),
        (lambda folder: edit(folder, peft_type="IA3"), "has peft_type 'IA3'; allowed: 'LORA'"),
        (lambda folder: edit(folder, use_dora=True), "has use_dora True; allowed: an adapter of A and B alone"),
        (lambda folder: edit(folder, modules_to_save=["wte"]), "has modules_to_save ['wte']"),
        (lambda folder: edit(folder, bias="all"), "has bias 'all'; allowed: 'none'"),
        (without("c_fc.lora_B"), "'h.0.mlp.c_fc.lora_B' is missing"),
        (without("lora"), "holds no tensor"),
        (renamed, "is of another layer; allowed: lora_A and lora_B of attn.c_attn"),
        (lambda folder: (folder / ADAPTER).unlink(), f"{ADAPTER} is missing"),
        (lambda folder: (folder / ADAPTER).write_bytes(b"x"), "is not a whole safetensors file"),
        (lambda folder: save(folder.parent / "base", 6), "was trained on other weights than those of"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_in_one_line(
    folder: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(folder)
    assert words in failure(folder)


def test_a_base_that_was_trained_further_is_refused_with_the_checkpoint_that_fits(folder: Path, base: Path) -> None:
    run = replace(load_checkpoint(base), weights=arrays(6), training=state(6))
    save_checkpoint(base, replace(run, optimizer=OptimizerState(6, arrays(7), arrays(8))), keep=2)
    earlier = base / "checkpoints" / "step-00000005"
    message = failure(folder)
    assert f"which has changed since; allowed: {earlier}; run: " in message
    assert message.endswith(f"run: invoke sample --checkpoint {earlier} --adapter {folder}")
    loaded = load_checkpoint(folder, base=load_checkpoint(earlier))
    np.testing.assert_array_equal(loaded.weights["ln_f.weight"], arrays(5)["ln_f.weight"])


def test_a_wrong_base_that_is_given_is_told_from_the_adapters_own(folder: Path, base: Path, tmp_path: Path) -> None:
    save(tmp_path / "other", 6)
    with pytest.raises(CheckpointError, match=r"was not trained on the given base; allowed: .*, its own base") as error:
        load_checkpoint(folder, base=load_checkpoint(tmp_path / "other"))
    assert str(error.value).endswith(f"run: invoke sample --checkpoint {base} --adapter {folder}")


def base_of(**changes: int) -> Checkpoint:
    model = replace(MODEL, **changes)
    weights = {name: np.zeros(shape, np.float32) for name, shape in parameter_shapes(model).items()}
    return Checkpoint(model, TRAIN, weights)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"d_model": 8},
            "has 4 × 12 for h.0.attn.c_attn.weight, and its base has 8 × 24; allowed: a base of",
        ),
        ({"n_layers": 2}, "has nothing for h.1.attn.c_attn.weight, and its base has 4 × 12"),
    ],
)
def test_an_adapter_for_another_shape_is_refused_with_both(folder: Path, changes: dict[str, int], words: str) -> None:
    with pytest.raises(CheckpointError, match=re.escape(f"the adapter {folder} {words}")) as error:
        load_checkpoint(edit(folder), base=base_of(**changes))
    assert error.value.run == f"invoke sample --checkpoint BASE --adapter {folder}"


def test_a_loaded_adapter_goes_on_as_one_or_is_folded_in(folder: Path) -> None:
    engine = load_engine(folder, "numpy")
    assert engine.adapter().keys() == adapter(0).keys() and engine.optimizer_state().step == 5
    with pytest.raises(
        ConfigError, match=r"state is of rank=2,alpha=6,on=attn.mlp.c_fc, and the settings have all weights"
    ):
        load_engine(folder, "numpy", train=TRAIN)
    whole = load_engine(load_checkpoint(folder).folded(), "numpy", train=TRAIN)
    inputs = np.array([[1, 2, 3]])
    np.testing.assert_allclose(whole.logits(inputs), engine.logits(inputs), rtol=1e-4)
    assert not whole.adapter() and whole.train == TRAIN


def test_an_engine_is_saved_with_its_adapter(tmp_path: Path, folder: Path) -> None:
    engine = load_engine(folder, "numpy")
    save_checkpoint(tmp_path / "again", engine)
    again = load_checkpoint(tmp_path / "again", base=load_checkpoint(folder.parent / "base"))
    assert again.adapter is not None and again.train.lora == LORA
    for name, array in engine.adapter().items():
        np.testing.assert_array_equal(again.adapter[name], array)
