"""The code that ran: the checkout's commit, whether its files differ from it, and a hash that changes with them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bench.records.child import PROJECT
from bench.records.git import ask_git

# What a timing can depend on. Pages, results and tests may change without making a measurement "dirty".
_MEASURED_CODE = ("tinygpt", "bench", "pyproject.toml")
# What `invoke gallery` writes is a result, too, though it comes with the package.
_OUTPUT = ":(exclude)tinygpt/gallery/models"


@dataclass(frozen=True)
class Provenance:
    """Commit (40 hexadecimal digits) and whether the measured code differs from it; both None outside a checkout."""

    commit: str | None
    dirty: bool | None


def read_provenance(project: Path = PROJECT) -> Provenance:
    """Ask git about the checkout that this package lies in."""
    top = ask_git(project, "rev-parse", "--show-toplevel")
    # An installed package may lie inside somebody else's repository: that one's commit says nothing about us.
    if top is None or Path(top).resolve() != project.resolve():
        return Provenance(None, None)
    commit = ask_git(project, "rev-parse", "--verify", "HEAD")
    changes = ask_git(project, "status", "--porcelain", "--", *_MEASURED_CODE, _OUTPUT)
    return Provenance(commit, None if commit is None or changes is None else bool(changes))


def vouched_provenance(commit: str) -> Provenance:
    """The commit that the caller vouches for in a copy without the history; with none, the checkout's."""
    return Provenance(commit, False) if commit else read_provenance()


def code_sha256(project: Path = PROJECT) -> str:
    """Hash of the code that timings depend on, committed or not: says whether it changed during a run."""
    digest = hashlib.sha256()
    for name in _MEASURED_CODE:
        path = project / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(f"{file.relative_to(project).as_posix()}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
