"""The body of the gallery page: a card per model with its grade, a text and the texts that anchor the grades, and a
page per model with the other texts.

Every text is escaped. The card folds the other texts away: site.js fetches them when a reader unfolds them, and readers
without scripts follow a link to their page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.training.gallery import GALLERY
from sitegen.tables.gallery_curve import curve_svg
from sitegen.text.escape import html_attribute, html_block
from sitegen.text.markup import html_table, nothing_yet
from tinygpt.evaluation.grades import BARS, GRADES
from tinygpt.evaluation.ladder import Rung
from tinygpt.gallery import Card, gallery_names, load_gallery_model
from tinygpt.terminal import quantities
from tinygpt.terminal.evaluation_view import SHARES
from tinygpt.tokenizers import BYTES

_EXCERPT = 110  # characters of a text in the list of grades


def gallery_cards() -> list[Card]:
    """Load the cards of the models that come with the package, in the order of the table that they are trained from.

    Raises:
        CheckpointError: a model's files are damaged, or do not belong together.
    """
    names = gallery_names()
    return [load_gallery_model(name).card for name in sorted(names, key=[*GALLERY, *names].index)]


def grades_table() -> str:
    """The rule of the grades: every bar with its reason."""
    rows = [{"grade": bar.grade, "bar": bar.text, "reason": bar.reason} for bar in BARS]
    return html_table("Grades", rows)


def gallery_html(cards: list[Card]) -> str:
    """All cards, on one line of HTML."""
    if not cards:
        return nothing_yet("No model has been trained for the gallery", "invoke gallery train shakespeare")
    return f'<div class="tg-samples" data-search-exclude>{"".join(map(_card_html, cards))}</div>'


def _card_html(card: Card) -> str:
    judgement = card.evaluation["judgement"]
    details = "".join(f"<dt>{html_block(name)}</dt><dd>{html_block(value)}</dd>" for name, value in _details(card))
    standing = str(card.evaluation["standing_text"])
    others = [str(reason) for reason in judgement["reasons"] if standing not in str(reason)]
    reasons = "".join(f"<li>{html_block(reason)}</li>" for reason in others)
    missing = "".join(f"<li>missing: {html_block(str(reason))}</li>" for reason in judgement["missing"])
    first = "".join(_seeds(card)[:1])
    folded = "".join(
        f"<details><summary>{heading}</summary>"
        f'<p data-part><a href="{_page_of(card)}#{part}">On a page of their own</a></p></details>'
        for part, heading, _ in _folded(card)
    )
    return (
        f'<section class="tg-model"><h2>{html_block(card.name)}</h2>'
        f"{_scale_html(judgement)}<ul>"
        f"<li>{html_block(standing)}</li>{reasons}{missing}</ul>"
        f"{first}{folded}{_anchors_html(card)}{_curve_html(card)}<dl>{details}</dl></section>"
    )


def _scale_html(judgement: dict[str, Any]) -> str:
    """All grades from the lowest to the highest, with the model's marked."""
    own = str(judgement["grade"])
    marks = {own: f"<strong>{html_block(_grade(judgement))}</strong>"}
    return f'<p class="tg-scale">Grade: {" · ".join(marks.get(grade, html_block(grade)) for grade in GRADES)}</p>'


def _grade(judgement: dict[str, Any]) -> str:
    return str(judgement["grade"]) + (", memorized" if judgement["memorized"] else "")


def _anchors_html(card: Card) -> str:
    """The beginnings of texts from noise to the author, each with its grade, and the model's before the author's."""
    e = card.evaluation
    items = [
        _anchor_item(
            str(anchor["name"]),
            Rung(**anchor["rung"]).bits if anchor["rung"] else None,
            _grade(anchor["judgement"]),
            str(anchor["text"]),
        )
        for anchor in e["anchors"]
    ]
    own = _anchor_item("this model", float(e["held_out_loss_bits"]), _grade(e["judgement"]), str(e["texts"][0]), "own")
    return f'<ol class="tg-grades">{"".join([*items[:-1], own, *items[-1:]])}</ol><p>{html_block(_draws(e))}</p>'


