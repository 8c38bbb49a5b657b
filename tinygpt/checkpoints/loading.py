"""Loading a checkpoint: a folder of any engine, of transformers, or an adapter of PEFT.

A folder with config.json and model.safetensors alone, as save_pretrained writes it, loads as well if its tokens are
bytes or it has a tokenizer. Its weights may be in several files.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shlex import quote

from tinygpt.arguments import instance
from tinygpt.checkpoints.adapted import OtherBaseError, base_name, check_base, with_adapter
from tinygpt.checkpoints.checkpoint import Checkpoint, settings_without_state
from tinygpt.checkpoints.gpt2_config import from_gpt2_config
from tinygpt.checkpoints.gpt2_weights import read_gpt2_weights
from tinygpt.checkpoints.layout import (
    ADAPTER_CONFIG,
    CONFIG,
    FILES,
    INDEX,
    LIST_RUNS,
    OPTIMIZER,
    STATE,
    WEIGHTS,
    is_adapter,
)
from tinygpt.checkpoints.optimizer_file import read_optimizer
from tinygpt.checkpoints.quantized import CODES, read_quantized
from tinygpt.checkpoints.retention import kept_checkpoints
from tinygpt.checkpoints.state_file import read_state, settings_of
from tinygpt.checkpoints.tokenizer_files import read_tokenizer, require_same_tokens
from tinygpt.errors import CheckpointError
from tinygpt.params import check_arrays, parameter_shapes
from tinygpt.system.json_records import read_json
from tinygpt.system.staging import current_files
from tinygpt.tokenizers.files import TOKENIZER, TOKENIZER_FILES
from tinygpt.trained import trained_shapes

_log = logging.getLogger(__name__)


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
        raise CheckpointError(problem, "a checkpoint folder", LIST_RUNS)
    while True:
        version = _version(directory)
        try:
            return _load(directory, weights_only, base)
        except CheckpointError as error:
            # A run that is saving moved files during the read: read again.
            if _version(directory) != version:
                continue
            # An older version helps where a file is damaged, and not where the format is newer or the base another one.
            elsewhere = base is not None or isinstance(error, OtherBaseError) or error.run.startswith("git ")
            if not elsewhere and kept_checkpoints(directory):
                raise CheckpointError(error.problem, error.allowed, f"invoke restore {quote(str(directory))}") from None
            if not error.run:
                raise CheckpointError(error.problem, error.allowed, LIST_RUNS) from None
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
        raise CheckpointError(f"{folder} holds no checkpoint", f"a folder with {CONFIG} and {WEIGHTS}")
    if STATE not in files and OPTIMIZER in files:
        allowed = f"all files of a checkpoint, or {CONFIG} and {WEIGHTS} alone"
        raise CheckpointError(f"{folder / STATE} is missing", allowed)
    state, given = read_state(folder, files, weights_only), base is not None
    if is_adapter(files):
        if base is None:
            base = load_checkpoint(base_name(folder, files), weights_only=True)
        model = with_adapter(folder, files, base)
    else:
        model = _whole_model(folder, files)
    if state is None:
        if model.adapter is not None and not files.keys() & {*TOKENIZER_FILES}:
            return model  # with the tokenizer of its base
        return _with_own_tokens(model, files, folder)
    train, training = settings_of(state, folder)
    if model.adapter is not None:
        check_base(model, train, training, folder, given)
    has_optimizer = OPTIMIZER in state["sha256"] and not weights_only
    optimizer = read_optimizer(files[OPTIMIZER], trained_shapes(model.config, train)) if has_optimizer else None
    if optimizer is not None and training is not None and optimizer.step != training.step:
        raise CheckpointError(
            f"{OPTIMIZER} of {folder} is from step {optimizer.step}", f"step {training.step}, as {STATE} says"
        )
    own = files if TOKENIZER in state["sha256"] else {}  # a file of that name may have been there before
    name = str((training.settings.get("tokenizer") if training else None) or TOKENIZER)
    tokenizer = read_tokenizer(own, folder, model.config.vocab_size, Path(name).name)
    return replace(model, train=train, optimizer=optimizer, training=training, tokenizer=tokenizer)


def _with_own_tokens(model: Checkpoint, files: Mapping[str, Path], folder: Path) -> Checkpoint:
    """Read the tokenizer of a folder without a state, and leave out rows of the table that none of its tokens has."""
    rows = model.config.vocab_size
    tokenizer = read_tokenizer(files, folder, rows, may_pad=True)
    require_same_tokens(tokenizer, files, folder)
    if tokenizer.vocab_size < rows:
        words = "%s: the last %d of %d rows of the token table are padding, which no token has, and are left out"
        _log.warning(words, folder, rows - tokenizer.vocab_size, rows)
        model = model.with_vocabulary(tokenizer.vocab_size)
    return replace(model, tokenizer=tokenizer)


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
    check_arrays(parameter_shapes(model), weights, f"the weights of {folder}")
    weights = {name: weights[name] for name in parameter_shapes(model)}
    return Checkpoint(model, settings_without_state(model, config), weights, quantization=quantization)
