"""Whether a training process fits into the memory there is, asked before anything is allocated.

What there is: the least of what the system calls available (free or reclaimable), what each control group above this
process still grants (versions 1 and 2: limit − usage + reclaimable page cache), and a limit on the address space
(``ulimit -v``). Swap is not counted: a training step that swaps is not worth starting.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

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
from tinygpt.system.control_groups import CGROUPS, MEMBERSHIP, group_folders
from tinygpt.terminal.quantities import gibibytes
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.resume import shape_and_settings

Predict = Callable[[str, ModelConfig, TrainConfig], int]


@dataclass(frozen=True)
class Memory:
    """Memory that a new process can have.

    Attributes:
        available: bytes.
        limited_by: what sets that figure, in words.
    """

    available: int
    limited_by: str


# ---- what there is ---------------------------------------------------------------------------------------


def available_memory(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> Memory:
    """Ask the system, the control groups and the process's own limits; the least counts.

    Args:
        root: where control groups are mounted.
        membership: the file that says which groups this process is in.
    """
    candidates = [Memory(psutil.virtual_memory().available, "the machine's free memory")]
    candidates += [Memory(granted, "the control group's limit") for granted in _cgroup_grants(root, membership)]
    granted = _address_space_left()
    if granted is not None:
        candidates.append(Memory(granted, "the address space limit (ulimit -v)"))
    return min(candidates, key=lambda memory: memory.available)


@dataclass(frozen=True)
class _Hierarchy:
    """How a version of control groups names its files."""

    folder: str
    limit: str
    usage: str
    reclaimable: str


_VERSIONS = (
    _Hierarchy("", "memory.max", "memory.current", "inactive_file"),
    _Hierarchy("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def _cgroup_grants(root: Path, membership: Path) -> list[int]:
    """Bytes that every limited control group from this process's own up to the root still grants."""
    groups = [(folder, version) for version in _VERSIONS for folder in group_folders(root / version.folder, membership)]
    return [granted for group in groups if (granted := _grant(*group)) is not None]


def _grant(folder: Path, version: _Hierarchy) -> int | None:
    limit, usage = _read_integer(folder / version.limit), _read_integer(folder / version.usage)
    if limit is None or limit >= psutil.virtual_memory().total:
        return None
    return max(0, limit - max(0, (usage or 0) - _reclaimable(folder, version)))


def _read_integer(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return int(text) if text.isdigit() else None


def _reclaimable(folder: Path, version: _Hierarchy) -> int:
    try:
        lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return 0
    fields = dict(line.split(" ", 1) for line in lines if " " in line)
    text = fields.get(version.reclaimable, "0").strip()
    return int(text) if text.isdigit() else 0


def _address_space_left() -> int | None:
    """What RLIMIT_AS leaves to a new process, without what an interpreter reserves and never touches."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    usage = psutil.Process().memory_info()
    return max(0, limit - max(0, usage.vms - usage.rss))


# ---- whether it is enough --------------------------------------------------------------------------------


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


def require_room_to_train(
    plan: TrainingPlan, resume: bool = False, recording: bool = False, memory: Memory | None = None
) -> None:
    """Refuse a training run that does not fit, by the batch, dropout and accumulation that it will have.

    Args:
        plan: what is asked for.
        resume: whether it goes on from a checkpoint.
        recording: whether the run's rows are written, which takes memory too.
        memory: what there is; asked of the system when None.

    Raises:
        CapacityError: with what is needed, what there is, and the largest preset that fits.
        ConfigError: an option of the variant is unknown.
    """

    def needed(name: str, model: ModelConfig, train: TrainConfig) -> int:
        return predicted_session_bytes(name, model, plan.train_config(train), recording)

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
