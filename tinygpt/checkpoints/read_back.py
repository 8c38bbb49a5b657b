"""The check that a checkpoint was written as it should be: it is read back and compared, number by number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import OPTIMIZER
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.optimizer_file import optimizer_kinds, read_step, stored_arrays
from tinygpt.errors import CheckpointError


def verify_checkpoint(directory: Path, expected: Checkpoint) -> None:
    """Load a checkpoint and compare it with the expected one. Of AdamW's state, one array is in memory at a time.

    Raises:
        CheckpointError: names the first difference.
    """

    def require(equal: bool, name: str) -> None:
        if not equal:
            raise CheckpointError(f"{directory} read back with another {name}", "the saved one")

    base = None if expected.adapter is None else replace(expected, adapter=None)
    loaded = load_checkpoint(directory, weights_only=True, base=base)
    for field in ("config", "train", "training"):
        require(getattr(loaded, field) == getattr(expected, field), field)
    require(loaded.tokenizer.hash == expected.tokenizer.hash, "tokenizer")
    for name, array in expected.weights.items():
        require(np.array_equal(array, loaded.weights[name]), f"weight {name!r}")
    for name, array in (expected.adapter or {}).items():
        require(np.array_equal(array, (loaded.adapter or {})[name]), f"adapter {name!r}")
    del loaded
    if (saved := expected.optimizer) is None:
        return
    require(read_step(directory / OPTIMIZER) == saved.step, "optimiser step")
    kinds, nothing, found = optimizer_kinds(saved), np.empty(0), 0
    for kind, name, array in stored_arrays(directory / OPTIMIZER):
        require(np.array_equal(array, kinds.get(kind, {}).get(name, nothing)), f"{kind} {name!r}")
        found += 1
    require(found == sum(map(len, kinds.values())), "number of AdamW's arrays")
