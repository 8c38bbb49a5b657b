"""Checkpoints: folders that transformers reads, with what training needs to go on beside them. No pickle anywhere.

    config.json             the shape, as transformers' GPT2LMHeadModel.from_pretrained expects it
    model.safetensors       the weights, under Hugging Face GPT-2 names
    optimizer.safetensors   AdamW's moments: first_moment.NAME, second_moment.NAME, and the update count
    training_state.json     format version, batch and optimiser settings, where the run stands, and the SHA-256 of
                            both tensor files, so that a damaged or exchanged file cannot pass for the run's own

The folder is replaced as a whole (see tinygpt/folders.py); a folder with only the first two files, as
save_pretrained writes it, loads as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.base import OptimizerState, check_shapes
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.folders import find_folder, replace_folder, write_file
from tinygpt.gpt2_config import from_gpt2_config, to_gpt2_config
from tinygpt.params import Arrays, parameter_shapes
from tinygpt.tensorfile import read_tensors, write_tensors
from tinygpt.training_state import TrainingState, parse_train_config, parse_training_state

FORMAT = "tinygpt-checkpoint"
FORMAT_VERSION = 1
CONFIG, WEIGHTS, OPTIMIZER, STATE = "config.json", "model.safetensors", "optimizer.safetensors", "training_state.json"
OWNED = frozenset({CONFIG, WEIGHTS, OPTIMIZER, STATE})

# What a folder written by somebody else is trained with unless the caller says otherwise.
_FOREIGN_TRAIN = TrainConfig(batch_size=8)

_PREFIX = "transformer."
_HEAD = "lm_head.weight"
_MAKE_ONE = "invoke train --out DIR"


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint; also a model that :func:`tinygpt.generate.generate` can read.

    Attributes:
        model: the shape.
        train: batch and optimiser settings; defaults for a folder that transformers wrote.
        weights: name → float32 array of the shape in ``parameter_shapes``.
        optimizer: AdamW's state, when the folder holds one.
        training: where the run stood, when the folder holds one.
    """

    model: ModelConfig
    train: TrainConfig
    weights: Arrays
    optimizer: OptimizerState | None = None
    training: TrainingState | None = None

    def state_dict(self) -> Arrays:
        """A copy of the weights."""
        return {name: array.copy() for name, array in self.weights.items()}


# ---- saving ------------------------------------------------------------------------------------------------


def save_checkpoint(
    directory: str | Path,
    model: ModelConfig,
    train: TrainConfig,
    weights: Arrays,
    optimizer: OptimizerState | None = None,
    training: TrainingState | None = None,
) -> Path:
    """Write a checkpoint so that at any moment the folder holds the old one or the new one, whole.

    Files in the folder that are not part of a checkpoint stay.

    Returns:
        the folder.

    Raises:
        CheckpointError: the weights or moments do not fit the model, or hold values that are not finite.
        StorageError: the file system refused; the checkpoint that was there is intact.
    """
    directory = Path(directory)
    _check_arrays(model, weights, "the weights")
    if optimizer is not None:
        _check_arrays(model, optimizer.first_moment, "AdamW's first moments")
        _check_arrays(model, optimizer.second_moment, "AdamW's second moments")

    def write(folder: Path) -> None:
        names = list(parameter_shapes(model))
        write_file(folder / CONFIG, [_json_bytes(to_gpt2_config(model))])
        write_tensors(folder / WEIGHTS, {name: weights[name] for name in names}, {"format": "pt"})
        digests = {WEIGHTS: _sha256(folder / WEIGHTS)}
        if optimizer is not None:
            moments = {f"first_moment.{name}": optimizer.first_moment[name] for name in names}
            moments |= {f"second_moment.{name}": optimizer.second_moment[name] for name in names}
            write_tensors(folder / OPTIMIZER, moments, {"format": "np", "step": str(optimizer.step)})
            digests[OPTIMIZER] = _sha256(folder / OPTIMIZER)
        state = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "train": asdict(train),
            "training": None if training is None else asdict(training),
            "sha256": digests,
        }
        write_file(folder / STATE, [_json_bytes(state)])

    replace_folder(directory, OWNED, write)
    return directory


