"""The failure clinic in the terminal: a line for each evaluation, then what the checks found in each case."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from bench.terminal.tables import print_table
from bench.training.clinic import Outcome
from bench.training.clinic_cases import Case
from bench.training.clinic_checks import Findings
from tinygpt.terminal.output import make_console, print_line
from tinygpt.terminal.quantities import DASH, or_dash
from tinygpt.training.events import EvaluationRecord

_NUMBERS = ("training loss", "held-out loss", "lowest", "targets", "future", "gradients")


def print_evaluation(case: Case, event: EvaluationRecord) -> None:
    """Print an evaluation of a case."""
    losses = f"training loss {event.train_loss:.3f}  held-out loss {event.held_out_loss:.3f}"
    print(f"{case.name:<8} step {event.step:>5,}  {losses}", flush=True)


def print_outcomes(outcomes: Sequence[Outcome], console: Console | None = None) -> int:
    """Print the results of the cases, and return the process's exit code."""
    console = console or make_console()
    print_table(console, ("case",), _NUMBERS, map(_texts, outcomes))
    for outcome in outcomes:
        found = outcome.findings
        if found and found.has_wrong_gradient:
            words = f"gradients wrong from {found.wrong_from} back to the input, by up to {found.gradient_error:.2g}"
            print_line(console, f"{outcome.case.name}: {words}")
        if outcome.status != "ok":
            print_line(console, f"{outcome.case.name}: {outcome.status}")
    return max((outcome.exit_code for outcome in outcomes), default=0)


def _texts(outcome: Outcome) -> tuple[str, ...]:
    losses = (or_dash(loss, ".3f") for loss in (outcome.train_loss, outcome.held_out_loss, outcome.lowest))
    return outcome.case.name, *losses, *_verdicts(outcome.findings)


def _verdicts(found: Findings | None) -> tuple[str, str, str]:
    if found is None:
        return DASH, DASH, DASH
    return (
        "shifted" if found.is_shifted else "NOT SHIFTED",
        "LEAKS" if found.leaks else "hidden",
        "WRONG" if found.has_wrong_gradient else "right",
    )
