"""The program's output, made safe for every terminal, pipe and text.

    print(text) ─► SafeStream ─┐
                               ├─► standard output: characters outside its encoding become question marks
    Console ─► SafeConsole ────┘

Both make control characters and reversed writing in names, texts and rows visible (``visible_text``). The escape
sequences of rich's own styles pass, because they are not part of a text.
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
    """A text stream without control characters."""

    def write(self, text: str) -> int:
        """Write a text with visible control characters."""
        super().write(visible_text(text))
        return len(text)


class SafeConsole(Console):
    """A console without control characters in its texts."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render with visible control characters in texts."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible_text(segment.text))

    def on_broken_pipe(self) -> None:
        """Leave a broken pipe to the task; rich would end the process."""
        raise BrokenPipeError


def prepare_output() -> None:
    """Make this process's standard streams exist, accept any text, and write no control characters."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller: lost output is an error, lost errors have no other place
            mode = "r" if name == "stdout" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = SafeStream(sys.stdout.buffer, sys.stdout.encoding, "replace", write_through=True)


def _unchecked_output() -> TextIO | None:
    """Return the stream below ``print``, for a console that checks its texts itself."""
    return sys.__stdout__ if isinstance(sys.stdout, SafeStream) else sys.stdout


def make_console(plain_width: int | None = None) -> SafeConsole:
    """Make a console on standard output, with ``plain_width`` columns (default 80) if that is no terminal."""
    columns = os.environ.get("COLUMNS", "")
    width = int(columns[:6]) if columns.isascii() and columns.isdigit() else 0
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    console = SafeConsole(file=_unchecked_output(), width=width if width >= _NARROWEST else None, _environ=environment)
    if width < _NARROWEST and (not console.is_terminal or console.width < _NARROWEST):
        console.width = plain_width or _USUAL
    return console


def print_line(console: Console, text: str, style: str = "") -> None:
    """Print a text as it is: no markup, no highlighting, no line breaks inside commands and paths."""
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def drop_output() -> None:
    """Discard all further output, so that the interpreter's last flush does not fail."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not sys.stdout.writable():
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """End the block quietly when the reader closes the pipe, as in ``invoke sample | head``."""
    try:
        yield
    except BrokenPipeError:
        drop_output()


class OptionalOutput:
    """Output of work that continues when it can no longer be written; ``lost`` is called once with the reason."""

    def __init__(self, lost: Callable[[str], None]) -> None:
        self._lost = lost
        self._is_lost = False

    def __call__(self, show: Callable[[], object]) -> None:
        """Show something, unless the output is lost."""
        if self._is_lost:
            return
        try:
            show()
        except OSError as error:
            self._is_lost = True
            drop_output()
            self._lost(f"its output can no longer be written ({error.strerror or error})")
