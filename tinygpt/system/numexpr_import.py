"""NumExpr's import, which reads environment variables: one that it cannot read must not keep TinyGPT from starting.

``OMP_NUM_THREADS=4,2`` is valid OpenMP and ends ``import numexpr``, and with it ``import pandas``, with a ValueError.
The engines give NumExpr one thread in any case, so such a value is hidden while NumExpr is imported, and then put back.
"""

from __future__ import annotations

import importlib
import os

_VARIABLES = ("NUMEXPR_MAX_THREADS", "NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS")
_MOST_THREADS = 64


def import_numexpr_early() -> None:
    """Import NumExpr now if a later import would fail or complain; else leave it to those who need it."""
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
