"""config.json: conversion between ModelConfig and the configuration of transformers' GPT2LMHeadModel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError, ConfigError

# Values for which our layers compute the same function, and transformers' defaults for missing keys.
_FIXED: dict[str, tuple[Any, Any]] = {  # key: (required, default)
    "model_type": ("gpt2", None),
    "tie_word_embeddings": (True, True),
    "scale_attn_weights": (True, True),
    "scale_attn_by_inverse_layer_idx": (False, False),
    "add_cross_attention": (False, False),
}
_SIZES = {"n_layers": "n_layer", "d_model": "n_embd", "n_heads": "n_head", "context_length": "n_positions"}
_DEFAULT_EPS = 1e-5
_DEFAULT_VOCABULARY = 50257
_TANH_GELUS = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast")  # three implementations of one function
_DROPOUTS = {"embd_pdrop": True, "resid_pdrop": True, "attn_pdrop": False}  # key: TinyGPT has dropout there
_DEFAULT_DROPOUT, _HIGHEST_DROPOUT = 0.1, 0.9
_ANOTHER = "the same command with another model: this one computes something else than TinyGPT"


def to_gpt2_config(model: ModelConfig, dropout: float = 0.0) -> dict[str, Any]:
    """Return the contents of config.json, with the dropout rate for further training.

    Bytes have no begin or end token, and texts go on until they are cut: hence the explicit nulls.
    """
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": model.vocab_size,
        "n_positions": model.context_length,
        "n_ctx": model.context_length,
        "n_embd": model.d_model,
        "n_layer": model.n_layers,
        "n_head": model.n_heads,
        "n_inner": None,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": model.layer_norm_eps,
        **{key: dropout if ours else 0.0 for key, ours in _DROPOUTS.items()},
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
        "scale_attn_weights": True,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
        "dtype": "float32",
        "use_cache": True,
    }


def from_gpt2_config(config: Mapping[str, Any], source: str) -> ModelConfig:
    """Read a parsed config.json; refuse every model that our layers would compute differently.

    Raises:
        CheckpointError: names the source, the first wrong key, its value and the allowed value.
    """
    for key, (required, missing) in _FIXED.items():
        value = config.get(key, missing)
        if type(value) is not type(required) or value != required:
            raise CheckpointError(f"{source} has {key} {value!r}", repr(required), _ANOTHER)
    activation = config.get("activation_function", _TANH_GELUS[0])
    if activation not in _TANH_GELUS:
        problem = f"{source} has activation_function {activation!r:.60}"
        raise CheckpointError(problem, ", ".join(_TANH_GELUS), _ANOTHER)
    eps = config.get("layer_norm_epsilon", _DEFAULT_EPS)
    if isinstance(eps, bool) or not isinstance(eps, int | float):
        raise CheckpointError(f"{source} has layer_norm_epsilon {eps!r}", "a number above 0", _ANOTHER)
    sizes: dict[str, Any] = {field: config.get(key) for field, key in _SIZES.items()}
    try:
        model = ModelConfig(**sizes, vocab_size=config.get("vocab_size", _DEFAULT_VOCABULARY), layer_norm_eps=eps)
    except ConfigError as error:
        raise CheckpointError(f"{source} does not describe a model: {error}") from None
    if config.get("n_inner") not in (None, model.d_hidden):
        problem = f"{source} has n_inner {config['n_inner']!r}"
        raise CheckpointError(problem, f"null or {model.d_hidden}, 4 times n_embd", _ANOTHER)
    return model


def dropout_of(config: Mapping[str, Any]) -> float:
    """Return the dropout rate of a configuration that TinyGPT can train with: one rate, and 0 on attention weights.

    Return 0 for a configuration with other dropout, such as transformers' default.
    """
    rates = {key: config.get(key, _DEFAULT_DROPOUT) for key in _DROPOUTS}
    rate = rates["resid_pdrop"]
    same = all(value == (rate if _DROPOUTS[key] else 0) for key, value in rates.items())
    possible = isinstance(rate, int | float) and 0.0 <= rate <= _HIGHEST_DROPOUT
    return float(rate) if same and possible else 0.0
