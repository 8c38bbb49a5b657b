"""The adapters that come with the package: each fits its base, and reads its genre better than the base."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tinygpt import score_text
from tinygpt.checkpoints.adapter_files import weights_sha256
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.gallery import load_gallery_model
from tinygpt.gallery.card import ADAPTERS, CARD, AdapterCard, gallery_adapters, read_card
from tinygpt.gallery.sources import absolute_source, load_adapted, load_gallery_adapter, load_source, source_shape

LINES = {
    "shakespeare": "ROMEO:\nBut soft, what light through yonder window breaks?\n",
    "kjv": "And God said, Let there be light: and there was light.\n",
}


@pytest.mark.parametrize("name", gallery_adapters())
def test_an_adapter_reads_its_genre_better_than_its_base(name: str) -> None:
    card = read_card(AdapterCard, name, ADAPTERS)
    model, base = load_source(name), load_gallery_model(card.base)
    assert isinstance(model, Checkpoint) and model.adapter is not None
    assert (name, card.lora) == (f"{card.base.removesuffix('-bytes')}-{card.corpus}", model.train.lora)
    assert card.n_parameters == sum(array.size for array in model.adapter.values())
    assert weights_sha256(base.weights) == card.base_sha256
    assert card.seconds < 300 and card.loss_after < card.loss_before - 0.2
    line = LINES[card.corpus]
    assert score_text(model, line).nats < score_text(base, line).nats - 0.2


def test_there_is_one_at_least_and_it_has_a_name_everywhere() -> None:
    name = gallery_adapters()[0]
    card = read_card(AdapterCard, name, ADAPTERS)
    assert absolute_source(name) == name
    assert source_shape(name)[0] == load_gallery_model(card.base).config
    for base in ("", card.base):
        assert load_adapted(name, base).train.lora == card.lora
    with pytest.raises(ConfigError, match="unknown gallery adapter 'none'"):
        read_card(AdapterCard, "none", ADAPTERS)
    nearest = f"there is no folder {name}s .did you mean '{name}'.*command with {name}$"
    with pytest.raises(CheckpointError, match=nearest):
        load_adapted(f"{name}s")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 9}, "has version 9; allowed: 1"),
        ({"file_sha256": "0" * 64}, "is not the file of its card"),
        ({"base_sha256": "0" * 64}, "was trained on another"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    name = gallery_adapters()[0]
    shutil.copytree(ADAPTERS / name, tmp_path / name)
    path = tmp_path / name / CARD
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(CheckpointError, match=f"{words}.*run: git checkout"):
        load_gallery_adapter(name, tmp_path)