def has_checkpoint(directory: str | Path) -> bool:
    """Whether a folder holds a checkpoint or what an interrupted save left of one; says nothing about its health."""
    folder = find_folder(Path(directory))
    return folder is not None and any((folder / name).exists() for name in OWNED)


# ---- loading -----------------------------------------------------------------------------------------------


def load_checkpoint(directory: str | Path) -> Checkpoint:
    """Read a checkpoint folder written by any engine, or by transformers for a byte vocabulary.

    float16, bfloat16 and float64 weights become float32. After a crash in the middle of a save, the version that
    is whole is read.

    Raises:
        CheckpointError: the folder or a file is missing, damaged, of a newer format, or of another model.
    """
    directory = Path(directory)
    while True:
        folder = find_folder(directory)
        if folder is None:
            is_file = directory.exists()
            raise CheckpointError(
                f"{directory} is a file" if is_file else f"there is no folder {directory}",
                "a checkpoint folder",
                _MAKE_ONE,
            )
        identity = _identity(folder)
        try:
            return _load(folder)
        except CheckpointError:
            # A run that saved just now swapped the folder under our hands: read the version that is there now.
            current = find_folder(directory)
            if current is None or _identity(current) == identity:
                raise


def _identity(folder: Path) -> tuple[int, int] | None:
    """Which folder stands under a name at this moment; inode numbers alone are used again."""
    try:
        found = folder.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_ctime_ns


def _load(folder: Path) -> Checkpoint:
    if not (folder / CONFIG).exists() and not (folder / WEIGHTS).exists():
        raise CheckpointError(f"{folder} holds no checkpoint", f"a folder with {CONFIG} and {WEIGHTS}", _MAKE_ONE)
    state = _read_json(folder / STATE) if (folder / STATE).exists() else None
    if state is None and (folder / OPTIMIZER).exists():
        raise CheckpointError(
            f"{folder / STATE} is missing", f"all files of a checkpoint, or {CONFIG} and {WEIGHTS} alone", _MAKE_ONE
        )
    if state is not None:
        _check_state(state, folder)
    config = _read_json(folder / CONFIG)
    weights = _read_weights(folder / WEIGHTS)
    model = from_gpt2_config(config, str(folder / CONFIG))
    # Before the names are laid out: a config.json that lies about its layers must not make us list billions.
    if len(weights) != 4 + 12 * model.n_layers:
        raise CheckpointError(
            f"{folder / WEIGHTS} holds {len(weights)} parameters",
            f"{4 + 12 * model.n_layers}, as {CONFIG} says n_layer {model.n_layers}",
        )
    _check_arrays(model, weights, str(folder / WEIGHTS))
    weights = {name: weights[name] for name in parameter_shapes(model)}
    if state is None:
        return Checkpoint(model, _FOREIGN_TRAIN, weights)
    source = str(folder / STATE)
    train = parse_train_config(state.get("train"), source)
    training = None if state.get("training") is None else parse_training_state(state["training"], source)
    optimizer = _read_optimizer(folder / OPTIMIZER, model) if OPTIMIZER in state["sha256"] else None
    if optimizer is not None and training is not None and optimizer.step != training.step:
        raise CheckpointError(
            f"{OPTIMIZER} of {folder} is from step {optimizer.step}", f"step {training.step}, as {STATE} says"
        )
    return Checkpoint(model, train, weights, optimizer, training)


