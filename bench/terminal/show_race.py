"""A race in the terminal: a line per program, with its time relative to the first one's of the same seed."""

from __future__ import annotations

from rich.console import Console

from bench.measuring.process import Event
from bench.terminal.tables import print_table
from bench.training.race import Finish, RaceResult
from tinygpt.terminal.output import make_console, print_line
from tinygpt.terminal.quantities import DASH, or_dash, ratio


def print_evaluation_line(program: str, event: Event) -> None:
    """Print an evaluation of a program; other events print nothing."""
    if event["event"] == "evaluation":
        print(
            f"{program}  step {event['step']:,}  {event['elapsed_seconds']:.1f} s of training  "
            f"held-out loss {event['held_out_loss']:.4f}",
            flush=True,
        )


def print_race(result: RaceResult, console: Console | None = None) -> None:
    """Print the times to the target."""
    console = console or make_console()
    firsts = {finish.program.plan.seed: finish for finish in reversed(_in_order(result))}
    lead = _in_order(result)[0].program
    right = (f"to {result.target:g} nats", f"over {lead.variant}, {lead.plan.preset}", "lowest", "in total")
    rows = (_texts(finish, firsts[finish.program.plan.seed]) for finish in _in_order(result))
    print_table(console, ("program",), right, rows)
    for finish in result.finishes:
        if finish.reason:
            print_line(console, f"{finish.program.name}: {finish.status}: {finish.reason}")
    print_line(console, f"rows: run {result.run_id}")


def _in_order(result: RaceResult) -> list[Finish]:
    """The finishes by seed, and of each seed in the first one's order, whatever the running order was."""
    names = [(finish.program.variant, finish.program.plan.preset) for finish in result.finishes]
    return sorted(
        result.finishes,
        key=lambda finish: (finish.program.round, names.index((finish.program.variant, finish.program.plan.preset))),
    )


def _texts(finish: Finish, first: Finish) -> tuple[str, str, str, str, str]:
    name = finish.program.name
    if finish.status != "ok" and not finish.seconds:
        return name, finish.status, DASH, DASH, DASH
    seconds, baseline = finish.seconds_to_target, first.seconds_to_target
    return (
        name,
        "never" if seconds is None else f"{seconds:.1f} s",
        ratio(seconds / baseline) if seconds and baseline and finish is not first else DASH,
        or_dash(finish.best_loss, ".3f"),
        f"{finish.seconds:.1f} s",
    )
