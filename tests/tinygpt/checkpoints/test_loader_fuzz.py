"""The loaders against truncated, changed and invented files: one clear error, never a crash or other numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tinygpt.small_checkpoint import MODEL, TRAIN, arrays, edit_state, save, state
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import CONFIG, INDEX, OPTIMIZER, STATE, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.errors import CheckpointError
from tinygpt.runs.status import STATUS, read_status

FUZZ = settings(max_examples=80, deadline=None)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that each test damages and repairs."""
    folder = tmp_path_factory.mktemp("fuzz") / "run"
    save(folder)
    return folder


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as save_pretrained writes it: without hashes."""
    folder = tmp_path_factory.mktemp("foreign") / "run"
    save(folder)
    (folder / STATE).unlink()
    (folder / OPTIMIZER).unlink()
    return folder


def refuses(folder: Path) -> bool:
    """Return whether the loader refuses a folder; any exception but its own error fails the test."""
    try:
        load_checkpoint(folder)
    except CheckpointError as error:
        assert str(error) and "\n" not in str(error)
        return True
    return False


def is_what_was_saved(loaded: Checkpoint) -> bool:
    assert loaded.optimizer is not None
    return (loaded.config, loaded.train, loaded.training) == (MODEL, TRAIN, state(5)) and all(
        np.array_equal(found[name], array)
        for found, seed in ((loaded.weights, 5), (loaded.optimizer.first_moment, 1005))
        for name, array in arrays(seed).items()
    )


# ---- cut -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, OPTIMIZER, STATE])
def test_truncation_is_refused(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    try:
        with (folder / name).open("r+b") as file:
            # The hash protects a tensor file at every offset, so every 25th is enough; the next test has no hash.
            every = 25 if name in (WEIGHTS, OPTIMIZER) else 1
            for end in reversed(range(0, len(whole), every)):
                file.truncate(end)
                # A state without its last line break has the same contents.
                assert refuses(folder) or (name == STATE and end == len(whole) - 1), end
    finally:
        (folder / name).write_bytes(whole)
    assert not refuses(folder)


def test_weights_without_a_hash_are_refused_if_truncated_anywhere(foreign: Path) -> None:
    whole = (foreign / WEIGHTS).read_bytes()
    try:
        with (foreign / WEIGHTS).open("r+b") as file:
            header = 8 + int.from_bytes(whole[:8], "little")
            # Every offset of the header and of the last arrays; between them, the data are only missed by their size.
            for end in reversed([*range(header + 8), *range(header + 8, len(whole), 7), len(whole) - 1]):
                file.truncate(end)
                assert refuses(foreign), end
    finally:
        (foreign / WEIGHTS).write_bytes(whole)
    assert not refuses(foreign)


# ---- changed -------------------------------------------------------------------------------------------------


@FUZZ
@given(data=st.data())
def test_a_changed_byte_is_refused_or_changes_nothing(folder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([CONFIG, WEIGHTS, OPTIMIZER, STATE]))
    whole = (folder / name).read_bytes()
    position, change = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
    try:
        (folder / name).write_bytes(whole[:position] + bytes((whole[position] ^ change,)) + whole[position + 1 :])
        assert refuses(folder) or (name == STATE and is_what_was_saved(load_checkpoint(folder)))
    finally:
        (folder / name).write_bytes(whole)


@FUZZ
@given(data=st.data())
def test_a_changed_header_of_lone_weights_is_an_error_or_a_model(foreign: Path, data: st.DataObject) -> None:
    whole = (foreign / WEIGHTS).read_bytes()
    position = data.draw(st.integers(0, 8 + int.from_bytes(whole[:8], "little")))
    try:
        (foreign / WEIGHTS).write_bytes(
            whole[:position] + data.draw(st.binary(min_size=1, max_size=4)) + whole[position:]
        )
        if not refuses(foreign):
            assert load_checkpoint(foreign).model == MODEL
    finally:
        (foreign / WEIGHTS).write_bytes(whole)


# ---- made up -------------------------------------------------------------------------------------------------


@FUZZ
@given(content=st.binary(max_size=400))
def test_arbitrary_bytes_are_no_weights(foreign: Path, content: bytes) -> None:
    whole = (foreign / WEIGHTS).read_bytes()
    try:
        (foreign / WEIGHTS).write_bytes(content)
        assert refuses(foreign)
    finally:
        (foreign / WEIGHTS).write_bytes(whole)


@FUZZ
@given(key=st.sampled_from(["format_version", "train", "training", "sha256", "checksum", "format"]), value=JSON)
def test_any_value_in_a_state_is_refused(folder: Path, key: str, value: object) -> None:
    whole = (folder / STATE).read_bytes()
    try:
        edit_state(folder, **{key: value})
        loaded = None if refuses(folder) else load_checkpoint(folder)
        # A run may have no training state; and a checksum is computed, whatever the test puts there.
        assert loaded is None or key == "checksum" or (key == "training" and value is None)
    finally:
        (folder / STATE).write_bytes(whole)


@FUZZ
@given(field=st.sampled_from(["step", "recent_losses", "engine_options", "best_step", "elapsed_seconds"]), value=JSON)
def test_any_value_in_a_training_state_is_an_error_or_read(folder: Path, field: str, value: object) -> None:
    whole = (folder / STATE).read_bytes()
    try:
        edit_state(folder, training=json.loads(whole)["training"] | {field: value})
        if not refuses(folder):
            training = load_checkpoint(folder).training
            found = getattr(training, field)
            assert list(found) == value if isinstance(value, list) else found == value
    finally:
        (folder / STATE).write_bytes(whole)


@FUZZ
@given(
    key=st.sampled_from(["n_layer", "n_head", "n_embd", "n_positions", "layer_norm_epsilon", "n_inner", "model_type"]),
    value=JSON,
)
def test_any_value_in_a_configuration_is_an_error_or_a_model_of_these_weights(
    foreign: Path, key: str, value: object
) -> None:
    whole = (foreign / CONFIG).read_bytes()
    try:
        (foreign / CONFIG).write_text(json.dumps(json.loads(whole) | {key: value}))
        if not refuses(foreign):
            loaded = load_checkpoint(foreign)
            assert sum(array.size for array in loaded.weights.values()) == loaded.config.n_parameters
    finally:
        (foreign / CONFIG).write_bytes(whole)


@FUZZ
@given(index=JSON | st.dictionaries(st.just("weight_map"), JSON), raw=st.none() | st.binary(max_size=40))
def test_any_index_of_several_files_is_refused(foreign: Path, index: object, raw: bytes | None) -> None:
    (foreign / WEIGHTS).rename(foreign / "away")
    try:
        (foreign / INDEX).write_bytes(json.dumps(index).encode() if raw is None else raw)
        assert refuses(foreign)
    finally:
        (foreign / INDEX).unlink()
        (foreign / "away").rename(foreign / WEIGHTS)


@FUZZ
@given(value=JSON, raw=st.none() | st.binary(max_size=60))
def test_any_status_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, value: object, raw: bytes | None
) -> None:
    folder = tmp_path_factory.mktemp("status")
    (folder / STATUS).write_bytes(json.dumps(value).encode() if raw is None else raw)
    with pytest.raises(CheckpointError):
        read_status(folder)
    shutil.rmtree(folder)
