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
from tinygpt.lora import Lora, adapted_weights, adapter_names, adapter_shapes
from tinygpt.params import Arrays, check_arrays, parameter_shapes
from tinygpt.system.json_records import read_json


class OtherBaseError(CheckpointError):
    """The base of an adapter is missing, of another shape, or not the one that it was trained on.

    Args:
        problem: the problem.
        allowed: the base that fits.
        folder: the adapter's.
        base: the name of that base, in commands.
    """

    def __init__(self, problem: str, allowed: str, folder: Path, base: str = "BASE") -> None:
        run = f"invoke sample --checkpoint {quote(base)} --adapter {quote(str(folder))}"
        super().__init__(problem, allowed, run)
        self.base = base


def base_name(folder: Path, files: Mapping[str, Path]) -> str:
    """Return the folder that an adapter names as its base; raise an OtherBaseError if there is none."""
    name = read_adapter_config(files[ADAPTER_CONFIG]).base
    if name is None or not Path(name).is_dir():
        problem = f"the base of the adapter {folder}, {name or 'which it does not name'}, is not here"
        raise OtherBaseError(problem, "the folder of its base", folder)
    return name


def with_adapter(folder: Path, files: Mapping[str, Path], base: Checkpoint) -> Checkpoint:
    """Read the adapter in a folder onto a base.

    Raises:
        OtherBaseError: the adapter is for matrices of other shapes.
        CheckpointError: a file is missing or damaged.
    """
    settings = read_adapter_config(files[ADAPTER_CONFIG])
    base = base if base.adapter is None else base.folded()
    if (shape := shape_file(files)) in files:
        own = from_gpt2_config(read_json(files[shape]), str(folder / shape))
        base = base.with_context(min(own.context_length, base.config.context_length))
    lora, adapter = read_adapter(files, settings)
    _check_matrices(base, lora, adapter, folder)
    check_arrays(adapter_shapes(parameter_shapes(base.config), lora), adapter, f"the adapter {folder}")
    train = replace(base.train, optimizer="adamw", train_only="", lora=str(lora))
    return replace(base, train=train, optimizer=None, training=None, adapter=adapter, base=settings.base)


def _check_matrices(base: Checkpoint, lora: Lora, adapter: Arrays, folder: Path) -> None:
    """Compare the matrices I × O that an adapter is for, as A (I, r) and B (r, O) have them, with those of a base."""
    shapes = parameter_shapes(base.config)
    own = (f"{name.rpartition('.')[0]}.weight" for name in adapter)
    for weight in dict.fromkeys([*adapted_weights(shapes, lora), *own]):
        a, b = (adapter.get(name) for name in adapter_names(weight))
        if (a is None) != (b is None):
            continue  # a half is missing, and is named later
        made_for = None if a is None or b is None else a.shape[:1] + b.shape[1:]
        if made_for != shapes.get(weight):
            has = f"{_by(made_for)} for {weight}, and its base has {_by(shapes.get(weight))}"
            raise OtherBaseError(f"the adapter {folder} has {has}", "a base of the adapter's own shape", folder)


def _by(shape: tuple[int, ...] | None) -> str:
    return "nothing" if shape is None else " × ".join(f"{size:,}" for size in shape)


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
        raise OtherBaseError(f"{problem}, which has changed since", f"{earlier}", folder, str(earlier))
    if given and model.base:
        problem = f"the adapter {folder} was not trained on the given base"
        raise OtherBaseError(problem, f"{model.base}, its own base", folder, model.base)
    raise OtherBaseError(problem, "the base as it was", folder)


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
