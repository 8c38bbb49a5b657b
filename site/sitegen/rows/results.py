"""Results as the site uses them: observations → one row per cell, per ratio, per point of a loss curve.

Statistics are ``bench.statistics.summary``' business and the choice between runs ``bench.statistics.chosen_runs``'s;
here rows are put into words. Four rules hold throughout: published and local rows never meet in one ratio, nor do rows
of two machines, nor rows of two protocols, nor rows of two runs. What an accelerator computed is in none of these
frames (``sitegen.rows.accelerators`` has it), but for training runs, which name it. What is said about this project's
engines never picks up a peer by accident: ``kinds`` asks for them.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bench.arms.devices import of_processors
from bench.arms.labels import is_copy
from bench.arms.registry import ROOFLINE
from bench.arms.variants import kind_of
from bench.records.store import read_table
from bench.statistics.accelerator_ratios import accelerator_summary
from bench.statistics.chosen_runs import PLACE, from_complete_runs, newest_cells, newest_failures, newest_ratios
from bench.statistics.noise import cell_verdict, floor_of, noise_floors, ratio_verdict
from bench.statistics.summary import GROUP, cell_summary, ratio_from, speedups
from bench.statistics.training_parts import joined_training
from sitegen.rows.cached_frames import cached_frame
from sitegen.rows.machines import machine_label
from sitegen.text import quantities
from sitegen.text.escape import one_line
from sitegen.text.palette import order_variants

ENGINE_KINDS = ("bench",)
TRAINING_KINDS = ("bench", "peer", ROOFLINE)  # what a step's time is known of

# What every cell carries as text, for tooltips and tables.
CELL_TEXT = ("machine", "protocol", "evidence", "code", "verdict", "status", "reason", "command", "measured_on")

CELL_COLUMNS = (
    "origin", "machine_hash", "protocol_hash", "run_id", "engine", "variant", "preset", "n_parameters", "state",
    "seconds", "seconds_low", "seconds_high", "rounds", "tokens_per_second", "peak_bytes", "measured_at", *CELL_TEXT,
)  # fmt: skip
RATIO_COLUMNS = (
    "origin", "machine_hash", "protocol_hash", "run_id", "baseline", "variant", "preset", "n_parameters", "speedup",
    "speedup_low", "speedup_high", "seconds", "baseline_seconds", "rounds", "measured_at", *CELL_TEXT,
)  # fmt: skip
LOSS_COLUMNS = (
    "run", "series", "variant", "preset", "corpus", "step", "minutes", "loss", "averaged", "status", "machine",
    "command", "measured_on",
)  # fmt: skip

POINTS_PER_RUN = 40


@dataclass(frozen=True)
class Results:
    """The tables, published and local rows together; the column ``origin`` tells them apart.

    ``made`` keeps what was made of them (``sitegen.rows.cached_frames``).
    """

    runs: pd.DataFrame
    steps: pd.DataFrame
    samples: pd.DataFrame
    kernels: pd.DataFrame
    made: dict[tuple[str, ...], pd.DataFrame] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def processor_runs(self) -> pd.DataFrame:
        """The rows of ``runs`` that a processor computed."""
        return of_processors(self.runs)

    @cached_property
    def accelerator_summary(self) -> pd.DataFrame:
        """Cells that accelerators measured, peers included."""
        return accelerator_summary(self.runs, self.steps)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Cells of processors' training steps; of the roofline's arrangements, the faster one."""
        summary = cell_summary(self.processor_runs, self.steps, TRAINING_KINDS)
        products = summary[summary["engine"] == ROOFLINE].sort_values("median_step_seconds", kind="stable")
        slower = products.index[products.duplicated([name for name in GROUP if name != "variant"])]
        folded = summary.drop(slower)
        return folded.assign(variant=folded["variant"].where(folded["engine"] != ROOFLINE, ROOFLINE))


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


@cached_frame
def cell_frame(results: Results, kinds: Collection[str] = ENGINE_KINDS) -> pd.DataFrame:
    """One row per measured cell and one per failed cell; a cell that did both has both rows.

    Each comes from the run that speaks for it (``bench.statistics.chosen_runs``): published from a clean checkout, over
    rounds rather than steps, the newest. All the others stay in the table of runs.

    Args:
        results: the tables.
        kinds: of the rows, out of ``TRAINING_KINDS``.

    Returns:
        columns ``CELL_COLUMNS``, ordered by model size and engine; ``state`` is "measured" or "failed", times are
        in seconds, absent numbers are NaN.
    """
    summary = _of_kinds(results.summary, kinds)
    if summary.empty:
        return pd.DataFrame(columns=[*CELL_COLUMNS])
    chosen = newest_cells(from_complete_runs(summary, results.summary))
    return cells_in_words(summary, chosen, _failures(results.processor_runs), kinds)


