"""Checkpoints: folders that transformers reads, with the state that training needs. No pickle anywhere.

    config.json             the shape, as transformers' GPT2LMHeadModel.from_pretrained expects it
    model.safetensors       the weights, under Hugging Face GPT-2 names
    adapter_config.json     in place of the weights a LoRA adapter, with adapter_model.safetensors, as PEFT saves it
    optimizer.safetensors   AdamW's moments of what is trained, first_moment.NAME and second_moment.NAME, and the update
                            count; an engine that computes in double precision stores them so, with its weights as
                            weight.NAME
    tokenizer.json          text ↔ ids, with tokenizer_config.json, as transformers' fast tokenizers read it
    training_state.json     format version, batch and optimiser settings, the run's state, the SHA-256 of the other
                            files and of its own contents, so that a damaged or exchanged file is detected
    checkpoints/            the last ones before this and the best (see tinygpt/checkpoints/retention.py)

The files are replaced atomically (see tinygpt/system/staging.py). A folder with only the first two, as save_pretrained
writes it, loads as well if its tokens are bytes or it has a tokenizer. Its weights may be in several files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shlex import quote
from types import MappingProxyType
from typing import Any

import numpy as np

from tinygpt.arguments import folder, instance
from tinygpt.checkpoints.adapter_files import (
    read_adapter,
    read_adapter_config,
    to_adapter_config,
    weights_sha256,
    write_adapter,
)
from tinygpt.checkpoints.description import write_description
from tinygpt.checkpoints.gpt2_config import dropout_of, from_gpt2_config
from tinygpt.checkpoints.gpt2_weights import INDEX, read_gpt2_weights
from tinygpt.checkpoints.layout import (
    ADAPTER,
    ADAPTER_CONFIG,
    CONFIG,
    FILES,
    KEPT,
    OPTIMIZER,
    STATE,
    TOKENIZER_CONFIG,
    WEIGHTS,
)
from tinygpt.checkpoints.quantized import CODES, Quantization, read_quantized
from tinygpt.checkpoints.retention import drop_older, keep_newest, kept_checkpoints, link_files
from tinygpt.checkpoints.tensorfile import read_tensors, require_whole, write_tensors
from tinygpt.checkpoints.tokenizer_files import read_tokenizer
from tinygpt.checkpoints.training_state import TrainingState
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import Engine
from tinygpt.errors import CheckpointError, StorageError
from tinygpt.generation.inference import LanguageModel
from tinygpt.generation.inference.model import model_tokenizer, require_model
from tinygpt.lora import Shapes, adapter_shapes, merged
from tinygpt.optim import OptimizerState
from tinygpt.params import Arrays, check_shapes, parameter_shapes
from tinygpt.system.files import storage_errors, write_file
from tinygpt.system.json_records import json_bytes, read_json, record_from_json
from tinygpt.system.memory import require_memory
from tinygpt.system.staging import current_files, finish_replacement, replace_files
from tinygpt.tokenizers import BYTES, Tokenizer
from tinygpt.tokenizers.files import TOKENIZER, TOKENIZER_FILES
from tinygpt.trained import trained_shapes

FORMAT = "tinygpt-checkpoint"
# 1 had no hash of config.json and of the state itself, 2 no settings of the command, 3 no tokenizer, 4 nothing frozen,
# 5 no loss before the first step
FORMAT_VERSION = 6

_FOREIGN_TOKENS = 1024  # in a batch of a model that has no settings of its own

_KINDS = _FIRST, _SECOND, _WEIGHT = "first_moment", "second_moment", "weight"
_HASHED = (CONFIG, WEIGHTS, ADAPTER, ADAPTER_CONFIG, TOKENIZER, TOKENIZER_CONFIG, OPTIMIZER)
_TENSORS = (WEIGHTS, ADAPTER, OPTIMIZER)
_CHECKSUM = "checksum"
_MAKE_ONE = "invoke train --out DIR"


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint, which is also a model for :func:`tinygpt.generation.decoding.generate`.

    Attributes:
        config: the model's shape.
        train: batch and optimiser settings; for a folder of transformers, defaults with the folder's dropout.
        weights: name → float32 array of the shape in ``parameter_shapes``; of an adapter, those of its base.
        optimizer: AdamW's state, if the folder has one.
        training: the run's state, if the folder has one.
        tokenizer: text ↔ ids.
        adapter: name → array of a LoRA adapter, whose shape is in ``train``; None without one.
        base: the folder or name of the adapter's base.
        quantization: the record of a folder whose weights are rounded.
    """

    config: ModelConfig
    train: TrainConfig
    weights: Arrays
    optimizer: OptimizerState | None = None
    training: TrainingState | None = None
    tokenizer: Tokenizer = BYTES
    adapter: Arrays | None = None
    base: str | None = None
    quantization: Quantization | None = None

    @property
    def step(self) -> int:
        """Number of updates behind the weights; 0 if the folder has no record of it."""
        return self.optimizer.step if self.optimizer else self.training.step if self.training else 0

    def state_dict(self) -> Arrays:
        """Copy the weights, an adapter folded in."""
        lora, adapter = self.train.adapter, self.adapter or {}
        weights = self.weights if lora is None else merged(self.weights, adapter, lora.scale)
        return {name: array.copy() for name, array in weights.items()}

    def with_context(self, length: int) -> Checkpoint:
        """Return the same model with the first rows of its position table."""
        positions = self.weights["wpe.weight"][:length]
        model = replace(self.config, context_length=length)
        return replace(self, config=model, weights=self.weights | {"wpe.weight": positions})

    def folded(self) -> Checkpoint:
        """Return the same model without an adapter, and without the state of its training."""
        train = replace(self.train, lora="")
        return Checkpoint(self.config, train, self.state_dict(), tokenizer=self.tokenizer)

    def __repr__(self) -> str:
        return f"<checkpoint: {self.config.summary}, step {self.step:,}>"


