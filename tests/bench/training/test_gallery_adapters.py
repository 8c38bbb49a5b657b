"""The making of a gallery adapter: a run of a few updates, its card and its files."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest

from bench.training import gallery_adapters
from bench.training.gallery_adapters import GALLERY_ADAPTERS, AdapterEntry, write_adapter_card
from tests.tinygpt.training.small_runs import CORPUS
from tinygpt.corpora import CORPORA
from tinygpt.errors import CheckpointError
from tinygpt.gallery import gallery_names
from tinygpt.gallery.adapter_card import read_adapter_card
from tinygpt.training.session import run_session


def test_every_entry_has_a_base_a_text_and_a_plan(tmp_path: Path) -> None:
    for name, entry in GALLERY_ADAPTERS.items():
        assert entry.base in gallery_names() and entry.corpus in CORPORA
        assert entry.plan(tmp_path / "run").start_from == entry.base != entry.corpus
        assert name == entry.name and entry.base.startswith(name.removesuffix(f"-{entry.corpus}"))


def test_a_run_becomes_an_adapter_with_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = AdapterEntry("stories-fables", "stories", "fables", 20, "The fox", "rank=2,alpha=4,on=attn")
    monkeypatch.setattr(gallery_adapters, "GALLERY_ADAPTERS", MappingProxyType({"stories-fables": entry}))
    monkeypatch.setattr(gallery_adapters, "load_corpus", lambda _name: CORPUS)
    plan, shelf = entry.plan(tmp_path / "run"), tmp_path / "shelf"
    with pytest.raises(CheckpointError, match="there is no folder"):
        write_adapter_card("stories-fables", plan, shelf)
    list(run_session(plan, CORPUS))
    card = write_adapter_card("stories-fables", plan, shelf)
    assert read_adapter_card("stories-fables", shelf) == card
    assert (card.lora, card.corpus) == ("rank=2,alpha=4,on=attn", "fables") and 0 < card.steps <= 20
    assert card.loss_after < card.loss_before
    assert "LoRA rank=2,alpha=4,on=attn" in card.recipe and card.text_before != card.text_after
