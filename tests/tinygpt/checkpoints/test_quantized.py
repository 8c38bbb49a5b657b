"""Checkpoint folders with rounded weights: a quarter of the size, and everything that takes a checkpoint takes them."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.tinygpt.slow_gpt2 import random_model
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import CONFIG, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.quantized import CODES, KEY
from tinygpt.checkpoints.trainable import load_engine
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.corpora import Corpus
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.evaluation.loss import scoring_engine, text_loss
from tinygpt.evaluation.rounding_cost import save_rounded
from tinygpt.evaluation.subject import load_subject, reader
from tinygpt.gallery import load_gallery_model
from tinygpt.generation.inference.coding import CodedWeights
from tinygpt.generation.inference.folding import FoldedWeights
from tinygpt.params import initial_parameters
from tinygpt.rounding import rounded

SHAPE = ModelConfig(n_layers=1, d_model=64, n_heads=2, context_length=16)
TEXT = bytes(np.random.default_rng(1).integers(97, 123, 900).astype(np.uint8))


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    return random_model(0.1, SHAPE)


@pytest.fixture
def corpus() -> Corpus:
    return Corpus("stories", TEXT, TEXT[:500], "ours", "written here")


@pytest.mark.parametrize(("precision", "share"), [("int8", 0.3), ("float16", 0.53)])
def test_a_folder_is_small_and_loads_as_the_rounded_weights(
    model: Checkpoint, corpus: Corpus, tmp_path: Path, precision: str, share: float
) -> None:
    record = save_rounded(model, corpus, tmp_path / "q", precision, 400)
    assert (tmp_path / "q" / CODES).stat().st_size < share * 4 * SHAPE.n_parameters
    loaded = load_checkpoint(tmp_path / "q")
    assert (loaded.config, loaded.quantization, loaded.optimizer) == (SHAPE, record, None)
    for name, array in rounded(model.weights, precision).items():
        np.testing.assert_array_equal(loaded.weights[name], array)
    assert load_subject(str(tmp_path / "q"), "").corpus_name("") == "stories"
    assert load_engine(tmp_path / "q", "numpy").train_step(np.zeros((1, 4), int), np.ones((1, 4), int)).loss > 0


def test_the_record_has_the_losses_before_and_after(model: Checkpoint, corpus: Corpus, tmp_path: Path) -> None:
    record = save_rounded(model, corpus, tmp_path / "q", "int8", 10_000)
    tokens = np.frombuffer(corpus.held_out, np.uint8)
    before = text_loss(scoring_engine(model), tokens)
    after = text_loss(scoring_engine(replace(model, weights=rounded(model.weights, "int8"))), tokens)
    assert (record.loss_before, record.loss_after) == (pytest.approx(before), pytest.approx(after))
    assert record.cost == pytest.approx(after - before) and record.measured_bytes == 500


def test_rounded_weights_are_not_rounded_again(model: Checkpoint, corpus: Corpus, tmp_path: Path) -> None:
    save_rounded(model, corpus, tmp_path / "q", n_bytes=400)
    with pytest.raises(ConfigError, match="are stored in int8 already; allowed: the model"):
        save_rounded(load_checkpoint(tmp_path / "q"), corpus, tmp_path / "again")
    with pytest.raises(ConfigError, match="are stored in int8 already"):
        save_rounded(load_gallery_model("stories"), corpus, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_text_of_ones_own_is_named_where_it_is_not_found(model: Checkpoint, corpus: Corpus, tmp_path: Path) -> None:
    save_rounded(model, replace(corpus, name="file:mine.txt"), tmp_path / "q", n_bytes=400)
    words = r"was trained on file:mine\.txt, in a folder that is not known; .* with --corpus file:PATH"
    with pytest.raises(ConfigError, match=words):
        load_subject(str(tmp_path / "q"), "").corpus_name("")


def test_what_exists_is_not_written_over(model: Checkpoint, corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(ConfigError, match="exists; allowed: a new path"):
            save_rounded(model, corpus, out)
    with pytest.raises(ConfigError, match="unknown precision"):
        save_rounded(model, corpus, tmp_path / "q", "int7")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_damage_is_refused(model: Checkpoint, corpus: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "q"
    save_rounded(model, corpus, folder, n_bytes=400)
    codes, config = (folder / CODES).read_bytes(), json.loads((folder / CONFIG).read_text())
    (folder / CODES).write_bytes(codes[:-1] + bytes([codes[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="is not the file that"):
        load_checkpoint(folder)
    (folder / CODES).write_bytes(codes[:-1])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load_checkpoint(folder)
    for change, message in (({"version": 2}, "version 2; allowed: 'tinygpt', version 1"), ({"sha256": 1}, "is 1")):
        (folder / CONFIG).write_text(json.dumps(config | {KEY: config[KEY] | change}))
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(folder)
    (folder / CONFIG).write_text(json.dumps({key: value for key, value in config.items() if key != KEY}))
    with pytest.raises(CheckpointError, match=KEY):
        load_checkpoint(folder)
    assert not (folder / WEIGHTS).exists()


def test_a_long_text_is_read_from_the_codes(model: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygpt.generation.inference.model.fastest_engine", lambda: "compiled")
    for n_tokens, precision, kind in ((10**6, "", FoldedWeights), (1, "int8", CodedWeights)):
        given = replace(model, weights=dict(model.weights))
        assert isinstance(reader(given, n_tokens, precision).weights, kind)


def test_a_model_to_sample_from_is_in_memory_once() -> None:
    config = ModelConfig(4, 128, 4, 64)
    tracemalloc.start()
    try:
        loaded = Checkpoint(config, TrainConfig(1), initial_parameters(config, 0))
        size = 4 * config.n_parameters
        tracemalloc.reset_peak()
        model = reader(loaded, 10, "")
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.2 * size  # the loaded weights, and the place for their other form
    assert now < 1.2 * size
    assert model.config is config and not loaded.weights
