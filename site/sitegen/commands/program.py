"""All tasks in one collection, and the program that runs them."""

from __future__ import annotations

from collections.abc import Sequence

from invoke import Collection

from bench.terminal.accelerator_commands import accelerator, accelerator_train
from bench.terminal.commands import bench, compare, doctor, estimate, results
from bench.terminal.model_commands import ablate, clinic, gallery, race, sweep
from bench.terminal.train_command import train
from sitegen.commands.checks import browser, checks, lint, parity, test, types
from sitegen.commands.commands import audit, deploy, embed, playground, serve, site
from sitegen.commands.demo import demo
from tinygpt.terminal.commands import restore, runs, stop
from tinygpt.terminal.export_commands import export, quantize
from tinygpt.terminal.learn_command import learn
from tinygpt.terminal.model_commands import evaluate, merge, sample
from tinygpt.terminal.output import prepare_output
from tinygpt.terminal.program import TaskProgram

namespace = Collection(
    train, sample, evaluate, merge, export, quantize, learn, runs, stop, restore, bench, compare, results, estimate,
    doctor, site, embed, serve, playground, audit, deploy, race, sweep, ablate, clinic, gallery, accelerator,
    accelerator_train, demo, test, browser, parity, lint, types, checks,
)  # fmt: skip


def main(words: Sequence[str] | None = None) -> None:
    """Run the tasks of a command line (that of this process when None): the entry point of ``tinygpt``."""
    prepare_output()
    TaskProgram(namespace).run(None if words is None else [*words])
