"""Checks of arguments: a wrong one gives a ConfigError with its name, what was received and what is allowed.

NumPy's numbers are taken and become plain ones, so that settings can be written as JSON.
"""

from __future__ import annotations

import math
import numbers
import os
import reprlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinygpt.errors import ConfigError

_SHOWN = (str, bytes, numbers.Number, list, tuple, dict, Path, type(None))  # values whose text is short and says enough


def wrong(name: str, value: object, allowed: str) -> ConfigError:
    """Build the error for an argument; an object without a short text is shown by its type."""
    shown = reprlib.repr(value) if isinstance(value, _SHOWN) else f"of type {type(value).__name__}"
    return ConfigError(f"{name} is {shown}", allowed)


def whole_number(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """Check a whole number, ``least`` or more and at most ``most``; return it as an int."""
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):
        limits = f", {least} or more" if most is None else f" from {least} to {most}"
        raise wrong(name, value, f"a whole number{limits}")
    return int(value)


def number(name: str, value: Any, least: float = 0.0, most: float = math.inf, *, above: bool = False) -> float:
    """Check a finite number from ``least`` to ``most``, or ``above`` the least; return a NumPy one as a float."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    plain = value if type(value) is int or not is_number else float(value)
    if not is_number or not least <= plain <= min(most, sys.float_info.max) or (above and plain == least):
        limits = f" from {least:g} to {most:g}" if most < math.inf else f", {least:g} or more"
        beyond = f" above {least:g}" + (f", at most {most:g}" if most < math.inf else "")
        raise wrong(name, value, f"a finite number{beyond if above else limits}")
    return plain


def check_fields(settings: object, check: Callable[..., object], *names: str, **limits: Any) -> None:
    """Check fields of a frozen dataclass that is being made, and replace NumPy's numbers in them."""
    for name in names:
        object.__setattr__(settings, name, check(name, getattr(settings, name), **limits))


def instance(name: str, value: object, kind: type | tuple[type, ...], allowed: str) -> None:
    """Check an argument's type."""
    if not isinstance(value, kind):
        raise wrong(name, value, allowed)


def folder(name: str, value: Any) -> Path:
    """Check the folder of a run or a checkpoint; the current folder is none, as files in it would be replaced."""
    instance(name, value, (str, os.PathLike), "a folder's path")
    if str(path := Path(value)) == ".":
        raise wrong(name, str(value), "a separate folder")
    return path
