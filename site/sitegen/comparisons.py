"""Runs side by side: what each measured, and what ``invoke compare`` would say of any two that share a cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from bench.compare import NOT_MEASURED, SLOWER, THRESHOLD, Comparison, Point, compare_cells
from bench.labels import is_copy
from bench.noise import noise_floors
from bench.stats import cell_summary
from sitegen import quantities
from sitegen.escape import html_block, one_line
from sitegen.frames import Results, records
from sitegen.machines import machine_label
from sitegen.markup import Cell, html_table, nothing_yet
from tinygpt.errors import ResultsError

COMMAND = "invoke bench --suite quick"
KINDS = ("bench", "peer")
_VERDICTS = {0: "nothing is slower", SLOWER: "something is slower", NOT_MEASURED: "cells are missing on one side"}


def runs_side_by_side(results: Results) -> str:
    """One line for each run of the pipeline, newest first."""
    runs = results.runs
    if runs.empty:
        return nothing_yet("No runs are recorded", COMMAND)
    rows: list[list[Cell | str]] = []
    for run_id, group in sorted(runs.groupby("run_id"), key=lambda item: item[1]["started_at"].min(), reverse=True):
        first = records(group.sort_values("started_at"))[0]
        n_failed = int((group["status"] != "ok").sum())
        rows.append(
            [
                Cell(str(run_id), sort=str(run_id), html=f"<code>{html_block(one_line(str(run_id)))}</code>"),
                str(first["suite"]),
                ", ".join(dict.fromkeys(group["preset"])),
                Cell(str(len(group)), sort=len(group)),
                Cell(str(n_failed), sort=n_failed),
                _commit(first),
                ", ".join(dict.fromkeys(group["variant"])),
                machine_label(first["machine"], first["machine_hash"], first["origin"], first["variant"]),
            ]
        )
    headings = ["run", "suite", "presets", "processes", "failed", "commit", "engines", "machine"]
    return html_table("Runs side by side", headings, rows)


def _commit(run: dict[str, Any]) -> str:
    if not isinstance(run["commit"], str):
        return "unknown"
    return run["commit"][:7] + (" with uncommitted changes" if run["dirty"] is True else "")


def run_comparisons(results: Results) -> str:
    """What ``invoke compare`` says of every two runs that share a cell, the newer one second, newest pairs first."""
    summary = cell_summary(results.runs, results.steps, KINDS)
    found = list(_pairs(summary)) if len(summary) else []
    if not found:
        return nothing_yet("No two runs measured the same cell", COMMAND)
    return "".join(_details(before, after, answer) for before, after, answer in found)


def _pairs(summary: pd.DataFrame) -> Iterator[tuple[str, str, Comparison | ResultsError]]:
    floors = noise_floors(summary)
    cells = summary[~summary["variant"].map(is_copy).astype(bool)]
    sides = {str(run): group for run, group in cells.groupby("run_id")}
    order = sorted(sides, key=lambda run: sides[run]["started_at"].min(), reverse=True)
    places = {run: set(zip(group["variant"], group["preset"], strict=True)) for run, group in sides.items()}
    for index, after in enumerate(order):
        for before in order[index + 1 :]:
            if not places[before] & places[after]:
                continue
            try:
                yield before, after, compare_cells(sides[before], sides[after], floors, (before, after), THRESHOLD)
            except ResultsError as error:  # another protocol or machine: that is the answer
                yield before, after, error


def _details(before: str, after: str, answer: Comparison | ResultsError) -> str:
    names = f"<code>{html_block(one_line(before))}</code> → <code>{html_block(one_line(after))}</code>"
    if isinstance(answer, ResultsError):
        reason = html_block(one_line(str(answer), 400))
        return f"<details><summary>{names}: not comparable</summary><p>{reason}</p></details>"
    rows = [_row(point) for point in answer.points]
    headings = ["engine", "preset", "before", "after", "before ÷ after", "interval", "noise floor", "verdict"]
    missing = f"<p>On one side only: {html_block('; '.join(answer.missing))}.</p>" if answer.missing else ""
    cells = f"{len(rows)} {'cell' if len(rows) == 1 else 'cells'}"
    verdict = f"exit code {answer.exit_code}, {_VERDICTS[answer.exit_code]}"
    table = html_table(f"{before} and {after}", headings, rows)
    return f"<details><summary>{names}: {cells}; {html_block(verdict)}</summary>{table}{missing}</details>"


def _row(point: Point) -> list[Cell | str]:
    low, high = (quantities.ratio(value) for value in (point.ratio.speedup_low, point.ratio.speedup_high))
    verdict = "slower" if point.slower else point.verdict
    return [
        point.variant,
        point.preset,
        Cell(quantities.duration(point.before_seconds), sort=point.before_seconds),
        Cell(quantities.duration(point.after_seconds), sort=point.after_seconds),
        Cell(quantities.ratio(point.ratio.speedup), sort=point.ratio.speedup),
        f"{low} to {high}",
        Cell(f"{point.floor:.1%}".replace("%", " %"), sort=point.floor),
        verdict,
    ]
