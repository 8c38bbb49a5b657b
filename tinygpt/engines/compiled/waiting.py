"""Counters that threads and processes wait for in compiled code, without the interpreter and its lock.

A counter is a whole number of 8 bytes, alone on its cache line. A thread that sees a raised counter also sees all that
was written before (release and acquire). A waiting thread polls, and yields its core now and then: on a busy machine,
the one that it waits for may need it. One that waits for long sleeps between polls, first briefly.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any, NamedTuple

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from tinygpt.engines.compiled.products import address
from tinygpt.engines.loops.compiling import intrinsic, loop
from tinygpt.engines.vectorized.mailbox import LINE

_BYTES = 8 * LINE
_POLLS = 32  # between two yields
_YIELDS = 400  # before an idle worker sleeps: some tenths of a millisecond
_SHORTEST, _LONGEST = 50, 5000  # microseconds of sleep
_GROWTH = 20  # each sleep is longer by a twentieth, so that a late wake-up costs about a twentieth of the wait

_YIELD, _SLEEP = "tinygpt_yield", "tinygpt_sleep"
_WINDOWS = os.name == "nt"
_MICROSECONDS = 1000 if _WINDOWS else 1  # in the unit of the system's sleep


@cache
def find_pauses() -> None:
    """Let compiled code link the system's functions for yielding and sleeping."""
    library = getattr(ctypes, "windll").kernel32 if _WINDOWS else ctypes.CDLL(None)  # noqa: B009 (absent elsewhere)
    names = ("SwitchToThread", "Sleep") if _WINDOWS else ("sched_yield", "usleep")
    for symbol, name in zip((_YIELD, _SLEEP), names, strict=True):
        llvmlite.binding.add_symbol(symbol, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)


@intrinsic
def _read(_context: Any, place: Any) -> Any:
    """Return the number at an address, and let later reads see what was written before it."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.load_atomic(pointer, "acquire", 8)

    return types.int64(types.int64), generate


@intrinsic
def _write(_context: Any, place: Any, value: Any) -> Any:
    """Write a number to an address, after everything that was written before."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> None:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        builder.store_atomic(arguments[1], pointer, "release", 8)

    return types.void(types.int64, types.int64), generate


@intrinsic
def _give_way(_context: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, _YIELD), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def _sleep(_context: Any, duration: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(32)])
        function = cgutils.get_or_insert_function(builder.module, kind, _SLEEP)
        builder.call(function, [builder.trunc(arguments[0], ir.IntType(32))])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@loop
def set_counter(counters: np.ndarray, index: int, value: int) -> None:
    """Set a counter."""
    _write(address(counters) + index * _BYTES, value)


@loop
def wait_until(counters: np.ndarray, index: int, value: int) -> None:
    """Wait until a counter has at least a value, ready at every moment."""
    place = address(counters) + index * _BYTES
    polls = 0
    while _read(place) < value:
        polls += 1
        if polls % _POLLS == 0:
            _give_way()


class Turns(NamedTuple):
    """The turns in which workers write to the same memory, one after the other, in the order of their numbers.

    A turn is one place in that memory, and every worker takes the same turns. Before a turn at a place that had one
    already, the first worker waits with ``wait_for_all``.
    """

    ended: np.ndarray  # number of turns that each worker has ended, counters
    worker: int  # this one; below 0 it takes no turns
    last: int  # the last worker


@loop
def begin_turn(turns: Turns) -> None:
    """Wait until the worker before has ended this turn."""
    if turns.worker > 0:
        wait_until(turns.ended, turns.worker - 1, turns.ended[turns.worker * LINE] + 1)


@loop
def wait_for_all(turns: Turns) -> None:
    """Let the first worker wait until the last one has ended the same turns; all others come after it."""
    if turns.worker == 0:
        wait_until(turns.ended, turns.last, turns.ended[0])


@loop
def end_turn(turns: Turns) -> None:
    """Let the next worker have this turn."""
    if turns.worker >= 0:
        set_counter(turns.ended, turns.worker, turns.ended[turns.worker * LINE] + 1)


@loop
def wait_for_change(counters: np.ndarray, index: int, value: int) -> int:
    """Wait until a counter is no longer a value, at rest after a while; return what it is."""
    place = address(counters) + index * _BYTES
    polls, pause = 0, _SHORTEST
    found = _read(place)
    while found == value:
        polls += 1
        if polls > _POLLS * _YIELDS:
            _sleep(pause // _MICROSECONDS)
            pause = min(pause + pause // _GROWTH, _LONGEST)
        elif polls % _POLLS == 0:
            _give_way()
        found = _read(place)
    return found
