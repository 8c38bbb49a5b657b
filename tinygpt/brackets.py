"""Names with options in brackets: ``vectorized[threads=1,kernels=numpy]``, ``small[n_layers=4]``.

Engines and presets share this syntax. The options of a name are a table, option → type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType
from typing import Any

import numpy as np

from tinygpt.arguments import instance, wrong
from tinygpt.errors import ConfigError, unknown_name

# Type of an option → its values in errors, and the function that reads one from text.
_TYPES: Mapping[type, tuple[str, Callable[[str], Any]]] = MappingProxyType(
    {int: ("a whole number", int), str: ("text", str), bool: ("yes or no", {"yes": True, "no": False}.__getitem__)}
)
_WORDS = {True: "yes", False: "no"}


@dataclass(frozen=True)
class Bracketed:
    """A kind of name that takes options.

    Attributes:
        kind: the kind of thing that a name names, in the singular.
        examples: names in quotes, for errors.
        options_of: returns the options of a name, or raises the error for an unknown one.
        run_instead: returns the command to run in place of one with an option that the name has not, or nothing.
    """

    kind: str
    examples: str
    options_of: Callable[[str], Mapping[str, type]]
    run_instead: Callable[[str, Any], str] = lambda _key, _value: ""

    def parse(self, text: str) -> tuple[str, dict[str, Any]]:
        """Split a text into its name and its options.

        Raises:
            ConfigError: the name or an option is unknown, an option is given twice, or its value cannot be read.
        """
        instance(self.kind, text, str, f"a name, such as {self.examples}")
        name, bracket, rest = text.partition("[")
        self.options_of(name := name.strip())
        if bracket and not rest.rstrip().endswith("]"):
            raise ConfigError(f"{self.kind} {text!r} has no closing bracket", "NAME or NAME[option=value,…]")
        options: dict[str, Any] = {}
        for item in filter(None, rest.rstrip().removesuffix("]").split(",")):
            key, _, value = (part.strip() for part in item.partition("="))
            if key in options:
                raise ConfigError(f"option {key} is given twice in {self.kind} {text!r}", "one value")
            options[key] = self.read(name, key, value)
        return name, options

    def read(self, name: str, key: str, value: Any) -> Any:
        """Return an option's value, given as such or as text; None stays, for the default."""
        options, label = self.options_of(name), f"option {key} of {self.kind} {name!r}"
        if key not in options:
            run = self.run_instead(key, value)
            raise unknown_name(f"option of {self.kind} {name!r}:", key, options or ("none",), run)
        kind = options[key]
        allowed, read = _TYPES[kind]
        if isinstance(value, str):
            try:
                return read(value)
            except (ValueError, KeyError):
                raise wrong(label, value, allowed) from None
        instance(label, value, (kind, NoneType, np.integer) if kind is int else (kind, NoneType), allowed)
        return value


def with_options(name: str, options: Mapping[str, Any]) -> str:
    """Write a name with its options, as :meth:`Bracketed.parse` reads it."""
    texts = [f"{key}={_WORDS[value] if isinstance(value, bool) else value}" for key, value in options.items()]
    return f"{name}[{','.join(texts)}]" if texts else name
