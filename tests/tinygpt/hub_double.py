"""A hub in a folder, in the place of the client of the real one: repositories, a cache, and what was asked of it."""

from __future__ import annotations

import errno
import shutil
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace


class RepositoryNotFoundError(OSError):
    """As the client's, which is found by its name."""


class GatedRepoError(RepositoryNotFoundError):
    """Likewise."""


class HubDouble:
    """A client whose repositories are the folders ``ROOT/OWNER/NAME``.

    Attributes:
        asked: what a network would have been needed for.
        offline: there is no network.
        full: there is no room on the disk.
        gated: repositories that ask for consent.
    """

    def __init__(self, root: Path, cache: Path) -> None:
        self.root, self.cache = root, cache
        self.asked: list[str] = []
        self.offline = self.full = False
        self.gated: set[str] = set()

    def _repository(self, name: str) -> Path:
        self.asked.append(name)
        if self.offline:
            raise ConnectionError("no route")
        if name in self.gated:
            raise GatedRepoError(name)
        if not (self.root / name).is_dir():
            raise RepositoryNotFoundError(name)
        return self.root / name

    def _files(self, name: str) -> list[str]:
        folder = self._repository(name)
        return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]

    def model_info(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=file) for file in self._files(name)])

    def snapshot_download(self, name: str, allow_patterns: list[str]) -> str:
        if self.full:
            raise OSError(errno.ENOSPC, "no room")
        self.cache.joinpath(name).mkdir(parents=True, exist_ok=True)
        for file in self._files(name):
            if any(fnmatch(file, pattern) for pattern in allow_patterns):
                shutil.copyfile(self.root / name / file, self.cache / name / file)
        return str(self.cache / name)

    def try_to_load_from_cache(self, name: str, file: str) -> str | None:
        path = self.cache / name / file
        return str(path) if path.exists() else None
