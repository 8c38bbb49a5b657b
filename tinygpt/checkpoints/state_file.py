"""training_state.json: format, settings, the run's state, and the SHA-256 of the other files and of its own contents.

So a damaged or exchanged file is detected.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tinygpt.checkpoints.layout import (
    ADAPTER,
    ADAPTER_CONFIG,
    BASE_CONFIG,
    CONFIG,
    OPTIMIZER,
    STATE,
    TOKENIZER_CONFIG,
    WEIGHTS,
    is_adapter,
)
from tinygpt.checkpoints.tensorfile import require_whole
from tinygpt.checkpoints.training_state import TrainingState
from tinygpt.config import TrainConfig
from tinygpt.errors import CheckpointError
from tinygpt.system.files import write_file
from tinygpt.system.json_records import json_bytes, read_json, record_from_json
from tinygpt.system.memory import require_memory
from tinygpt.tokenizers.files import TOKENIZER

FORMAT = "tinygpt-checkpoint"
# 1 had no hash of config.json and of the state itself, 2 no settings of the command, 3 no tokenizer, 4 nothing frozen,
# 5 no loss before the first step, and config.json in the folder of an adapter
FORMAT_VERSION = 6

_HASHED = (CONFIG, WEIGHTS, ADAPTER, ADAPTER_CONFIG, BASE_CONFIG, TOKENIZER, TOKENIZER_CONFIG, OPTIMIZER)
_TENSORS = (WEIGHTS, ADAPTER, OPTIMIZER)
_CHECKSUM = "checksum"


def write_state(folder: Path, train: TrainConfig, training: TrainingState | None) -> None:
    """Write the state of the other files in a folder, which are there; raise an OSError if the file system refuses."""
    state = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "train": asdict(train),
        "training": None if training is None else asdict(training),
        "sha256": {name: _sha256(folder / name) for name in _HASHED if (folder / name).exists()},
    }
    write_file(folder / STATE, [json_bytes(state | {_CHECKSUM: _checksum(state)})])


def read_state(folder: Path, files: Mapping[str, Path], weights_only: bool) -> dict[str, Any] | None:
    """Read a folder's state, and check format, version, and that the other files are those it was written with.

    Args:
        folder: for messages.
        files: the folder's files by name.
        weights_only: leave AdamW's state unread.

    Raises:
        CheckpointError: the state is damaged or of a newer format, or another file is not the one that it names.
    """
    if STATE not in files:
        return None
    source, state = folder / STATE, read_json(files[STATE])
    if state.get("format") != FORMAT:
        raise CheckpointError(f"{source} has format {state.get('format')!r}", repr(FORMAT))
    version = state.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= FORMAT_VERSION:
        problem = f"{source} has format version {version!r}"
        raise CheckpointError(problem, f"1 to {FORMAT_VERSION}", "git pull, or install the version that wrote it")
    needed = {ADAPTER, ADAPTER_CONFIG} if is_adapter(files) else {WEIGHTS}
    shape = BASE_CONFIG if is_adapter(files) and version > 5 else CONFIG
    needed |= {*([shape] if version > 1 else []), *([TOKENIZER, TOKENIZER_CONFIG] if version > 3 else [])}
    digests = state.get("sha256")
    if not isinstance(digests, dict) or set(digests) - {OPTIMIZER} != needed:
        raise CheckpointError(
            f"{source} lists no SHA-256 of the other files", f"one for {' and '.join(sorted(needed))}"
        )
    if version > 1 and not _is_sound(state):
        problem = f"{source} is damaged: its contents do not have its checksum"
        raise CheckpointError(problem, "the file as it was saved")
    for name, digest in digests.items():
        if not (weights_only and name == OPTIMIZER):
            _require_digest(folder / name, files.get(name, folder / name), str(digest))
    return state


def settings_of(state: Mapping[str, Any], folder: Path) -> tuple[TrainConfig, TrainingState | None]:
    """Return the settings and the run's state in a state that was read; raise a CheckpointError if one is invalid."""
    source, older = str(folder / STATE), state["format_version"] < FORMAT_VERSION
    train = record_from_json(TrainConfig, state.get("train"), "train", source, defaults=older)
    training = state.get("training")
    if training is not None:
        training = record_from_json(TrainingState, training, "training", source, defaults=older)
    return train, training


def _require_digest(shown: Path, path: Path, digest: str) -> None:
    (require_whole if shown.name in _TENSORS else read_json)(path)  # before its hash: it may be of any size
    try:
        require_memory(path.stat().st_size, str(path), "a machine with more memory")
        actual = _sha256(path)
    except OSError as error:
        problem = f"cannot read {path} ({error.strerror or error})"
        raise CheckpointError(problem, "a regular file", f"ls -l {path}") from None
    if actual != digest:
        raise CheckpointError(
            f"{shown} is damaged or not the file that {STATE} was written with "
            f"(its SHA-256 is {actual[:12]}…, not {digest[:12]}…)",
            f"the file as it was saved; without {STATE} and {OPTIMIZER}, {WEIGHTS} is read on its own",
        )


def _is_sound(state: Mapping[str, Any]) -> bool:
    try:
        return state.get(_CHECKSUM) == _checksum(state)
    except RecursionError:  # nested deeper than any state that we write
        return False


def _checksum(state: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a training state's contents, independent of white space."""
    return hashlib.sha256(json_bytes({key: value for key, value in state.items() if key != _CHECKSUM})).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
