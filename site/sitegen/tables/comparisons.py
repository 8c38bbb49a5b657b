"""Runs side by side: what each measured, and what ``invoke compare`` says of each and its closest predecessor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from bench.arms.labels import is_copy
from bench.statistics.compare import THRESHOLD, Comparison, Point, compare_cells
from bench.statistics.noise import noise_floors
from bench.statistics.summary import cell_summary
from sitegen.rows.machines import machine_label
from sitegen.rows.results import Results, records
from sitegen.text import quantities
from sitegen.text.escape import html_block, one_line
from sitegen.text.markup import TableCell, html_table, nothing_yet
from tinygpt.errors import ResultsError

COMMAND = "invoke bench --suite quick"
KINDS = ("bench", "peer")
SLOWER, FASTER, UNCLEAR = "slower", "faster", "no clear difference"
LIMIT = 10  # comparisons on the page; `invoke compare` answers for any other pair


def runs_side_by_side(results: Results) -> str:
    """One line for each run that measured something, newest first. Training runs measure a loss, and are elsewhere."""
    runs = results.runs[results.runs["kind"] != "train"]
    if runs.empty:
        return nothing_yet("No runs are recorded", COMMAND)
    rows: list[list[TableCell | str]] = []
    for run_id, group in sorted(runs.groupby("run_id"), key=lambda item: item[1]["started_at"].min(), reverse=True):
        first = records(group.sort_values("started_at"))[0]
        n_failed = int((group["status"] != "ok").sum())
        rows.append(
            [
                TableCell(str(run_id), sort=str(run_id), html=_code(run_id)),
                str(first["suite"]),
                ", ".join(dict.fromkeys(group["preset"])),
                TableCell(str(len(group)), sort=len(group)),
                TableCell(str(n_failed), sort=n_failed),
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


def _code(run_id: object) -> str:
    return f"<code>{html_block(one_line(str(run_id)))}</code>"


def run_comparisons(results: Results) -> str:
    """What ``invoke compare`` says of the newest runs, each beside the earlier one that shares most cells with it."""
    summary = cell_summary(results.runs, results.steps, KINDS)
    found = list(_with_predecessors(summary)) if len(summary) else []
    if not found:
        return nothing_yet("No two runs measured the same cell on one machine by one protocol", COMMAND)
    starts = results.runs.sort_values("started_at").drop_duplicates("run_id")
    about = {record["run_id"]: _in_words(record) for record in records(starts)}
    return f'<div class="tg-comparisons">{"".join(_details(answer, about) for answer in found[:LIMIT])}</div>'


def _in_words(run: dict[str, Any]) -> str:
    return f"<b>{html_block(one_line(str(run['suite'])))}</b> at {_commit(run)}, {run['started_at']:%Y-%m-%d %H:%M}"


def _with_predecessors(summary: pd.DataFrame) -> Iterator[Comparison]:
    """Every run with the earlier one that shares most cells with it, newest first; what shares none is left out."""
    floors = noise_floors(summary)
    timed = summary[~summary["variant"].map(is_copy).astype(bool) & (summary["n_rounds"] > 0)]
    cells = {
        str(run): set(group[["variant", "preset", "machine_hash"]].itertuples(index=False, name=None))
        for run, group in timed.groupby("run_id")
    }
    starts = timed.groupby("run_id")["started_at"].min()
    order = sorted(cells, key=lambda run: starts[run], reverse=True)
    for index, after in enumerate(order):
        for before in sorted(order[index + 1 :], key=lambda run: len(cells[run] & cells[after]), reverse=True):
            if not cells[before] & cells[after]:
                break
            sides = [timed[timed["run_id"] == run] for run in (before, after)]
            try:
                yield compare_cells(sides[0], sides[1], floors, (before, after), THRESHOLD)
            except ResultsError:  # measured by another protocol: an earlier run may share fewer cells, and the protocol
                continue
            break


def _details(answer: Comparison, about: dict[str, str]) -> str:
    headings = ["engine", "preset", "before", "after", "before ÷ after", "interval", "noise floor", "verdict"]
    table = html_table(f"{answer.before} and {answer.after}", headings, [_row(point) for point in answer.points])
    alone = f"; cells timed in one of the two only: {len(answer.missing)}" if answer.missing else ""
    return (
        f"<details><summary>{about[answer.after]}, after {about[answer.before]}: {_counted(answer.points)}</summary>"
        f"<p>{_code(answer.before)} → {_code(answer.after)}{alone}.</p>{table}</details>"
    )


def _counted(points: tuple[Point, ...]) -> str:
    """How many cells were compared, and how many of them came out on which side."""
    verdicts = [_verdict(point) for point in points]
    slower, faster = verdicts.count(SLOWER), verdicts.count(FASTER)
    found = ", ".join(
        [f'<span class="tg-state tg-state--bad">{slower} {SLOWER}</span>'] * (slower > 0)
        + [f'<span class="tg-state tg-state--good">{faster} {FASTER}</span>'] * (faster > 0)
    )
    return f"{len(points)} {'cell' if len(points) == 1 else 'cells'}, {found or UNCLEAR}"


def _verdict(point: Point) -> str:
    if point.slower:
        return SLOWER
    return FASTER if point.verdict != "unresolved" and point.ratio.speedup - 1.0 > THRESHOLD else UNCLEAR


def _row(point: Point) -> list[TableCell | str]:
    low, high = (quantities.ratio(value) for value in (point.ratio.speedup_low, point.ratio.speedup_high))
    return [
        point.variant,
        point.preset,
        TableCell(quantities.duration(point.before_seconds), sort=point.before_seconds),
        TableCell(quantities.duration(point.after_seconds), sort=point.after_seconds),
        TableCell(quantities.ratio(point.ratio.speedup), sort=point.ratio.speedup),
        f"{low} to {high}",
        TableCell(quantities.percent(point.floor, 1), sort=point.floor),
        _verdict(point),
    ]
