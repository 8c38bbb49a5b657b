"""The gallery's format: small files that give float32 within a stated error, and their cards."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tinygpt.checkpoints.rounded_file import PRECISIONS, read_stored, stored_bytes
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.gallery import Card, gallery_names, load_gallery_model
from tinygpt.gallery.card import CARD_VERSION
from tinygpt.generation.decoding import generate
from tinygpt.params import Arrays, initial_parameters
from tinygpt.rounding import dequantize, quantize

MODEL = ModelConfig(n_layers=1, d_model=16, n_heads=2, context_length=16)


def a_card(data: bytes, name: str = "tiny") -> Card:
    return Card(
        version=CARD_VERSION, name=name, corpus="fables", corpus_sha256="0" * 64, licence="public domain",
        source="written here", preset="tiny", model=asdict(MODEL), n_parameters=MODEL.n_parameters,
        engine="vectorized[threads=2]", recipe="AdamW", train=asdict(TrainConfig(4)), steps=10, planned_steps=12,
        tokens=640, seed=0, seconds=1.5, machine={"cpu": "a processor", "cores": 2}, commit=None,
        trained_on="2026-01-02", command="invoke gallery train tiny", precision="int8", file_bytes=len(data),
        file_sha256=hashlib.sha256(data).hexdigest(), largest_error=0.001, float32_held_out_loss=2.0,
        evaluation={"held_out_loss": 2.0}, evolution=({"step": 1, "text": "x"},),
    )  # fmt: skip


@pytest.fixture
def shelf(tmp_path):
    weights = initial_parameters(MODEL, 3)
    data = stored_bytes(quantize(weights, "int8"))
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(data)
    (folder / "card.json").write_text(a_card(data).as_json(), encoding="utf-8")
    return tmp_path, weights


def error_bound(weights: Arrays, precision: str) -> float:
    """Return the allowed error of a weight after storing and reading, besides float32's own rounding."""
    largest = max(float(np.abs(value).max()) for value in weights.values() if value.ndim >= 2)
    return largest / 254.0 if precision == "int8" else max(largest * 2.0**-11, 2.0**-25)


# ---- numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_read_back_within_the_stated_error(precision, tmp_path):
    weights = initial_parameters(MODEL, 0)
    weights["ln_f.weight"] = np.linspace(-3, 3, 16, dtype=np.float32)
    data = stored_bytes(quantize(weights, precision))
    (tmp_path / "w").write_bytes(data)
    back = read_stored(tmp_path / "w", MODEL)
    bound = error_bound(weights, precision)
    assert 0 < bound < 0.001
    for name, value in weights.items():
        assert back[name].dtype == np.float32
        if value.ndim < 2:
            np.testing.assert_array_equal(back[name], value)
        else:
            assert 0 < np.abs(back[name] - value).max() <= bound * (1 + 1e-5), name
    again = stored_bytes(quantize(back, precision))
    (tmp_path / "w").write_bytes(again)
    for name, value in read_stored(tmp_path / "w", MODEL).items():
        np.testing.assert_allclose(value, back[name], rtol=1e-6)  # rounding happens once


def test_int8_takes_a_byte_a_weight():
    weights = initial_parameters(replace(MODEL, d_model=64), 0)
    count = sum(value.size for value in weights.values())
    assert len(stored_bytes(quantize(weights, "int8"))) < 1.15 * count
    assert len(stored_bytes(quantize(weights, "float16"))) < 2.15 * count


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 7)), elements=st.floats(-1e4, 1e4, width=32)))
def test_the_error_of_a_row_is_half_a_step_of_its_scale(matrix):
    stored = quantize({"w": matrix}, "int8")
    back = dequantize(stored)["w"]
    assert (np.abs(back - matrix) <= stored["w.scale"][:, None] * 0.5001 + 1e-30).all()
    np.testing.assert_array_equal(back[matrix == 0], 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_values_that_cannot_be_stored_are_refused(value):
    weights = {"w": np.full((2, 2), value, np.float32)}
    with pytest.raises(CheckpointError, match="'w' holds values beyond float16"):
        quantize(weights, "float16")
    with pytest.raises(ConfigError, match="unknown precision 'int4'"):
        quantize(weights, "int4")


# ---- files ---------------------------------------------------------------------------------------------------


def test_a_model_loads_by_name_and_writes(shelf):
    root, weights = shelf
    assert gallery_names(root) == ("tiny",)
    found = load_gallery_model("tiny", root)
    assert (found.config, found.card.steps, found.card.evolution[0]["step"]) == (MODEL, 10, 1)
    assert len(list(generate(found, "", 20, seed=1))) == 20
    for name, value in found.state_dict().items():
        np.testing.assert_allclose(value, weights[name], atol=error_bound(weights, "int8") * 1.001)


def test_an_unknown_model_is_named(shelf):
    with pytest.raises(ConfigError, match="unknown gallery model 'tinny' \\(did you mean 'tiny'"):
        load_gallery_model("tinny", shelf[0])


def test_every_truncation_of_the_weights_is_refused(shelf):
    path = shelf[0] / "tiny" / "weights.safetensors"
    data = path.read_bytes()
    for size in [*range(0, 200, 7), *range(200, len(data), 997), len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(CheckpointError):
            load_gallery_model("tiny", shelf[0])


def test_damage_is_refused(shelf):
    root, weights = shelf
    folder = root / "tiny"
    data = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="not the file of its card"):
        load_gallery_model("tiny", root)
    stored = quantize(weights, "int8")
    del stored["wte.weight.scale"]
    (folder / "weights.safetensors").write_bytes(stored_bytes(stored))
    with pytest.raises(CheckpointError, match=r"'wte.weight' .* has no scale"):
        load_gallery_model("tiny", root)
    other = initial_parameters(replace(MODEL, context_length=8), 0)
    (folder / "weights.safetensors").write_bytes(stored_bytes(quantize(other, "int8")))
    with pytest.raises(CheckpointError, match=r"'wpe.weight' has shape"):
        load_gallery_model("tiny", root)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        load_gallery_model("tiny", root)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"version": 99}, "has version 99"),
        ({"steps": "ten"}, "card.steps .* is 'ten'"),
        ({"surprise": 1}, "unknown field 'surprise'"),
        ({"model": {"n_layers": 0}}, "model"),
        ({"evolution": ["x"]}, "card.evolution"),
    ],
)
def test_a_card_is_checked(shelf, change, message):
    path = shelf[0] / "tiny" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change), encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        load_gallery_model("tiny", shelf[0])


def test_the_packaged_models_are_complete():
    for name in gallery_names():
        found = load_gallery_model(name)
        assert found.card.name == name
        assert found.card.file_bytes < 12_000_000
        assert found.card.evaluation["judgement"]["grade"]
