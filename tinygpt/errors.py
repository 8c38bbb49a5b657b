"""Errors that the user can fix: one line with the value received, the values allowed, and the next command."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class TinyGPTError(Exception):
    """Base of every error that the user can fix; tasks print its one line and exit with code 2.

    Args:
        problem: the problem, with the value received.
        allowed: the allowed values or form.
        run: the next command.
    """

    exit_code = 2

    def __init__(self, problem: str, allowed: str = "", run: str = "") -> None:
        parts = [problem.rstrip(".")]
        if allowed:
            parts.append(f"allowed: {allowed}")
        if run:
            parts.append(f"run: {run}")
        # Names and paths may contain line breaks, which must not break the line.
        super().__init__(" ".join("; ".join(parts).split()))
        self.problem = problem
        self.allowed = allowed
        self.run = run

    __str__ = Exception.__str__  # KeyError would add quotes


class ConfigError(TinyGPTError):
    """A configuration value, preset, engine or option is invalid."""


class UnknownNameError(ConfigError, KeyError):
    """A name is not in a table."""


class CorpusError(TinyGPTError):
    """A corpus is unknown, empty, missing, damaged, or unreachable without a network."""


class CheckpointError(TinyGPTError):
    """A checkpoint folder is missing, truncated, of another shape, or not safetensors."""


class ResultsError(TinyGPTError):
    """A results file is not Parquet, or has a schema that this version does not read."""


class StorageError(TinyGPTError):
    """The file system refused a write: disk full, read-only folder, no permission."""


class FolderInUseError(TinyGPTError):
    """Another process writes into the folder."""


class CapacityError(TinyGPTError):
    """There is too little memory."""


class DivergedError(TinyGPTError):
    """A loss is not a finite number."""


class WorkerError(TinyGPTError):
    """An engine's worker process ended, or a step was interrupted: the weights in memory are inconsistent."""


class ExportError(TinyGPTError):
    """A format cannot express a model, or what was written does not read back as the same model."""


class MissingDependencyError(TinyGPTError):
    """An optional package is not installed; the message names its extra."""


def unknown_name(kind: str, received: object, allowed: Iterable[str], run: str = "") -> UnknownNameError:
    """Build the error for a name outside a table, with the nearest entry as a suggestion."""
    names = list(allowed)
    problem = f"unknown {kind} {reprlib.repr(received)}{did_you_mean(received, names)}"
    return UnknownNameError(problem, ", ".join(names), run)


@contextmanager
def repaired_by(run: str) -> Iterator[None]:
    """Name the command that repairs damaged files in each CheckpointError of a block."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(error.problem, error.allowed, run) from None


def nearest_name(received: object, names: Iterable[str]) -> str | None:
    """Return the known name that is nearest to an unknown one, if any is near."""
    return next(iter(difflib.get_close_matches(str(received).lower(), names, n=1, cutoff=0.5)), None)


def did_you_mean(received: object, names: Iterable[str]) -> str:
    """Return the suggestion after an unknown name: the nearest known one, or nothing."""
    nearest = nearest_name(received, names)
    return f" (did you mean {nearest!r}?)" if nearest else ""
