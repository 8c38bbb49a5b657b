"""Whether a process fits into the memory there is (``tinygpt.system.memory``), asked before anything is allocated."""

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
from tinygpt.errors import CapacityError
from tinygpt.presets import PRESETS, get_preset
from tinygpt.system.memory import Memory, available_memory
from tinygpt.terminal.quantities import gibibytes
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.resume import shape_and_settings

Predict = Callable[[str, ModelConfig, TrainConfig], int]


@dataclass(frozen=True)
class Fit:
    """A prediction beside what there is.

    Attributes:
        needed: predicted peak, bytes.
        memory: what there is.
        is_lower_bound: whether ``needed`` is only what no training can do without.
        largest_that_fits: the biggest preset that the same engine has room for; None if none has.
    """

    needed: int
    memory: Memory
    is_lower_bound: bool
    largest_that_fits: str | None

    @property
    def fits(self) -> bool:
        """Whether it should be started."""
        return self.needed <= self.memory.available

    def describe(self, what: str) -> str:
        """Why it does not fit, in one line, with both figures and the way out."""
        least = "at least " if self.is_lower_bound else ""
        way_out = (
            f"the largest preset that fits is {self.largest_that_fits}"
            if self.largest_that_fits
            else "no preset of this engine fits"
        )
        return (
            f"{what} needs {least}{gibibytes(self.needed)} of memory, {gibibytes(self.memory.available)} are available "
            f"({self.memory.limited_by}; swap is not counted); {way_out}"
        )


def check_fit(variant: str, preset: str, memory: Memory | None = None, predict: Predict = predicted_peak_bytes) -> Fit:
    """Compare what an engine at a preset is predicted to need with what there is.

    Args:
        variant: an engine or a variant.
        preset: name of the preset.
        memory: what there is; asked of the system when None.
        predict: peak bytes of a variant, model and batch.

    Raises:
        ConfigError: the preset, or an option of the variant, is unknown.
    """
    entry = get_preset(preset)
    return _fit(variant, entry.model, entry.train, memory, predict)


def _fit(variant: str, model: ModelConfig, train: TrainConfig, memory: Memory | None, predict: Predict) -> Fit:
    have = available_memory() if memory is None else memory
    return Fit(
        predict(variant, model, train),
        have,
        is_lower_bound(variant),
        largest_preset(variant, have, predict),
    )


def largest_preset(variant: str, memory: Memory, predict: Predict = predicted_peak_bytes) -> str | None:
    """The preset with most parameters that an engine has room for; None if it has room for none."""
    fitting = [entry for entry in PRESETS.values() if predict(variant, entry.model, entry.train) <= memory.available]
    return max(fitting, key=lambda entry: entry.model.n_parameters).name if fitting else None


def refusal(cell: Cell, available: int | None = None) -> str | None:
    """Why a cell of the benchmark should not be started, or None.

    Args:
        cell: which cell.
        available: bytes to be had; asked of the system when None.
    """
    memory = None if available is None else Memory(available, "as given")
    if cell.generates:
        fit = check_fit(cell.variant, cell.preset, memory, predicted_generation_bytes)
        what = f"generating with {cell.variant}"
    else:
        fit, what = check_fit(cell.variant, cell.preset, memory), cell.variant
    return None if fit.fits else fit.describe(f"{what} at {cell.preset}")


def require_room_to_train(plan: TrainingPlan, resume: bool = False, memory: Memory | None = None) -> None:
    """Refuse a training run that does not fit, by the batch, dropout and accumulation that it will have.

    Args:
        plan: what is asked for.
        resume: whether it goes on from a checkpoint.
        memory: what there is; asked of the system when None.

    Raises:
        CapacityError: with what is needed, what there is, and the largest preset that fits.
        ConfigError: an option of the variant is unknown.
    """

    def needed(name: str, model: ModelConfig, train: TrainConfig) -> int:
        return predicted_session_bytes(name, model, plan.train_config(train), plan.record)

    fit = _fit(plan.engine, *shape_and_settings(plan, resume), memory, needed)
    if fit.fits:
        return
    options = plan.options_text()
    ways_out = ["the same command with --ignore-memory to try all the same"]
    if fit.largest_that_fits:
        ways_out.insert(0, f"invoke train --preset {fit.largest_that_fits} --engine '{plan.engine}' {options}".strip())
    if plan.batch_size:
        ways_out.insert(0, "a smaller --batch, with --accumulate for as many sequences in an update")
    what = f"training {plan.preset} with {plan.engine}" + (f" and {options}" if options else "")
    raise CapacityError(fit.describe(what), run=", or ".join(ways_out))
