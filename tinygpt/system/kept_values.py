"""Small values in the user's cache folder that take long to compute: files of JSON objects, key → value."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tinygpt.errors import StorageError
from tinygpt.system.files import replace_file
from tinygpt.system.home import cache_folder

_log = logging.getLogger(__name__)
Value = TypeVar("Value")


def kept_value(title: str, file: str, key: str, compute: Callable[[], Value], is_valid: Callable[[Any], bool]) -> Value:
    """Return a value from a file of the cache folder, or compute and keep it.

    A damaged file counts as empty. A cache that cannot be written gives a warning, and the next process computes again.

    Args:
        title: the value's name, for the warning.
        file: the file's name.
        key: everything that the value depends on.
        compute: makes the value, of JSON's types.
        is_valid: checks a value of the file, as it was parsed.
    """
    path = cache_folder() / file
    known = _read(path)
    if is_valid(known.get(key)):
        return known[key]
    value = compute()
    try:
        replace_file(path, [json.dumps(_read(path) | {key: value}, indent=1).encode()])
    except StorageError as error:
        _log.warning("%s is not kept in the cache, and will be made again: %s", title, error.problem)
    return value


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
