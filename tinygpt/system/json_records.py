"""Dataclasses from JSON files that may have been edited: every field is checked against its annotation."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.system.files import require_regular

Record = TypeVar("Record")
_LARGEST = 2**24  # bytes of a file; ours have a few thousand, the index of a large model has less than a million


def read_json(path: Path) -> dict[str, Any]:
    """Read a file's JSON object.

    Raises:
        CheckpointError: the file is missing, unreadable, too large, not JSON, or holds something else.
    """
    try:
        require_regular(path)
        if (size := path.stat().st_size) > _LARGEST:
            raise ValueError(f"{size:,} bytes, and at most {_LARGEST:,} are read")
        value = json.loads(path.read_bytes(), parse_constant=_finite, parse_float=_finite)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing", "a folder with all its files") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON ({error})", "the file as it was saved") from None
    except OSError as error:
        problem = f"cannot read {path} ({error.strerror or error})"
        raise CheckpointError(problem, "a regular file", f"ls -l {path}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds a JSON {type(value).__name__}", "a JSON object")
    return value


def json_bytes(value: Any) -> bytes:
    """Return the contents of a JSON file; raise a ConfigError for what JSON has no word for, such as NaN."""
    try:
        return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"a record cannot be written as JSON ({error})", "plain finite values") from None


def _finite(text: str) -> float:
    """Return a number. NaN and Infinity are not JSON, and 1e999 would become Infinity."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_float(value: Any) -> bool:
    # A whole number beyond a float's 53 bits passes isinstance and fails in later use.
    return isinstance(value, float) or (_is_int(value) and abs(value) < 2**53)


# annotation: (check of a parsed value, the annotation in words)
_KINDS: Mapping[Any, tuple[Callable[[Any], bool], str]] = {
    bool: (lambda value: isinstance(value, bool), "true or false"),
    int: (_is_int, "a whole number"),
    float: (_is_float, "a number"),
    str: (lambda value: isinstance(value, str), "text"),
    dict: (lambda value: isinstance(value, dict), "an object"),
}


def _check(annotation: Any) -> tuple[Callable[[Any], bool], str]:
    """Return the check of parsed values for an annotation, and the annotation in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        (inner,) = (part for part in arguments if part is not type(None))
        fits, words = _check(inner)
        return lambda value: value is None or fits(value), f"{words} or null"
    if origin is tuple:
        fits, words = _check(arguments[0])
        return lambda value: isinstance(value, list) and all(map(fits, value)), f"a list, each {words}"
    return _KINDS[origin or annotation]


def record_from_json(kind: type[Record], value: Any, title: str, source: str, *, defaults: bool = False) -> Record:
    """Make a dataclass from parsed JSON.

    Args:
        kind: the dataclass.
        value: the parser's result.
        title: the record's name, for messages.
        source: the file, for messages.
        defaults: let a missing field take its default, as in a file of an older version.

    Raises:
        CheckpointError: a field is missing, unknown, of another type or out of range; names the source.
    """
    if not isinstance(value, dict):
        raise CheckpointError(f"{title} of {source} is {value!r:.60}", "an object")
    annotations = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for name, field in known.items():
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        if name not in value and not (defaults and has_default):
            raise CheckpointError(f"{title} of {source} lacks the field {name!r}", ", ".join(known))
    for name, item in value.items():
        if name not in known:
            raise CheckpointError(f"{title} of {source} has an unknown field {name!r:.60}", ", ".join(known))
        fits, words = _check(annotations[name])
        if not fits(item):
            raise CheckpointError(f"{title}.{name} of {source} is {item!r:.60}", words)
    try:
        return kind(**{name: tuple(item) if isinstance(item, list) else item for name, item in value.items()})
    except ConfigError as error:
        raise CheckpointError(f"{source}: {error.problem}", error.allowed) from None
