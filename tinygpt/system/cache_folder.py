"""The user's cache folder: what can be made again, such as built texts and measured choices."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Where it is; it may not exist yet.

    ``TINYGPT_CACHE`` if set, else the platform's place for caches: ``$XDG_CACHE_HOME/tinygpt`` where that is set,
    ``%LOCALAPPDATA%\\tinygpt`` on Windows, ``~/Library/Caches/tinygpt`` on macOS, ``~/.cache/tinygpt`` elsewhere.
    """
    if own := os.environ.get("TINYGPT_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    if not base and sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
    if base and Path(base).is_absolute():  # the XDG specification asks for relative paths to be ignored
        return Path(base) / "tinygpt"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/tinygpt").expanduser()
    return Path("~/.cache/tinygpt").expanduser()
