"""Tables of runs by the clock, races to a loss, their texts, and the ablation of the recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType

from bench.training.ablation import IDEAS
from sitegen.rows.cells import code_text
from sitegen.rows.minutes import ABLATION_COMMAND, MINUTES_COMMAND, RACE_COMMAND, TARGETS, ablated, clock_runs, raced
from sitegen.rows.results import Results, row_dicts
from sitegen.rows.series import label_of
from sitegen.tables.samples import sample_html
from sitegen.text.escape import html_block
from sitegen.text.markup import TableCell, html_table, nothing_yet, number_cell
from tinygpt.terminal import quantities

_loss = "{:.3f}".format  # the differences are in the third digit


def minutes_table(results: Results) -> str:
    """Runs by the clock: what was chosen, what it cost, and what it reached."""
    runs = clock_runs(results)
    if not runs:
        return nothing_yet("No run by the clock is recorded", MINUTES_COMMAND)
    rows: list[dict[str, TableCell | str]] = []
    for one in runs:
        run = one.run
        rows.append(
            {
                "minutes": number_cell(one.minutes, "{:g}".format),
                "preset": run.preset,
                "engine": run.variant,
                "steps": number_cell(run.steps_done, quantities.whole),
                "text read": number_cell(run.steps_done * run.tokens_per_step, quantities.short_count),
                "session": number_cell(run.wall_seconds, quantities.duration),
                "held-out loss": number_cell(run.held_out_loss, _loss),
                "expected before": number_cell(run.expected_loss, _loss, "cannot tell"),
                "date": run.started_at.date().isoformat(),
                "code": code_text(run),
            }
        )
    return html_table("What N minutes buy", rows)


def minutes_texts(results: Results) -> str:
    """The last text of each run by the clock, side by side."""
    shown = []
    for one in clock_runs(results):
        samples = results.samples[results.samples["cell_id"] == one.run.cell_id]
        if len(samples):
            last = row_dicts(samples.sort_values("step").tail(1))[0]
            shown.append(f"<section><h3>{html_block(f'{one.minutes:g} min')}</h3>{sample_html(last)}</section>")
    if not shown:
        return nothing_yet("No run by the clock has written anything", MINUTES_COMMAND)
    return f'<div class="tg-samples tg-side" data-search-exclude>{"".join(shown)}</div>'


def targets_table(results: Results) -> str:
    """Time of training until each program of a race had a loss, over its seeds."""
    races = raced(results)
    if not races:
        return nothing_yet("No race is recorded", RACE_COMMAND)
    return html_table(
        "Time to a loss",
        [
            {
                "engine": label_of(race.first.variant),
                "preset": race.first.preset,
                "recipe": race.recipe,
                "steps": number_cell(race.steps, quantities.whole),
                **{f"to {target:g}": _over_seeds(race.seconds_to(target), quantities.duration) for target in TARGETS},
                "lowest": _over_seeds(race.lowest, _loss),
                "in total": _over_seeds(race.totals, quantities.duration),
                "seeds": number_cell(len(race.curves), quantities.whole),
            }
            for race in races
        ],
    )


def _over_seeds(values: Sequence[float], write: Callable[[float], str]) -> TableCell:
    """The least and the greatest of the seeds' values; a dash without any."""
    return TableCell(quantities.between(min(values), max(values), write), min(values)) if values else TableCell("–")


def ablation_table(results: Results) -> str:
    """The recipe with one thing changed at a time: mean loss over the seeds, their range, and the difference."""
    rows: list[dict[str, TableCell | str]] = []
    for (preset, steps), ideas in ablated(results).items():
        recipe = next((one.mean for one in ideas if one.idea == "none"), None)
        if len(ideas) < 2 or recipe is None:
            continue
        for one in ideas:
            worth = None if one.idea == "none" else one.mean - recipe
            rows.append(
                {
                    "preset": preset,
                    "steps": number_cell(steps, quantities.whole),
                    "change": IDEAS[one.idea].words,
                    "held-out loss": number_cell(one.mean, _loss),
                    "of the seeds": f"{_loss(min(one.losses))} to {_loss(max(one.losses))}",
                    "seeds": number_cell(len(one.losses), quantities.whole),
                    "difference": number_cell(worth, "{:+.3f}".format),
                }
            )
    return (
        html_table("The recipe with one thing changed", rows) if rows else nothing_yet("No ablation", ABLATION_COMMAND)
    )


MINUTES_TABLES: MappingProxyType[str, Callable[[Results], str]] = MappingProxyType(
    {
        "minutes": minutes_table,
        "minutes_texts": minutes_texts,
        "minutes_targets": targets_table,
        "ablation": ablation_table,
    }
)
