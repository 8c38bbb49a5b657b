"""The gallery page's body: a card per model, every text that it wrote, and how it came to write. All is escaped."""

from __future__ import annotations

from typing import Any

from bench.gallery import GALLERY
from sitegen import quantities
from sitegen.escape import html_block
from sitegen.markup import nothing_yet
from tinygpt.gallery import Card, gallery_names, load_gallery_model


def gallery_cards() -> list[Card]:
    """The cards of the models that come with the package, in the order of the table they are trained from.

    Raises:
        CheckpointError: a model's files are damaged, or do not belong together.
    """
    there = gallery_names()
    return [load_gallery_model(name).card for name in sorted(there, key=[*GALLERY, *there].index)]


def gallery_html(cards: list[Card]) -> str:
    """Every card on one line of HTML."""
    if not cards:
        return nothing_yet("No model has been trained for the gallery", "invoke gallery train shakespeare")
    return f'<div class="tg-samples" data-search-exclude>{"".join(map(_card_html, cards))}</div>'


def _card_html(card: Card) -> str:
    evaluation = card.evaluation
    facts = "".join(f"<dt>{html_block(name)}</dt><dd>{html_block(value)}</dd>" for name, value in _facts(card))
    reasons = "".join(f"<li>{html_block(str(reason))}</li>" for reason in evaluation["verdict"]["reasons"])
    texts = [str(text) for text in evaluation["texts"]]
    first = "".join(_text_html(f"seed {seed}", text) for seed, text in enumerate(texts[:1]))
    others = "".join(_text_html(f"seed {seed}", text) for seed, text in enumerate(texts) if seed)
    folded = (
        f"<details><summary>The other {len(texts) - 1} seeds, all of them</summary>{others}</details>" if others else ""
    )
    return (
        f'<section class="tg-model"><h2>{html_block(card.name)}</h2>'
        f"<p>Verdict: <strong>{html_block(str(evaluation['verdict']['word']))}</strong></p><ul>{reasons}</ul>"
        f"{first}{folded}{_evolution_html(card)}<dl>{facts}</dl></section>"
    )


def _facts(card: Card) -> list[tuple[str, str]]:
    e, train = card.evaluation, card.train
    model = card.model
    return [
        ("text", f"{card.corpus}, SHA-256 {card.corpus_sha256[:16]}…; {card.licence}"),
        (
            "model",
            f"{card.preset}: {model['n_layers']} layers, width {model['d_model']}, {model['n_heads']} heads, context "
            f"{model['context_length']}, {quantities.whole(card.n_parameters)} parameters",
        ),
        (
            "recipe",
            f"{card.recipe}; rate {float(train['learning_rate']):g}, batch {train['batch_size']}, seed {card.seed}",
        ),
        (
            "trained",
            f"{quantities.whole(card.steps)} of {quantities.whole(card.planned_steps)} steps, "
            f"{quantities.whole(card.tokens)} bytes read, {quantities.duration(card.seconds)} with {card.engine} on "
            f"{card.machine.get('cpu')}, {card.machine.get('cores')} cores, {card.trained_on}",
        ),
        (
            "held-out loss",
            f"{float(e['held_out_loss']):.4f} nats per byte ({float(e['held_out_loss_bits']):.3f} bits), "
            f"training text {float(e['train_loss']):.4f}",
        ),
        (
            "words that exist",
            f"{float(e['real_words']):.1%} of {quantities.whole(e['words'])}; in held-out text "
            f"{float(e['held_out_real_words']):.1%}",
        ),
        ("distinct words, pairs, triples", _shares(e["distinct"])),
        (
            "verbatim 50-byte windows",
            f"{float(e['verbatim_windows']):.2%}; of held-out text {float(e['held_out_verbatim_windows']):.2%}; "
            f"longest copy {quantities.whole(len(str(e['longest_copy']).encode()))} bytes",
        ),
        (
            "stored",
            f"{card.precision}, {quantities.megabytes(card.file_bytes)}; largest error of a weight "
            f"{card.largest_error:.2g}; held-out loss before rounding {card.float32_held_out_loss:.4f}",
        ),
        ("to make it again", card.command),
    ]


def _shares(values: Any) -> str:
    return ", ".join(f"{float(value):.1%}" for value in values)


def _text_html(caption: str, text: str) -> str:
    shown = f"<pre>{html_block(text)}</pre><figcaption>{html_block(caption)}</figcaption>"
    return f'<figure class="tg-sample">{shown}</figure>'


def _evolution_html(card: Card) -> str:
    if not card.evolution:
        return ""
    parts = []
    for entry in card.evolution:
        held_out = entry.get("held_out_loss")
        loss = f"training loss {float(entry['train_loss']):.2f}"
        loss += "" if held_out is None else f", held-out loss {float(held_out):.2f}"
        parts.append(_text_html(f"step {quantities.whole(entry['step'])} · {loss}", str(entry["text"])))
    return f"<details><summary>From noise to sentences, in {len(parts)} samples</summary>{''.join(parts)}</details>"
