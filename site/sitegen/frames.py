"""Results as the site uses them: observations → one row per cell, per ratio, per point of a loss curve.

Statistics are ``bench.stats``' business; here rows are chosen and put into words. Three rules hold throughout:
published and local rows never meet in one ratio, nor do rows of two machines, nor rows of two protocols.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.stats import GROUP, cell_summary, speedups
from bench.store import read_table
from sitegen import quantities
from sitegen.escape import one_line
from sitegen.machines import machine_label
from sitegen.palette import order_variants

# What every cell carries as text, for tooltips and tables.
CELL_TEXT = ("machine", "protocol", "evidence", "status", "reason", "command", "measured_on")

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
    """The three tables, published and local rows together; the column ``origin`` tells them apart."""

    runs: pd.DataFrame
    steps: pd.DataFrame
    samples: pd.DataFrame


def load_results(root: Path) -> Results:
    """Read the tables under a results folder; one that does not exist holds no rows.

    Raises:
        ResultsError: a file is not Parquet or has another schema.
    """
    return Results(*(read_table(name, root) for name in ("runs", "steps", "samples")))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries with text keys."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


# ---- cells ---------------------------------------------------------------------------------------------


def cell_frame(results: Results) -> pd.DataFrame:
    """One row per measured cell and one per failed cell; a cell that did both has both rows.

    Where a preset was measured under several protocols on a machine, each engine's row is taken from the protocol
    that most engines share, so that as many as possible can be compared. All of them stay in the table of runs.

    Returns:
        columns ``CELL_COLUMNS``, ordered by model size and engine; ``state`` is "measured" or "failed", times are
        in seconds, absent numbers are NaN.
    """
    summary = cell_summary(results.runs, results.steps)
    if summary.empty:
        return pd.DataFrame(columns=[*CELL_COLUMNS])
    chosen = _choose_protocols(summary)
    failures = _newest_failures(results.runs)
    rows = []
    for record in records(chosen):
        if record["n_rounds"] > 0:
            rows.append(_measured_cell(record))
        failure = failures.get(tuple(record[name] for name in GROUP))
        if failure is not None:
            rows.append(_failed_cell(record, failure))
    ranks = {name: rank for rank, name in enumerate(order_variants([row["variant"] for row in rows]))}
    # Published rows first: they are what the rest stands beside.
    rows.sort(
        key=lambda row: (row["origin"] != "published", row["machine_hash"], row["n_parameters"], ranks[row["variant"]])
    )
    return pd.DataFrame(rows, columns=[*CELL_COLUMNS])


def _choose_protocols(summary: pd.DataFrame) -> pd.DataFrame:
    """For every engine and preset on a machine, its row under the protocol that ranks highest there."""
    place = ["origin", "machine_hash", "preset"]
    ranked = summary.assign(measured=(summary["n_rounds"] > 0).astype(int))
    by_protocol = ranked.groupby([*place, "protocol_hash"])
    ranked["engines"] = by_protocol["measured"].transform("sum")
    ranked["depth"] = by_protocol["n_rounds"].transform("max")
    ranked["newest"] = by_protocol["started_at"].transform("max")
    ranked = ranked.sort_values(["engines", "depth", "newest"], ascending=False, kind="stable")
    return ranked.drop_duplicates([*place, "variant"])


def _newest_failures(runs: pd.DataFrame) -> dict[tuple[Any, ...], dict[str, Any]]:
    failed = runs[(runs["kind"] == "bench") & (runs["status"] != "ok")].sort_values("started_at")
    newest = failed.drop_duplicates(GROUP, keep="last")
    return {tuple(record[name] for name in GROUP): record for record in records(newest)}


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
        "seconds": float(record["median_step_seconds"]),
        "seconds_low": float(record["low_step_seconds"]),
        "seconds_high": float(record["high_step_seconds"]),
        "rounds": rounds,
        "tokens_per_second": float(record["tokens_per_second"]),
        "evidence": f"{steps} steps in {rounds} {'rounds' if rounds != 1 else 'round'}, "
        f"interval over {record['interval_basis']}{failed}",
        "reason": "",
    }


def _failed_cell(record: dict[str, Any], failure: dict[str, Any]) -> dict[str, Any]:
    shared = _shared(record | {name: failure[name] for name in ("started_at", "command", "peak_memory_bytes")})
    return shared | {
        "state": "failed",
        "status": str(failure["status"]),
        "reason": failure_reason(failure),
        "evidence": f"{record['n_failed']} of {record['n_attempts']} attempts failed",
    }


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
    """Speedups of every variant over every other, under the protocol that :func:`cell_frame` chose for both.

    Returns:
        columns ``RATIO_COLUMNS``; the baseline itself is left out.
    """
    summary = cell_summary(results.runs, results.steps)
    cells = cell_frame(results)
    measured = cells[cells["state"] == "measured"]
    if measured.empty:
        return pd.DataFrame(columns=[*RATIO_COLUMNS])
    chosen = summary.merge(measured[GROUP], on=GROUP)
    parts = [speedups(chosen, baseline) for baseline in order_variants(measured["variant"].tolist())]
    ratios = pd.concat([part for part in parts if not part.empty], ignore_index=True)
    ratios = ratios[ratios["variant"] != ratios["baseline"]]
    texts = measured[[*GROUP, "measured_at", *CELL_TEXT]]
    return ratios.merge(texts, on=GROUP).rename(
        columns={"median_step_seconds": "seconds", "baseline_step_seconds": "baseline_seconds"}
    )[[*RATIO_COLUMNS]]


# ---- training runs -------------------------------------------------------------------------------------


def training_runs(results: Results) -> pd.DataFrame:
    """Training runs that took at least one step, newest first."""
    runs = results.runs
    train = runs[(runs["kind"] == "train") & runs["first_loss"].notna()]
    return train.sort_values("started_at", ascending=False)


def loss_frame(results: Results, max_runs: int) -> pd.DataFrame:
    """Points of the newest training runs' loss curves.

    Training loss is averaged over consecutive steps so that a run has at most ``POINTS_PER_RUN`` points.

    Returns:
        columns ``LOSS_COLUMNS``; time in minutes since the run's first step.
    """
    parts = []
    for record in records(training_runs(results).head(max_runs)):
        steps = results.steps[results.steps["cell_id"] == record["cell_id"]].sort_values("step")
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
