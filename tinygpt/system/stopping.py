"""Signals: requests to stop that a run checks, signals as interrupts, and interrupts that wait.

Of a run, the first Ctrl-C, SIGTERM or hang-up requests a stop, and the second one forces it.

Outside a run, in a notebook say, Ctrl-C raises KeyboardInterrupt at once, except that an update of weights delays it.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what ``signal`` wraps
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

_SIGINT, _DEFAULT = int(signal.SIGINT), signal.default_int_handler


class StopRequest:
    """Context in which a signal sets a flag that the run checks between steps, so that it can save first.

    A second signal raises KeyboardInterrupt at once. Leaving the context restores the previous handlers. Outside the
    main thread, where Python allows no handlers, only :meth:`request` sets the flag.

    Attributes:
        signal: the first signal, or None.
        requested: a stop was requested.
        abandoned: a second signal came: save nothing more.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.abandoned = False
        self.requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def request(self) -> None:
        """Request a stop, as a first signal does."""
        self.requested = True

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                # nohup ignores the hang-up on purpose. An ignored SIGINT is only a shell's default for background
                # jobs without job control; one sent by hand is meant.
                if number is None or (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
                    continue
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous.clear()

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.requested:
            self.abandoned = True
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)
        self.requested = True


class InterruptsDeferred:
    """Context that delays Ctrl-C until its end, so that the changes in it are made completely.

    A handler of the caller stays in charge, and outside the main thread nothing is interrupted. A step enters several
    of these. The module ``signal`` turns every handler into an enumeration, which takes ten times as long as the rest.

    Raises:
        KeyboardInterrupt: at the end, if Ctrl-C came before it and nothing else was raised.
    """

    def __enter__(self) -> None:
        self._received: list[int] = []
        self._mine = _signal.getsignal(_SIGINT) is _DEFAULT and threading.current_thread() is threading.main_thread()
        if self._mine:
            _signal.signal(_SIGINT, self._receive)

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if self._mine:
            _signal.signal(_SIGINT, _DEFAULT)
        if self._received and kind is None:
            raise KeyboardInterrupt

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self._received.append(number)


@contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt; without effect outside the main thread."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # A hang-up that the parent ignores (nohup) stays ignored.
    names = [
        name
        for name in ("SIGTERM", "SIGHUP")
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) not in (signal.SIG_IGN, None)
    ]
    if threading.current_thread() is not threading.main_thread():
        names = []
    before = {name: signal.signal(getattr(signal, name), stop) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
