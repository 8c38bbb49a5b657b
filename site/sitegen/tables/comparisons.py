"""Runs side by side: what each measured, and what ``invoke compare`` says of each and its closest predecessor."""

from __future__ import annotations

from collections.abc import Iterator

from bench.arms.labels import is_copy
from bench.records.grouping import grouped
from bench.records.rows import Kind, StoredRun
from bench.records.store import stored_runs
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.compare import THRESHOLD, Comparison, Point, compare_cells
from bench.statistics.noise import noise_floors
from sitegen.rows.machines import machine_label
from sitegen.rows.ratios import interval_text
from sitegen.rows.results import Results
from sitegen.text import quantities
from sitegen.text.escape import html_block, one_line
from sitegen.text.markup import TableCell, html_table, nothing_yet
from tinygpt.errors import ResultsError

COMMAND = "invoke bench --suite quick"
KINDS: tuple[Kind, ...] = ("bench", "peer")
SLOWER, FASTER, UNCLEAR = "slower", "faster", "no clear difference"
LIMIT = 10  # comparisons on the page; `invoke compare` answers for any other pair


def runs_side_by_side(results: Results) -> str:
    """One line for each run that measured something, newest first. Training runs measure a loss, and are elsewhere."""
    runs = results.runs[results.runs["kind"] != "train"]
    if runs.empty:
        return nothing_yet("No runs are recorded", COMMAND)
    rows: list[list[TableCell | str]] = []
    by_run = grouped(stored_runs(runs), lambda run: run.run_id)
    firsts = {run_id: min(group, key=lambda run: run.started_at) for run_id, group in sorted(by_run.items())}
    for run_id, first in sorted(firsts.items(), key=lambda item: item[1].started_at, reverse=True):
        group = by_run[run_id]
        n_failed = sum(run.status != "ok" for run in group)
        rows.append(
            [
                TableCell(run_id, sort=run_id, html=_code(run_id)),
                first.suite,
                ", ".join(dict.fromkeys(run.preset for run in group)),
                TableCell(str(len(group)), sort=len(group)),
                TableCell(str(n_failed), sort=n_failed),
                _commit(first),
                ", ".join(dict.fromkeys(run.variant for run in group)),
                machine_label(first),
            ]
        )
    headings = ["run", "suite", "presets", "processes", "failed", "commit", "engines", "machine"]
    return html_table("Runs side by side", headings, rows)


def _commit(run: StoredRun) -> str:
    return "unknown" if run.commit is None else run.commit[:7] + (" with uncommitted changes" if run.dirty else "")


def _code(run_id: object) -> str:
    return f"<code>{html_block(one_line(str(run_id)))}</code>"


def run_comparisons(results: Results) -> str:
    """What ``invoke compare`` says of the newest runs, each beside the earlier one that shares most cells with it."""
    found = list(_with_predecessors(cell_summary(results.runs, results.steps, KINDS)))
    if not found:
        return nothing_yet("No two runs measured the same cell on one machine by one protocol", COMMAND)
    starts = stored_runs(results.runs.sort_values("started_at").drop_duplicates("run_id"))
    about = {run.run_id: _in_words(run) for run in starts}
    return f'<div class="tg-comparisons">{"".join(_details(answer, about) for answer in found[:LIMIT])}</div>'


def _in_words(run: StoredRun) -> str:
    return f"<b>{html_block(one_line(run.suite))}</b> at {_commit(run)}, {run.started_at:%Y-%m-%d %H:%M}"


def _with_predecessors(cells: list[CellSummary]) -> Iterator[Comparison]:
    """Every run with the earlier one that shares most cells with it, newest first; what shares none is left out."""
    floors = noise_floors(cells)
    timed = grouped((cell for cell in cells if cell.n_rounds and not is_copy(cell.variant)), lambda cell: cell.run_id)
    names = {run: {(cell.variant, cell.preset, cell.machine_hash) for cell in timed[run]} for run in timed}
    order = sorted(sorted(timed), key=lambda run: min(cell.started_at for cell in timed[run]), reverse=True)
    for index, after in enumerate(order):
        for before in sorted(order[index + 1 :], key=lambda run: len(names[run] & names[after]), reverse=True):
            if not names[before] & names[after]:
                break
            try:
                yield compare_cells(timed[before], timed[after], floors, (before, after), THRESHOLD)
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
    return [
        point.variant,
        point.preset,
        TableCell(quantities.duration(point.before_seconds), sort=point.before_seconds),
        TableCell(quantities.duration(point.after_seconds), sort=point.after_seconds),
        TableCell(quantities.ratio(point.ratio.speedup), sort=point.ratio.speedup),
        interval_text(point.ratio),
        TableCell(quantities.percent(point.floor, 1), sort=point.floor),
        _verdict(point),
    ]
