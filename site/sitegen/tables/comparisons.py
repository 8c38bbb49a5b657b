"""Runs side by side: the measurements of each, and ``invoke compare`` of each run and its closest predecessor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType

from bench.arms.labels import is_copy
from bench.records.grouping import grouped
from bench.records.rows import StoredRun
from bench.records.store import stored_runs
from bench.statistics.cells import cell_summary
from bench.statistics.compare import KINDS, THRESHOLD, Comparison, Outcome, Point, compare_cells
from bench.statistics.controls import Record, is_unchanged, probe_rounds
from bench.statistics.intervals import ends_in_words
from sitegen.rows.machines import machine_label
from sitegen.rows.results import Results
from sitegen.text.escape import html_block
from sitegen.text.markup import TableCell, code_cell, html_table, nothing_yet, number_cell
from tinygpt.errors import ResultsError
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line

COMMAND = "invoke bench --suite quick"
LIMIT = 10  # comparisons on the page; `invoke compare` compares any other pair


def runs_side_by_side(results: Results) -> str:
    """A row for each run that measured times, newest first. Training runs measure a loss and are on other pages."""
    runs = results.runs[results.runs["kind"] != "train"]
    if runs.empty:
        return nothing_yet("No runs are recorded", COMMAND)
    rows: list[dict[str, TableCell | str]] = []
    by_run = grouped(stored_runs(runs), lambda run: run.run_id)
    firsts = {run_id: min(group, key=lambda run: run.started_at) for run_id, group in sorted(by_run.items())}
    for run_id, first in sorted(firsts.items(), key=lambda item: item[1].started_at, reverse=True):
        group = by_run[run_id]
        rows.append(
            {
                "run": code_cell(one_line(run_id), sort=run_id),
                "suite": first.suite,
                "presets": ", ".join(dict.fromkeys(run.preset for run in group)),
                "processes": number_cell(len(group), str),
                "failed": number_cell(sum(run.status != "ok" for run in group), str),
                "commit": _commit(first),
                "engines": ", ".join(dict.fromkeys(run.variant for run in group)),
                "machine": machine_label(first),
            }
        )
    return html_table("Runs side by side", rows)


def _commit(run: StoredRun) -> str:
    return "unknown" if run.commit is None else run.commit[:7] + (" with uncommitted changes" if run.dirty else "")


def run_comparisons(results: Results) -> str:
    """Compare the newest runs, each with the earlier one that shares most cells with it, as ``invoke compare`` does."""
    found = [*islice(_with_predecessors(results), LIMIT)]
    if not found:
        return nothing_yet("No two runs measured the same cell on one machine by one protocol", COMMAND)
    starts = stored_runs(results.runs.sort_values("started_at").drop_duplicates("run_id"))
    about = {run.run_id: _in_words(run) for run in starts}
    return f'<div class="tg-comparisons">{"".join(_details(answer, about) for answer in found)}</div>'


def _in_words(run: StoredRun) -> str:
    return f"<b>{html_block(one_line(run.suite))}</b> at {_commit(run)}, {run.started_at:%Y-%m-%d %H:%M}"


def _with_predecessors(results: Results) -> Iterator[Comparison]:
    """Compare each run, newest first, with the earlier one that shares most cells; skip runs that share none."""
    cells = cell_summary(results.runs, results.steps, KINDS)
    record = Record(cells, probe_rounds(results.runs, results.probes))
    shown = (cell for cell in cells if cell.n_rounds and not is_copy(cell.variant) and not is_unchanged(cell))
    timed = grouped(shown, lambda cell: cell.run_id)
    names = {run: {(cell.variant, cell.preset, cell.machine_hash) for cell in timed[run]} for run in timed}
    order = sorted(sorted(timed), key=lambda run: min(cell.started_at for cell in timed[run]), reverse=True)
    for index, after in enumerate(order):
        for before in sorted(order[index + 1 :], key=lambda run: len(names[run] & names[after]), reverse=True):
            if not names[before] & names[after]:
                break
            try:
                answer = compare_cells(record, timed[before], timed[after], (before, after), THRESHOLD)
            except ResultsError:  # another protocol: a run that shares fewer cells may share the protocol
                continue
            if answer.points:
                yield answer
                break


def _details(answer: Comparison, about: dict[str, str]) -> str:
    table = html_table(f"{answer.before} and {answer.after}", [_row(point) for point in answer.points])
    before, after = (f"<code>{html_block(one_line(run_id))}</code>" for run_id in (answer.before, answer.after))
    alone = f"; cells timed in only one of the two: {len(answer.missing)}" if answer.missing else ""
    return (
        f"<details><summary>{about[answer.after]}, after {about[answer.before]}: {_counted(answer.points)}</summary>"
        f"<p>{before} → {after}{alone}.</p>{table}</details>"
    )


_STATES: Mapping[Outcome, str] = MappingProxyType({"slower": "bad", "faster": "good"})  # those with a colour


def _counted(points: tuple[Point, ...]) -> str:
    """Count the compared cells by what can be said of them."""
    counts = Counter(point.finding.outcome for point in points)
    words = (
        f'<span class="tg-state tg-state--{_STATES.get(name, "open")}">{count} {name}</span>'
        for name, count in counts.items()
    )
    return f"{quantities.counted(len(points), 'cell')}: {', '.join(words)}"


def _row(point: Point) -> dict[str, TableCell | str]:
    found = point.finding
    return {
        "engine": point.variant,
        "preset": point.preset,
        "before": number_cell(point.before_seconds, quantities.duration),
        "after": number_cell(point.after_seconds, quantities.duration),
        "before ÷ after": number_cell(found.speedup, quantities.ratio),
        "interval": ends_in_words(found.low, found.high, quantities.ratio),
        "its level": number_cell(found.confidence, quantities.percent),
        "detectable from": number_cell(found.detectable, quantities.percent),
        "outcome": found.outcome,
        "basis": found.basis,
    }
