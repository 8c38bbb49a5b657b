"""Tasks about runs: list them, stop one, put a kept checkpoint back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinygpt.terminal.options import REQUIRED, option
from tinygpt.terminal.tasks import task


@dataclass(frozen=True, kw_only=True)
class RunsOptions:
    """Where runs are."""

    root: Path = option(Path("runs"), "the folder that runs are in")


@dataclass(frozen=True, kw_only=True)
class RestoreOptions(RunsOptions):
    """Options of restore."""

    name: str = option(REQUIRED, "the run's, or its folder")


@dataclass(frozen=True, kw_only=True)
class StopOptions(RestoreOptions):
    """Options of stop."""

    wait: int = option(600, "seconds for its step and its save")


@task()
def runs(options: RunsOptions) -> None:
    """List runs with state, step, loss, tokens per second and time left; `invoke runs stop NAME` stops one."""
    from tinygpt.runs.manage import list_runs
    from tinygpt.terminal.runs_view import print_runs

    print_runs(list_runs(options.root))


@task(aliases=["runs stop"])
def stop(options: StopOptions) -> None:
    """Have a run save and stop, and wait until it has."""
    from tinygpt.runs.manage import stop_run
    from tinygpt.terminal.runs_view import ended_text

    print(ended_text(stop_run(options.name, options.root, options.wait)))


@task()
def restore(options: RestoreOptions) -> None:
    """Put the newest whole checkpoint that a run kept in the place of one that is damaged."""
    from tinygpt.runs.manage import restore_run

    step, problem = restore_run(options.name, options.root)
    if problem is None:
        print(f"the newest checkpoint, of step {step:,}, is whole: nothing was changed")
    else:
        print(f"{problem}\nin its place now: step {step:,}; go on with --resume")
