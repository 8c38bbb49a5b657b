"""Tasks about runs: list them, stop one, restore a kept checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinygpt.terminal.options import REQUIRED, option
from tinygpt.terminal.tasks import task


@dataclass(frozen=True, kw_only=True)
class RunsOptions:
    """Options of runs."""

    root: Path = option(Path("runs"), "the folder of runs")


@dataclass(frozen=True, kw_only=True)
class RunOptions(RunsOptions):
    """Options that select a run."""

    name: str = option(REQUIRED, "name or folder of the run")


@dataclass(frozen=True, kw_only=True)
class StopOptions(RunOptions):
    """Options of stop."""

    wait: int = option(600, "seconds to wait for the current step and the save")


@task()
def runs(options: RunsOptions) -> None:
    """List runs with state, step, loss, tokens per second and time left; `invoke runs stop NAME` stops one."""
    from tinygpt.runs.manage import list_runs
    from tinygpt.terminal.runs_view import print_runs

    print_runs(list_runs(options.root))


@task(aliases=["runs stop"])
def stop(options: StopOptions) -> None:
    """Have a run save and stop, and wait for its end."""
    from tinygpt.runs.manage import stop_run
    from tinygpt.terminal.runs_view import ended_text

    print(ended_text(stop_run(options.name, options.root, options.wait)))


@task()
def restore(options: RunOptions) -> None:
    """Replace a run's damaged newest checkpoint with the newest intact checkpoint that was kept."""
    from tinygpt.runs.manage import restore_run

    step, problem = restore_run(options.name, options.root)
    if problem is None:
        print(f"the newest checkpoint, of step {step:,}, is sound: nothing was changed")
    else:
        print(f"{problem}\nreplaced by step {step:,}; continue with --resume")
