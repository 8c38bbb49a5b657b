"""Folders of other programs: several files with an index, older formats, dropout in the configuration."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.foreign_checkpoints import FOREIGN, LFS_POINTER
from tests.tinygpt import gpt2_folder
from tests.tinygpt.gpt2_folder import BPE, write_gpt2
from tests.tinygpt.small_checkpoint import MODEL, TRAIN, arrays, failure, save, state
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.gpt2_config import dropout_of, from_gpt2_config, to_gpt2_config
from tinygpt.checkpoints.layout import CONFIG, INDEX, OPTIMIZER, STATE, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.errors import CapacityError, CheckpointError
from tinygpt.tokenizers import BYTES

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """A folder as save_pretrained writes it for a model that is larger than the largest allowed file."""
    folder = tmp_path / "run"
    save(folder)
    for name in (STATE, OPTIMIZER, WEIGHTS):
        (folder / name).unlink()
    weights = {f"transformer.{name}": array for name, array in arrays(5).items()}
    places = {name: SHARDS[index % 2] for index, name in enumerate(weights)}
    for shard in SHARDS:
        save_file({name: weights[name] for name, place in places.items() if place == shard}, folder / shard)
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return folder


def edit_map(folder: Path, **changes: object) -> None:
    index = json.loads((folder / INDEX).read_text())
    index["weight_map"] |= changes
    (folder / INDEX).write_text(json.dumps(index))


def test_several_files_load_as_one(sharded: Path) -> None:
    loaded = load_checkpoint(sharded)
    assert loaded.config == MODEL and loaded.optimizer is None
    for name, array in arrays(5).items():
        np.testing.assert_array_equal(loaded.weights[name], array)


def test_a_padded_vocabulary_loses_the_rows_that_no_token_has(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for rows in (301, 448):  # no multiple of 64, and more than padding adds
        other = write_gpt2(tmp_path / str(rows), replace(gpt2_folder.MODEL, vocab_size=rows))
        assert f"tokenizer.json has {BPE.vocab_size} tokens and the weights {rows}" in failure(other)
    wide = replace(gpt2_folder.MODEL, vocab_size=320)
    loaded = load_checkpoint(write_gpt2(tmp_path / "padded", wide))
    assert loaded.config == gpt2_folder.MODEL and loaded.tokenizer.hash == BPE.hash
    expected = gpt2_folder.weights(model=wide)
    np.testing.assert_array_equal(loaded.weights["wte.weight"], expected["wte.weight"][: BPE.vocab_size])
    np.testing.assert_array_equal(loaded.weights["ln_f.bias"], expected["ln_f.bias"])
    assert f"the last {320 - BPE.vocab_size} of 320 rows of the token table are padding" in caplog.text
    save_checkpoint(tmp_path / "saved", loaded)
    assert load_checkpoint(tmp_path / "saved").config.vocab_size == BPE.vocab_size


def test_a_false_index_is_refused(sharded: Path) -> None:
    edit_map(sharded, **{"transformer.extra": SHARDS[0]})
    assert f"'transformer.extra' is not in {sharded / SHARDS[0]}" in failure(sharded)


@pytest.mark.parametrize("place", ["../model.safetensors", "/etc/passwd", "pytorch_model.bin", "a\\b.safetensors", ""])
def test_an_index_reaches_no_file_outside_its_folder(sharded: Path, place: str) -> None:
    edit_map(sharded, **{"transformer.wte.weight": place})
    assert f"names the file {place!r}" in failure(sharded)


def test_a_missing_part_is_named(sharded: Path) -> None:
    (sharded / SHARDS[1]).unlink()
    assert f"{SHARDS[1]} is missing" in failure(sharded)


def test_a_cut_part_is_refused(sharded: Path) -> None:
    data = (sharded / SHARDS[0]).read_bytes()
    (sharded / SHARDS[0]).write_bytes(data[:-1])
    assert "not a whole safetensors file" in failure(sharded)


def test_the_same_parameter_under_two_names_is_refused(sharded: Path) -> None:
    save_file({"ln_f.bias": arrays(5)["ln_f.bias"]}, sharded / "more.safetensors")
    edit_map(sharded, **{"ln_f.bias": "more.safetensors"})
    assert "'ln_f.bias' twice" in failure(sharded)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (os.environ["BOMB"],)


def test_a_pickle_is_refused_by_name_and_never_read(
    sharded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOMB", str(tmp_path / "it ran"))
    for path in sharded.glob("model*"):
        path.unlink()
    (sharded / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    assert "pytorch_model.bin is a pickle" in failure(sharded)
    (sharded / WEIGHTS).write_bytes(pickle.dumps(Bomb()))
    assert "not a whole safetensors file" in failure(sharded)
    assert not (tmp_path / "it ran").exists()


# ---- the configuration -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gelu_new", "gelu_pytorch_tanh", "gelu_fast"])
def test_the_names_of_the_tanh_gelu_are_one_function(name: str) -> None:
    config = to_gpt2_config(MODEL) | {"activation_function": name}
    assert from_gpt2_config(config, "here") == MODEL


@pytest.mark.parametrize("name", ["gelu", "relu", None, 3, ["gelu_new"]])
def test_other_activations_are_refused(name: object) -> None:
    with pytest.raises(CheckpointError, match="activation_function"):
        from_gpt2_config(to_gpt2_config(MODEL) | {"activation_function": name}, "here")


def test_dropout_round_trips() -> None:
    written = to_gpt2_config(MODEL, 0.25)
    assert (written["embd_pdrop"], written["resid_pdrop"], written["attn_pdrop"]) == (0.25, 0.25, 0.0)
    assert dropout_of(written) == 0.25
    assert dropout_of(to_gpt2_config(MODEL)) == 0.0


@pytest.mark.parametrize(
    "rates",
    [
        {},  # transformers' default: 0.1 on the attention weights too
        {"embd_pdrop": 0.2, "resid_pdrop": 0.1, "attn_pdrop": 0.0},
        {"embd_pdrop": 0.1, "resid_pdrop": 0.1, "attn_pdrop": 0.1},
        {"embd_pdrop": [], "resid_pdrop": [], "attn_pdrop": 0},
        {"embd_pdrop": 2.0, "resid_pdrop": 2.0, "attn_pdrop": 0.0},
        {"embd_pdrop": "0.1", "resid_pdrop": "0.1", "attn_pdrop": 0.0},
    ],
)
def test_unsupported_dropout_is_none(rates: dict[str, object]) -> None:
    assert dropout_of(rates) == 0.0


def test_a_checkpoint_stores_its_dropout(tmp_path: Path) -> None:
    train = TrainConfig(batch_size=2, dropout=0.125)
    save_checkpoint(tmp_path / "run", Checkpoint(MODEL, train, arrays(1)))
    assert json.loads((tmp_path / "run" / CONFIG).read_text())["resid_pdrop"] == 0.125
    assert load_checkpoint(tmp_path / "run").train == train
    (tmp_path / "run" / STATE).unlink()  # as if transformers had written it
    assert load_checkpoint(tmp_path / "run").train.dropout == 0.125


# ---- an older format of ours -----------------------------------------------------------------------------------


def test_a_checkpoint_of_format_1_loads(tmp_path: Path) -> None:
    """Format 1 had no hash of config.json and of the state itself, and fewer fields."""
    folder = tmp_path / "run"
    save(folder)
    written = json.loads((folder / STATE).read_text())
    for name in (CONFIG, TOKENIZER, TOKENIZER_CONFIG):
        del written["sha256"][name]
    del written["checksum"]
    for name in ("evaluated_step", "sampled_step", "started_from"):
        del written["training"][name]
    for name in ("accumulation", "warmup_steps", "decay_steps", "decay_to", "dropout"):
        del written["train"][name]
    (folder / STATE).write_text(json.dumps(written | {"format_version": 1}))
    loaded = load_checkpoint(folder)
    assert (loaded.train, loaded.training) == (TRAIN, state(5))
    assert loaded.tokenizer is BYTES
    del written["training"]["seed"]
    (folder / STATE).write_text(json.dumps(written | {"format_version": 1}))
    assert "lacks the field 'seed'" in failure(folder)


# ---- as other programs write them ------------------------------------------------------------------------------


@pytest.mark.parametrize("case", FOREIGN)
def test_folders_of_other_programs_load_as_the_same_model_or_are_refused(tmp_path: Path, case: str) -> None:
    foreign, weights = FOREIGN[case], arrays(5)
    config, tensors = foreign.files(MODEL, weights)
    (tmp_path / CONFIG).write_bytes(config)
    (tmp_path / WEIGHTS).write_bytes(tensors)
    if not foreign.loads:
        failure(tmp_path)
        return
    loaded = load_checkpoint(tmp_path)
    for name, array in weights.items():
        expected = foreign.rounded(array)
        np.testing.assert_array_equal(loaded.weights[name], expected)


def test_a_git_lfs_pointer_is_named(tmp_path: Path) -> None:
    save(tmp_path)
    for name in (STATE, OPTIMIZER):
        (tmp_path / name).unlink()
    (tmp_path / WEIGHTS).write_bytes(LFS_POINTER)
    assert "is a Git LFS pointer" in failure(tmp_path) and "git lfs pull" in failure(tmp_path)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, OPTIMIZER, STATE, TOKENIZER, TOKENIZER_CONFIG])
def test_a_pipe_is_refused_at_once(tmp_path: Path, name: str) -> None:
    save(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    assert "not a regular file" in failure(tmp_path)


def test_weights_that_do_not_fit_into_memory_are_refused_with_both_figures(tmp_path: Path) -> None:
    """Load a sparse file of 800 GB, as from a damaged download or an attack."""
    save(tmp_path)
    for name in (STATE, OPTIMIZER):
        (tmp_path / name).unlink()
    size = 200 * 10**9
    header = json.dumps({"wte.weight": {"dtype": "F32", "shape": [size], "data_offsets": [0, 4 * size]}}).encode()
    with (tmp_path / WEIGHTS).open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 4 * size)
    with pytest.raises(CapacityError, match=r"needs 745\.1 GiB of memory or more, and .* leaves [\d.]+ GiB"):
        load_checkpoint(tmp_path)
