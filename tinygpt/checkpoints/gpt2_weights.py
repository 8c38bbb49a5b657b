"""Weights as transformers writes them, brought under our names: one safetensors file, or several with an index.

Prefixes that depend on which class saved the model, or on what it was wrapped in, come off; the masks that older
versions stored are left out. The output head is the token embedding, to which it is tied: it is dropped once the two
have been found to be equal, and taken for it where a file holds the head alone, as safetensors' own helper writes it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePath

import numpy as np

from tinygpt.checkpoints.layout import WEIGHTS
from tinygpt.checkpoints.tensorfile import read_tensors
from tinygpt.errors import CheckpointError
from tinygpt.params import Arrays
from tinygpt.system.json_records import read_json

INDEX = "model.safetensors.index.json"
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")

_PREFIXES = ("_orig_mod.", "module.", "transformer.")  # of torch.compile, DataParallel and GPT2LMHeadModel
_HEAD = "lm_head.weight"
_MASKS = (".attn.bias", ".attn.masked_bias")


def read_gpt2_weights(folder: Path) -> Arrays:
    """The parameters of a folder that ``save_pretrained`` or we wrote, float32, names and shapes unchecked.

    Raises:
        CheckpointError: a file is missing, damaged or a pickle, a parameter is there twice, or the head is not tied.
    """
    if not (folder / WEIGHTS).exists() and (folder / INDEX).exists():
        return _tied(_read_shards(folder), folder / INDEX)
    if not (folder / WEIGHTS).exists():
        for name in _PICKLES:
            if (folder / name).exists():
                raise CheckpointError(
                    f"{folder / name} is a pickle, which may run code when it is read",
                    f"{WEIGHTS}, as save_pretrained of a newer transformers writes it",
                )
    return _tied(_read_file(folder / WEIGHTS, lambda _name: True), folder / WEIGHTS)


def _read_file(path: Path, wanted: Callable[[str], bool]) -> Arrays:
    return read_tensors(path, lambda name: wanted(name) and not name.endswith(_MASKS))[0]


def _read_shards(folder: Path) -> Arrays:
    """What the index says, from where it says."""
    index = read_json(folder / INDEX)
    places = index.get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise CheckpointError(f"{folder / INDEX} has no weight_map", "an object: parameter to file")
    tensors: Arrays = {}
    for place in sorted(set(places.values())):
        if PurePath(place).name != place or "\\" in place or not place.endswith(".safetensors"):
            raise CheckpointError(f"{folder / INDEX} names the file {place!r:.60}", "safetensors files beside it")
        names = {name for name, found in places.items() if found == place}
        tensors |= _read_file(folder / place, names.__contains__)
    missing = sorted(name for name in places if name not in tensors and not name.endswith(_MASKS))
    if missing:
        raise CheckpointError(
            f"parameter {missing[0]!r} is not in {folder / places[missing[0]]}", f"where {INDEX} says that it is"
        )
    return tensors


def _tied(stored: Arrays, source: Path) -> Arrays:
    """Our names for what was stored, without the head."""
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
    """A parameter's own name: ``_orig_mod.transformer.h.0.ln_1.bias`` → ``h.0.ln_1.bias``."""
    while found := next(filter(name.startswith, _PREFIXES), None):
        name = name.removeprefix(found)
    return name
