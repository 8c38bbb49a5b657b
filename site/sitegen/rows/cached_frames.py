"""Frames that many figures, tables and numbers ask for are made once for each reading of the results."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import pandas as pd


class Keeper(Protocol):
    """What frames are made from, and where they are kept: they live as long as it does."""

    @property
    def made(self) -> dict[tuple[str, ...], pd.DataFrame]:
        """Frames by the name of what made them, and its arguments."""


K = TypeVar("K", bound=Keeper)
P = ParamSpec("P")


def cached_frame(make: Callable[Concatenate[K, P], pd.DataFrame]) -> Callable[Concatenate[K, P], pd.DataFrame]:
    """Let a function that makes a frame from results, and from arguments that print as what they are, do so once.

    Every caller gets a copy of its own.
    """

    @wraps(make)
    def kept(results: K, /, *arguments: P.args, **named: P.kwargs) -> pd.DataFrame:
        key = (make.__module__, make.__qualname__, repr(arguments), repr(sorted(named.items())))
        if key not in results.made:
            results.made[key] = make(results, *arguments, **named)
        return results.made[key].copy()

    return kept
