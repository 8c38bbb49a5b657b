"""The tasks accelerator and accelerator-train, for a machine with an accelerator."""

from __future__ import annotations

from bench.measuring.accelerator_options import AcceleratorOptions
from bench.training.options import AcceleratorTrainingOptions
from tinygpt.terminal.tasks import task


@task(needs="peers")
def accelerator(options: AcceleratorOptions) -> int:
    """Measure engine jax and PyTorch on an accelerator; exit code 1 if a cell was left out or failed."""
    from bench.measuring.accelerator import measure_presets

    return measure_presets(options)


@task(needs="bench")
def accelerator_train(options: AcceleratorTrainingOptions) -> int:
    """Train a preset on an accelerator for some minutes, record the run, and keep its best checkpoint."""
    from bench.training.accelerator_training import train_on_accelerator

    return train_on_accelerator(options)
