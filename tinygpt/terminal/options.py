"""A task's options, derived from the frozen dataclass that receives them.

    @dataclass(frozen=True, kw_only=True)
    class ServeOptions:
        '''Options of serve.'''

        port: int = option(8000, "on 127.0.0.1")

    name ─► --port      annotation ─► parser, and the allowed values in errors      default      help

The value of a ``REQUIRED`` or ``leading`` field may be given without the option's name. Annotations are str, int,
float, Path, bool (a flag), Literal (one of some words), X | None (may be absent), tuple[X, ...] (values separated by
commas) and ``Repeated[X]`` (the option may be given several times). For a dataclass of the library, the helps come from
the ``Attributes:`` of its docstring; ``field(metadata={"option": "batch"})`` changes an option's name.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tinygpt.errors import ConfigError, did_you_mean

T = TypeVar("T")
OFF, NONE = "off", "none"  # default texts of a flag, and of an option that may be absent
_REPEATED = "given several times"
Repeated = Annotated[tuple[T, ...], _REPEATED]
REQUIRED: Any = MISSING  # in place of a default
_LARGEST = 2**63 - 1  # the largest integer of Parquet and NumPy
_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


@dataclass(frozen=True)
class Reader:
    """A parser of option texts.

    Attributes:
        kind: the kind of text, for ``--help``.
        allowed: the allowed texts, for errors.
        read: returns the value of a text or raises ValueError.
        words: all allowed texts, if they can be listed.
    """

    kind: str
    allowed: str
    read: Callable[[str], Any]
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Option:
    """An option of a task.

    Attributes:
        field: the dataclass's field.
        name: as typed, without the two dashes.
        help: a phrase without a full stop.
        default: MISSING if the option is required.
        reader: the parser of its text.
        is_flag: it takes no value.
        repeated: it may be given several times.
        may_be_empty: an empty text is a value; for all others it is a script's variable that is not set.
        leading: it has a default, and its value may be given without the option's name all the same.
        also: another name for it, or none.
    """

    field: str
    name: str
    help: str
    default: Any
    reader: Reader
    is_flag: bool = False
    repeated: bool = False
    may_be_empty: bool = False
    leading: bool = False
    also: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its names, as typed without the two dashes."""
        return (self.name, self.also) if self.also else (self.name,)

    @property
    def key(self) -> str:
        """The name under which Invoke passes it to a task."""
        return self.name.replace("-", "_")

    @property
    def required(self) -> bool:
        """It has no default; its value may be given without the option's name."""
        return self.default is MISSING

    @property
    def label(self) -> str:
        """The option in messages: ``--steps``, or ``NAME`` if it is required."""
        return self.name.upper() if self.required else f"--{self.name}"

    @property
    def default_text(self) -> str:
        """The default as typed."""
        if self.required:
            return "required"
        if self.is_flag:
            return OFF
        values = self.default if isinstance(self.default, tuple) else (self.default,)
        texts = ["" if value is None else f"{value:g}" if isinstance(value, float) else str(value) for value in values]
        return ",".join(texts) or NONE

    @property
    def help_line(self) -> tuple[str, str]:
        """The option with the kind of its value, and its help with the default, for ``--help``."""
        default = "" if self.default_text in (OFF, NONE) else f" [{self.default_text}]"
        return f"--{self.name}{'' if self.is_flag else f'={self.reader.kind}'}", f"{self.help}{default}"


def option(default: T, help: str, *, may_be_empty: bool = False, leading: bool = False, also: str = "") -> T:
    """Make a field of an options dataclass, with a default or ``REQUIRED`` and a help phrase without a full stop.

    It has the type of its default, so that mypy checks that against the annotation.
    """
    field: T = dataclasses.field(
        default=default, metadata={"help": help, "may_be_empty": may_be_empty, "leading": leading, "also": also}
    )
    return field


