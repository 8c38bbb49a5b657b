"""Checkpoints: exact round trips, and a one-line error for every damaged file."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests import ROOT
from tests.tinygpt.small_checkpoint import MODEL, TRAIN, arrays, edit_state, failure, save, state, step_of
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import CONFIG, KEPT, OPTIMIZER, STATE, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import has_checkpoint, save_checkpoint
from tinygpt.errors import CapacityError, CheckpointError


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "run"
    save(folder)
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "run"))


def edit_json(path: Path, **changes: object) -> None:
    value = json.loads(path.read_text())
    path.write_text(json.dumps({key: item for key, item in (value | changes).items() if item != "absent"}))


def weights_only(folder: Path) -> Path:
    """A folder as save_pretrained writes it: without a training state."""
    (folder / STATE).unlink()
    (folder / OPTIMIZER).unlink()
    return folder


# ---- round trips ---------------------------------------------------------------------------------------------


def test_everything_comes_back_exactly(good: Path) -> None:
    loaded = load_checkpoint(good)
    assert (loaded.config, loaded.train, loaded.training) == (MODEL, TRAIN, state(5))
    assert loaded.optimizer is not None and loaded.optimizer.step == 5
    for found, expected in (
        (loaded.weights, arrays(5)),
        (loaded.optimizer.first_moment, arrays(1005)),
        (loaded.optimizer.second_moment, arrays(2005)),
    ):
        assert list(found) == list(expected)
        for name in expected:
            assert found[name].dtype == np.float32
            np.testing.assert_array_equal(found[name], expected[name])


def test_state_dict_is_a_copy(good: Path) -> None:
    loaded = load_checkpoint(good)
    loaded.state_dict()["wte.weight"][:] = 0
    np.testing.assert_array_equal(loaded.weights["wte.weight"], arrays(5)["wte.weight"])


def test_the_safetensors_library_reads_what_we_write(good: Path) -> None:
    for name, array in load_file(good / WEIGHTS).items():
        np.testing.assert_array_equal(array, arrays(5)[name])
    assert len(load_file(good / OPTIMIZER)) == 2 * len(arrays(5))


def test_views_and_other_layouts_are_written_by_value(tmp_path: Path) -> None:
    weights = {name: np.asfortranarray(array) for name, array in arrays(1).items()}
    weights["wpe.weight"] = np.repeat(arrays(1)["wpe.weight"], 2, axis=0)[::2]
    save_checkpoint(tmp_path / "run", Checkpoint(MODEL, TRAIN, weights))
    loaded = load_checkpoint(tmp_path / "run")
    assert loaded.optimizer is None and loaded.training is None
    for name, array in arrays(1).items():
        np.testing.assert_array_equal(loaded.weights[name], array)


def write_stored(path: Path, dtype: str, tensors: dict[str, np.ndarray]) -> None:
    """Write a safetensors file whose header declares a type for all tensors."""
    header, end = {}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(array.tobytes() for array in tensors.values()))


@pytest.mark.parametrize(
    ("stored", "convert"),
    [
        ("F16", lambda array: array.astype(np.float16)),
        ("BF16", lambda array: (array.view(np.uint32) >> 16).astype(np.uint16)),
        ("F64", lambda array: array.astype(np.float64)),
    ],
)
def test_other_precisions_load_as_float32(
    folder: Path, stored: str, convert: Callable[[np.ndarray], np.ndarray]
) -> None:
    exact = {name: np.round(array * 8) / 8 for name, array in arrays(5).items()}  # representable in all of them
    write_stored(folder / WEIGHTS, stored, {name: convert(array) for name, array in exact.items()})
    loaded = load_checkpoint(weights_only(folder))
    for name, array in exact.items():
        assert loaded.weights[name].dtype == np.float32
        np.testing.assert_array_equal(loaded.weights[name], array)


def test_names_with_transformers_prefix_and_its_legacy_buffers_load(folder: Path) -> None:
    weights = {f"transformer.{name}": array for name, array in arrays(5).items()}
    weights["lm_head.weight"] = arrays(5)["wte.weight"]
    weights["transformer.h.0.attn.bias"] = np.tril(np.ones((1, 1, 3, 3), np.uint8))
    weights["transformer.h.0.attn.masked_bias"] = np.array(-1e4, np.float32)
    save_file(weights, folder / WEIGHTS)
    loaded = load_checkpoint(weights_only(folder))
    for name, array in arrays(5).items():
        np.testing.assert_array_equal(loaded.weights[name], array)


def test_a_folder_without_training_state_has_default_training_settings(folder: Path) -> None:
    loaded = load_checkpoint(weights_only(folder))
    assert loaded.training is None and loaded.optimizer is None
    assert loaded.train.learning_rate == 3e-4


# ---- bad input: one clear line each --------------------------------------------------------------------------


def test_missing_folder_and_file_in_its_place(tmp_path: Path) -> None:
    assert "there is no folder" in failure(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    assert "is a file" in failure(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "holds no checkpoint" in failure(tmp_path / "empty")
    assert not has_checkpoint(tmp_path / "empty")
    assert "holds no checkpoint" in failure(Path("/"))


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, OPTIMIZER, STATE])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    message = failure(folder)
    assert name in message and "missing" in message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"shape":[4]', b'"shape":[5]'),
        (b'"data_offsets":[0,', b'"data_offsets":[4,'),
        (b'"dtype":"F32"', b'"dtype":"F16"'),
        (b'"dtype":"F32"', b'"dtype":"X32"'),
        (b'"shape":[256,4]', b'"shape":[-56,4]'),
        (b'{"__metadata__"', b'["__metadata__"'),
    ],
)
def test_false_headers_are_refused(folder: Path, old: bytes, new: bytes) -> None:
    weights_only(folder)
    data = (folder / WEIGHTS).read_bytes()
    assert old in data
    (folder / WEIGHTS).write_bytes(data.replace(old, new, 1))
    assert "not a whole safetensors file" in failure(folder)


def test_other_file_formats_are_refused(folder: Path) -> None:
    weights_only(folder)
    for content in (b"", b"\x80\x02}q\x00.", b"PK\x03\x04" * 50, b"\xff" * 64, b"\0" * 64, b"{}"):
        (folder / WEIGHTS).write_bytes(content)
        assert "not a whole safetensors file" in failure(folder)


def test_integer_tensors_are_refused(folder: Path) -> None:
    weights = dict(arrays(5)) | {"wte.weight": np.zeros((256, 4), np.int32)}
    save_file(weights, folder / WEIGHTS)
    assert "holds I32" in failure(weights_only(folder))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_both_ways(folder: Path, value: float) -> None:
    weights = arrays(5)
    weights["ln_f.bias"][1] = value
    with pytest.raises(CheckpointError, match=r"ln_f\.bias.*not finite"):
        save_checkpoint(folder, Checkpoint(MODEL, TRAIN, weights))
    assert step_of(folder) == 5
    save_file(weights, folder / WEIGHTS)
    assert "not finite" in failure(weights_only(folder))


def test_an_untied_head_is_refused(folder: Path) -> None:
    save_file(arrays(5) | {"lm_head.weight": arrays(6)["wte.weight"]}, folder / WEIGHTS)
    assert "lm_head.weight" in failure(weights_only(folder))


def test_doubled_missing_and_unknown_parameters_are_named(folder: Path) -> None:
    weights_only(folder)
    save_file(arrays(5) | {"transformer.ln_f.bias": arrays(5)["ln_f.bias"]}, folder / WEIGHTS)
    assert "'ln_f.bias' twice" in failure(folder)
    save_file({name: array for name, array in arrays(5).items() if name != "ln_f.bias"}, folder / WEIGHTS)
    assert "15 parameters" in failure(folder)
    renamed = {name.replace("ln_f.bias", "ln_f.offset"): array for name, array in arrays(5).items()}
    save_file(renamed, folder / WEIGHTS)
    assert "'ln_f.bias' is missing" in failure(folder)


@pytest.mark.parametrize(
    "content", [b"", b"not json", b"[]", b"{", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000, b"1" * 5000]
)
@pytest.mark.parametrize("name", [CONFIG, STATE])
def test_files_that_are_not_json_objects_are_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert name in failure(folder)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model_type": "llama"}, "model_type 'llama'"),
        ({"model_type": "absent"}, "model_type None"),
        ({"vocab_size": 50257}, "wte.weight"),
        ({"vocab_size": "absent"}, "wte.weight"),
        ({"activation_function": "relu"}, "gelu_fast; run: the same command with another model"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings False"),
        ({"scale_attn_weights": False}, "scale_attn_weights False"),
        ({"n_inner": 7}, "n_inner 7"),
        ({"n_embd": 5}, "d_model"),
        ({"n_embd": "four"}, "'four'"),
        ({"n_head": None}, "n_heads"),
        ({"n_layer": True}, "n_layers"),
        ({"n_layer": 10**9}, "n_layer 1000000000"),
        ({"n_layer": 2}, "n_layer 2"),
        ({"n_embd": 6}, "wte.weight"),
        ({"n_positions": 4}, "wpe.weight"),
        ({"layer_norm_epsilon": 0}, "layer_norm_eps"),
        ({"layer_norm_epsilon": 10**400}, "does not describe a model"),
        ({"layer_norm_epsilon": "tiny"}, "layer_norm_epsilon"),
    ],
)
def test_configurations_of_other_models_are_refused(folder: Path, changes: dict[str, object], expected: str) -> None:
    edit_json(folder / CONFIG, **changes)
    assert f"{CONFIG} is damaged" in failure(folder)
    assert expected in failure(weights_only(folder))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"format": "other"}, "format 'other'"),
        ({"format_version": 7}, "format version 7"),
        ({"format_version": 0}, "format version 0"),
        ({"format_version": True}, "format version True"),
        ({"format_version": "1"}, "format version '1'"),
        ({"format_version": 1}, "lists no SHA-256"),  # version 1 had no hash of config.json
        ({"sha256": "absent"}, "SHA-256"),
        ({"sha256": {}}, "SHA-256"),
        ({"sha256": {WEIGHTS: "0", CONFIG: "0", "../x": "0"}}, "SHA-256"),
        ({"train": None}, "train of"),
        ({"train": {}}, "lacks the field 'batch_size'"),
        ({"training": {"step": 5}}, "lacks the field"),
        ({"training": 3}, "training of"),
    ],
)
def test_damaged_training_states_are_refused(folder: Path, changes: dict[str, object], expected: str) -> None:
    edit_state(folder, **changes)
    assert expected in failure(folder)


@pytest.mark.parametrize("changes", [{"train": {}}, {"checksum": "absent"}, {"checksum": "0"}, {"unknown": 1}])
def test_a_state_without_its_own_checksum_is_refused(folder: Path, changes: dict[str, object]) -> None:
    edit_json(folder / STATE, **changes)
    assert "checksum" in failure(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [("step", -1), ("step", 5.0), ("step", 6), ("seed", "0"), ("recent_losses", [1, "x"]), ("elapsed_seconds", -1.0)],
)
def test_damaged_training_fields_are_refused(folder: Path, field: str, value: object) -> None:
    training = json.loads((folder / STATE).read_text())["training"]
    edit_state(folder, training=training | {field: value})
    assert field in failure(folder).replace(str(folder), "")


def test_exchanged_weights_are_detected(folder: Path) -> None:
    save_file(arrays(6), folder / WEIGHTS)
    assert "damaged or not the file" in failure(folder)


# ---- what is never written ---------------------------------------------------------------------------------


def test_a_save_without_optimizer_drops_the_old_one(folder: Path) -> None:
    save_checkpoint(folder, Checkpoint(MODEL, TRAIN, arrays(9)))
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, WEIGHTS, TOKENIZER, TOKENIZER_CONFIG, STATE]
    assert load_checkpoint(folder).optimizer is None


def test_weights_of_another_shape_are_never_written(folder: Path) -> None:
    weights = arrays(6) | {"ln_f.bias": np.zeros(5, np.float32)}
    with pytest.raises(CheckpointError, match=r"ln_f\.bias"):
        save_checkpoint(folder, Checkpoint(MODEL, TRAIN, weights))
    assert step_of(folder) == 5


def test_no_module_of_the_library_touches_pickle() -> None:
    for path in (ROOT / "tinygpt").rglob("*.py"):
        assert not re.search(r"import pickle|pickle\.|allow_pickle|np\.load\(|numpy\.load\(", path.read_text()), path


@pytest.mark.parametrize("key", ["n_positions", "n_embd", "n_head", "n_layer", "vocab_size", "n_inner"])
@pytest.mark.parametrize("value", [10**400, 2**63, -(10**400)], ids=["huge", "large", "negative"])
def test_sizes_that_no_array_has_are_refused(folder: Path, key: str, value: int) -> None:
    path = weights_only(folder) / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    assert len(failure(folder)) < 1000


@pytest.mark.parametrize("key", ["warmup_steps", "decay_steps", "accumulation", "batch_size"])
def test_tampered_settings_are_refused(folder: Path, key: str) -> None:
    train = json.loads((folder / STATE).read_text())["train"]
    for value in (10**400, 2**63, 2**31, -1):
        edit_state(folder, train=train | {key: value})
        assert len(failure(folder)) < 1000


def test_the_optimizer_s_state_can_be_left_alone(folder: Path) -> None:
    whole = load_checkpoint(folder)
    (folder / OPTIMIZER).write_bytes(b"damaged")
    assert "not a whole safetensors file" in failure(folder)
    read = load_checkpoint(folder, weights_only=True)
    assert read.optimizer is None and read.training == whole.training
    assert all(np.array_equal(read.weights[name], array) for name, array in whole.weights.items())


@pytest.mark.parametrize("alone", [False, True], ids=["with a state", "alone"])
@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, OPTIMIZER, STATE])
def test_a_file_of_any_size_is_refused_at_once(folder: Path, name: str, alone: bool) -> None:
    if alone and name in (OPTIMIZER, STATE):
        return
    if alone:
        weights_only(folder)
    os.truncate(folder / name, 10**11)  # sparse
    start = time.monotonic()
    assert name in failure(folder)
    assert time.monotonic() - start < 5


def test_a_tensor_beyond_the_memory_is_refused_before_its_hash(folder: Path) -> None:
    header = json.dumps({"wte.weight": {"dtype": "F32", "shape": [2**41], "data_offsets": [0, 2**43]}}).encode()
    (folder / WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(folder / WEIGHTS, 8 + len(header) + 2**43)  # sparse
    with pytest.raises(CapacityError, match=r"needs 8,192\.0 GiB of memory or more"):
        load_checkpoint(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, OPTIMIZER, STATE])
def test_a_damaged_file_beside_kept_checkpoints_names_restore(folder: Path, name: str) -> None:
    shutil.copytree(folder, folder / KEPT / "step-00000001")
    (folder / name).write_bytes(b"{}")
    assert f"run: invoke restore {folder}" in failure(folder)
