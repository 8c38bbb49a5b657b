"""The making of a gallery adapter: a run of a few updates, its card and its files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.training import gallery_run
from bench.training.gallery_adapters import GALLERY_ADAPTERS, AdapterEntry
from bench.training.options import GalleryOptions
from tests.tinygpt.training.small_runs import CORPUS
from tinygpt.corpora import CORPORA
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.gallery import gallery_names
from tinygpt.gallery.card import AdapterCard, read_card


def test_every_entry_has_a_base_a_text_and_a_plan(tmp_path: Path) -> None:
    for name, entry in GALLERY_ADAPTERS.items():
        assert entry.base in gallery_names() and entry.corpus in CORPORA
        assert entry.plan(tmp_path / "run").start_from == entry.base != entry.corpus
        assert name == entry.name and entry.base.startswith(name.removesuffix(f"-{entry.corpus}"))


def test_a_run_becomes_an_adapter_with_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = AdapterEntry("stories-fables", "stories", "fables", 20, "The fox", "rank=2,alpha=4,on=attn")
    monkeypatch.setattr(gallery_run, "get_entry", {entry.name: entry}.__getitem__)
    monkeypatch.setattr(gallery_run, "load_corpus", {"fables": CORPUS}.__getitem__)
    shelf = tmp_path / "shelf"
    options = GalleryOptions(action="train", name=entry.name, out=tmp_path / "run", shelf=shelf)
    with pytest.raises(CheckpointError, match="there is no folder"):
        gallery_run.write_to_gallery(options)
    assert gallery_run.train_for_gallery(options, tmp_path / "results") == 0
    assert not (tmp_path / "results").exists()
    gallery_run.write_to_gallery(options)
    card = read_card(AdapterCard, entry.name, shelf)
    assert (card.lora, card.corpus) == ("rank=2,alpha=4,on=attn", "fables") and 0 < card.steps <= 20
    assert card.loss_after < card.loss_before
    assert "LoRA rank=2,alpha=4,on=attn" in card.recipe and card.text_before != card.text_after
    assert f"held-out loss {card.loss_before:.3f} before and {card.loss_after:.3f} after" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="--preset with the adapter stories-fables, which has the preset of its base"):
        gallery_run.train_for_gallery(replace(options, preset="tiny"), tmp_path / "results")


def test_an_adapter_is_not_judged() -> None:
    with pytest.raises(ConfigError, match="judge with the adapter shakespeare-kjv; allowed: train or card"):
        gallery_run.regrade(GalleryOptions(action="judge", name="shakespeare-kjv"))
