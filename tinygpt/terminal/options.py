"""A task's options, derived from the frozen dataclass that receives them.

    @dataclass(frozen=True, kw_only=True)
    class ServeOptions:
        '''Options of serve.'''

        port: int = option(8000, "on 127.0.0.1")

    name ─► --port      annotation ─► how its text is read, and what the error says is allowed      default      help

The value of a field that is ``REQUIRED`` may be given without the option's name. Annotations are str, int, float, Path,
bool (a flag), Literal (one of some words), X | None (may be absent), tuple[X, ...] (values between commas) and
``Repeated[X]`` (the option given several times). A dataclass of the library that a task receives too has its helps in
the ``Attributes:`` of its docstring; ``field(metadata={"option": "batch"})`` gives an option a name of its own.
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
OFF, NONE = "off", "none"  # defaults as readers see them: of a flag, and of an option that may be absent
_REPEATED = "given several times"
Repeated = Annotated[tuple[T, ...], _REPEATED]
REQUIRED: Any = MISSING  # in the place of a default
_LARGEST = 2**63 - 1  # of the integers that Parquet and NumPy hold
_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


@dataclass(frozen=True)
class Reader:
    """How a text becomes a value.

    Attributes:
        allowed: what the text may be, for errors.
        read: the value of a text; raises ValueError.
        words: the texts that there are, if they can be listed.
    """

    allowed: str
    read: Callable[[str], Any]
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Option:
    """An option of a task.

    Attributes:
        field: the dataclass's field.
        name: as it is typed, without the two dashes.
        help: a phrase, without a full stop.
        default: MISSING where the option is required.
        reader: of its text.
        is_flag: whether it takes no value.
        repeated: whether it may be given several times.
    """

    field: str
    name: str
    help: str
    default: Any
    reader: Reader
    is_flag: bool = False
    repeated: bool = False

    @property
    def key(self) -> str:
        """Its name as Invoke passes it to a task."""
        return self.name.replace("-", "_")

    @property
    def required(self) -> bool:
        """Whether there is no default; the value may then stand without the option's name."""
        return self.default is MISSING

    @property
    def label(self) -> str:
        """The option in texts for people: ``--steps``, or ``NAME`` where the name may be left out."""
        return self.name.upper() if self.required else f"--{self.name}"

    @property
    def default_text(self) -> str:
        """The default as it would be typed."""
        if self.required:
            return "required"
        if self.is_flag:
            return OFF
        values = self.default if isinstance(self.default, tuple) else (self.default,)
        texts = ["" if value is None else f"{value:g}" if isinstance(value, float) else str(value) for value in values]
        return ",".join(texts) or NONE


def option(default: T, help: str) -> T:
    """A field of a dataclass of options: typed by its default, so that mypy checks it against the annotation.

    Args:
        default: or ``REQUIRED``.
        help: a phrase, without a full stop.
    """
    made: T = dataclasses.field(default=default, metadata={"help": help})
    return made


def options_of(received: type) -> tuple[Option, ...]:
    """The options of a task that receives this dataclass, in the order of its fields."""
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
            )
        )
    return tuple(options)


def read_options(received: type[T], task: str, given: Mapping[str, Any]) -> T:
    """Build the dataclass from what was typed.

    Args:
        received: the dataclass.
        task: its task's name, for errors.
        given: an option's key → its text, True for a flag, or a list of texts; what is not given is absent or falsy.
            A dataclass with a class method ``complete`` may add to the values that were given.

    Raises:
        ConfigError: a text cannot be read, or the dataclass refuses a value.
    """
    values: dict[str, Any] = {}
    for option in options_of(received):
        found = given.get(option.key)
        if found is None or found is False or found == []:
            continue
        if option.is_flag:
            values[option.field] = True
        elif option.repeated:
            values[option.field] = tuple(_read(option, task, text) for text in found)
        else:
            values[option.field] = _read(option, task, found)
    complete: Callable[[dict[str, Any]], dict[str, Any]] = getattr(received, "complete", lambda given: given)
    return received(**complete(values))


def split_names(text: str) -> list[str]:
    """Split ``a,b[x=1,y=2]`` at the commas that are not inside brackets; spaces and empty parts are dropped."""
    parts = re.split(r",(?![^\[]*\])", text)
    return [part.strip() for part in parts if part.strip()]


def _read(option: Option, task: str, text: str) -> Any:
    try:
        return option.reader.read(text)
    except ValueError:
        problem = f"{option.label} is {reprlib.repr(text)}{did_you_mean(text, option.reader.words)}"
        raise ConfigError(problem, option.reader.allowed, f"invoke --help {task}") from None


def _attribute_texts(received: type) -> dict[str, str]:
    """Field → its text in the docstring's ``Attributes:``, of the class or one that it inherits from."""
    texts = {}
    for base in reversed(received.__mro__):
        section = inspect.cleandoc(base.__doc__ or "").partition("\nAttributes:\n")[2].partition("\n\n")[0]
        for name, text in _ATTRIBUTE.findall(section):
            texts[name] = " ".join(text.split()).replace("``", "`").removesuffix(".")
    return texts


# ---- how texts are read --------------------------------------------------------------------------------


def _whole(text: str) -> int:
    number = int(text)
    if abs(number) > _LARGEST:
        raise ValueError(text)
    return number


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _absent(text: str) -> None:
    if text:
        raise ValueError(text)


_READERS: Mapping[Any, Reader] = MappingProxyType(
    {
        bool: Reader("no value", bool),
        int: Reader("a whole number below 2^63", _whole),
        float: Reader("a finite number", _real),
        str: Reader("text", str),
        Path: Reader("a path", Path),
        NoneType: Reader("", _absent),
    }
)


def _reader(annotation: Any) -> Reader:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return Reader(", ".join(arguments), lambda text: arguments[arguments.index(text)], arguments)
    if origin in (Union, UnionType):
        return _first_of([_reader(argument) for argument in sorted(arguments, key=lambda one: one is not NoneType)])
    if origin is tuple:
        each = _reader(arguments[0])
        allowed = f"{each.allowed}, or several between commas"
        return Reader(allowed, lambda text: tuple(map(each.read, split_names(text))))
    return _READERS[annotation]


def _first_of(readers: list[Reader]) -> Reader:
    """The value of the first reader that can read the text."""

    def read(text: str) -> Any:
        for reader in readers[:-1]:
            try:
                return reader.read(text)
            except ValueError:
                continue
        return readers[-1].read(text)

    return Reader(" or ".join(filter(None, (reader.allowed for reader in readers))), read)
