"""Predicted memory against the available memory (``tinygpt.system.memory``), before anything is allocated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.arms.suites import Cell
from bench.planning.memory import (
    is_lower_bound,
    predicted_generation_bytes,
    predicted_peak_bytes,
    predicted_session_bytes,
)
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.errors import CapacityError, ConfigError
from tinygpt.presets import LADDER, PRESETS, Preset
from tinygpt.system.memory import Memory, available_memory
from tinygpt.terminal.quantities import gibibytes
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.resume import shape_and_settings

Predict = Callable[[str, ModelConfig, TrainConfig], int]


@dataclass(frozen=True)
class Fit:
    """A predicted peak and the available memory.

    Attributes:
        needed: predicted peak, bytes.
        is_lower_bound: ``needed`` is only a lower bound.
        largest_that_fits: the largest preset of the same engine that fits; None if none does.
    """

    needed: int
    memory: Memory
    is_lower_bound: bool
    largest_that_fits: str | None

    @property
    def fits(self) -> bool:
        """The process has enough memory."""
        return self.needed <= self.memory.available

    def describe(self, subject: str) -> str:
        """Return why the subject does not fit, in one line with both sizes and a preset that fits."""
        least = "at least " if self.is_lower_bound else ""
        largest = self.largest_that_fits
        fitting = f"the largest preset that fits is {largest}" if largest else "no preset of this engine fits"
        return (
            f"{subject} needs {least}{gibibytes(self.needed)} of memory, {gibibytes(self.memory.available)} are "
            f"available ({self.memory.limited_by}; swap is not counted); {fitting}"
        )


def check_fit(variant: str, preset: str, memory: Memory | None = None, predict: Predict = predicted_peak_bytes) -> Fit:
    """Compare the predicted peak of a variant at a preset with the memory, the system's when None.

    Raises:
        ConfigError: the preset, or an option of the variant, is unknown.
    """
    entry = PRESETS[preset]
    return _fit(variant, entry.model, entry.train, memory, predict)


def _fit(variant: str, model: ModelConfig, train: TrainConfig, memory: Memory | None, predict: Predict) -> Fit:
    memory = memory or available_memory()
    needed = predict(variant, model, train)
    return Fit(needed, memory, is_lower_bound(variant), largest_preset(variant, memory, predict))


def largest_preset(variant: str, memory: Memory, predict: Predict = predicted_peak_bytes) -> str | None:
    """Return the preset with most parameters that fits with an engine; None if none does."""

    def fits(entry: Preset) -> bool:
        try:
            return predict(variant, entry.model, entry.train) <= memory.available
        except ConfigError:  # it lacks a layer that is to be trained
            return False

    fitting = [entry for entry in LADDER.values() if fits(entry)]
    return max(fitting, key=lambda entry: entry.model.n_parameters).name if fitting else None


def refusal(cell: Cell, available: int | None = None) -> str | None:
    """Return why a cell does not fit into the available bytes (the system's when None), or None if it fits."""
    memory = None if available is None else Memory(available, "as given")
    if cell.generates:
        fit = check_fit(cell.variant, cell.preset, memory, predicted_generation_bytes)
        subject = f"generating with {cell.variant}"
    else:
        fit, subject = check_fit(cell.variant, cell.preset, memory), cell.variant
    return None if fit.fits else fit.describe(f"{subject} at {cell.preset}")


def require_room_to_train(plan: TrainingPlan, resume: bool = False, memory: Memory | None = None) -> None:
    """Refuse a training run that does not fit with its own batch, dropout and accumulation.

    Args:
        memory: the system's when None.

    Raises:
        CapacityError: with both sizes and the largest preset that fits.
        ConfigError: an option of the variant is unknown.
    """

    def needed(name: str, model: ModelConfig, train: TrainConfig) -> int:
        return predicted_session_bytes(name, model, plan.train_config(train, model), plan.record)

    fit = _fit(plan.engine, *shape_and_settings(plan, resume), memory, needed)
    if fit.fits:
        return
    options = plan.options_text()
    fixes = ["the same command with --ignore-memory to try anyway"]
    if plan.start_from:
        fixes.insert(0, "the same command with a smaller --context")
    elif fit.largest_that_fits:
        fixes.insert(0, f"invoke train --preset {fit.largest_that_fits} --engine '{plan.engine}' {options}".strip())
    if plan.batch_size:
        fixes.insert(0, "a smaller --batch, with --accumulate for as many sequences in an update")
    subject = f"training {plan.title} with {plan.engine}" + (f" and {options}" if options else "")
    raise CapacityError(fit.describe(subject), run=", or ".join(fixes))
