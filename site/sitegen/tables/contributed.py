"""The table of contributed machines: what each measured, and when."""

from __future__ import annotations

from bench.records.grouping import grouped
from bench.records.store import stored_runs
from sitegen.rows.machines import machine_label
from sitegen.rows.results import Results
from sitegen.text.markup import code_cell, html_table, number_cell
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line


def contributed_table(results: Results) -> str:
    """One row for each contributed run, newest first; a sentence without any."""
    runs = stored_runs(results.contributed.runs) if results.contributed else []
    if not runs:
        return '<p class="tg-empty">No machine has been contributed yet.</p>'
    by_run = sorted(grouped(runs, lambda run: run.run_id).values(), key=lambda own: own[0].started_at, reverse=True)
    return html_table(
        "Contributed runs",
        [
            {
                "machine": machine_label(own[0]),
                "day": quantities.day(own[0].started_at),
                "presets": ", ".join(dict.fromkeys(run.preset for run in own)),
                "processes": number_cell(len(own), str),
                "failed": number_cell(sum(run.status != "ok" for run in own), str),
                "commit": code_cell(one_line(str(own[0].commit))[:7]),
                "run": code_cell(one_line(own[0].run_id)),
            }
            for own in by_run
        ],
    )
