"""Tasks about runs: what they are doing, stopping one, putting a kept checkpoint back."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

from invoke import Context, task

from tinygpt.terminal.options import reports_errors, whole_number

_ROOT, _ROOT_HELP = "runs", "the folder that runs are in"


@task(help={"root": _ROOT_HELP})
@reports_errors
def runs(c: Context, root: str = _ROOT) -> None:
    """List runs with state, step, loss, tokens per second and time left; `invoke runs stop NAME` stops one."""
    if ("runs", "stop") in pairwise(sys.argv):  # to Invoke, what follows is a task of its own: it says what there is
        return
    from tinygpt.runs.manage import list_runs
    from tinygpt.terminal.runs_view import print_runs

    print_runs(list_runs(Path(root)))


@task(
    positional=["name"],
    help={
        "name": "the run's, or its folder",
        "root": _ROOT_HELP,
        "wait": "seconds for its step and its save",
    },
)
@reports_errors
def stop(c: Context, name: str, root: str = _ROOT, wait: str = "600") -> None:
    """Have a run save and stop, and wait until it has."""
    from tinygpt.runs.manage import stop_run
    from tinygpt.terminal.runs_view import ended_text

    print(ended_text(stop_run(name, Path(root), whole_number("wait", wait))))


@task(positional=["name"], help={"name": "the run's, or its folder", "root": _ROOT_HELP})
@reports_errors
def restore(c: Context, name: str, root: str = _ROOT) -> None:
    """Put the newest whole checkpoint that a run kept in the place of one that is damaged."""
    from tinygpt.runs.manage import restore_run

    step, problem = restore_run(name, Path(root))
    if problem is None:
        print(f"the newest checkpoint, of step {step:,}, is whole: nothing was changed")
    else:
        print(f"{problem}\nin its place now: step {step:,}; go on with --resume")
