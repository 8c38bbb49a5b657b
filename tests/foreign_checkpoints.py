"""Checkpoints as other programs write them, and damaged ones: one table for Python's reader and the playground's.

A case changes what ``save_pretrained`` would write for a tied GPT-2, and says whether it is still the same model.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from safetensors.numpy import save

from tinygpt.checkpoints.gpt2_config import to_gpt2_config
from tinygpt.config import ModelConfig
from tinygpt.params import Arrays

HEAD, EMBEDDING, BIAS = "lm_head.weight", "wte.weight", "ln_f.bias"
_TYPES: dict[str, type[np.generic]] = {
    "F16": np.float16, "F32": np.float32, "F64": np.float64, "I64": np.int64, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip

Tensors = dict[str, np.ndarray]
Header = dict[str, Any]


@dataclass(frozen=True)
class Foreign:
    """A way to write a checkpoint.

    Attributes:
        tensors: changes the tensors, name → array.
        config: changes of config.json.
        damage: changes the safetensors file.
        rounded: the values that are left of an array.
        words: of the playground's refusal; empty if it is the same model.
    """

    tensors: Callable[[Tensors], Tensors] = lambda tensors: tensors
    config: dict[str, Any] = field(default_factory=dict)
    damage: Callable[[bytes], bytes] = lambda file: file
    rounded: Callable[[np.ndarray], np.ndarray] = lambda array: array
    words: str = ""

    @property
    def loads(self) -> bool:
        """True if the files hold the same model."""
        return not self.words

    def files(self, model: ModelConfig, weights: Arrays) -> tuple[bytes, bytes]:
        """config.json and model.safetensors of a model."""
        config = to_gpt2_config(model) | self.config
        return json.dumps(config).encode(), self.damage(save(self.tensors(dict(weights))))


# ---- tensors -------------------------------------------------------------------------------------------------------


def _prefixed(prefix: str) -> Foreign:
    return Foreign(lambda tensors: {f"{prefix}{name}": array for name, array in tensors.items()})


def _with_masks(stored: str) -> Foreign:
    mask = np.tril(np.ones((1, 1, 8, 8))).astype(_TYPES[stored])
    return Foreign(
        lambda tensors: tensors | {"h.0.attn.bias": mask, "h.0.attn.masked_bias": np.array(-1e4, np.float32)}
    )


def _head_alone(tensors: Tensors) -> Tensors:
    return {HEAD if name == EMBEDDING else f"transformer.{name}": array for name, array in tensors.items()}


def _stored_as(stored: str, words: str = "") -> Foreign:
    dtype = _TYPES[stored]

    def rounded(array: np.ndarray) -> np.ndarray:
        return array.astype(dtype).astype(np.float32)

    return Foreign(
        lambda tensors: {name: array.astype(dtype) for name, array in tensors.items()}, rounded=rounded, words=words
    )


# ---- the file's bytes ----------------------------------------------------------------------------------------------


def _parts(file: bytes) -> tuple[Header, bytes]:
    start = 8 + int.from_bytes(file[:8], "little")
    return json.loads(file[8:start]), file[start:]


def _joined(header: bytes, data: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + data


def _edited(words: str, change: Callable[[Header], object]) -> Foreign:
    """Change the header, and leave the data as they are."""

    def damage(file: bytes) -> bytes:
        header, data = _parts(file)
        change(header)
        return _joined(json.dumps(header).encode(), data)

    return Foreign(damage=damage, words=words)


def _bias(words: str, **entry: object) -> Foreign:
    return _edited(words, lambda header: header[BIAS].update(entry))


def _truncated_to_bfloat16(file: bytes) -> bytes:
    """Store the upper half of every number."""
    header, data = _parts(file)
    for entry in header.values():
        entry["dtype"] = "BF16"
        entry["data_offsets"] = [offset // 2 for offset in entry["data_offsets"]]
    return _joined(json.dumps(header).encode(), np.frombuffer(data, "<u2")[1::2].tobytes())


def _upper_half(array: np.ndarray) -> np.ndarray:
    return (array.view(np.uint32) & 0xFFFF0000).view(np.float32)


def _named_twice(file: bytes) -> bytes:
    """Write an entry twice, each with data of its own."""
    header, data = _parts(file)
    size = header[BIAS]["data_offsets"][1] - header[BIAS]["data_offsets"][0]
    second = header[BIAS] | {"data_offsets": [len(data), len(data) + size]}
    text = json.dumps(header)[:-1] + f', "{BIAS}": {json.dumps(second)}}}'
    return _joined(text.encode(), data + bytes(size))


def _shifted(by: int) -> Callable[[Header], object]:
    """Move the place of the last bias."""

    def change(header: Header) -> None:
        header[BIAS]["data_offsets"] = [offset + by for offset in header[BIAS]["data_offsets"]]

    return change


def _renamed(header: Header) -> None:
    header["x"] = header.pop(BIAS)


def _reversed_offsets(header: Header) -> None:
    header[BIAS]["data_offsets"].reverse()


def _with_words(words: str, tensors: Callable[[Tensors], Tensors]) -> Foreign:
    return Foreign(tensors, words=words)


FOREIGN = {
    "as it is": Foreign(),
    "GPT2LMHeadModel": _prefixed("transformer."),
    "torch.compile": _prefixed("_orig_mod.transformer."),
    "DataParallel": _prefixed("module.transformer."),
    "both": _prefixed("module._orig_mod."),
    "head beside the embedding": Foreign(lambda tensors: tensors | {HEAD: tensors[EMBEDDING].copy()}),
    "head alone, as safetensors writes tied weights": Foreign(_head_alone),
    **{f"masks of {stored}": _with_masks(stored) for stored in _TYPES},
    "float16": _stored_as("F16"),
    "bfloat16": Foreign(damage=_truncated_to_bfloat16, rounded=_upper_half),
    "float64": _stored_as("F64"),
    "gelu_pytorch_tanh": Foreign(config={"activation_function": "gelu_pytorch_tanh"}),
    "gelu_fast": Foreign(config={"activation_function": "gelu_fast"}),
    # the configuration
    "relu": Foreign(config={"activation_function": "relu"}, words='activation_function "relu"'),
    "exact GELU": Foreign(config={"activation_function": "gelu"}, words='activation_function "gelu"'),
    "no activation": Foreign(config={"activation_function": None}, words="activation_function null"),
    "untied": Foreign(config={"tie_word_embeddings": False}, words="tie_word_embeddings false"),
    "neither tied nor untied": Foreign(config={"tie_word_embeddings": None}, words="tie_word_embeddings null"),
    "another vocabulary": Foreign(config={"vocab_size": 50257}, words="makes it 50257"),
    "a norm's constant that is true": Foreign(config={"layer_norm_epsilon": True}, words="layer_norm_epsilon"),
    "a norm's constant in words": Foreign(config={"layer_norm_epsilon": "1e-5"}, words="layer_norm_epsilon"),
    "a norm's constant of 0": Foreign(config={"layer_norm_epsilon": 0}, words="layer_norm_epsilon"),
    "another inner width": Foreign(config={"n_inner": 7}, words="n_inner 7"),
    "more layers": Foreign(config={"n_layer": 7}, words="describes 88"),
    "absurdly wide": Foreign(config={"n_embd": 10**9}, words="n_embd 1000000000"),
    "heads that do not fit": Foreign(config={"n_head": 3}, words="does not divide"),
    # tensors
    "a head of its own": _with_words("tied heads only", lambda tensors: tensors | {HEAD: tensors[EMBEDDING] + 1}),
    "a head lying on its side": _with_words(
        "tied heads only", lambda tensors: tensors | {HEAD: np.ascontiguousarray(tensors[EMBEDDING].T)}
    ),
    "neither embedding nor head": _with_words(
        "parameters; config.json describes", lambda tensors: {n: a for n, a in tensors.items() if n != EMBEDDING}
    ),
    "a parameter under two names": _with_words(
        f'parameter "{BIAS}" twice', lambda tensors: tensors | {f"transformer.{BIAS}": tensors[BIAS] + 1}
    ),
    "an unknown parameter": _with_words(
        "parameters; config.json describes", lambda tensors: tensors | {"h.0.attn.gate": tensors[BIAS]}
    ),
    "not finite": _with_words("not finite", lambda tensors: tensors | {BIAS: tensors[BIAS] * np.float32(np.nan)}),
    "more than float32 can hold": _with_words(
        "not finite", lambda tensors: tensors | {BIAS: np.full(tensors[BIAS].shape, 1e300)}
    ),
    "whole numbers": _stored_as("I64", "holds I64"),
    "bytes": _stored_as("U8", "holds U8"),
    "booleans": _stored_as("BOOL", "holds BOOL"),
    # the file
    "empty": Foreign(damage=lambda _file: b"", words="less than 8 bytes"),
    "a picture": Foreign(damage=lambda _file: b"\x89PNG\r\n\x1a\n" + bytes(500), words="header is longer than"),
    "no JSON": Foreign(damage=lambda file: _joined(b"<script>alert(1)</sc", file[8:]), words="header is not JSON"),
    "a list for a header": Foreign(damage=lambda file: _joined(b"[1, 2]", b""), words="header is not an object"),
    "half a header": Foreign(damage=lambda file: file[:40], words="header is longer than the file"),
    "truncated": Foreign(damage=lambda file: file[:-1], words="cut short"),
    "too long": Foreign(damage=lambda file: file + b"\0", words="belong to no tensor"),
    "a name twice in the header": Foreign(damage=_named_twice, words="leave a gap or overlap"),
    "overlapping offsets": _edited("leave a gap or overlap", _shifted(-4)),
    "offsets beyond the end": _edited("cut short", _shifted(10**9)),
    "negative offsets": _edited("header is damaged", _shifted(-(10**9))),
    "offsets the wrong way round": _edited("bytes.", _reversed_offsets),
    "offsets in words": _bias("header is damaged", data_offsets=["0", "8"]),
    "one offset": _bias("header is damaged", data_offsets=[0]),
    "an enormous shape": _bias("has shape", shape=[2**40, 2**40]),
    "a negative shape": _bias("header is damaged", shape=[-1]),
    "another shape": _edited("config.json makes it", lambda header: header[BIAS]["shape"].append(1)),
    "a type of whole numbers": _bias("holds I32", dtype="I32"),
    "an unknown type": _bias("holds F128", dtype="F128"),
    "another name": _edited(f'no parameter "{BIAS}"', _renamed),
}
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab\nsize 12345\n"
