"""The table of adapters."""

from __future__ import annotations

from html import unescape

import pytest

from sitegen.tables import gallery_adapters as table
from tinygpt.gallery.card import ADAPTERS, AdapterCard, gallery_adapters, read_card


def test_every_adapter_has_a_row_with_both_losses() -> None:
    html = unescape(table.adapters_table())
    for name in gallery_adapters():
        card = read_card(AdapterCard, name, ADAPTERS)
        assert f"<code>{name}</code>" in html
        assert f"{card.loss_before:.3f}" in html and f"{card.loss_after:.3f}" in html


def test_without_adapters_there_is_the_command_that_makes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "gallery_adapters", tuple)
    assert "invoke gallery train stories-shakespeare" in unescape(table.adapters_table())
