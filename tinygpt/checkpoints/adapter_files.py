"""LoRA adapters as PEFT saves them: adapter_config.json and adapter_model.safetensors.

PEFT names a tensor by the class that it wraps, and stores it output-first:

    h.0.attn.c_attn.lora_A (I, r)  ↔  base_model.model.transformer.h.0.attn.c_attn.lora_A.weight (r, I)

Format: https://huggingface.co/docs/peft/developer_guides/checkpoint
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygpt.checkpoints.layout import ADAPTER, ADAPTER_CONFIG
from tinygpt.checkpoints.tensorfile import read_tensors, write_tensors
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.lora import MODULES, Lora
from tinygpt.params import Arrays
from tinygpt.system.json_records import read_json

_PREFIX = "base_model.model.transformer."
_NAME = re.compile(
    r"(?:base_model\.model\.)?(?:transformer\.)?"
    r"(h\.\d+\.(?:" + "|".join(map(re.escape, MODULES)) + r")\.lora_[AB])(?:\.default)?\.weight"
)
# What another adapter may do beside A and B, by its key in adapter_config.json; ours is off.
_OTHERS = (
    "use_dora", "use_rslora", "use_qalora", "lora_bias", "modules_to_save", "rank_pattern", "alpha_pattern",
    "layers_to_transform", "trainable_token_indices", "target_parameters", "megatron_config",
)  # fmt: skip
_RUN = "peft's LoraConfig with r, lora_alpha and target_modules alone"


@dataclass(frozen=True)
class AdapterConfig:
    """The contents of adapter_config.json.

    Attributes:
        rank: r.
        alpha: α.
        base: the base's folder or name on the hub, if the file names it.
    """

    rank: int
    alpha: float
    base: str | None


def to_adapter_config(lora: Lora, base: str | None) -> dict[str, Any]:
    """Return the contents of adapter_config.json; ``fan_in_fan_out`` because GPT-2's weights are input-first."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": lora.rank,
        "lora_alpha": int(lora.alpha) if lora.alpha == int(lora.alpha) else lora.alpha,
        "lora_dropout": 0.0,
        "target_modules": [*lora.on],
        "fan_in_fan_out": True,
        "bias": "none",
        "inference_mode": True,
        "init_lora_weights": True,
    }


def read_adapter_config(path: Path) -> AdapterConfig:
    """Read the file of an adapter, ours or PEFT's; refuse what is more than A and B.

    Raises:
        CheckpointError: it is missing or damaged, or of another kind of adapter.
    """
    config = read_json(path)
    if config.get("peft_type") != "LORA":
        raise CheckpointError(f"{path} has peft_type {config.get('peft_type')!r:.60}", "'LORA'", _RUN)
    for key in _OTHERS:
        if config.get(key):
            raise CheckpointError(f"{path} has {key} {config[key]!r:.60}", "an adapter of A and B alone", _RUN)
    if config.get("bias", "none") != "none":
        raise CheckpointError(f"{path} has bias {config['bias']!r:.60}", "'none'", _RUN)
    base = config.get("base_model_name_or_path")
    try:
        lora = Lora(config.get("r", 8), config.get("lora_alpha", 8))
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error.problem}", error.allowed, _RUN) from None
    return AdapterConfig(lora.rank, lora.alpha, base if isinstance(base, str) and base else None)


def write_adapter(path: Path, adapter: Mapping[str, np.ndarray]) -> None:
    """Write adapter_model.safetensors; raise an OSError if the file system refuses."""
    tensors = {f"{_PREFIX}{name}.weight": np.asarray(array, np.float32).T for name, array in adapter.items()}
    write_tensors(path, tensors, {"format": "pt"})


def read_adapter(files: Mapping[str, Path], config: AdapterConfig) -> tuple[Lora, Arrays]:
    """Read an adapter's arrays under our names; the layers that it is on follow from them. Shapes are not checked.

    Raises:
        CheckpointError: the file is missing or damaged, or has a tensor for another layer.
    """
    path = files.get(ADAPTER, files[ADAPTER_CONFIG].parent / ADAPTER)
    tensors, _ = read_tensors(path)
    adapter: Arrays = {}
    for stored, array in tensors.items():
        found = _NAME.fullmatch(stored)
        if found is None:
            allowed = f"lora_A and lora_B of {', '.join(MODULES)}"
            raise CheckpointError(f"tensor {stored!r:.90} of {path} is of another layer", allowed, _RUN)
        adapter[found[1]] = np.ascontiguousarray(array.T)
    on = tuple(module for module in MODULES if any(f".{module}.lora_" in name for name in adapter))
    if not on:
        raise CheckpointError(f"{path} holds no tensor", "an adapter's A and B", _RUN)
    return Lora(config.rank, config.alpha, on), adapter


def weights_sha256(weights: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of weights in their order, which identifies an adapter's base."""
    digest = hashlib.sha256()
    for name, array in weights.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array, "<f4").data)
    return digest.hexdigest()
