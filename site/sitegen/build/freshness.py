"""Whether a build would make what already lies there: then there is nothing to do, and a second says so.

What a site depends on is put into one fingerprint: every file that a build reads, the installed packages, the address
it is built for, and the day (pages say how old results are). A stamp beside the cache keeps it with the state of the
folder that was built. This module imports nothing heavy: loading the site's libraries takes longer than looking.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

STAMPS = Path(".site/built.json")  # under the checkout: built folder → its stamp
_FOLDERS = ("docs", "site", "results", "bench", "tinygpt", "tests", ".github", ".ci")
_FILES = ("*.py", "*.md", "*.toml", "*.yml", "LICENSE")  # in the checkout itself
_GENERATED = ("site/theme/assets/generated", "site/theme/embed")  # written by a build
_ENVIRONMENT = ("SITE_URL", "REPO_URL")


def fingerprint(root: Path, results: Path) -> str:
    """A hash of everything that a build's outcome depends on.

    Args:
        root: the checkout.
        results: the results folder, if it is not the checkout's.
    """
    digest = hashlib.sha256()

    def add(*parts: str | bytes) -> None:
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            digest.update(len(data).to_bytes(8, "big") + data)

    add(datetime.now(UTC).date().isoformat(), sys.version)
    add(*(f"{name}={os.environ.get(name, '')}" for name in _ENVIRONMENT))
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


def up_to_date(root: Path, output: Path, inputs: str) -> int | None:
    """The number of pages of a built folder that nothing would change; None if there is something to build.

    Args:
        root: the checkout.
        output: the built folder.
        inputs: the fingerprint of what a build would read now.
    """
    stamp = _read_stamps(root).get(str(output))
    if not isinstance(stamp, dict) or stamp.get("inputs") != inputs or stamp.get("output") != _state(output):
        return None
    return int(stamp["pages"])


def remember(root: Path, output: Path, inputs: str, n_pages: int) -> None:
    """Note what a folder was built from.

    Args:
        root: the checkout.
        output: the built folder.
        inputs: the fingerprint from before the build: a file that changed meanwhile has to be built again.
        n_pages: HTML pages in it.
    """
    stamps = _read_stamps(root) | {str(output): {"inputs": inputs, "output": _state(output), "pages": n_pages}}
    path = root / STAMPS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stamps, indent=1), encoding="utf-8")  # one that is cut short counts as none


def _read_stamps(root: Path) -> dict[str, object]:
    try:
        stamps = json.loads((root / STAMPS).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # none yet, or cut short: build
        return {}
    return stamps if isinstance(stamps, dict) else {}


def _state(output: Path) -> str:
    """A hash of the files that lie in a folder: names, sizes and times, so that a file changed by hand is noticed."""
    digest = hashlib.sha256()
    for path in sorted(_files_below(output)) if output.is_dir() else ():
        status = path.stat()
        digest.update(f"{path.relative_to(output)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
