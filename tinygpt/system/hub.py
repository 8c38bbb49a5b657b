"""Files of the Hugging Face hub, through its client's own cache: what was fetched once needs no network afterwards.

A model that transformers has fetched is there already. Callers choose files by name, and none that could be code.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from tinygpt.errors import CheckpointError, MissingDependencyError, StorageError

SHORT_NAMES = MappingProxyType(
    {
        **{name: f"openai-community/{name}" for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")},
        "distilgpt2": "distilbert/distilgpt2",
    }
)
"""Name that everybody uses → repository. Older caches hold these models under the short name."""

_PREFIX = "hf:"  # as of a corpus
_REPOSITORY = re.compile(r"[a-zA-Z0-9][\w.-]*/[a-zA-Z0-9][\w.-]*", re.ASCII)


class NotOnHubError(CheckpointError):
    """The hub has no such model, or cannot be reached, so that a name may have meant a folder."""


# Name of the client's error, the narrowest first → our error, the problem, and what to do.
_REFUSALS: dict[str, tuple[type[CheckpointError], str, str]] = {
    "GatedRepoError": (
        CheckpointError,
        "gives {0} only to accounts that have agreed to its terms",
        "hf auth login, after agreeing",
    ),
    "RepositoryNotFoundError": (
        NotOnHubError,
        "has no public model {0}",
        "the same command with another OWNER/NAME",
    ),
}
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}
_Answer = TypeVar("_Answer")


def repository_of(name: str) -> str | None:
    """Return the repository OWNER/NAME that a name of the hub means, with or without ``hf:``; None for other names."""
    name = name.removeprefix(_PREFIX)
    return SHORT_NAMES.get(name) or (name if _REPOSITORY.fullmatch(name) else None)


def cached_file(repository: str, file: str) -> Path | None:
    """Return a file that the cache holds, or None.

    Raises:
        MissingDependencyError: the package ``huggingface_hub`` is not installed.
    """
    older = [short for short, full in SHORT_NAMES.items() if full == repository]
    for name in (repository, *older):
        if isinstance(path := _client(repository).try_to_load_from_cache(name, file), str):
            return Path(path)
    return None


def listed_files(repository: str) -> frozenset[str]:
    """Return the names of a repository's files, asked over the network; errors are those of :func:`fetch`."""
    siblings = _asked(repository, lambda client: client.model_info(repository).siblings)
    return frozenset(file.rfilename for file in siblings or ())


def fetch(repository: str, files: Iterable[str]) -> Path:
    """Fetch those of the files that a repository has and the cache lacks; return their folder in the cache.

    Raises:
        MissingDependencyError: the package ``huggingface_hub`` is not installed.
        NotOnHubError: there is no network, or no such repository.
        CheckpointError: there is no right to read it.
        StorageError: the cache cannot be written.
    """
    return Path(_asked(repository, lambda client: client.snapshot_download(repository, allow_patterns=list(files))))


def _client(repository: str) -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        problem = f"there is no folder {repository!r}, and a model of the hub needs the package huggingface_hub"
        raise MissingDependencyError(problem, "a folder, or the package", "pip install 'tinygpt[hub]'") from error
    return huggingface_hub


def _asked(repository: str, question: Callable[[Any], _Answer]) -> _Answer:
    client = _client(repository)
    try:
        return question(client)
    except Exception as error:  # the client's transport raises many types of error
        kinds = {kind.__name__ for kind in type(error).__mro__}
        for kind, (refusal, problem, run) in _REFUSALS.items():
            if kind in kinds:
                raise refusal(f"the hub {problem.format(repository)}", "a model that it shows", run) from None
        if getattr(error, "errno", None) in _DISK:
            problem = f"cannot keep {repository} in the hub's cache: {os.strerror(error.errno)}"  # type: ignore[attr-defined]
            raise StorageError(problem, "a disk with room, as HF_HOME names one", "the same command again") from None
        raise NotOnHubError(
            f"{repository} is not in the hub's cache, and the hub could not be reached ({type(error).__name__})",
            "a network once, or a folder with the files",
            "the same command when connected, or with a folder's path",
        ) from None
