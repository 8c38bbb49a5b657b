"""A race in the terminal: a line per contestant, and how much sooner the first one was."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.measuring.process import Event
from bench.training.race import Finish, RaceResult
from tinygpt.terminal.output import make_console
from tinygpt.terminal.quantities import DASH, or_dash


def print_evaluation_line(variant: str, event: Event) -> None:
    """Print a contestant's evaluation as it comes; other events pass in silence."""
    if event["event"] == "evaluation":
        print(
            f"{variant}  step {event['step']:,}  {event['elapsed_seconds']:.1f} s of training  "
            f"held-out loss {event['held_out_loss']:.4f}",
            flush=True,
        )


def print_race(result: RaceResult, console: Console | None = None) -> None:
    """Print who reached the target when."""
    console = console or make_console()
    first = result.finishes[0]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("engine")
    for name in (f"to {result.target:g} nats", f"{first.variant} is sooner by", "lowest", "in all"):
        table.add_column(name, justify="right")
    for finish in result.finishes:
        table.add_row(*map(escape, _cells(finish, first)))
    console.print(table)
    for finish in result.finishes:
        if finish.reason:
            console.print(f"{finish.variant}: {finish.status}: {finish.reason}", highlight=False, markup=False)


def _cells(finish: Finish, first: Finish) -> tuple[str, str, str, str, str]:
    if finish.status != "ok" and not finish.seconds:
        return finish.variant, finish.status, DASH, DASH, DASH
    reached, ours = finish.seconds_to_target, first.seconds_to_target
    return (
        finish.variant,
        "never" if reached is None else f"{reached:.1f} s",
        f"{reached / ours:.2f}×" if reached and ours and finish is not first else DASH,
        or_dash(finish.best_loss, ".3f"),
        f"{finish.seconds:.1f} s",
    )