def _draws(e: dict[str, Any]) -> str:
    """The grades of further sets of the author's pieces."""
    grades, flags = e["draws"]["grades"], e["draws"]["memorized"]
    highest = max(grades, key=GRADES.index)
    return (
        f"Of {len(grades)} further sets of the author's pieces, from random places, {grades.count(highest)} are graded "
        f"{highest}, and {sum(flags) or 'none'} flagged as memorized."
    )


def _anchor_item(name: str, bits: float | None, grade: str, text: str, kind: str = "") -> str:
    words = " ".join(text.split())
    shown = words if len(words) <= _EXCERPT else f"{words[:_EXCERPT].rstrip()}…"
    loss = "" if bits is None else f", {bits:.2f} bits a byte"
    mark = f' class="tg-grades__{kind}"' if kind else ""
    return f"<li{mark}>{html_block(name + loss)}: <strong>{html_block(grade)}</strong><q>{html_block(shown)}</q></li>"


def _curve_html(card: Card) -> str:
    positions = card.evaluation["positions"]
    if positions is None:
        return ""
    losses, used = positions["losses"], int(card.evaluation["used_context"])
    low, high = card.evaluation["used_context_between"]
    label = (
        f"Loss of {card.name} by the length of its context: {losses[0]:.2f} nats with one byte, {losses[-1]:.2f} with"
    )
    words = (
        f"Loss on the same {int(positions['n_targets']):,} held-out bytes by the length of the context. From {used} "
        f"bytes on ({low} to {high} within two standard errors), all further bytes together gain less than "
        f"{float(positions['threshold']):g} nats."
    )
    drawing = curve_svg(losses, used, f"{label} {len(losses)}; {used} in use")
    return f'<figure class="tg-sample">{drawing}<figcaption>{html_block(words)}</figcaption></figure>'


def _details(card: Card) -> list[tuple[str, str]]:
    e, train, model = card.evaluation, card.train, card.model
    return [
        ("text", f"{card.corpus}, SHA-256 {card.corpus_sha256[:16]}…; {card.licence}"),
        (
            "model",
            f"{card.preset}: {model['n_layers']} layers, width {model['d_model']}, {model['n_heads']} heads, context "
            f"{model['context_length']}, {quantities.whole(card.n_parameters)} parameters, tokens {card.tokenizer}",
        ),
        (
            "recipe",
            f"{card.recipe}; rate {float(train['learning_rate']):g}, batch {train['batch_size']}, seed {card.seed}",
        ),
        (
            "trained",
            f"{quantities.whole(card.steps)} of {quantities.whole(card.planned_steps)} steps, "
            f"{quantities.whole(card.tokens)} {'bytes' if card.tokenizer == BYTES.name else 'tokens'} read, "
            f"{quantities.duration(card.seconds)} with {card.engine} on "
            f"{card.computer}, {card.trained_on}",
        ),
        (
            "held-out loss",
            f"{float(e['held_out_loss']):.4f} nats per byte ({float(e['held_out_loss_bits']):.3f} bits), "
            f"training text {float(e['train_loss']):.4f}",
        ),
        *(
            (name, _share_text(e["measures"]["shares"][key]))
            for key, name in SHARES.items()
            if key in e["measures"]["shares"]
        ),
        (
            "longest copy",
            f"{quantities.whole(e['measures']['longest_bytes'])} bytes; the author's "
            f"{quantities.whole(e['measures']['author_longest_bytes'])}",
        ),
        *_swaps_detail(e),
        (
            "stored",
            f"{card.precision}, {quantities.megabytes(card.file_bytes)}; largest error of a weight "
            f"{card.largest_error:.2g}; held-out loss before rounding {card.float32_held_out_loss:.4f}",
        ),
        ("to make it again", card.command),
    ]


