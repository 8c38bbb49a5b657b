"""A machine's fingerprint in words."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import pandas as pd

from bench.arms.devices import on_accelerator
from bench.records.rows import CONTRIBUTED, LOCAL, PUBLISHED, StoredRun
from sitegen.text.escape import html_block
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line

# Parts of a processor's name that say nothing: trademarks, core counts (ours differ), nominal clocks.
_CPU_NOISE = re.compile(r"\((?:R|TM)\)|\bCPU\b|\bProcessor\b|\b\d+-Core\b|@ [\d.]+ ?GHz", re.IGNORECASE)
ORIGIN_WORDS = {PUBLISHED: "published", LOCAL: "this machine (local)", CONTRIBUTED: "contributed"}

# Parts of the sentence about a machine; one that names an absent field is left out.
_PHRASES = (
    "{cpu}", "{cores}", "a quota of {core_quota:g} cores", "{arch_level}", "{memory_gib:g} GiB of memory",
    "of which {memory_limit_gib:g} GiB are granted", "{os}", "{python}", "NumPy {numpy}", "NumExpr {numexpr}",
    "{blas} ({blas_kernel} kernel, {blas_threads} threads)", "{accelerator}",
)  # fmt: skip


def machine_label(row: StoredRun) -> str:
    """A row's machine in short: area, processor (or the accelerator that computed the row), cores, start of its hash.

    Two fingerprints can agree in processor and cores and differ in the BLAS; the hash distinguishes them.
    """
    fields = json.loads(row.machine)
    where = ORIGIN_WORDS.get(row.origin, row.origin)
    if on_accelerator(row.variant):
        return one_line(f"{where}: {accelerator_name(fields)}, {row.machine_hash[:6]}")
    return one_line(f"{where}: {processor_name(fields)}, {fields.get('cores', '?')} cores, {row.machine_hash[:6]}")


def origin_words(row: StoredRun) -> dict[str, str]:
    """Columns with the origin of a row: ``origin``, ``machine``, ``command`` and ``measured_on``."""
    return {
        "origin": row.origin,
        "machine": machine_label(row),
        "command": one_line(row.command, 300),
        "measured_on": quantities.day(row.started_at),
    }


def processor_name(fields: dict[str, Any]) -> str:
    """The processor of a fingerprint, without what its maker's name adds to it."""
    return " ".join(_CPU_NOISE.sub(" ", str(fields.get("cpu", "unknown processor"))).split())


def processor_of(run: StoredRun) -> tuple[str, str]:
    """A row's processor with its cores, and the row's area: what the machines on record are counted by."""
    fields = json.loads(run.machine)
    return one_line(f"{processor_name(fields)}, {fields.get('cores', '?')} cores"), run.origin


def accelerator_of(run: StoredRun) -> tuple[str, str]:
    """A row's accelerators, and the row's area."""
    return accelerator_name(json.loads(run.machine)), run.origin


def accelerator_name(fields: dict[str, Any]) -> str:
    """The accelerators of a fingerprint, without their driver."""
    return str(fields.get("accelerator") or "an accelerator that is not named").partition(", driver")[0]


def machine_sentence(cells: pd.DataFrame, runs: pd.DataFrame) -> str:
    """Describe the machine of the quoted cells (at least one) in an HTML-escaped sentence.

    Args:
        runs: the table of runs, which holds the fingerprint.
    """
    first = cells.iloc[0]
    record = runs.loc[runs["machine_hash"] == first["machine_hash"], "machine"].iloc[-1]
    where = "Published rows" if first["origin"] == PUBLISHED else "Local rows (not published)"
    return f"{where}, measured on {html_block(_describe(json.loads(record)))}."


def _describe(fields: dict[str, Any]) -> str:
    known = {name: value for name, value in fields.items() if value is not None}
    if "cores" in known:
        known["cores"] = quantities.counted(known["cores"], "core")
    phrases = []
    for phrase in _PHRASES:
        with suppress(KeyError):
            phrases.append(one_line(phrase.format_map(known)))
    return ", ".join(phrases) or "a machine whose fingerprint is empty"
