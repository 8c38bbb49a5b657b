"""Tables of the project's history: what got faster or slower, and the ratio of every published run by its commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from bench.arms.landmarks import LANDMARKS
from bench.arms.registry import OURS, REFERENCE
from bench.records.rows import PUBLISHED
from bench.statistics.intervals import ends_in_words
from bench.statistics.ratios import speedups
from sitegen.rows.history import COMMAND, Change, history_changes, releases
from sitegen.rows.machines import machine_label
from sitegen.rows.results import Results
from sitegen.tables.ratio_cells import ratio_cell
from sitegen.text.markup import TableCell, code_cell, html_table, nothing_yet, number_cell
from tinygpt.terminal import quantities

_STATES: Mapping[str, str] = MappingProxyType({"slower": "bad", "faster": "good"})


def changes_finding(results: Results) -> str:
    """The changes in one sentence: how many made the engine faster or slower, beyond noise."""
    changes = history_changes(results)
    if not changes:
        return "No commit has been measured yet"
    real = Counter(change.found.outcome for change in changes if change.is_significant)
    rest = len(changes) - real.total()
    return (
        f"Of {len(changes)} measured changes, {real['faster']} made the engine faster and {real['slower']} slower;"
        f" {rest} are within the noise"
    )


def changes_table(results: Results) -> str:
    """Every pair of landmarks that follow each other, the significant ones first."""
    changes = history_changes(results)
    if not changes:
        return nothing_yet("No history is measured", COMMAND)
    return html_table("Changes between commits", [_change_row(change) for change in changes])


def _change_row(change: Change) -> Mapping[str, TableCell | str]:
    found = change.found
    word = found.outcome if change.is_significant or found.outcome not in _STATES else "within the noise floor"
    state = _STATES.get(found.outcome, "open") if change.is_significant else "open"
    return {
        "outcome": TableCell(word, sort=word, html=f'<span class="tg-state tg-state--{state}">{word}</span>'),
        "preset": change.after.preset,
        "before ÷ after": number_cell(found.speedup, quantities.ratio),
        "interval": ends_in_words(found.low, found.high, quantities.ratio),
        "what changed": change.after.change,
        "commit": code_cell(change.after.commit[:7]),
        "compared with": code_cell(change.before.commit[:7]),
        "day": str(change.after.day),
        "detectable from": number_cell(found.detectable, quantities.percent),
        "rounds": found.basis,
    }


def landmarks_table() -> str:
    """The commits that the suite measures, with what each brought, and the releases that they belong to."""
    tags = releases([mark.commit for mark in LANDMARKS])
    rows: list[dict[str, TableCell | str]] = [
        {"day": str(mark.day), "commit": code_cell(mark.commit[:9]), "what it brought": mark.change}
        for mark in LANDMARKS
    ]
    if tags:
        for row, mark in zip(rows, LANDMARKS, strict=True):
            row["release"] = tags.get(mark.commit, "")
    return html_table("Landmarks", rows)


def runs_by_commit_table(results: Results) -> str:
    """The ratio of every published run that measured engine and reference, by its commit, newest first."""
    cells = [cell for cell in results.cells if cell.origin == PUBLISHED and cell.variant in (OURS, REFERENCE)]
    pairs = [pair for pair in speedups(cells, REFERENCE) if pair.cell.variant == OURS]
    if not pairs:
        return nothing_yet("No published run measured both", "invoke bench --suite standard")
    newest = sorted(pairs, key=lambda pair: (pair.cell.started_at.date(), -pair.cell.n_parameters), reverse=True)
    return html_table(
        "Published runs by commit",
        [
            {
                "day": quantities.day(pair.cell.started_at),
                "commit": code_cell(str(pair.cell.commit)[:7]),
                "preset": TableCell(pair.cell.preset, sort=pair.cell.n_parameters),
                "times numpy": ratio_cell(pair.ratio),
                "machine": machine_label(pair.cell),
            }
            for pair in newest
        ],
    )
