"""The adapters of the gallery: what each one changes, how long that took, and the loss before and after."""

from __future__ import annotations

from sitegen.text.markup import code_cell, html_table, nothing_yet, number_cell
from tinygpt.gallery.card import ADAPTERS, AdapterCard, gallery_adapters, read_card
from tinygpt.terminal import quantities


def adapters_table() -> str:
    """A row per adapter, from its card."""
    cards = [read_card(AdapterCard, name, ADAPTERS) for name in gallery_adapters()]
    if not cards:
        return nothing_yet("No adapter has been trained for the gallery", "invoke gallery train stories-shakespeare")
    rows = [
        {
            "adapter": code_cell(card.name),
            "base": code_cell(card.base),
            "text": code_cell(card.corpus),
            "parameters": number_cell(card.n_parameters, quantities.whole),
            "updates": number_cell(card.steps, quantities.whole),
            "seconds": number_cell(card.seconds, quantities.whole),
            "loss before": number_cell(card.loss_before, "{:.3f}".format),
            "loss after": number_cell(card.loss_after, "{:.3f}".format),
        }
        for card in cards
    ]
    return html_table("Adapters", rows)
