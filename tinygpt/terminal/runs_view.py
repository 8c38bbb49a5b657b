"""Runs as a table: state, step, losses, speed and time left."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tinygpt.runs.background import BackgroundRun
from tinygpt.runs.manage import LIVING, Run
from tinygpt.system.pressure import read_pressure
from tinygpt.terminal.command_name import as_called
from tinygpt.terminal.output import make_console
from tinygpt.terminal.quantities import DASH, clock, or_dash
from tinygpt.terminal.visible import visible_text

_STYLES = {"running": "green", "finished": "green", "failed": "red", "killed": "red", "unreadable": "red"}
_OTHER_STYLE = "yellow"


def print_runs(runs: Sequence[Run], console: Console | None = None) -> None:
    """Print runs, and the CPU pressure if any of them is running."""
    console = console or make_console()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("run", "state"):
        table.add_column(heading, no_wrap=True)
    for heading in ("step", "loss", "held-out", "tokens/s", "left"):
        table.add_column(heading, no_wrap=True, justify="right")
    table.add_column("", overflow="fold")
    for run in runs:
        table.add_row(*_cells(run))
    console.print(table)
    if any(run.state in LIVING for run in runs):
        pressure = read_pressure()
        console.print(Text(f"CPU: {pressure.level}, {pressure.describe()}", style="dim"))


def print_started(run: BackgroundRun) -> None:
    """Print where a background run is, and the commands to watch and stop it."""
    folder = shlex.quote(str(run.log.parent))
    state = "its first checkpoint is not written yet"
    if run.status is not None and run.status.saved_step is not None:
        state = f"saved at step {run.status.saved_step:,}, read back and compared"
    if run.status is not None and run.status.state != "running":
        state = f"{run.status.state} at step {run.status.step:,}"
    print(
        f"training in the background, process {run.pid}: {state}\n"
        f"  its output:    tail -f {shlex.quote(str(run.log))}\n"
        + as_called(f"  its status:    invoke runs\n  save and stop: invoke runs stop {folder}")
    )


def ended_text(run: Run) -> str:
    """Describe the end of a stopped run in one line."""
    text = f"{run.name} {run.state}" + ("" if run.step is None else f" at step {run.step:,} of {run.steps:,}")
    if run.status is not None and run.status.saved_step == run.step:
        text += ", saved"
    if run.note:
        text += f": {run.note}"
    if run.status is not None and run.state == "stopped":
        text += f"; continue with: {run.status.resume_command}"
    return visible_text(as_called(" ".join(text.split())))


def _cells(run: Run) -> list[Text]:
    status = run.status if run.state in LIVING else None
    speed = None if status is None else status.tokens_per_second
    left = None if status is None else status.seconds_left
    return [
        Text(visible_text(run.name), style="bold"),
        Text(run.state, style=_STYLES.get(run.state, _OTHER_STYLE)),
        Text(DASH if run.step is None else f"{run.step:,} of {run.steps:,}"),
        Text(or_dash(run.loss, ".3f")),
        Text(or_dash(run.held_out_loss, ".3f")),
        Text(or_dash(speed, ",.0f")),
        Text(DASH if left is None else clock(left)),
        Text(visible_text(" ".join(run.note.split())), style="dim"),
    ]