def options_of(received: type) -> tuple[Option, ...]:
    """Return the options of a task that receives this dataclass, in the order of its fields."""
    annotations = get_type_hints(received, include_extras=True)
    helps = _attribute_texts(received)
    options = []
    for field in dataclasses.fields(received):
        annotation = annotations[field.name]
        repeated = _REPEATED in getattr(annotation, "__metadata__", ())
        options.append(
            Option(
                field.name,
                field.metadata.get("option", field.name).replace("_", "-"),
                field.metadata.get("help") or helps.get(field.name, ""),
                field.default,
                _reader(get_args(annotation.__origin__)[0] if repeated else annotation),
                is_flag=annotation is bool,
                repeated=repeated,
                may_be_empty=field.metadata.get("may_be_empty", False),
                leading=field.metadata.get("leading", False),
                also=field.metadata.get("also", ""),
            )
        )
    return tuple(options)


def read_options(received: type[T], task: str, given: Mapping[str, Any]) -> T:
    """Build a task's dataclass from the typed options.

    Args:
        received: the dataclass; its class method ``complete``, if any, may add values.
        task: the task's name, for errors.
        given: an option's key → its text, True for a flag, or a list of texts; absent or falsy if not given.

    Raises:
        ConfigError: a text cannot be read, or the dataclass refuses a value.
    """
    values: dict[str, Any] = {}
    for option in options_of(received):
        text = given.get(option.key)
        if text is None or text is False or text == []:
            continue
        if option.is_flag:
            values[option.field] = True
        elif option.repeated:
            values[option.field] = tuple(_read(option, task, each) for each in text)
        else:
            values[option.field] = _read(option, task, text)
    complete: Callable[[dict[str, Any]], dict[str, Any]] = getattr(received, "complete", lambda given: given)
    return received(**complete(values))


def split_names(text: str) -> list[str]:
    """Split ``a,b[x=1,y=2]`` at the commas outside brackets, and drop spaces and empty parts."""
    parts = re.split(r",(?![^\[]*\])", text)
    return [part.strip() for part in parts if part.strip()]


def _read(option: Option, task: str, text: str) -> Any:
    if not text and not option.may_be_empty:
        raise ConfigError(f"{option.label} is empty", option.reader.allowed, f"invoke --help {task}")
    try:
        return option.reader.read(text)
    except (ValueError, OverflowError) as error:
        problem = f"{option.label} is {reprlib.repr(text)}{did_you_mean(text, option.reader.words)}"
        limit = " below 2^63" if isinstance(error, OverflowError) else ""
        raise ConfigError(problem, f"{option.reader.allowed}{limit}", f"invoke --help {task}") from None


def _attribute_texts(received: type) -> dict[str, str]:
    """Return each field's text in the ``Attributes:`` of the class's docstring or of those that it inherits from."""
    texts = {}
    for base in reversed(received.__mro__):
        section = inspect.cleandoc(base.__doc__ or "").partition("\nAttributes:\n")[2].partition("\n\n")[0]
        for name, text in _ATTRIBUTE.findall(section):
            texts[name] = " ".join(text.split()).replace("``", "`").removesuffix(".")
    return texts


# ---- parsers -------------------------------------------------------------------------------------------


def _whole(text: str) -> int:
    number = int(text)
    if abs(number) > _LARGEST:
        raise OverflowError(text)
    return number


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_READERS: Mapping[Any, Reader] = MappingProxyType(
    {
        bool: Reader("", "no value", bool),
        int: Reader("INT", "a whole number", _whole),
        float: Reader("NUMBER", "a finite number", _real),
        str: Reader("TEXT", "text", str),
        Path: Reader("PATH", "a path", Path),
    }
)


def _reader(annotation: Any) -> Reader:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        words = ", ".join(arguments)
        return Reader("|".join(arguments), words, lambda text: arguments[arguments.index(text)], arguments)
    if origin in (Union, UnionType):
        return _first_of([_reader(argument) for argument in arguments if argument is not NoneType])
    if origin is tuple:
        each = _reader(arguments[0])
        allowed = f"{each.allowed}, or several between commas"
        return Reader(f"{each.kind},…", allowed, lambda text: tuple(map(each.read, split_names(text))))
    return _READERS[annotation]


def _first_of(readers: list[Reader]) -> Reader:
    """Combine readers: the first that can read a text gives its value."""

    def read(text: str) -> Any:
        for reader in readers[:-1]:
            try:
                return reader.read(text)
            except ValueError:
                continue
        return readers[-1].read(text)

    parts = [(reader.kind, reader.allowed) for reader in readers if reader.allowed]
    kinds, allowed = zip(*parts, strict=True)
    return Reader("|".join(kinds), " or ".join(allowed), read)
