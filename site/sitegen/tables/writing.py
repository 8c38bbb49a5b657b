"""The gallery's best model at work: a recorded text, which writing.js types out and lets the model continue in the tab.

The page itself holds the text, so it can be read without scripts and before any file of the model arrives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sitegen.text.escape import html_attribute, html_block
from sitegen.text.markup import nothing_yet
from tinygpt.evaluation.grades import GRADES
from tinygpt.gallery import Card
from tinygpt.terminal import quantities

_SHOWN = 560  # characters of a text at most: what fits beside the finding
_OPENS_FAST = 4_000_000  # bytes of a model that begins to write within seconds on a slow connection


def best_card(cards: Sequence[Card]) -> Card:
    """The card with the highest grade, of models that open fast if there are any; of equals, the first."""
    fast = [card for card in cards if card.file_bytes <= _OPENS_FAST]
    return max(fast or cards, key=_rank)


def _rank(card: Card) -> int:
    return GRADES.index(card.evaluation["judgement"]["grade"])


def gallery_finding(cards: Sequence[Card]) -> str:
    """The gallery in one sentence: how long each model trained at most, and how many of them write what."""
    if not cards:
        return "No model has been trained for the gallery yet"
    minutes = max(card.seconds for card in cards) / 60
    counts = Counter(map(_rank, cards))
    (best, n), *others = sorted(counts.items(), reverse=True)
    written = [f"{_counted(n)} {'model writes' if n == 1 else 'models write'} {GRADES[best]}"]
    written += [f"{_counted(n)} {'writes' if n == 1 else 'write'} {GRADES[rank]}" for rank, n in others]
    listed = " and ".join(filter(None, [", ".join(written[:-1]), written[-1]]))
    return f"After at most {minutes:.0f} minutes of training, {listed}"


def _counted(n: int) -> str:
    return dict(enumerate(("no", "one", "two", "three", "four", "five", "six"))).get(n, str(n))


def writing_html(cards: Sequence[Card], gallery: str) -> str:
    """The best model's text of the first seed, on one line of HTML.

    Args:
        cards: of the gallery.
        gallery: address of the gallery's page.
    """
    if not cards:
        return nothing_yet("No model has been trained for the gallery", "invoke gallery train shakespeare")
    card = best_card(cards)
    text = str(card.evaluation["texts"][0])
    shown = text if len(text) <= _SHOWN else text[: text.rfind(" ", 0, _SHOWN)]
    about = (
        f"{quantities.whole(card.n_parameters)} parameters, trained for {quantities.duration(card.seconds)} "
        f"({card.computer.partition(', driver')[0]}). This is the beginning of its first text, seed 0."
    )
    return (
        f'<figure class="tg-writing" data-model="{html_attribute(card.name)}">'
        f'<pre tabindex="0" role="group" aria-label="A text of the model {html_attribute(card.name)}">'
        f"{html_block(shown)}</pre>"
        f"<figcaption>The model <em>{html_block(card.name)}</em>: {html_block(about)}"
        f' <a href="{gallery}">All of its texts</a>'
        '<p class="tg-writing__live" hidden><button type="button" class="md-button">Let it write, in this tab</button>'
        f' <span role="status">loads {html_block(quantities.megabytes(card.file_bytes))}</span></p>'
        "</figcaption></figure>"
    )
