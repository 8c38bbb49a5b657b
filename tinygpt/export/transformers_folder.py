"""A folder that transformers reads, as in ``pipeline("text-generation", model=folder)``: the model without its run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.description import write_description
from tinygpt.checkpoints.layout import WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.tensorfile import write_tensors
from tinygpt.errors import ExportError
from tinygpt.params import parameter_shapes


def write(model: Checkpoint, out: Path) -> str:
    """Write the folder; return a line about its check.

    Raises:
        ExportError: other numbers come back.
    """
    out.mkdir()
    write_description(out, model.config, model.train.dropout, model.tokenizer)
    write_tensors(
        out / WEIGHTS, {name: model.weights[name] for name in parameter_shapes(model.config)}, {"format": "pt"}
    )
    back = load_checkpoint(out)
    for name, array in back.weights.items():
        if not np.array_equal(array, model.weights[name]):
            raise ExportError(f"{name} reads back with other numbers", "the numbers that were written")
    return f"all {len(back.weights)} parameters read back"
