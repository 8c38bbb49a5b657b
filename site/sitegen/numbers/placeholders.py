"""Placeholders in the names of numbers: what may be in the place of each.

A preset may have a shape of one's own (``gpt2[context_length=256]``), an engine or a peer options
(``compiled[precision=int8]``). Each is turned into the name that rows have for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MappingProxyType

from bench.arms.kernel_parts import PARTS
from bench.arms.registry import GENERATORS, ROOFLINE, TORCH
from bench.arms.token_ways import TOKEN_WAYS
from bench.arms.variants import check_variant
from bench.training.clinic_cases import CASES
from bench.training.options import SweepOptions
from sitegen.numbers.recipe_numbers import CLINIC_SERIES, SWEPT
from sitegen.rows.peers import BEST_TORCH, FASTEST_OF_OURS
from tinygpt.corpora import CORPORA
from tinygpt.engines import ENGINES, parse_variant
from tinygpt.errors import unknown_name
from tinygpt.presets import PRESETS
from tinygpt.terminal import quantities

FASTEST = "fastest"  # in the place of an engine, in names that have a preset
_OF_ROWS = (FASTEST_OF_OURS, BEST_TORCH, ROOFLINE)  # chosen among the rows: no variant has the name

Read = Callable[[str], str]  # raises a ConfigError


def _engine(text: str) -> str:
    if text != FASTEST:
        parse_variant(text)
    return text


def _peer(text: str) -> str:
    """Return what a suite can measure, in training or in generation."""
    return text if text in _OF_ROWS or text in GENERATORS else check_variant(text)


def _one_of(kind: str, names: Iterable[str]) -> Read:
    allowed = tuple(names)

    def read(text: str) -> str:
        if text not in allowed:
            raise unknown_name(kind, text, allowed, "invoke site")
        return text

    return read


PLACEHOLDERS: MappingProxyType[str, Read] = MappingProxyType(
    {
        "ENGINE": _engine,
        "BASELINE": _engine,
        "PRESET": lambda text: PRESETS[text].name,
        "PEER": _peer,
        "CORPUS": _one_of("corpus", CORPORA),
        "PART": _one_of("part", [part.replace(" ", "_") for part in PARTS]),
        "WAY": _one_of("way", TOKEN_WAYS),
        "RACER": _one_of("engine", (FASTEST_OF_OURS, BEST_TORCH, *ENGINES, *TORCH)),
        "RECIPE": _one_of("recipe", SWEPT),
        "RATE": _one_of("rate", map(quantities.learning_rate, SweepOptions.rates)),
        "SERIES": _one_of("series", CLINIC_SERIES),
        "CASE": _one_of("case", CASES),
    }
)
