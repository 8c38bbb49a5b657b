"""A machine's fingerprint in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from bench.arms.devices import on_accelerator
from bench.records.rows import LOCAL, PUBLISHED, StoredRun
from sitegen.text import quantities
from sitegen.text.escape import html_block, one_line

# Parts of a processor's name that say nothing: trademarks, core counts (ours differ), nominal clocks.
_CPU_NOISE = re.compile(r"\((?:R|TM)\)|\bCPU\b|\bProcessor\b|\b\d+-Core\b|@ [\d.]+ ?GHz", re.IGNORECASE)
_ORIGIN_WORDS = {PUBLISHED: "published", LOCAL: "this machine (local)"}

# (fields that must be there, how they read), in the order of the sentence.
_PHRASES: tuple[tuple[tuple[str, ...], Callable[..., str]], ...] = (
    (("cpu",), lambda cpu: str(cpu)),
    (("cores",), lambda cores: f"{cores} {'cores' if cores != 1 else 'core'}"),
    (("core_quota",), lambda quota: f"a quota of {quota:g} cores"),
    (("arch_level",), lambda level: str(level)),
    (("memory_gib",), lambda memory: f"{memory:g} GiB of memory"),
    (("memory_limit_gib",), lambda limit: f"of which {limit:g} GiB are granted"),
    (("os",), lambda system: str(system)),
    (("python",), lambda version: str(version)),
    (("numpy",), lambda version: f"NumPy {version}"),
    (("numexpr",), lambda version: f"NumExpr {version}"),
    (
        ("blas", "blas_kernel", "blas_threads"),
        lambda blas, kernel, threads: f"{blas} ({kernel} kernel, {threads} threads)",
    ),
    (("accelerator",), lambda accelerator: str(accelerator)),
)


def machine_label(row: StoredRun) -> str:
    """A row's machine in short: where the row lies, processor, cores, and the start of the fingerprint's hash.

    Of rows that an accelerator computed, the accelerator takes the processor's place.

    Two fingerprints can agree in processor and cores and differ in the BLAS; the hash keeps them apart.
    """
    fields = json.loads(row.machine)
    where = _ORIGIN_WORDS.get(row.origin, row.origin)
    if on_accelerator(row.variant):
        return one_line(f"{where}: {accelerator_name(fields)}, {row.machine_hash[:6]}")
    cpu = _CPU_NOISE.sub(" ", str(fields.get("cpu", "unknown processor")))
    return one_line(f"{where}: {' '.join(cpu.split())}, {fields.get('cores', '?')} cores, {row.machine_hash[:6]}")


def origin_words(row: StoredRun) -> dict[str, str]:
    """The columns that say where a row comes from: ``machine``, ``command`` and ``measured_on``."""
    return {
        "machine": machine_label(row),
        "command": one_line(row.command, 300),
        "measured_on": quantities.day(row.started_at),
    }


def accelerator_name(fields: dict[str, Any]) -> str:
    """The accelerators of a fingerprint without their driver."""
    return str(fields.get("accelerator") or "an accelerator that is not named").partition(", driver")[0]


def numbered_labels(names: Iterable[str], machines: Iterable[str]) -> list[str]:
    """Names as they are for the first machine, with a number behind them for every further one.

    Args:
        names: what a row is about.
        machines: whose it is, as the first column of a table says in full.
    """
    numbers = {machine: number for number, machine in enumerate(dict.fromkeys(machines), 1)}
    return [
        name if numbers[machine] == 1 else f"{name}, machine {numbers[machine]}"
        for name, machine in zip(names, machines, strict=True)
    ]


def machine_sentence(cells: pd.DataFrame, runs: pd.DataFrame) -> str:
    """The machine that prose quotes, in one HTML-escaped sentence.

    Args:
        cells: the quoted cells (``frames.primary_cells``), not empty.
        runs: the table of runs, for the fingerprint itself.
    """
    first = cells.iloc[0]
    record = runs.loc[runs["machine_hash"] == first["machine_hash"], "machine"].iloc[-1]
    where = "Published rows" if first["origin"] == PUBLISHED else "Local rows (not published)"
    return f"{where}, measured on {html_block(_describe(json.loads(record)))}."


def _describe(fields: dict[str, Any]) -> str:
    phrases = [
        one_line(write(*(fields[name] for name in names)))
        for names, write in _PHRASES
        if all(fields.get(name) is not None for name in names)
    ]
    return ", ".join(phrases) or "a machine whose fingerprint is empty"
