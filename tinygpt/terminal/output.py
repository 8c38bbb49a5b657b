"""The one place through which a program's output goes, whatever is at its other end and whatever the texts hold.

    print(text) ─► SafeStream ─┐
                               ├─► standard output: characters that it cannot show become question marks
    Console ─► SafeConsole ────┘

Control characters and reversed writing in names, texts and rows are made visible in both ways (``visible_text``); the
escape sequences of rich's own styles pass, because they are no part of a text.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from tinygpt.terminal.visible import visible_text

_NARROWEST = 20  # columns; a terminal that reports fewer does not know its width
_USUAL = 80


class SafeStream(io.TextIOWrapper):
    """A text stream that can do a terminal no harm."""

    def write(self, text: str) -> int:
        """Write a text with its control characters made visible."""
        super().write(visible_text(text))
        return len(text)


class SafeConsole(Console):
    """A console whose texts can do a terminal no harm."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is drawn, control characters in texts made visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible_text(segment.text))

    def on_broken_pipe(self) -> None:
        """Leave it to the task what a reader that has gone means; rich would end the process."""
        raise BrokenPipeError


def prepare_output() -> None:
    """Make this process's standard streams usable: there, able to take any text, and harmless to a terminal."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = SafeStream(sys.stdout.buffer, sys.stdout.encoding, "replace", write_through=True)


def _unchecked_output() -> TextIO | None:
    """The stream below ``print``, for those who check their texts themselves."""
    return sys.__stdout__ if isinstance(sys.stdout, SafeStream) else sys.stdout


def make_console(plain_width: int | None = None) -> SafeConsole:
    """Make a console on standard output.

    Args:
        plain_width: columns where there is no terminal; 80 when omitted.
    """
    columns = os.environ.get("COLUMNS", "")
    width = int(columns[:6]) if columns.isascii() and columns.isdigit() else 0
    without = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    console = SafeConsole(file=_unchecked_output(), width=width if width >= _NARROWEST else None, _environ=without)
    if width < _NARROWEST and (not console.is_terminal or console.width < _NARROWEST):
        console.width = plain_width or _USUAL
    return console


def drop_output() -> None:
    """Have what is still to be written go nowhere, so that the interpreter's last flush does not fail."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """End quietly when the reader of the output has seen enough, as in ``invoke sample | head``."""
    try:
        yield
    except BrokenPipeError:
        drop_output()


class Shown:
    """Output of work that goes on without a reader.

    Args:
        lost: is told, once, why the output cannot be written any more.
    """

    def __init__(self, lost: Callable[[str], None]) -> None:
        self._lost = lost
        self._gone = False

    def __call__(self, show: Callable[[], object]) -> None:
        """Show something, unless the reader has gone."""
        if self._gone:
            return
        try:
            show()
        except OSError as error:
            self._gone = True
            drop_output()
            self._lost(f"nobody reads its output any more ({error.strerror or error})")
