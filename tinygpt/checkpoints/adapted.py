"""An adapter's folder as a checkpoint: its base with the adapter, and the check that the base is the right one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shlex import quote

from tinygpt.checkpoints.adapter_files import read_adapter, read_adapter_config, weights_sha256
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.gpt2_config import from_gpt2_config
from tinygpt.checkpoints.gpt2_weights import read_gpt2_weights
from tinygpt.checkpoints.layout import ADAPTER_CONFIG, BEST, KEPT, STATE, shape_file
from tinygpt.checkpoints.retention import kept_checkpoints
from tinygpt.checkpoints.training_state import TrainingState
from tinygpt.config import TrainConfig
from tinygpt.errors import CheckpointError
from tinygpt.lora import adapter_shapes
from tinygpt.params import check_arrays, parameter_shapes
from tinygpt.system.json_records import read_json


class OtherBaseError(CheckpointError):
    """The base of an adapter is missing, or is not the one that it was trained on."""


def base_name(folder: Path, files: Mapping[str, Path]) -> str:
    """Return the folder that an adapter names as its base; raise an OtherBaseError if there is none."""
    name = read_adapter_config(files[ADAPTER_CONFIG]).base
    if name is None or not Path(name).is_dir():
        problem = f"the base of the adapter {folder}, {name or 'which it does not name'}, is not here"
        raise OtherBaseError(problem, "the folder of its base", _with_base("BASE", folder))
    return name


def with_adapter(folder: Path, files: Mapping[str, Path], base: Checkpoint) -> Checkpoint:
    """Read the adapter in a folder onto a base.

    Raises:
        CheckpointError: a file is missing or damaged, or the adapter is of another shape.
    """
    settings = read_adapter_config(files[ADAPTER_CONFIG])
    base = base if base.adapter is None else base.folded()
    if (shape := shape_file(files)) in files:
        own = from_gpt2_config(read_json(files[shape]), str(folder / shape))
        base = base.with_context(min(own.context_length, base.config.context_length))
    lora, adapter = read_adapter(files, settings)
    check_arrays(adapter_shapes(parameter_shapes(base.config), lora), adapter, f"the adapter {folder}")
    train = replace(base.train, optimizer="adamw", train_only="", lora=str(lora))
    return replace(base, train=train, optimizer=None, training=None, adapter=adapter, base=settings.base)


def check_base(
    model: Checkpoint, train: TrainConfig, training: TrainingState | None, folder: Path, given: bool = False
) -> None:
    """Check an adapter against the state beside it: its shape, and the weights that it was trained on.

    Args:
        given: the base is not the one that the adapter names.

    Raises:
        CheckpointError: it has another shape.
        OtherBaseError: its base has other weights. If it was trained further, the message names an earlier checkpoint
            that still has them.
    """
    if train.lora != model.train.lora:
        raise CheckpointError(f"the adapter {folder} has {model.train.lora}", f"{train.lora}, as {STATE} says")
    if training is None or training.base_sha256 in (None, weights_sha256(model.weights)):
        return
    problem = f"the adapter {folder} was trained on other weights than those of {model.base or 'this base'}"
    earlier = _earlier_base(model, str(training.base_sha256))
    if earlier is not None:
        raise OtherBaseError(f"{problem}, which has changed since", f"{earlier}", _with_base(str(earlier), folder))
    if given and model.base:
        problem = f"the adapter {folder} was not trained on the given base"
        raise OtherBaseError(problem, f"{model.base}, its own base", _with_base(model.base, folder))
    raise OtherBaseError(problem, "the base as it was", _with_base("BASE", folder))


def _earlier_base(model: Checkpoint, sha256: str) -> Path | None:
    """Return the kept checkpoint of a base that has the weights with a hash."""
    if model.base is None:
        return None
    root = Path(model.base)
    for kept in (*kept_checkpoints(root).values(), root / KEPT / BEST):
        with suppress(CheckpointError, KeyError):  # it is damaged, or of another shape
            weights = read_gpt2_weights(kept)
            positions = weights["wpe.weight"][: model.config.context_length]
            if weights_sha256({name: weights[name] for name in model.weights} | {"wpe.weight": positions}) == sha256:
                return kept
    return None


def _with_base(base: str, folder: Path) -> str:
    return f"invoke sample --checkpoint {quote(base)} --adapter {quote(str(folder))}"
