"""``hf:OWNER/NAME``: the text column of a Hugging Face data set, read with the optional package ``datasets``.

Rows are streamed from the training split up to a size cap, so a data set of terabytes costs no more than its
beginning. ``hf:OWNER/NAME@CONFIG`` picks a configuration, ``hf:./folder`` reads a data set on this machine. Whole rows
are held out, the last tenth of the bytes. A data set of the hub may change, so the cache keeps its text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tinygpt.corpora.archive import no_network
from tinygpt.corpora.cache import cached
from tinygpt.corpora.corpus import Parts
from tinygpt.corpora.textfile import split_documents
from tinygpt.errors import CorpusError, MissingDependencyError
from tinygpt.system.home import expand_home

MAX_BYTES = 20_000_000
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w.-]+)?")


def load(name: str, max_bytes: int = MAX_BYTES) -> Parts:
    """Load a data set's text.

    Args:
        name: ``OWNER/NAME``, ``OWNER/NAME@CONFIG``, or the path of a folder.
        max_bytes: stop after the row that reaches this many bytes.

    Raises:
        MissingDependencyError: the package ``datasets`` is not installed.
        CorpusError: the data set is missing, cannot be reached or read, or has no text column.
    """
    if is_local(name):
        return _build(name, max_bytes)
    if not _HUB_NAME.fullmatch(name):
        raise CorpusError(
            f"corpus 'hf:{name}' names no data set",
            "hf:OWNER/NAME, hf:OWNER/NAME@CONFIG, or hf:./FOLDER",
            "the same command with one of these",
        )
    slug = re.sub(r"[^\w.-]", "-", name)
    key = f"hf-{slug}-{hashlib.sha256(f'{name} {max_bytes}'.encode()).hexdigest()[:12]}"
    return cached(key, lambda: _build(name, max_bytes))


def is_local(name: str) -> bool:
    """Return whether a name is a path on this machine, not a name of the hub."""
    return bool(name) and (name[0] in "\\./~" or Path(name).is_absolute() or Path(name).is_dir())


def _build(name: str, max_bytes: int) -> Parts:
    return split_documents(_cut_off(_stream(name), max_bytes), f"hf:{name}")


def _stream(name: str) -> Iterator[str]:
    try:
        import datasets
    except ImportError as error:
        raise MissingDependencyError(
            f"corpus 'hf:{name}' needs the package datasets", "an installed datasets", "pip install 'tinygpt[hf]'"
        ) from error
    if is_local(name):
        location, config = str(expand_home(name)), None
        if not Path(location).is_dir():
            raise CorpusError(f"there is no folder {name!r}", "a folder with a data set's files", "ls")
    else:
        location, _, config = name.partition("@")
    try:
        rows: Any = datasets.load_dataset(location, config or None, split="train", streaming=True)
        yield from _texts(name, rows)
    except CorpusError:
        raise
    except ConnectionError as error:
        raise no_network(f"hf:{name}") from error
    # The library's readers and its transport raise many types of error.
    except Exception as error:
        reason = str(error).strip().splitlines() or [""]
        raise CorpusError(
            f"corpus 'hf:{name}' could not be read: {type(error).__name__}: {reason[0][:200]}",
            "a data set with a training split that can be reached",
            "the same command with another data set, or with --corpus stories",
        ) from error


def _texts(name: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the column ``text``, or else the only column with text."""
    column: str | None = None
    for row in rows:
        if column is None:
            text_columns = [key for key, value in row.items() if isinstance(value, str)]
            if "text" not in text_columns and len(text_columns) != 1:
                raise CorpusError(
                    f"corpus 'hf:{name}' has the columns {', '.join(map(repr, row))}",
                    "a column 'text', or exactly one that holds text",
                    "the same command with another data set",
                )
            column = "text" if "text" in text_columns else text_columns[0]
        yield row[column] or ""


def _cut_off(texts: Iterable[str], max_bytes: int) -> list[bytes]:
    documents: list[bytes] = []
    total = 0
    for text in texts:
        documents.append(text.encode("utf-8", errors="replace"))
        total += len(documents[-1])
        if total >= max_bytes:
            break
    return documents if total else []
