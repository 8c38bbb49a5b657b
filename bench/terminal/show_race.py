"""A race in the terminal: a line per variant, with its time relative to the first one's."""

from __future__ import annotations

from rich.console import Console

from bench.measuring.process import Event
from bench.terminal.tables import print_table
from bench.training.race import Finish, RaceResult
from tinygpt.terminal.output import make_console, print_line
from tinygpt.terminal.quantities import DASH, or_dash, ratio


def print_evaluation_line(variant: str, event: Event) -> None:
    """Print an evaluation of a variant; other events print nothing."""
    if event["event"] == "evaluation":
        print(
            f"{variant}  step {event['step']:,}  {event['elapsed_seconds']:.1f} s of training  "
            f"held-out loss {event['held_out_loss']:.4f}",
            flush=True,
        )


def print_race(result: RaceResult, console: Console | None = None) -> None:
    """Print the times to the target."""
    console = console or make_console()
    first = result.finishes[0]
    right = (f"to {result.target:g} nats", f"{first.variant} is faster by", "lowest", "in total")
    print_table(console, ("engine",), right, (_texts(finish, first) for finish in result.finishes))
    for finish in result.finishes:
        if finish.reason:
            print_line(console, f"{finish.variant}: {finish.status}: {finish.reason}")


def _texts(finish: Finish, first: Finish) -> tuple[str, str, str, str, str]:
    if finish.status != "ok" and not finish.seconds:
        return finish.variant, finish.status, DASH, DASH, DASH
    seconds, baseline = finish.seconds_to_target, first.seconds_to_target
    return (
        finish.variant,
        "never" if seconds is None else f"{seconds:.1f} s",
        ratio(seconds / baseline) if seconds and baseline and finish is not first else DASH,
        or_dash(finish.best_loss, ".3f"),
        f"{finish.seconds:.1f} s",
    )
