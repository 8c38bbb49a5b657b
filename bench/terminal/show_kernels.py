"""The parts of a step and the forms of its kernels, in tables of 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from rich.console import Console

from bench.arms.kernel_parts import FORMS
from bench.records.grouping import grouped
from bench.statistics.intervals import ends_in_words
from bench.statistics.kernel_shares import ComparedForm, PartShare, form_comparison, part_shares, winner
from bench.terminal.tables import print_table
from tinygpt.terminal.output import print_line
from tinygpt.terminal.quantities import significant

_PRESETS_PER_TABLE = 5
_PLACES = {"cache": "from the cache", "memory": "from memory"}


def print_kernels(console: Console, runs: pd.DataFrame, steps: pd.DataFrame, kernels: pd.DataFrame) -> None:
    """Print the parts of a step and the forms of the kernels, for each machine; nothing if there are none."""
    for parts in grouped(part_shares(runs, steps, kernels), lambda part: part.run.scope).values():
        by_preset = grouped(parts, lambda part: part.run.preset)
        for first in range(0, len(by_preset), _PRESETS_PER_TABLE):
            print_line(console, f"Parts of a vectorized step, ms ({parts[0].run.origin})", "bold")
            _print_parts(console, dict([*by_preset.items()][first:][:_PRESETS_PER_TABLE]))
        print_line(console, "dispatch: waiting for workers, distributing work, Python between functions", "dim")
        print_line(console, "stopwatch: the time that timing the parts adds to a step", "dim")
    for forms in grouped(form_comparison(runs, kernels), lambda form: form.run.scope).values():
        print_line(console, f"Fused kernels, ns per number on one thread ({forms[0].run.origin})", "bold")
        _print_forms(console, forms)


def _print_parts(console: Console, presets: Mapping[str, Sequence[PartShare]]) -> None:
    firsts = [parts[0] for parts in presets.values()]
    rows = [
        *(
            [row[0].part, *(f"{significant(part.seconds * 1e3)} {part.share:4.0%}" for part in row)]
            for row in zip(*presets.values(), strict=True)
        ),
        (),
        ["step", *(f"{significant(part.step_seconds * 1e3)} 100%" for part in firsts)],
        ["stopwatch", *(f"{part.overhead:+4.0%}" for part in firsts)],
    ]
    print_table(console, ("part",), [*presets], rows)


def _print_forms(console: Console, forms: Sequence[ComparedForm]) -> None:
    rows: list[Sequence[str]] = []
    for place, forms_there in grouped(forms, lambda form: form.place).items():
        rows += ((), (f"{_PLACES[place]}:",))
        for kernel, own in grouped(forms_there, lambda form: form.kernel).items():
            for form in own:
                time, first = form.nanoseconds, form is own[0]
                ends = ends_in_words(time.low, time.high, "{:.3g}".format)
                title, fastest = (f"  {kernel}", winner(own)) if first else ("", "")
                rows.append((title, FORMS[form.form], f"{time.median:.3g}", ends, fastest))
    print_table(console, ("kernel", "form"), ("ns", "interval", "faster by"), rows)
    print_line(console, f"Measured together with {forms[0].run.resolved_variant}.", "dim")