def settings_without_state(model: ModelConfig, config: Mapping[str, Any] = MappingProxyType({})) -> TrainConfig:
    """Return settings for training a model that has none of its own: a batch of 1,024 tokens, and its dropout.

    Args:
        config: its config.json, if there is one.
    """
    dropout = dropout_of(config) if config else 0.0
    return TrainConfig(max(1, _FOREIGN_TOKENS // model.context_length), dropout=dropout)


def as_checkpoint(source: LanguageModel) -> Checkpoint:
    """Return a model as a checkpoint, with as much of settings and AdamW's state as it has."""
    if isinstance(source, Engine):
        state, adapter = source.optimizer_state(), source.adapter() or None
        weights, tokenizer = source.parameters(), source.tokenizer
        return Checkpoint(source.config, source.train, weights, state, tokenizer=tokenizer, adapter=adapter)
    if isinstance(source, Checkpoint):
        return source
    train = settings_without_state(require_model(source))
    return Checkpoint(source.config, train, source.state_dict(), tokenizer=model_tokenizer(source))


def whole(source: LanguageModel) -> Checkpoint:
    """Return a model as a checkpoint of whole weights: an adapter is folded into them."""
    checkpoint = as_checkpoint(source)
    return checkpoint if checkpoint.adapter is None else checkpoint.folded()


# ---- saving ------------------------------------------------------------------------------------------------


def save_checkpoint(directory: str | Path, source: LanguageModel, *, keep: int = 0) -> Path:
    """Write a checkpoint, so that the folder always has the complete old one or the complete new one.

    Other files in the folder stay.

    Args:
        directory: the folder, any but the current one.
        source: a checkpoint, an engine with its weights, settings and AdamW's state, or another model.
        keep: number of the run's last checkpoints to keep beside this one; the best always stays.

    Returns:
        the folder.

    Raises:
        ConfigError: the folder is the current one, or an argument is of another kind.
        CheckpointError: the weights or moments do not fit the model, or have values that are not finite.
        StorageError: the file system refused; the old checkpoint is intact. If it only refused to keep that one among
            the last, the new one is saved.
    """
    directory, source = folder("directory", directory), as_checkpoint(source)
    model, train, weights = source.config, source.train, source.weights
    optimizer, training = source.optimizer, source.training
    tokenizer = model_tokenizer(source)
    shapes, trained = parameter_shapes(model), trained_shapes(model, train)
    _check_arrays(shapes, weights, "the weights")
    if source.adapter is not None:
        _check_arrays(trained, source.adapter, "the adapter")
    if optimizer is not None:
        for kind, arrays in _kinds(optimizer).items():
            if arrays is not None:
                _check_arrays(trained, arrays, f"AdamW's {kind}")

    def write(folder: Path) -> None:
        write_description(folder, model, train.dropout, tokenizer)
        if source.adapter is not None and train.adapter is not None:
            write_file(folder / ADAPTER_CONFIG, [json_bytes(to_adapter_config(train.adapter, source.base))])
            write_adapter(folder / ADAPTER, source.adapter)
        else:
            write_tensors(
                folder / WEIGHTS, {name: np.asarray(weights[name], np.float32) for name in shapes}, {"format": "pt"}
            )
        if optimizer is not None:
            kinds = _kinds(optimizer).items()
            tensors = {f"{kind}.{name}": arrays[name] for kind, arrays in kinds if arrays for name in trained}
            write_tensors(folder / OPTIMIZER, tensors, {"format": "np", "step": str(optimizer.step)})
        digests = {name: _sha256(folder / name) for name in _HASHED if (folder / name).exists()}
        state = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "train": asdict(train),
            "training": None if training is None else asdict(training),
            "sha256": digests,
        }
        write_file(folder / STATE, [json_bytes(state | {_CHECKSUM: _checksum(state)})])
        try:
            with storage_errors(directory / KEPT):
                if keep:
                    keep_newest(directory)
        except StorageError as error:
            refused.append(error)

    refused: list[StorageError] = []
    replace_files(directory, FILES, write)
    if refused:
        raise refused[0]
    drop_older(directory, keep, 0 if training is None else training.step)
    return directory


def restore_checkpoint(directory: str | Path, kept: Path) -> None:
    """Make a kept checkpoint the newest one again, in place of a damaged one.

    Raises:
        StorageError: the file system refused; the folder is unchanged.
    """
    replace_files(Path(directory), FILES, lambda folder: link_files(kept, folder))


def finish_save(directory: str | Path) -> None:
    """Complete a save that was killed.

    Raises:
        StorageError: the file system refused; no checkpoint is lost.
    """
    finish_replacement(Path(directory), FILES)


def _checksum(state: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a training state's contents, independent of white space."""
    return hashlib.sha256(json_bytes({key: value for key, value in state.items() if key != _CHECKSUM})).hexdigest()


def has_checkpoint(directory: str | Path) -> bool:
    """Return whether a folder has a checkpoint, sound or damaged."""
    return bool(current_files(Path(directory), FILES))


# ---- loading -----------------------------------------------------------------------------------------------


def load_checkpoint(directory: str | Path, *, weights_only: bool = False, base: Checkpoint | None = None) -> Checkpoint:
    """Read a checkpoint folder of any engine, or of transformers, or an adapter of PEFT.

    float16, bfloat16 and float64 weights become float32. After a crash during a save, the complete version is read.

    Args:
        directory: the folder.
        weights_only: whether to leave AdamW's state, two thirds of the bytes, unread and unchecked.
        base: the base of an adapter; by default the folder that the adapter names.

    Raises:
        CheckpointError: the folder or a file is missing, damaged, of a newer format, or of another model.
    """
    instance("directory", directory, (str, Path), "a folder's path")
    directory = Path(directory)
    if not directory.is_dir():
        problem = f"{directory} is a file" if directory.exists() else f"there is no folder {directory}"
        raise CheckpointError(problem, "a checkpoint folder", _MAKE_ONE)
    while True:
        version = _version(directory)
        try:
            return _load(directory, weights_only, base)
        except CheckpointError as error:
            # A run that is saving moved files during the read: read again.
            if _version(directory) != version:
                continue
            # An older version helps where a file is damaged, and not where the base is another one.
            damaged = base is None and not error.run.startswith(("git ", "--checkpoint "))
            if damaged and kept_checkpoints(directory):
                raise CheckpointError(error.problem, error.allowed, f"invoke restore {quote(str(directory))}") from None
            raise


def _version(directory: Path) -> dict[Path, tuple[int, int]]:
    """Identify the files of a checkpoint at this moment. Inode numbers are reused, so times are included."""
    version = {}
    for path in current_files(directory, FILES).values():
        with suppress(FileNotFoundError):  # it is being moved
            status = path.stat()
            version[path] = (status.st_ino, status.st_mtime_ns)
    return version


def _load(folder: Path, weights_only: bool, base: Checkpoint | None) -> Checkpoint:
    files = current_files(folder, (*FILES, INDEX, CODES, *TOKENIZER_FILES))
    if not files.keys() & {CONFIG, WEIGHTS, INDEX, CODES, ADAPTER_CONFIG}:
        raise CheckpointError(f"{folder} holds no checkpoint", f"a folder with {CONFIG} and {WEIGHTS}", _MAKE_ONE)
    state = read_json(files[STATE]) if STATE in files else None
    if state is None and OPTIMIZER in files:
        raise CheckpointError(
            f"{folder / STATE} is missing", f"all files of a checkpoint, or {CONFIG} and {WEIGHTS} alone", _MAKE_ONE
        )
    if state is not None:
        _check_state(state, folder, files, weights_only)
    model = _with_adapter(folder, files, base) if is_adapter(files) else _whole_model(folder, files)
    if state is None:
        if model.adapter is not None and not files.keys() & {*TOKENIZER_FILES}:
            return model  # with the tokenizer of its base
        return replace(model, tokenizer=read_tokenizer(files, folder, model.config.vocab_size))
    source = str(folder / STATE)
    older = state["format_version"] < FORMAT_VERSION
    train = record_from_json(TrainConfig, state.get("train"), "train", source, defaults=older)
    training = state.get("training")
    if training is not None:
        training = record_from_json(TrainingState, training, "training", source, defaults=older)
    if model.adapter is not None:
        _check_base(model, train, training, folder)
    has_optimizer = OPTIMIZER in state["sha256"] and not weights_only
    optimizer = _read_optimizer(files[OPTIMIZER], trained_shapes(model.config, train)) if has_optimizer else None
    if optimizer is not None and training is not None and optimizer.step != training.step:
        raise CheckpointError(
            f"{OPTIMIZER} of {folder} is from step {optimizer.step}", f"step {training.step}, as {STATE} says"
        )
    own = files if TOKENIZER in state["sha256"] else {}  # a file of that name may have been there before
    name = str((training.settings.get("tokenizer") if training else None) or TOKENIZER)
    tokenizer = read_tokenizer(own, folder, model.config.vocab_size, Path(name).name)
    return replace(model, train=train, optimizer=optimizer, training=training, tokenizer=tokenizer)


def is_adapter(files: Container[str]) -> bool:
    """Return whether a folder with these files holds an adapter, and not a whole model."""
    return ADAPTER_CONFIG in files and WEIGHTS not in files and INDEX not in files


def _whole_model(folder: Path, files: Mapping[str, Path]) -> Checkpoint:
    """Read the weights of a folder; the tokenizer is another file."""
    config = read_json(files.get(CONFIG, folder / CONFIG))
    model, quantization = from_gpt2_config(config, str(folder / CONFIG)), None
    if CODES in files and not files.keys() & {WEIGHTS, INDEX}:
        weights, quantization = read_quantized(files[CODES], model, config, str(folder / CONFIG))
    else:
        weights = read_gpt2_weights(files[WEIGHTS].parent if WEIGHTS in files else folder)
    # Checked before the names are listed: a false number of layers in config.json must not make us list billions.
    if len(weights) != 4 + 12 * model.n_layers:
        problem = f"{folder} holds {len(weights)} parameters"
        raise CheckpointError(problem, f"{4 + 12 * model.n_layers}, as {CONFIG} says n_layer {model.n_layers}")
    _check_arrays(parameter_shapes(model), weights, f"the weights of {folder}")
    weights = {name: weights[name] for name in parameter_shapes(model)}
    return Checkpoint(model, settings_without_state(model, config), weights, quantization=quantization)


def _with_adapter(folder: Path, files: Mapping[str, Path], base: Checkpoint | None) -> Checkpoint:
    """Read an adapter onto its base."""
    settings = read_adapter_config(files[ADAPTER_CONFIG])
    if base is None:
        if settings.base is None or not Path(settings.base).is_dir():
            problem = f"the base of the adapter {folder}, {settings.base or 'which it does not name'}, is not here"
            raise CheckpointError(
                problem, "the folder of its base", f"--checkpoint BASE --adapter {quote(str(folder))}"
            )
        base = load_checkpoint(settings.base, weights_only=True)
    base = base if base.adapter is None else base.folded()
    if CONFIG in files:
        own = from_gpt2_config(read_json(files[CONFIG]), str(folder / CONFIG))
        base = base.with_context(min(own.context_length, base.config.context_length))
    lora, adapter = read_adapter(files, settings)
    _check_arrays(adapter_shapes(parameter_shapes(base.config), lora), adapter, f"the adapter {folder}")
    train = replace(base.train, optimizer="adamw", train_only="", lora=str(lora))
    return replace(base, train=train, optimizer=None, training=None, adapter=adapter, base=settings.base)


def _check_base(model: Checkpoint, train: TrainConfig, training: TrainingState | None, folder: Path) -> None:
    """Check an adapter against the state beside it: its shape, and the weights that it was trained on."""
    if train.lora != model.train.lora:
        raise CheckpointError(f"the adapter {folder} has {model.train.lora}", f"{train.lora}, as {STATE} says")
    if training is not None and training.base_sha256 not in (None, weights_sha256(model.weights)):
        problem = f"the adapter {folder} was trained on other weights than those of {model.base or 'this base'}"
        raise CheckpointError(problem, "the base as it was", f"--checkpoint BASE --adapter {quote(str(folder))}")


def _check_state(state: Mapping[str, Any], folder: Path, files: Mapping[str, Path], weights_only: bool) -> None:
    """Check format, version, and that the other files are those that this state was written with."""
    source = folder / STATE
    if state.get("format") != FORMAT:
        raise CheckpointError(f"{source} has format {state.get('format')!r}", repr(FORMAT), _MAKE_ONE)
    version = state.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= FORMAT_VERSION:
        problem = f"{source} has format version {version!r}"
        raise CheckpointError(problem, f"1 to {FORMAT_VERSION}", "git pull, or install the version that wrote it")
    needed = {ADAPTER, ADAPTER_CONFIG} if is_adapter(files) else {WEIGHTS}
    needed |= {*([CONFIG] if version > 1 else []), *([TOKENIZER, TOKENIZER_CONFIG] if version > 3 else [])}
    digests = state.get("sha256")
    if not isinstance(digests, dict) or set(digests) - {OPTIMIZER} != needed:
        raise CheckpointError(
            f"{source} lists no SHA-256 of the other files", f"one for {' and '.join(sorted(needed))}"
        )
    if version > 1 and not _is_sound(state):
        raise CheckpointError(
            f"{source} is damaged: its contents do not have its checksum", "the file as it was saved", _MAKE_ONE
        )
    for name, digest in digests.items():
        if weights_only and name == OPTIMIZER:
            continue
        path = files.get(name, folder / name)
        (require_whole if name in _TENSORS else read_json)(path)  # before its hash: it may be of any size
        try:
            require_memory(path.stat().st_size, str(path), "a machine with more memory")
            actual = _sha256(path)
        except OSError as error:
            problem = f"cannot read {path} ({error.strerror or error})"
            raise CheckpointError(problem, "a regular file", f"ls -l {path}") from None
        if actual != digest:
            raise CheckpointError(
                f"{folder / name} is damaged or not the file that {STATE} was written with "
                f"(its SHA-256 is {actual[:12]}…, not {str(digest)[:12]}…)",
                f"the file as it was saved; without {STATE} and {OPTIMIZER}, {WEIGHTS} is read on its own",
                _MAKE_ONE,
            )


def _is_sound(state: Mapping[str, Any]) -> bool:
    try:
        return state.get(_CHECKSUM) == _checksum(state)
    except RecursionError:  # nested deeper than any state that we write
        return False


def _read_optimizer(path: Path, trained: Shapes) -> OptimizerState:
    tensors, metadata = read_tensors(path, keep_double=True)
    kinds: dict[str, Arrays] = {}
    for name, array in tensors.items():
        kind, _, parameter = name.partition(".")
        if kind not in _KINDS:
            raise CheckpointError(f"tensor {name!r} of {path} is unknown", ", ".join(f"{kind}.NAME" for kind in _KINDS))
        kinds.setdefault(kind, {})[parameter] = array
    step = metadata.get("step", "")
    if not (step.isascii() and step.isdigit()):
        raise CheckpointError(f"{path} has step {step!r}", "a whole number, 0 or more")
    for kind in _KINDS:
        if kind in kinds or kind != _WEIGHT:
            _check_arrays(trained, kinds.get(kind, {}), f"{kind} of {path}")
    return OptimizerState(int(step), kinds[_FIRST], kinds[_SECOND], kinds.get(_WEIGHT))


def _kinds(optimizer: OptimizerState) -> dict[str, Arrays | None]:
    """Return the arrays of AdamW's state by the prefix of their names in the file."""
    return {_FIRST: optimizer.first_moment, _SECOND: optimizer.second_moment, _WEIGHT: optimizer.weights}


# ---- both ways ---------------------------------------------------------------------------------------------


def _check_arrays(shapes: Shapes, arrays: Mapping[str, np.ndarray], title: str) -> None:
    """Check names, shapes and finiteness; a value that is not finite would spread to all others."""
    try:
        check_shapes(arrays, shapes)
    except CheckpointError as error:
        raise CheckpointError(f"{title}: {error.problem}", error.allowed, error.run) from None
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"{title}: parameter {name!r} holds values that are not finite", "finite numbers")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
