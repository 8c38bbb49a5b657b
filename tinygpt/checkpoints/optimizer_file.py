"""AdamW's state in a file: first_moment.NAME and second_moment.NAME of what is trained, and the number of updates.

An engine that computes in double precision stores both so, with its weights as weight.NAME.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tinygpt.checkpoints.tensorfile import each_tensor, read_metadata, write_tensors
from tinygpt.errors import CheckpointError
from tinygpt.lora import Shapes
from tinygpt.optim import OptimizerState
from tinygpt.params import Arrays, check_arrays

_KINDS = _FIRST, _SECOND, _WEIGHT = "first_moment", "second_moment", "weight"


def optimizer_kinds(state: OptimizerState) -> dict[str, Arrays]:
    """Return the arrays of AdamW's state by the prefix of their names in the file."""
    kinds = {_FIRST: state.first_moment, _SECOND: state.second_moment, _WEIGHT: state.weights}
    return {kind: arrays for kind, arrays in kinds.items() if arrays is not None}


def write_optimizer(path: Path, state: OptimizerState, trained: Shapes) -> None:
    """Write the file; raise an OSError if the file system refuses."""
    tensors = {f"{kind}.{name}": arrays[name] for kind, arrays in optimizer_kinds(state).items() for name in trained}
    write_tensors(path, tensors, {"format": "np", "step": str(state.step)})


def stored_arrays(path: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Read a file array by array: prefix, name, array.

    Raises:
        CheckpointError: the file is damaged, or has an unknown prefix.
    """
    for name, array in each_tensor(path, keep_double=True):
        kind, _, parameter = name.partition(".")
        if kind not in _KINDS:
            raise CheckpointError(f"tensor {name!r} of {path} is unknown", ", ".join(f"{kind}.NAME" for kind in _KINDS))
        yield kind, parameter, array


def read_step(path: Path) -> int:
    """Return the number of updates in a file; raise a CheckpointError if it is damaged."""
    step = read_metadata(path).get("step", "")
    if not (step.isascii() and step.isdigit()):
        raise CheckpointError(f"{path} has step {step!r}", "a whole number, 0 or more")
    return int(step)


def read_optimizer(path: Path, trained: Shapes) -> OptimizerState:
    """Read a file for a model of which arrays of these shapes are trained.

    Raises:
        CheckpointError: it is damaged or of another model.
    """
    kinds: dict[str, Arrays] = {}
    for kind, name, array in stored_arrays(path):
        kinds.setdefault(kind, {})[name] = array
    step = read_step(path)
    for kind in _KINDS:
        if kind in kinds or kind != _WEIGHT:
            check_arrays(trained, kinds.get(kind, {}), f"{kind} of {path}")
    return OptimizerState(step, kinds[_FIRST], kinds[_SECOND], kinds.get(_WEIGHT))
