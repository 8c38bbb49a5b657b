"""Built texts in the user's cache folder, checked on every load and rebuilt if damaged.

One file per corpus: a header line ``tinygpt-corpus 1 <bytes of train> <sha256>``, then the training text, a NUL
byte and the held-out text. The digest covers everything after the header, and equals ``Corpus.sha256``.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from tinygpt.corpora.corpus import Parts
from tinygpt.errors import CorpusError, StorageError
from tinygpt.system.files import replace_file
from tinygpt.system.home import cache_folder

_log = logging.getLogger(__name__)
_MAGIC = "tinygpt-corpus 1"


def cached(key: str, build: Callable[[], Parts], pinned: str | None = None) -> Parts:
    """Read a corpus's text from the cache, or build it and write it there.

    A damaged cache file is rebuilt with a warning. A cache that cannot be written gives a warning too; the next load
    builds the text again.

    Args:
        key: file name without suffix.
        build: makes the text.
        pinned: the digest that the text must have; without one, the digest in the file's header must match.

    Raises:
        CorpusError: the built text does not have the pinned digest, or ``build`` failed.
    """
    path = cache_folder() / f"{key}.txt"
    parts = _read(path, pinned)
    if parts is not None:
        return parts
    parts = build()
    if pinned is not None and parts.sha256 != pinned:
        raise CorpusError(
            f"the text built for corpus {key!r} has SHA-256 {parts.sha256[:16]}…",
            f"{pinned[:16]}…, the text that this version was made with",
            "the same command with another --corpus, or after installing the package again",
        )
    _write(path, parts)
    return parts


def _read(path: Path, pinned: str | None) -> Parts | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("cannot read the cached text %s (%s): building it again", path, error.strerror)
        return None
    header, _, body = data.partition(b"\n")
    fields = header.decode("ascii", errors="replace").rsplit(" ", 2)
    if len(fields) == 3 and fields[0] == _MAGIC and fields[1].isdecimal():
        split, digest = int(fields[1]), hashlib.sha256(body).hexdigest()
        if digest == fields[2] == (pinned or digest) and body[split : split + 1] == b"\0":
            return Parts(body[:split], body[split + 1 :])
    _log.warning("the cached text %s does not match its hash: building it again", path)
    return None


def _write(path: Path, parts: Parts) -> None:
    header = f"{_MAGIC} {len(parts.train)} {parts.sha256}\n".encode("ascii")
    try:
        replace_file(path, (header, parts.train, b"\0", parts.held_out))
    except StorageError as error:
        _log.warning("the text is not kept in the cache, and will be built again: %s", error.problem)
