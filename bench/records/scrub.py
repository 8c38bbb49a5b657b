"""Text that goes into a row is published: paths, and the names of the machine and its user, do not go with it."""

from __future__ import annotations

import re
import socket

from tinygpt.corpora.hub import is_local
from tinygpt.system.home import expand_home

_NAME = r"[^\\/\s\"'<>|:*?,;()]+"
# Two or more components from a root or a drive; a file name at the end is what a reader needs.
_PATH = re.compile(rf"(?<![\w.:/\\])(?:[A-Za-z]:)?(?:[\\/]+{_NAME})+[\\/]+({_NAME})[\\/]?")
# A traceback quotes its paths, which may then contain spaces.
_QUOTED_PATH = re.compile(r"([\"'])(?:[A-Za-z]:)?[\\/][^\"'\n]*?[\\/]([^\"'\\/\n]+)\1")


def scrub(text: str) -> str:
    """Shorten absolute paths to their last component, and take out the home folder and the host's name."""
    text = _QUOTED_PATH.sub(r"\1…/\2\1", text)
    home = re.escape(str(expand_home("~")))
    text = re.sub(rf"(?<![\w./\\]){home}(?:[\\/](?:{_NAME}[\\/])*|(?![\w.-]))", "…/", text)
    text = _PATH.sub(r"…/\1", text)
    host = socket.gethostname()
    return re.sub(rf"(?<!\w){re.escape(host)}(?!\w)", "(host)", text) if host else text


def has_path(text: str) -> bool:
    """True for a text with an absolute path, of whatever machine."""
    return bool(_PATH.search(text) or _QUOTED_PATH.search(text))


def recorded_corpus(name: str) -> str:
    """A corpus' name as rows have it: a text of the user's own goes by its file's name, not its path."""
    kind, colon, rest = name.partition(":")
    if not colon or not (kind == "file" or (kind == "hf" and is_local(rest))):
        return name
    return f"{kind}:" + re.split(r"[\\/]+", rest.rstrip("\\/"))[-1]
