"""The user's own folders, which a container or a service may not have."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path


def expand_home(path: str) -> Path:
    """Return a path with ``~`` replaced; without a home, or where ``~NAME`` is no user, it stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (pathlib raises RuntimeError in both cases)


def user_temporary(name: str) -> Path:
    """Return a path among the temporary files that belongs to this user, as another user's may not be opened."""
    own = f"-{os.getuid()}" if hasattr(os, "getuid") else ""  # on Windows the folder is the user's
    return Path(tempfile.gettempdir()) / f"{name}{own}"


def cache_folder() -> Path:
    """Return the folder for what can be made again, such as built texts and measured choices; it may not exist yet.

    ``TINYGPT_CACHE`` if set, else the platform's place for caches (``$XDG_CACHE_HOME/tinygpt`` or ``~/.cache/tinygpt``
    on Linux), or a temporary folder where there is no home.
    """
    if own := os.environ.get("TINYGPT_CACHE"):
        return expand_home(own)
    with suppress(RuntimeError):
        return user_cache_path("tinygpt", appauthor=False)
    return user_temporary("tinygpt-cache")
