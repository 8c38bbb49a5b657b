"""The rungs of the ladder of engines, and the lines of code that each costs its reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import tinygpt


@dataclass(frozen=True)
class Rung:
    """A variant that builds on the one before.

    Attributes:
        name: in figures.
        sources: files and folders of ``tinygpt`` that it adds.
        builds_on: the variant whose code it uses too.
    """

    name: str
    sources: tuple[str, ...]
    builds_on: str | None = None


RUNGS = MappingProxyType(
    {
        "python": Rung("python", ("engines/python.py",)),
        "numpy": Rung("numpy", ("layers.py", "engines/numpy.py")),
        "vectorized": Rung("vectorized", ("engines/vectorized",)),
        "vectorized[kernels=numba]": Rung("Numba kernels", ("engines/loops",), "vectorized"),
        "compiled": Rung("compiled", ("engines/compiled",), "vectorized[kernels=numba]"),
    }
)


def all_sources(variant: str) -> Iterator[str]:
    """Yield the files and folders that a rung is made of, those that it builds on first."""
    rung = RUNGS[variant]
    if rung.builds_on is not None:
        yield from all_sources(rung.builds_on)
    yield from rung.sources


@cache
def code_lines(variant: str) -> int:
    """Count the lines of a rung's code, without empty ones."""
    root = Path(tinygpt.__file__).parent
    files = [file for name in all_sources(variant) for file in _files(root / name)]
    return sum(bool(line.strip()) for file in files for line in file.read_text("utf-8").splitlines())


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.py")) if path.is_dir() else [path]
