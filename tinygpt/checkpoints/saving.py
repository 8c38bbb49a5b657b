"""Saving a checkpoint, so that its folder always has the complete old one or the complete new one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinygpt.arguments import folder
from tinygpt.checkpoints.adapter_files import to_adapter_config, write_adapter
from tinygpt.checkpoints.checkpoint import as_checkpoint
from tinygpt.checkpoints.description import write_description
from tinygpt.checkpoints.layout import ADAPTER, ADAPTER_CONFIG, BASE_CONFIG, FILES, KEPT, OPTIMIZER, WEIGHTS
from tinygpt.checkpoints.optimizer_file import optimizer_kinds, write_optimizer
from tinygpt.checkpoints.retention import drop_older, keep_newest, link_files
from tinygpt.checkpoints.state_file import write_state
from tinygpt.checkpoints.tensorfile import write_tensors
from tinygpt.errors import StorageError
from tinygpt.generation.inference import LanguageModel
from tinygpt.generation.inference.model import model_tokenizer
from tinygpt.params import check_arrays, parameter_shapes
from tinygpt.system.files import storage_errors, write_file
from tinygpt.system.json_records import json_bytes
from tinygpt.system.staging import current_files, finish_replacement, replace_files
from tinygpt.trained import trained_shapes


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
    check_arrays(shapes, weights, "the weights")
    if source.adapter is not None:
        check_arrays(trained, source.adapter, "the adapter")
    if optimizer is not None:
        for kind, arrays in optimizer_kinds(optimizer).items():
            check_arrays(trained, arrays, f"AdamW's {kind}")

    def write(folder: Path) -> None:
        if source.adapter is not None and train.adapter is not None:
            write_description(folder, model, train.dropout, tokenizer, BASE_CONFIG)
            write_file(folder / ADAPTER_CONFIG, [json_bytes(to_adapter_config(train.adapter, source.base))])
            write_adapter(folder / ADAPTER, source.adapter)
        else:
            write_description(folder, model, train.dropout, tokenizer)
            write_tensors(
                folder / WEIGHTS, {name: np.asarray(weights[name], np.float32) for name in shapes}, {"format": "pt"}
            )
        if optimizer is not None:
            write_optimizer(folder / OPTIMIZER, optimizer, trained)
        write_state(folder, train, training)
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


def has_checkpoint(directory: str | Path) -> bool:
    """Return whether a folder has a checkpoint, sound or damaged."""
    return bool(current_files(Path(directory), FILES))
