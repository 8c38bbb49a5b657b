"""A plot: its title, its objects, and its paragraphs in the notation of the story grammar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tinygpt.corpora.stories.rules import SEASONS

Row = str | tuple[str, ...]


@dataclass(frozen=True)
class Plot:
    """A shape of story.

    Attributes:
        name: its subject, for people.
        title: template of the title.
        text: template; a blank line ends a paragraph, other line breaks are spaces.
        slots: drawn once per story. ``"toy noun"`` draws a row of two values, ``"place, other"`` two different rows.
        seasons: when it can happen.
    """

    name: str
    title: str
    text: str
    slots: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    seasons: tuple[str, ...] = SEASONS

    @property
    def paragraphs(self) -> list[str]:
        """The templates of the paragraphs, in order."""
        return [" ".join(paragraph.split()) for paragraph in self.text.strip().split("\n\n")]
