"""Decorators for compiled functions, and the cache of their machine code.

    loop    a part that others call; the compiler may fuse a product with a sum, and nothing else
    sums    the same, and it may also reorder sums, which vector instructions need
    part    a part of the only function that calls it: it is not compiled apart, which takes seconds
    entry   a function that Python calls without the interpreter's lock; its code is kept on disk

None assumes that numbers are finite: NaN and infinity pass through everything as they should.

The cache is a folder ``compiled`` beside the other things that can be made again. Numba keys every function by its
arguments, the processor and its vector instructions; the folder's name adds the versions and the sources, because a
function's code contains that of the functions that it calls.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.extending import intrinsic as _intrinsic

from tinygpt.system.file_lock import open_lock, take_lock
from tinygpt.system.home import cache_folder

_log = logging.getLogger(__name__)

intrinsic: Any = _intrinsic  # what it makes is called with other arguments than it is written with

_FUSED = {"contract", "nsz", "arcp"}
_REORDERED = _FUSED | {"reassoc"}

loop = njit(fastmath=_FUSED, error_model="numpy")
sums = njit(fastmath=_REORDERED, error_model="numpy")
part = njit(fastmath=_FUSED, error_model="numpy", inline="always")


def entry(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls; its code is kept on disk."""
    return njit(nogil=True, fastmath=_FUSED, error_model="numpy")(function)


@intrinsic
def distinct(_context: Any) -> Any:
    """Promise that the arrays which a function gets do not overlap: its loops then need no checks of that."""

    def mark(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        for argument in builder.function.args:
            if isinstance(argument.type, ir.PointerType) and argument.type.pointee == ir.FloatType():
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.void(), mark


@intrinsic
def kept_whole(_context: Any) -> Any:
    """Keep a function out of those that call it: it is large, and compiled once instead of once for each call."""

    def mark(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), mark


# ---- the cache -----------------------------------------------------------------------------------------


# Folders of the package with functions that are compiled.
_COMPILED = ("engines/loops", "engines/compiled", "generation/compiled")


@cache
def code_folder() -> Path:
    """Return the folder of the compiled code of these sources and versions. It may not exist yet."""
    package = Path(__file__).parents[2]
    sources = sorted(path for name in _COMPILED for path in (package / name).glob("*.py"))
    parts = [numba.__version__, llvmlite.__version__, np.__version__, *(path.read_text("utf-8") for path in sources)]
    return cache_folder() / "compiled" / hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


class _Locator(_CacheLocator):
    """The folder of compiled code, whose name already depends on the sources."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = function.__qualname__

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(code_folder())

    def get_source_stamp(self) -> str:
        """Return what the code is a function of, besides types and processor."""
        return code_folder().name

    def get_disambiguator(self) -> str:
        """Return the function's name in the folder."""
        return self._name

    @classmethod
    def from_function(cls, function: Callable[..., Any], _file: str) -> _Locator:
        """Return a function's locator; it does not touch the folder."""
        return cls(function)


class _CacheFiles(CompileResultCacheImpl):
    _locator_classes: Any = (_Locator,)


class _CodeCache(FunctionCache):
    """Numba's cache of a function, in our folder. One that cannot be used gives a warning."""

    _impl_class = _CacheFiles

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return code from the cache, or None."""
        try:
            return super().load_overload(signature, target)
        except OSError:  # there is nothing to read; saving gives the warning
            return None
        except Exception as error:  # whatever a damaged file raises
            _log.warning("compiled code in %s cannot be read (%s), and is made again", self.cache_path, error)
            with suppress(OSError):
                self.flush()  # an empty index in place of the damaged one
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        """Keep code in the cache."""
        try:
            super().save_overload(signature, data)
        except OSError as error:
            _log.warning(
                "compiled code is not kept, and the next start compiles again: %s (%s)", self.cache_path, error.strerror
            )


def prepare(
    function: Any, *arguments: Any, title: str = "engine compiled", duration: str = "about half a minute"
) -> None:
    """Compile an entry for arguments of these types, or read its code from the cache.

    One process compiles, and others that need the same code wait for it. A line says what is compiled, and how long it
    takes.
    """
    types_of = tuple(map(numba.typeof, arguments))
    if types_of in function.overloads:
        return
    if not isinstance(function._cache, _CodeCache):
        function._cache = _CodeCache(function.py_func)
    with _alone():
        if function._cache.load_overload(types_of, function.targetctx) is None:
            _log.warning("compiling %s for this processor, once: %s", title, duration)
        function.compile(types_of)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process compiles; a folder that cannot be written has nothing to wait for."""
    try:
        code_folder().mkdir(parents=True, exist_ok=True)
        lock = open_lock(code_folder() / "lock")
    except OSError:
        yield
        return
    with lock:
        while not take_lock(lock):
            time.sleep(0.1)
        yield
