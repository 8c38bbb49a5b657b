"""Checkpoints as other programs write them: one table for both readers, Python's and the playground's.

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

HEAD, EMBEDDING = "lm_head.weight", "wte.weight"


@dataclass(frozen=True)
class Foreign:
    """A way to write a checkpoint.

    Attributes:
        tensors: changes the tensors, name → array.
        config: changes of config.json.
        loads: whether it holds the same model.
    """

    tensors: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = lambda tensors: tensors
    config: dict[str, Any] = field(default_factory=dict)
    loads: bool = True

    def files(self, model: ModelConfig, weights: Arrays) -> tuple[bytes, bytes]:
        """config.json and model.safetensors of a model."""
        config = to_gpt2_config(model) | self.config
        return json.dumps(config).encode(), save(self.tensors(dict(weights)))


def _prefixed(prefix: str) -> Foreign:
    return Foreign(lambda tensors: {f"{prefix}{name}": array for name, array in tensors.items()})


def _with_masks(dtype: type) -> Foreign:
    mask = np.tril(np.ones((1, 1, 8, 8))).astype(dtype)
    return Foreign(
        lambda tensors: tensors | {"h.0.attn.bias": mask, "h.0.attn.masked_bias": np.array(-1e4, np.float32)}
    )


def _head_alone(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {HEAD if name == EMBEDDING else f"transformer.{name}": array for name, array in tensors.items()}


FOREIGN = {
    "as it is": Foreign(),
    "GPT2LMHeadModel": _prefixed("transformer."),
    "torch.compile": _prefixed("_orig_mod.transformer."),
    "DataParallel": _prefixed("module.transformer."),
    "both": _prefixed("module._orig_mod."),
    "head beside the embedding": Foreign(lambda tensors: tensors | {HEAD: tensors[EMBEDDING].copy()}),
    "head alone, as safetensors writes tied weights": Foreign(_head_alone),
    "masks of float32": _with_masks(np.float32),
    "masks of booleans": _with_masks(np.bool_),
    "masks of bytes": _with_masks(np.uint8),
    "float16": Foreign(lambda tensors: {name: array.astype(np.float16) for name, array in tensors.items()}),
    "gelu_pytorch_tanh": Foreign(config={"activation_function": "gelu_pytorch_tanh"}),
    "gelu_fast": Foreign(config={"activation_function": "gelu_fast"}),
    "relu": Foreign(config={"activation_function": "relu"}, loads=False),
    "exact GELU": Foreign(config={"activation_function": "gelu"}, loads=False),
    "a head of its own": Foreign(lambda tensors: tensors | {HEAD: tensors[EMBEDDING] + 1}, loads=False),
    "untied": Foreign(config={"tie_word_embeddings": False}, loads=False),
    "neither embedding nor head": Foreign(
        lambda tensors: {name: array for name, array in tensors.items() if name != EMBEDDING}, loads=False
    ),
    "another vocabulary": Foreign(config={"vocab_size": 50257}, loads=False),
}
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab\nsize 12345\n"
