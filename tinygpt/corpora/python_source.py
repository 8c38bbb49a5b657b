"""The source of the running interpreter's standard library, which needs no download.

Its hash depends on the interpreter's version, so it is not pinned. Each module follows a comment line with its path.
The SHA-256 of its path decides whether a module is held out, so the choice is the same in every Python version.
"""

from __future__ import annotations

import hashlib
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tinygpt.corpora.corpus import Parts
from tinygpt.errors import CorpusError

# Not meant to be read, or not part of the library: tests, installed packages, tables written as Python.
_SKIPPED_FOLDERS = frozenset(
    {
        "__pycache__", "__phello__", "dist-packages", "encodings", "ensurepip", "idlelib", "idle_test", "lib2to3",
        "pydoc_data", "site-packages", "test", "tests", "turtledemo",
    }
)  # fmt: skip
_SKIPPED_PREFIXES = ("_sysconfigdata", "config-", "lib-dynload")


def build(folder: Path | None = None) -> Parts:
    """Read the standard library and hold out about a tenth of its modules.

    Args:
        folder: the library; by default the running interpreter's.

    Raises:
        CorpusError: the folder has no source, as when the interpreter keeps its library in an archive.
    """
    folder = Path(sysconfig.get_path("stdlib")) if folder is None else folder
    sides: dict[bool, list[bytes]] = {True: [], False: []}
    for name, path in _modules(folder):
        try:
            source = path.read_bytes().replace(b"\r\n", b"\n").strip()
        except OSError as error:
            raise CorpusError(
                f"corpus 'python' cannot read the standard library's {name}: {error.strerror}",
                "an interpreter whose library may be read",
                "the same command with --corpus stories",
            ) from error
        if source:
            sides[_is_held_out(name)].append(f"# {name}\n\n".encode() + source + b"\n")
    if not sides[False] or not sides[True]:
        raise CorpusError(
            "corpus 'python' found no source of the standard library in this interpreter",
            "an interpreter that is installed with its library as files",
            "the same command with --corpus stories",
        )
    return Parts(b"\n\n".join(sides[False]), b"\n\n".join(sides[True]))


def _modules(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield each module's path inside the library and its file, ordered by path on every file system."""
    found: dict[str, Path] = {}
    for root, folders, files in os.walk(folder):
        folders[:] = filter(_is_read, folders)  # skipped folders, which hold most of the files, are not even listed
        paths = (Path(root, name) for name in files if name.endswith(".py") and _is_read(name))
        found.update((path.relative_to(folder).as_posix(), path) for path in paths)
    yield from sorted(found.items())


def _is_read(name: str) -> bool:
    return name not in _SKIPPED_FOLDERS and not name.startswith(_SKIPPED_PREFIXES)


def _is_held_out(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] < 26  # 26 of 256: about a tenth
