"""Results as the site uses them: observations → one row per cell, per ratio, per point of a loss curve.

Statistics are ``bench.stats``' business and the choice between runs ``bench.newest``'s; here rows are put into words.
Four rules hold throughout: published and local rows never meet in one ratio, nor do rows of two machines, nor rows of
two protocols, nor rows of two runs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.labels import is_copy
from bench.newest import PLACE, newest_cells, newest_failures, newest_ratios
from bench.noise import cell_verdict, floor_of, noise_floors, ratio_verdict
from bench.stats import GROUP, cell_summary, ratio_from, speedups
from bench.store import read_table
from bench.training_parts import joined_training
from sitegen import quantities
from sitegen.escape import one_line
from sitegen.machines import machine_label
from sitegen.palette import order_variants

# What every cell carries as text, for tooltips and tables.
CELL_TEXT = ("machine", "protocol", "evidence", "verdict", "status", "reason", "command", "measured_on")

CELL_COLUMNS = (
    "origin", "machine_hash", "protocol_hash", "engine", "variant", "preset", "n_parameters", "state", "seconds",
    "seconds_low", "seconds_high", "rounds", "tokens_per_second", "peak_bytes", "measured_at", *CELL_TEXT,
)  # fmt: skip
RATIO_COLUMNS = (
    "origin", "machine_hash", "protocol_hash", "baseline", "variant", "preset", "n_parameters", "speedup",
    "speedup_low", "speedup_high", "seconds", "baseline_seconds", "measured_at", *CELL_TEXT,
)  # fmt: skip
LOSS_COLUMNS = (
    "run", "series", "variant", "preset", "corpus", "step", "minutes", "loss", "averaged", "status", "machine",
    "command", "measured_on",
)  # fmt: skip

POINTS_PER_RUN = 150


@dataclass(frozen=True)
class Results:
    """The tables, published and local rows together; the column ``origin`` tells them apart."""

    runs: pd.DataFrame
    steps: pd.DataFrame
    samples: pd.DataFrame
    kernels: pd.DataFrame


def load_results(root: Path) -> Results:
    """Read the tables under a results folder; one that does not exist holds no rows.

    Raises:
        ResultsError: a file is not Parquet or has another schema.
    """
    return Results(*(read_table(name, root) for name in ("runs", "steps", "samples", "kernels")))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries with text keys."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


# ---- cells ---------------------------------------------------------------------------------------------


def cell_frame(results: Results) -> pd.DataFrame:
    """One row per measured cell and one per failed cell; a cell that did both has both rows.

    Each comes from the run that speaks for it (``bench.newest``): published from a clean checkout, over rounds rather
    than steps, the newest. All the others stay in the table of runs.

    Returns:
        columns ``CELL_COLUMNS``, ordered by model size and engine; ``state`` is "measured" or "failed", times are
        in seconds, absent numbers are NaN.
    """
    summary = _without_copies(cell_summary(results.runs, results.steps))
    if summary.empty:
        return pd.DataFrame(columns=[*CELL_COLUMNS])
    chosen = newest_cells(summary)
    rows = [_measured_cell(record) for record in records(chosen) if record["n_rounds"] > 0]
    groups = {tuple(record[name] for name in GROUP): record for record in records(summary)}
    rows += [
        _failed_cell(groups[tuple(failure[name] for name in GROUP)], failure)
        for failure in records(newest_failures(_without_copies(results.runs), chosen))
    ]
    ranks = {name: rank for rank, name in enumerate(order_variants([row["variant"] for row in rows]))}
    # Published rows first: they are what the rest stands beside.
    rows.sort(
        key=lambda row: (row["origin"] != "published", row["machine_hash"], row["n_parameters"], ranks[row["variant"]])
    )
    return pd.DataFrame(rows, columns=[*CELL_COLUMNS])


def _without_copies(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out A/A arms: they show the noise and are no engines of their own."""
    return rows[~rows["variant"].map(is_copy).astype(bool)]


def _shared(record: dict[str, Any]) -> dict[str, Any]:
    """Columns that a measured and a failed row have in common."""
    return {
        **{name: record[name] for name in (*GROUP, "engine")},
        "n_parameters": int(record["n_parameters"]),
        "machine": machine_label(record["machine"], record["machine_hash"], record["origin"]),
        "protocol": protocol_label(record["protocol"], record["protocol_hash"]),
        "command": one_line(str(record["command"]), 300),
        "measured_at": record["started_at"],
        "measured_on": quantities.day(record["started_at"]),
        "peak_bytes": record["peak_memory_bytes"],
    }


