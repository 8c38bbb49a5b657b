"""config.json: our ModelConfig written as, and read from, the configuration of transformers' GPT2LMHeadModel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygpt.config import ModelConfig
from tinygpt.data import Tokenizer
from tinygpt.errors import CheckpointError, ConfigError

# What a configuration must say for our layers to compute the same function, and what transformers takes a
# missing key to mean.
_FIXED: dict[str, tuple[Any, Any]] = {  # key: (required, meaning when missing)
    "model_type": ("gpt2", None),
    "vocab_size": (Tokenizer.vocab_size, 50257),
    "activation_function": ("gelu_new", "gelu_new"),
    "tie_word_embeddings": (True, True),
    "scale_attn_weights": (True, True),
    "scale_attn_by_inverse_layer_idx": (False, False),
    "add_cross_attention": (False, False),
}
_SIZES = {"n_layers": "n_layer", "d_model": "n_embd", "n_heads": "n_head", "context_length": "n_positions"}
_DEFAULT_EPS = 1e-5


def to_gpt2_config(model: ModelConfig) -> dict[str, Any]:
    """The contents of config.json. Bytes have no begin or end token, hence the explicit nulls."""
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
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "resid_pdrop": 0.0,
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
    """Read a configuration, refusing every model that our layers would compute differently.

    Args:
        config: the parsed config.json.
        source: the file's path, for messages.

    Raises:
        CheckpointError: naming the first key that does not fit, its value and the value allowed.
    """
    for key, (required, missing) in _FIXED.items():
        value = config.get(key, missing)
        if type(value) is not type(required) or value != required:
            raise CheckpointError(f"{source} says {key} {value!r}", repr(required), "invoke train to make a checkpoint")
    eps = config.get("layer_norm_epsilon", _DEFAULT_EPS)
    if isinstance(eps, bool) or not isinstance(eps, int | float):
        raise CheckpointError(f"{source} says layer_norm_epsilon {eps!r}", "a number above 0")
    try:
        model = ModelConfig(**{field: config.get(key) for field, key in _SIZES.items()}, layer_norm_eps=eps)  # type: ignore[arg-type]
    except (ConfigError, OverflowError) as error:
        raise CheckpointError(f"{source} does not describe a model: {error}") from None
    if config.get("n_inner") not in (None, model.d_hidden):
        raise CheckpointError(
            f"{source} says n_inner {config['n_inner']!r}", f"null or {model.d_hidden}, 4 times n_embd"
        )
    return model
