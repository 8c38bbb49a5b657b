"""Safetensors files: eight bytes of header length, a JSON header, then the tensors' bytes. Data, never code.

The safetensors library validates the header; then plain reads fetch each tensor. The library's NumPy side has no
bfloat16, and a memory map kills the process with a signal if the file shrinks.
Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open

from tinygpt.errors import CheckpointError
from tinygpt.params import Arrays
from tinygpt.system.files import LFS_POINTER, require_regular, write_file
from tinygpt.system.memory import require_memory

# Stored type → NumPy type of its bytes, and the types for writing. bfloat16 is the upper half of a float32.
_STORED_AS = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8"}
_WRITTEN_AS = {np.dtype(np.float64): "F64"}  # anything else is written as float32
_LENGTH_BYTES = 8
_ALIGNMENT = 8


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write tensors in order and flush them to disk: float64 unchanged, all others as float32.

    Raises:
        OSError: the file system refused.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, tensor in tensors.items():
        stored = _WRITTEN_AS.get(tensor.dtype, "F32")
        start, end = end, end + np.dtype(_STORED_AS[stored]).itemsize * tensor.size
        header[name] = {"dtype": stored, "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)

    def chunks() -> Iterator[bytes | memoryview]:
        yield len(text).to_bytes(_LENGTH_BYTES, "little") + text
        for name, tensor in tensors.items():
            stored = _STORED_AS[header[name]["dtype"]]
            yield np.ascontiguousarray(tensor, stored).reshape(-1).data.cast("B") if tensor.size else b""

    write_file(path, chunks())


def read_tensors(
    path: Path, wanted: Callable[[str], bool] = lambda _name: True, *, keep_double: bool = False
) -> tuple[Arrays, dict[str, str]]:
    """Read the floating-point tensors of a file, of any stored precision.

    Args:
        path: the file.
        wanted: selects the names to read.
        keep_double: leave float64 unchanged.

    Returns:
        name → float32 array, and the file's metadata.

    Raises:
        CheckpointError: the file is missing, unreadable, truncated, not safetensors, or has another type of tensor.
        CapacityError: the tensors do not fit into memory.
    """
    require_whole(path)
    with _refusals(path):
        header, metadata, _ = _read_header(path)
        numbers = sum(math.prod(entry["shape"]) for name, entry in header.items() if wanted(name))
    require_memory(4 * numbers, f"{path}", "a machine with more memory")
    return dict(each_tensor(path, wanted, keep_double=keep_double)), metadata


def each_tensor(
    path: Path, wanted: Callable[[str], bool] = lambda _name: True, *, keep_double: bool = False
) -> Iterator[tuple[str, np.ndarray]]:
    """Read a file's tensors one by one as :func:`read_tensors` does: name and array."""
    require_whole(path)
    with _refusals(path), path.open("rb") as file:
        header, _, data_start = _read_header(path)
        for name, entry in header.items():
            if wanted(name):
                yield name, _read_tensor(file, path, data_start, name, entry, keep_double)


def read_metadata(path: Path) -> dict[str, str]:
    """Return a file's metadata; raise a CheckpointError as :func:`read_tensors` does."""
    require_whole(path)
    with _refusals(path):
        return _read_header(path)[1]


def _read_header(path: Path) -> tuple[dict[str, Any], dict[str, str], int]:
    """Return a file's entries by name, its metadata, and where the tensors begin."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        header: dict[str, Any] = json.loads(file.read(length))
    return header, header.pop("__metadata__", None) or {}, _LENGTH_BYTES + length


def require_whole(path: Path) -> None:
    """Check a file's header (length, JSON, types, shapes, offsets), and its size against that; no tensor is read.

    Raises:
        CheckpointError: as in :func:`read_tensors`.
    """
    with _refusals(path):
        require_regular(path)
        with path.open("rb") as file:
            if file.read(len(LFS_POINTER)) == LFS_POINTER:
                raise CheckpointError(
                    f"{path} is a Git LFS pointer, not the file that it points to", "the file itself", "git lfs pull"
                )
        with safe_open(path, "numpy"):
            pass


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Raise what reading a file may raise as a CheckpointError."""
    try:
        yield
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing", "a folder with all its files") from None
    except (SafetensorError, ValueError, RecursionError) as error:
        problem = f"{path} is not a whole safetensors file ({error})"
        raise CheckpointError(problem, "a file written by invoke train or by save_pretrained") from None
    except OSError as error:
        problem = f"cannot read {path} ({error.strerror or error})"
        raise CheckpointError(problem, "a regular file", f"ls -l {path}") from None


def _read_tensor(
    file: BinaryIO, path: Path, data_start: int, name: str, entry: dict[str, Any], keep_double: bool
) -> np.ndarray:
    if entry["dtype"] not in _STORED_AS:
        raise CheckpointError(f"tensor {name!r} of {path} holds {entry['dtype']}", ", ".join(_STORED_AS))
    stored = np.dtype(_STORED_AS[entry["dtype"]])
    file.seek(data_start + entry["data_offsets"][0])
    raw = np.fromfile(file, stored, count=math.prod(entry["shape"]))
    if raw.size != math.prod(entry["shape"]):
        raise CheckpointError(f"tensor {name!r} of {path} is truncated", "the whole file")
    if entry["dtype"] == "BF16":
        bits = raw.astype(np.uint32)
        bits <<= 16
        raw = bits.view(np.float32)
    wanted = np.float64 if keep_double and entry["dtype"] == "F64" else np.float32
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, which the caller refuses
        return raw.astype(wanted, copy=False).reshape(entry["shape"])
