"""The user's home, temporary and cache folders. A container or a service may have no home."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path


def expand_home(path: str) -> Path:
    """Return a path with ``~`` replaced; unchanged without a home, or if ``~NAME`` is no user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (pathlib raises RuntimeError in both cases)


def user_temporary(name: str) -> Path:
    """Return a path in the temporary folder with this user's number in it: another user's file cannot be opened."""
    own = f"-{os.getuid()}" if hasattr(os, "getuid") else ""  # on Windows the whole folder is the user's
    return Path(tempfile.gettempdir()) / f"{name}{own}"


def cache_folder() -> Path:
    """Return the folder for built texts and measured choices, which can be made again. It may not exist yet.

    It is ``TINYGPT_CACHE`` if set, else the platform's cache folder (``$XDG_CACHE_HOME/tinygpt`` or
    ``~/.cache/tinygpt`` on Linux), else a temporary folder if there is no home.
    """
    if path := os.environ.get("TINYGPT_CACHE"):
        return expand_home(path)
    with suppress(RuntimeError):
        return user_cache_path("tinygpt", appauthor=False)
    return user_temporary("tinygpt-cache")
