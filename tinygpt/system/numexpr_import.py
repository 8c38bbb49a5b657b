"""Import NumExpr although an environment variable has a value that it cannot read.

``OMP_NUM_THREADS=4,2`` is valid OpenMP, but ``import numexpr`` raises ValueError on it, and so does ``import pandas``.
The engines run NumExpr on one thread anyway, so such a value is hidden during the import and then restored.
"""

from __future__ import annotations

import importlib
import os

_VARIABLES = ("NUMEXPR_MAX_THREADS", "NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS")
_MOST_THREADS = 64


def import_numexpr_early() -> None:
    """Import NumExpr now if a later import would fail or warn; otherwise do nothing."""
    values = {name: os.environ.get(name, "") for name in _VARIABLES}
    hidden = [name for name, value in values.items() if value and not _is_readable(value)]
    if not hidden:
        return
    for name in hidden:
        del os.environ[name]
    try:
        importlib.import_module("numexpr")
    finally:
        os.environ.update({name: values[name] for name in hidden})


def _is_readable(value: str) -> bool:
    return value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= _MOST_THREADS