def _check_state(state: Mapping[str, Any], folder: Path) -> None:
    """Format, version, and that the tensor files are the ones this state was written with."""
    source = folder / STATE
    if state.get("format") != FORMAT:
        raise CheckpointError(f"{source} says format {state.get('format')!r}", repr(FORMAT), _MAKE_ONE)
    version = state.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= FORMAT_VERSION:
        raise CheckpointError(
            f"{source} says format version {version!r}", f"1 to {FORMAT_VERSION}", "pip install --upgrade tinygpt"
        )
    digests = state.get("sha256")
    if not isinstance(digests, dict) or WEIGHTS not in digests or not set(digests) <= {WEIGHTS, OPTIMIZER}:
        raise CheckpointError(f"{source} lists no SHA-256 of the tensor files", f"one for {WEIGHTS}")
    for name, digest in digests.items():
        try:
            found = _sha256(folder / name)
        except FileNotFoundError:
            raise CheckpointError(f"{folder / name} is missing", f"the files that {STATE} lists", _MAKE_ONE) from None
        except OSError as error:
            raise CheckpointError(f"cannot read {folder / name} ({error.strerror or error})", "a file") from None
        if found != digest:
            raise CheckpointError(
                f"{folder / name} is damaged or not the file that {STATE} was written with",
                f"SHA-256 {str(digest)[:12]}…, found {found[:12]}…; without {STATE} and {OPTIMIZER}, {WEIGHTS} is "
                "read on its own",
            )


def _read_weights(path: Path) -> Arrays:
    """The parameters under our names: transformers' prefix off, its legacy mask buffers and the tied head dropped."""
    stored, _ = read_tensors(path, lambda name: not name.endswith((".attn.bias", ".attn.masked_bias")))
    weights: Arrays = {}
    for name, array in stored.items():
        short = name.removeprefix(_PREFIX)
        if short in weights:
            raise CheckpointError(f"{path} holds parameter {short!r} twice", "one tensor per parameter")
        weights[short] = array
    head = weights.pop(_HEAD, None)
    if head is not None and not np.array_equal(head, weights.get("wte.weight", np.empty(0))):
        raise CheckpointError(f"{_HEAD} of {path} differs from wte.weight", "an output head tied to the embedding")
    return weights


def _read_optimizer(path: Path, model: ModelConfig) -> OptimizerState:
    tensors, metadata = read_tensors(path)
    moments: dict[str, Arrays] = {"first_moment": {}, "second_moment": {}}
    for name, array in tensors.items():
        kind, _, parameter = name.partition(".")
        if kind not in moments:
            raise CheckpointError(f"tensor {name!r} of {path} is unknown", "first_moment.NAME and second_moment.NAME")
        moments[kind][parameter] = array
    step = metadata.get("step", "")
    if not (step.isascii() and step.isdigit()):
        raise CheckpointError(f"{path} says step {step!r}", "a whole number, 0 or more")
    for kind, arrays in moments.items():
        _check_arrays(model, arrays, f"{kind} of {path}")
    return OptimizerState(int(step), moments["first_moment"], moments["second_moment"])


# ---- both ways ---------------------------------------------------------------------------------------------


def _check_arrays(model: ModelConfig, arrays: Mapping[str, np.ndarray], what: str) -> None:
    """Names, shapes and finiteness; one value that is not finite makes every later one so."""
    try:
        check_shapes(arrays, parameter_shapes(model))
    except CheckpointError as error:
        raise CheckpointError(f"{what}: {error.problem}", error.allowed, error.run) from None
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"{what}: parameter {name!r} holds values that are not finite", "finite numbers")


def _json_bytes(value: Any) -> bytes:
    try:
        return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the training state cannot be written as JSON ({error})", "plain finite values") from None


def _read_json(path: Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        value = json.loads(path.read_bytes(), parse_constant=refuse)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing", "a checkpoint folder with its files", _MAKE_ONE) from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON ({error})", "the file as it was saved", _MAKE_ONE) from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path} ({error.strerror or error})", "a readable file") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds a JSON {type(value).__name__}", "a JSON object", _MAKE_ONE)
    return value


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