def _swaps_detail(e: dict[str, Any]) -> list[tuple[str, str]]:
    own, counted = e["swaps"], e["counted_swaps"]
    if own is None or counted is None:
        return []
    return [
        (
            "exchanged words noticed (not graded)",
            f"{quantities.percent(own['right'])} of {quantities.whole(own['n_pairs'])} "
            f"[{quantities.percent(own['low'])}, {quantities.percent(own['high'])}]; best counting model "
            f"{quantities.percent(counted['right'])}",
        )
    ]


def _share_text(measure: dict[str, Any]) -> str:
    own, author = measure["texts"], measure["author"]
    scrambled = f"; scrambled {quantities.percent(author['floor'])}" if author["floor"] else ""
    return (
        f"{quantities.percent(own['share'], 1)} [{quantities.percent(own['low'])}, {quantities.percent(own['high'])}]; "
        f"the author {quantities.percent(author['share'], 1)} [{quantities.percent(author['low'])}, "
        f"{quantities.percent(author['high'])}]{scrambled}"
    )


def _text_html(caption: str, text: str) -> str:
    # A box that scrolls must be reachable by the keyboard; site.js removes the tab stop from boxes that do not scroll.
    shown = f'<pre tabindex="0">{html_block(text)}</pre><figcaption>{html_block(caption)}</figcaption>'
    return f'<figure class="tg-sample">{shown}</figure>'


def _seeds(card: Card) -> list[str]:
    return [_text_html(f"seed {seed}", str(text)) for seed, text in enumerate(card.evaluation["texts"])]


def _evolution(card: Card) -> list[str]:
    parts = []
    for entry in card.evolution:
        held_out = entry.get("held_out_loss")
        loss = f"training loss {float(entry['train_loss']):.2f}"
        loss += "" if held_out is None else f", held-out loss {float(held_out):.2f}"
        parts.append(_text_html(f"step {quantities.whole(entry['step'])} · {loss}", str(entry["text"])))
    return parts


def _anchor_texts(card: Card) -> list[str]:
    return [
        _text_html(f"{anchor['name']}: {_grade(anchor['judgement'])}", str(anchor["text"]))
        for anchor in card.evaluation["anchors"]
    ]


def _folded(card: Card) -> list[tuple[str, str, list[str]]]:
    """The folded parts that hold texts: id, heading, texts."""
    seeds, evolution, anchors = _seeds(card)[1:], _evolution(card), _anchor_texts(card)
    parts = [
        ("seeds", f"All of the other {len(seeds)} seeds", seeds),
        ("evolution", f"How it learned, in {len(evolution)} samples", evolution),
        ("anchors", f"A text by each of the {len(anchors)} other writers in the list below", anchors),
    ]
    return [part for part in parts if part[2]]


# ---- the texts on pages of their own -----------------------------------------------------------------------

FOLDER = "gallery"  # the page's, under the site's; the pages of texts are in it too
_STYLES = ("generated/palette.css", "generated/chart-font.css", "css/figures.css", "css/embed.css")


def write_texts(cards: list[Card], site: Path) -> None:
    """Write a page for each model, with the texts that its card folds away, if the built site has a gallery."""
    for card in cards if (site / FOLDER).is_dir() else ():
        (site / FOLDER / _page_of(card)).write_text(texts_page(card), encoding="utf-8")


def _page_of(card: Card) -> str:
    return f"{card.name}.html"


def texts_page(card: Card) -> str:
    """The page with one model's texts."""
    title = f"Texts of the model {html_block(card.name)}"
    lines = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title} · TinyGPT</title>",
        f'<meta name="description" content="What the model {html_attribute(card.name)} wrote, with nothing left out.">',
        '<link rel="icon" href="../assets/generated/favicon.svg">',
        *(f'<link rel="stylesheet" href="../assets/{style}">' for style in _STYLES),
        '</head><body class="tg-embed md-typeset" data-md-color-scheme="default"><main>',
        f"<h1>{title}</h1>",
        *(f'<h2>{heading}</h2><div id="{part}">{"".join(texts)}</div>' for part, heading, texts in _folded(card)),
        '<p><a href="./">The gallery</a></p>',
        "</main></body></html>",
    ]
    return "\n".join(lines) + "\n"