def _measured_cell(record: dict[str, Any]) -> dict[str, Any]:
    failed = f", {record['n_failed']} of {record['n_attempts']} attempts failed" if record["n_failed"] else ""
    rounds, steps = int(record["n_rounds"]), int(record["n_steps"])
    return _shared(record) | {
        "state": "measured",
        "status": "ok",
        "verdict": cell_verdict(record),
        "seconds": float(record["median_step_seconds"]),
        "seconds_low": float(record["low_step_seconds"]),
        "seconds_high": float(record["high_step_seconds"]),
        "rounds": rounds,
        "tokens_per_second": float(record["tokens_per_second"]),
        "evidence": f"{steps} steps in {rounds} {'rounds' if rounds != 1 else 'round'}, "
        f"interval over {record['interval_basis']}{failed}{_code(record)}",
        "reason": "",
    }


def _failed_cell(record: dict[str, Any], failure: dict[str, Any]) -> dict[str, Any]:
    shared = _shared(record | {name: failure[name] for name in ("started_at", "command", "peak_memory_bytes")})
    return shared | {
        "state": "failed",
        "status": str(failure["status"]),
        "verdict": "",
        "reason": failure_reason(failure),
        "evidence": f"{record['n_failed']} of {record['n_attempts']} attempts failed{_code(failure)}",
    }


def _code(record: dict[str, Any]) -> str:
    """Which code ran, as the end of a sentence: what the engine chose for itself, and the commit in a checkout."""
    parts = []
    resolved = record["resolved_variant"]
    if isinstance(resolved, str) and resolved != record["variant"]:
        parts.append(f", as {one_line(resolved, 120)}")
    if isinstance(record["commit"], str):
        parts.append(f", commit {record['commit'][:7]}{' with uncommitted changes' if record['dirty'] else ''}")
    return "".join(parts)


def failure_reason(run: dict[str, Any]) -> str:
    """Why a run failed, as one visible line: the last line of its error output, else its signal or exit code."""
    tail = run.get("error_tail")
    if isinstance(tail, str) and tail.strip():
        return one_line(tail.strip().splitlines()[-1], 200)
    if isinstance(run.get("signal"), str):
        return one_line(f"ended by {run['signal']}")
    code = run.get("exit_code")
    return "no reason recorded" if code is None or code != code else f"exit code {int(code)}"


def protocol_label(protocol: str, protocol_hash: str) -> str:
    """A protocol in words, with the start of its hash."""
    fields = json.loads(protocol)
    counts = f"{fields.get('measured_steps', '?')} steps after {fields.get('warmup_steps', '?')} warm-up"
    return one_line(f"{counts}, {fields.get('corpus', '?')}, {protocol_hash[:8]}")