def cells_in_words(
    summary: pd.DataFrame, chosen: pd.DataFrame, attempts: pd.DataFrame, kinds: Collection[str]
) -> pd.DataFrame:
    """The measured cells and the failures worth showing, as columns ``CELL_COLUMNS``.

    Args:
        summary: all cells.
        chosen: of ``bench.statistics.chosen_runs.newest_cells``.
        attempts: rows of ``runs`` whose failures can be shown.
        kinds: of these rows.
    """
    rows = [_measured_cell(record) for record in records(chosen) if record["n_rounds"] > 0]
    groups = {tuple(record[name] for name in GROUP): record for record in records(summary)}
    rows += [
        _failed_cell(groups[place], failure)
        for failure in records(newest_failures(attempts, chosen, kinds))
        if (place := tuple(failure[name] for name in GROUP)) in groups
    ]
    ranks = {name: rank for rank, name in enumerate(order_variants([row["variant"] for row in rows]))}
    # Published rows first: they are what the rest stands beside.
    rows.sort(
        key=lambda row: (row["origin"] != "published", row["machine_hash"], row["n_parameters"], ranks[row["variant"]])
    )
    return pd.DataFrame(rows, columns=[*CELL_COLUMNS])


def _of_kinds(summary: pd.DataFrame, kinds: Collection[str]) -> pd.DataFrame:
    """Cells of some kinds, without A/A arms: those show the noise and are no engines of their own."""
    wanted = [not is_copy(variant) and kind_of(variant) in kinds for variant in summary["variant"]]
    return summary[pd.Series(wanted, index=summary.index, dtype=bool)]


def _failures(runs: pd.DataFrame) -> pd.DataFrame:
    """Attempts whose failure can be shown: A/A arms and the roofline are no engines that could fail."""
    return runs[~runs["variant"].map(is_copy).astype(bool) & (runs["engine"] != ROOFLINE)]


def _shared(record: dict[str, Any]) -> dict[str, Any]:
    """Columns that a measured and a failed row have in common."""
    return {
        **{name: record[name] for name in (*GROUP, "engine")},
        "n_parameters": int(record["n_parameters"]),
        "machine": machine_label(record["machine"], record["machine_hash"], record["origin"], record["variant"]),
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
        f"interval over {record['interval_basis']}{failed}",
        "code": _code(record),
        "reason": "",
    }


def _failed_cell(record: dict[str, Any], failure: dict[str, Any]) -> dict[str, Any]:
    shared = _shared(record | {name: failure[name] for name in ("started_at", "command", "peak_memory_bytes")})
    return shared | {
        "state": "failed",
        "status": str(failure["status"]),
        "verdict": "",
        "reason": failure_reason(failure),
        "evidence": f"{record['n_failed']} of {record['n_attempts']} attempts failed",
        "code": _code(failure),
    }


def _code(record: dict[str, Any]) -> str:
    """Which code ran: the commit in a checkout, and what the engine chose for itself."""
    commit = f"commit {record['commit'][:7]}" if isinstance(record["commit"], str) else "no commit recorded"
    changed = " with uncommitted changes" if record["dirty"] is True else ""
    resolved = record["resolved_variant"]
    chosen = f", as {one_line(resolved, 120)}" if isinstance(resolved, str) and resolved != record["variant"] else ""
    return f"{commit}{changed}{chosen}"


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


@cached_frame
def ratio_frame(
    results: Results, kinds: Collection[str] = ENGINE_KINDS, baselines: Collection[str] | None = None
) -> pd.DataFrame:
    """Speedups of every variant over every other, each from the run chosen for the pair.

    Args:
        results: the tables.
        kinds: of the rows, out of ``TRAINING_KINDS``.
        baselines: to compare with; every variant when None.

    Returns:
        columns ``RATIO_COLUMNS``; the baseline itself is left out. ``evidence`` says so where an engine was measured
        again since, without the other one, and ``verdict`` weighs the ratio against its run's A/A arms.
    """
    floors = noise_floors(results.summary)
    summary = _of_kinds(results.summary, kinds)
    measured = summary[summary["n_rounds"] > 0]
    names = order_variants([name for name in measured["variant"] if baselines is None or name in baselines])
    if not names:
        return pd.DataFrame(columns=[*RATIO_COLUMNS])
    parts = [speedups(measured, baseline) for baseline in names]
    ratios = pd.concat([part for part in parts if not part.empty], ignore_index=True)
    ratios = ratios[ratios["variant"] != ratios["baseline"]]
    ratios = newest_ratios(from_complete_runs(ratios, results.summary))
    texts = pd.DataFrame([_measured_cell(record) for record in records(measured)])[[*GROUP, "measured_at", *CELL_TEXT]]
    ratios = ratios.merge(texts, on=GROUP)
    since = _measured_since(ratios, newest_cells(measured))
    ratios["evidence"] = [text + note for text, note in zip(ratios["evidence"], since, strict=True)]
    ratios["verdict"] = [
        ratio_verdict(ratio_from(pair), floor_of(floors, pair["run_id"], pair["preset"])) for pair in records(ratios)
    ]
    renamed = {"median_step_seconds": "seconds", "baseline_step_seconds": "baseline_seconds", "n_rounds": "rounds"}
    return ratios.rename(columns=renamed)[[*RATIO_COLUMNS]]


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


# Suites of training runs that have a figure of their own, and say nothing about what a preset comes to.
APART = ("sweep", "race")


def training_runs(results: Results) -> pd.DataFrame:
    """Training runs that took at least one step, newest first; the parts of a resumed run are one."""
    runs, _ = joined_training(results.runs, results.steps)
    return runs[runs["first_loss"].notna() & ~runs["suite"].isin(APART)].sort_values("started_at", ascending=False)


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
                machine=machine_label(record["machine"], record["machine_hash"], record["origin"], record["variant"]),
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
