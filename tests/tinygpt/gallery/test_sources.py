"""Models by name: folders first, then the gallery, then the hub."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.tinygpt.gpt2_folder import MODEL, write_gpt2
from tests.tinygpt.hub_double import HubDouble
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.errors import CheckpointError
from tinygpt.gallery import GalleryModel, load_gallery_model
from tinygpt.gallery.sources import absolute_source, load_source, source_shape


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def test_a_folder_comes_first_then_the_gallery_then_the_hub(hub: HubDouble) -> None:
    write_gpt2(hub.root / "openai-community/gpt2")
    assert load_source("gpt2").config == source_shape("gpt2")[0] == MODEL
    assert isinstance(load_source("shakespeare"), GalleryModel)
    asked = len(hub.asked)
    for name in ("gpt2", "shakespeare"):
        write_gpt2(Path(name))
        assert isinstance(load_source(name), Checkpoint) and load_source(Path(name).absolute()).config == MODEL
    assert len(hub.asked) == asked


def test_a_mistyped_path_is_no_question_to_the_hub(hub: HubDouble) -> None:
    Path("runs").mkdir()
    for name in ("runs/frist", "./gpt2", "a/b/c", "/nowhere"):
        with pytest.raises(CheckpointError, match=f"there is no folder {name}.*; allowed: a checkpoint folder, kjv"):
            load_source(name)
    with pytest.raises(CheckpointError, match=r"no folder shakespear \(did you mean 'shakespeare'.*with shakespeare$"):
        load_source("shakespear")
    with pytest.raises(CheckpointError, match=r"there is no folder gpt2-medum \(did you mean 'gpt2-medium'"):
        load_source("gpt2-medum")
    assert not hub.asked
    missing = "there is no folder someone/nothing, and the hub has no public model someone/nothing; allowed"
    with pytest.raises(CheckpointError, match=missing):
        load_source("someone/nothing")
    with pytest.raises(CheckpointError, match=r"^the hub has no public model someone/nothing"):
        load_source("hf:someone/nothing")


def test_a_mistyped_path_gets_the_folder_that_was_meant(hub: HubDouble) -> None:
    Path("runs/first").mkdir(parents=True)
    meant = r"\(did you mean 'runs/first'\?\)"
    refusals = {
        False: "the hub has no public model run/first",
        True: "run/first is not in the hub's cache, and",
    }
    for hub.offline, words in refusals.items():
        expected = f"there is no folder run/first {meant}, and {words}.*with runs/first$"
        with pytest.raises(CheckpointError, match=expected):
            load_source("run/first")
    with pytest.raises(CheckpointError, match=f"there is no folder runs/frist {meant}; allowed"):
        load_source("runs/frist")


def test_a_name_is_the_same_from_any_folder(hub: HubDouble) -> None:
    write_gpt2(Path("mine"))
    assert absolute_source("mine") == absolute_source(Path("mine")) == str(Path("mine").absolute())
    for name in ("gpt2", "someone/model", "shakespeare", "hf:gpt2"):
        assert absolute_source(name) == name
    assert absolute_source("nowhere") == str(Path("nowhere").absolute())


def test_a_shape_comes_with_the_settings_to_train_it(hub: HubDouble) -> None:
    write_gpt2(Path("theirs"))
    assert source_shape("theirs") == (MODEL, TrainConfig(1024 // 24))  # about a thousand tokens in a batch
    assert load_checkpoint("theirs").train == TrainConfig(1024 // 24)
    assert source_shape("kjv")[0] == load_gallery_model("kjv").config
    train = TrainConfig(3, learning_rate=0.5)
    save_checkpoint("ours", replace(load_checkpoint("theirs"), train=train))
    assert source_shape("ours") == (MODEL, train)
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        source_shape("nothing")