def primary_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells that prose quotes: published ones if there are any, on the machine that has most of them."""
    published = cells[cells["origin"] == "published"]
    chosen = published if not published.empty else cells
    if chosen.empty:
        return chosen
    measured = chosen[chosen["state"] == "measured"]
    counts = (measured if not measured.empty else chosen)["machine_hash"].value_counts()
    return chosen[chosen["machine_hash"] == counts.index[0]]


# ---- ratios --------------------------------------------------------------------------------------------


def ratio_frame(results: Results) -> pd.DataFrame:
    """Speedups of every variant over every other, each from the run that speaks for the pair (``bench.newest``).

    Returns:
        columns ``RATIO_COLUMNS``; the baseline itself is left out. ``evidence`` says so where an engine was measured
        again since, without the other one, and ``verdict`` weighs the ratio against its run's A/A arms.
    """
    everything = cell_summary(results.runs, results.steps)
    floors = noise_floors(everything)
    summary = _without_copies(everything)
    measured = summary[summary["n_rounds"] > 0]
    if measured.empty:
        return pd.DataFrame(columns=[*RATIO_COLUMNS])
    parts = [speedups(measured, baseline) for baseline in order_variants(measured["variant"].tolist())]
    ratios = pd.concat([part for part in parts if not part.empty], ignore_index=True)
    ratios = newest_ratios(ratios[ratios["variant"] != ratios["baseline"]])
    texts = pd.DataFrame([_measured_cell(record) for record in records(measured)])[[*GROUP, "measured_at", *CELL_TEXT]]
    ratios = ratios.merge(texts, on=GROUP)
    since = _measured_since(ratios, newest_cells(measured))
    ratios["evidence"] = [text + note for text, note in zip(ratios["evidence"], since, strict=True)]
    ratios["verdict"] = [
        ratio_verdict(ratio_from(pair), floor_of(floors, pair["run_id"], pair["preset"])) for pair in records(ratios)
    ]
    return ratios.rename(columns={"median_step_seconds": "seconds", "baseline_step_seconds": "baseline_seconds"})[
        [*RATIO_COLUMNS]
    ]


def _measured_since(ratios: pd.DataFrame, cells: pd.DataFrame) -> list[str]:
    """For each ratio, which of its two engines has newer times at another commit; empty for most."""
    newest = {tuple(record[name] for name in PLACE): record for record in records(cells)}
    notes = []
    for pair in records(ratios):
        place = [pair[name] for name in PLACE[:-1]]
        notes.append(
            "".join(
                f"; {variant} was measured again at commit {str(cell['commit'])[:7]}"
                for variant in (pair["variant"], pair["baseline"])
                if (cell := newest[(*place, variant)])["commit"] != pair["commit"]
                and cell["started_at"] > pair["started_at"]
            )
        )
    return notes


# ---- training runs -------------------------------------------------------------------------------------


def training_runs(results: Results) -> pd.DataFrame:
    """Training runs that took at least one step, newest first; the parts of a resumed run are one."""
    runs, _ = joined_training(results.runs, results.steps)
    return runs[runs["first_loss"].notna()].sort_values("started_at", ascending=False)


def loss_frame(results: Results, max_runs: int) -> pd.DataFrame:
    """Points of the newest training runs' loss curves.

    Training loss is averaged over consecutive steps so that a run has at most ``POINTS_PER_RUN`` points.

    Returns:
        columns ``LOSS_COLUMNS``; time in minutes since the run's first step.
    """
    parts = []
    _, all_steps = joined_training(results.runs, results.steps)
    for record in records(training_runs(results).head(max_runs)):
        steps = all_steps[all_steps["cell_id"] == record["cell_id"]]
        if steps.empty:
            continue
        status = str(record["status"])
        label = f"{record['preset']} on {record['corpus']}, {record['variant']}, {quantities.day(record['started_at'])}"
        part = pd.concat([_training_points(steps), _held_out_points(steps)], ignore_index=True)
        parts.append(
            part.assign(
                run=one_line(label + ("" if record["origin"] == "published" else " (local)"), 90),
                variant=record["variant"],
                preset=record["preset"],
                corpus=one_line(str(record["corpus"])),
                status=status if status == "ok" else f"{status}: {failure_reason(record)}",
                machine=machine_label(record["machine"], record["machine_hash"], record["origin"]),
                command=one_line(str(record["command"]), 300),
                measured_on=quantities.day(record["started_at"]),
            )
        )
    return _distinct_labels(parts)[[*LOSS_COLUMNS]] if parts else pd.DataFrame(columns=[*LOSS_COLUMNS])


def _training_points(steps: pd.DataFrame) -> pd.DataFrame:
    window = max(1, -(-len(steps) // POINTS_PER_RUN))
    groups = steps.reset_index(drop=True).groupby(lambda index: index // window)
    points = groups.agg(step=("step", "last"), seconds=("elapsed_seconds", "last"), loss=("loss", "mean"))
    return pd.DataFrame(
        {
            "series": "training",
            "step": points["step"],
            "minutes": points["seconds"] / 60,
            "loss": points["loss"],
            "averaged": [f"{size} steps" if size > 1 else "one step" for size in groups.size()],
        }
    )


def _held_out_points(steps: pd.DataFrame) -> pd.DataFrame:
    points = steps[steps["held_out_loss"].notna()]
    return pd.DataFrame(
        {
            "series": "held out",
            "step": points["step"],
            "minutes": points["elapsed_seconds"] / 60,
            "loss": points["held_out_loss"],
            "averaged": "held-out text",
        }
    )


def _distinct_labels(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Join the runs, numbering those that would otherwise share a label and so be drawn as one line."""
    seen: dict[str, int] = {}
    numbered = []
    for part in parts:
        label = str(part["run"].iloc[0])
        seen[label] = seen.get(label, 0) + 1
        numbered.append(part.assign(run=label if seen[label] == 1 else f"{label} ({seen[label]})"))
    return pd.concat(numbered, ignore_index=True)
