"""Tell in a second that the site is built already, so that a build can be skipped.

A stamp beside the cache holds one hash: of every file that a build reads, the installed packages, the addresses of the
site and its code, the day (pages give the age of results), and the state of the built folder. This module imports
nothing heavy, because loading the site's libraries takes longer than the check.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

STAMP = Path(".site/built")  # under the checkout: of the newest build
_FOLDERS = ("docs", "site", "results", "bench", "tinygpt", "tests", ".github", ".ci")
_FILES = ("*.py", "*.md", "*.toml", "*.yml", "LICENSE")  # in the checkout itself
_GENERATED = ("site/theme/assets/generated", "site/theme/embed")  # written by a build


def fingerprint(root: Path, results: Path, settings: Iterable[str]) -> str:
    """Hash everything that the outcome of a build depends on.

    Args:
        root: the checkout.
        results: the results folder, inside the checkout or elsewhere.
        settings: the addresses of the site and its code, and the rows to draw.
    """
    digest = hashlib.sha256()

    def add(*parts: str | bytes) -> None:
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            digest.update(len(data).to_bytes(8, "big") + data)

    add(datetime.now(UTC).date().isoformat(), sys.version)
    add(*settings)
    add(*sorted(f"{package.name}=={package.version}" for package in distributions()))
    for path in sorted({*_inputs(root), *_files_below(results)}):
        add(str(path), path.read_bytes())
    return digest.hexdigest()


def _inputs(root: Path) -> Iterator[Path]:
    for pattern in _FILES:
        yield from root.glob(pattern)
    generated = tuple(root / folder for folder in _GENERATED)
    for name in _FOLDERS:
        for path in _files_below(root / name):
            if not any(path.is_relative_to(folder) for folder in generated):
                yield path


def _files_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def up_to_date(root: Path, output: Path, inputs: str) -> bool:
    """True if the newest build made this folder from these inputs, and the folder has not changed since.

    ``inputs`` is the fingerprint of what a build would read now.
    """
    path = root / STAMP
    return path.is_file() and path.read_bytes() == _stamp(output, inputs)


def write_stamp(root: Path, output: Path, inputs: str) -> None:
    """Note the inputs that a folder was built from.

    ``inputs`` is the fingerprint from before the build: a file that changed during the build needs another one.
    """
    (root / STAMP).parent.mkdir(parents=True, exist_ok=True)
    (root / STAMP).write_bytes(_stamp(output, inputs))


def _stamp(output: Path, inputs: str) -> bytes:
    """Hash the inputs and the names, sizes and times of the folder's files, so that a change by hand is noticed."""
    digest = hashlib.sha256(f"{inputs}\0{output}".encode())
    for path in sorted(_files_below(output)):
        status = path.stat()
        digest.update(f"\0{path.relative_to(output)}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return digest.hexdigest().encode()
