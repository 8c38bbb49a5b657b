"""Errors a person can act on: one line with what was received, what is allowed, what to run next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TinyGPTError(Exception):
    """Base of every error that the user can fix; tasks print its one line and exit with code 2.

    Args:
        problem: what is wrong, naming the value that was received.
        allowed: the values or the form that would have been accepted.
        run: the command to run next.
    """

    exit_code = 2

    def __init__(self, problem: str, allowed: str = "", run: str = "") -> None:
        parts = [problem.rstrip(".")]
        if allowed:
            parts.append(f"allowed: {allowed}")
        if run:
            parts.append(f"run: {run}")
        # Names and paths come from outside: a line break in one must not break the one line.
        super().__init__(" ".join("; ".join(parts).split()))
        self.problem = problem
        self.allowed = allowed
        self.run = run


class ConfigError(TinyGPTError):
    """A configuration value, preset, engine or option that cannot be used."""


class CorpusError(TinyGPTError):
    """A corpus that is unknown, empty, missing, corrupt, or out of reach without a network."""


class CheckpointError(TinyGPTError):
    """A checkpoint folder that is missing, truncated, of another shape, or not safetensors."""


class ResultsError(TinyGPTError):
    """A results file that is not Parquet, or has another schema than this version reads."""


class StorageError(TinyGPTError):
    """A write that the file system refused: disk full, read-only folder, no permission."""


class FolderInUseError(TinyGPTError):
    """Another process writes into the folder."""


class CapacityError(TinyGPTError):
    """More memory would be needed than there is."""


class DivergedError(TinyGPTError):
    """Training met a loss that is not a finite number."""


class WorkerError(TinyGPTError):
    """A process that worked for an engine ended, or a step was cut short: the weights in memory are not whole."""


class MissingDependencyError(TinyGPTError):
    """An optional package is not installed; the message names the extra that brings it."""


def unknown_name(kind: str, received: str, allowed: Iterable[str], run: str) -> ConfigError:
    """Build the error for a name outside a table, suggesting the nearest entry."""
    names = list(allowed)
    return ConfigError(f"unknown {kind} {received!r}{did_you_mean(received, names)}", ", ".join(names), run)


def did_you_mean(received: str, names: Iterable[str]) -> str:
    """The suggestion to print behind a name that was received: the nearest one that exists; empty if none is near."""
    nearest = difflib.get_close_matches(received.lower(), names, n=1, cutoff=0.5)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""
