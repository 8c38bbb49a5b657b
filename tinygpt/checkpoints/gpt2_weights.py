"""Weights that transformers wrote, under our names: one safetensors file, or several with an index.

Prefixes that depend on the class or wrapper that saved the model are removed, and so are the masks of older versions.
The output head is tied to the token embedding: it must be equal and is dropped. If a file has only the head, as
safetensors' own helper writes it, the head is the embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path, PurePath

import numpy as np

from tinygpt.checkpoints.layout import INDEX, WEIGHTS
from tinygpt.checkpoints.tensorfile import read_tensors
from tinygpt.errors import CheckpointError
from tinygpt.params import Arrays
from tinygpt.system.json_records import read_json

_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_CONVERT = "GPT2LMHeadModel.from_pretrained(NAME).save_pretrained(DIR) in transformers writes it, if you trust the file"

_PREFIXES = ("_orig_mod.", "module.", "transformer.")  # of torch.compile, DataParallel and GPT2LMHeadModel
_HEAD = "lm_head.weight"
_MASKS = (".attn.bias", ".attn.masked_bias")


def read_gpt2_weights(folder: Path) -> Arrays:
    """Read the float32 parameters of a folder, ours or from ``save_pretrained``; names and shapes are not checked.

    Raises:
        CheckpointError: a file is missing, damaged or a pickle, a parameter occurs twice, or the head is not tied.
    """
    if not (folder / WEIGHTS).exists() and (folder / INDEX).exists():
        return _tied(_read_shards(folder), folder / INDEX)
    if not (folder / WEIGHTS).exists():
        refuse_pickles({name for name in _PICKLES if (folder / name).exists()}, str(folder))
    return _tied(_read_file(folder / WEIGHTS, lambda _name: True), folder / WEIGHTS)


def refuse_pickles(names: Collection[str], source: str) -> None:
    """Raise a CheckpointError if one of these files, all without safetensors, is a pickle: data is read, never code."""
    for name in _PICKLES:
        if name in names:
            problem = f"{source}/{name} is a pickle, which may run code when it is read"
            raise CheckpointError(problem, f"{WEIGHTS}: data, never code", _CONVERT)


def shard_names(folder: Path) -> tuple[str, ...]:
    """Return the names of the files in an index.

    Raises:
        CheckpointError: the index is missing or damaged, or names anything but safetensors files beside it.
    """
    return tuple(sorted(set(_places(folder).values())))


def _read_file(path: Path, wanted: Callable[[str], bool]) -> Arrays:
    return read_tensors(path, lambda name: wanted(name) and not name.endswith(_MASKS))[0]


def _read_shards(folder: Path) -> Arrays:
    """Read the parameters in an index from the files that it names."""
    places = _places(folder)
    tensors: Arrays = {}
    for place in shard_names(folder):
        names = {name for name, file in places.items() if file == place}
        tensors |= _read_file(folder / place, names.__contains__)
    missing = sorted(name for name in places if name not in tensors and not name.endswith(_MASKS))
    if missing:
        raise CheckpointError(
            f"parameter {missing[0]!r} is not in {folder / places[missing[0]]}", f"it in the file that {INDEX} names"
        )
    return tensors


def _places(folder: Path) -> dict[str, str]:
    """Read an index: parameter → file."""
    places = read_json(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise CheckpointError(f"{folder / INDEX} has no weight_map", "an object: parameter to file")
    for place in places.values():
        if PurePath(place).name != place or "\\" in place or not place.endswith(".safetensors"):
            raise CheckpointError(f"{folder / INDEX} names the file {place!r:.60}", "safetensors files beside it")
    return places


def _tied(stored: Arrays, source: Path) -> Arrays:
    """Rename stored parameters to our names, and drop the head."""
    weights: Arrays = {}
    for name, array in stored.items():
        short = _short(name)
        if short in weights:
            raise CheckpointError(f"{source} holds parameter {short!r} twice", "one tensor per parameter")
        weights[short] = array
    head = weights.pop(_HEAD, None)
    if head is not None and not np.array_equal(head, weights.setdefault("wte.weight", head)):
        raise CheckpointError(f"{_HEAD} of {source} differs from wte.weight", "an output head tied to the embedding")
    return weights


def _short(name: str) -> str:
    """Return a parameter's own name: ``_orig_mod.transformer.h.0.ln_1.bias`` → ``h.0.ln_1.bias``."""
    while prefix := next(filter(name.startswith, _PREFIXES), None):
        name = name.removeprefix(prefix)
    return name
