"""Parameter names, shapes and initial values, in data-flow order, under Hugging Face GPT-2 names.

Every projection is stored input-first, (in, out), and applied as ``y = x @ W + b``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError

Arrays = dict[str, np.ndarray]


def parameter_shapes(model: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name → shape of every parameter, in the order that the forward pass meets them."""
    v, t, d, f = model.vocab_size, model.context_length, model.d_model, model.d_hidden
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (v, d), "wpe.weight": (t, d)}
    for layer in range(model.n_layers):
        h = f"h.{layer}"
        shapes |= {
            f"{h}.ln_1.weight": (d,),
            f"{h}.ln_1.bias": (d,),
            f"{h}.attn.c_attn.weight": (d, 3 * d),
            f"{h}.attn.c_attn.bias": (3 * d,),
            f"{h}.attn.c_proj.weight": (d, d),
            f"{h}.attn.c_proj.bias": (d,),
            f"{h}.ln_2.weight": (d,),
            f"{h}.ln_2.bias": (d,),
            f"{h}.mlp.c_fc.weight": (d, f),
            f"{h}.mlp.c_fc.bias": (f,),
            f"{h}.mlp.c_proj.weight": (f, d),
            f"{h}.mlp.c_proj.bias": (d,),
        }
    return shapes | {"ln_f.weight": (d,), "ln_f.bias": (d,)}


def is_decayed(shape: tuple[int, ...]) -> bool:
    """Whether weight decay applies: to matrices and embeddings, never to biases and gains."""
    return len(shape) >= 2


def initial_parameters(model: ModelConfig, seed: int) -> Arrays:
    """Draw a model's starting weights, the same for every engine given the same seed.

    N(0, 0.02) for matrices and embeddings, N(0, 0.02 / √(2 L)) for the two projections that write into
    the residual stream, zeros for biases, ones for LayerNorm gains (Radford et al. 2019, section 2.3).

    Returns:
        name → float32 array of the shape in :func:`parameter_shapes`.
    """
    rng = np.random.default_rng(seed)
    residual_std = 0.02 / math.sqrt(2 * model.n_layers)
    parameters: Arrays = {}
    for name, shape in parameter_shapes(model).items():
        if name.endswith(".bias"):
            parameters[name] = np.zeros(shape, np.float32)
        elif ".ln_" in name or name.startswith("ln_f"):
            parameters[name] = np.ones(shape, np.float32)
        else:
            std = residual_std if name.endswith("c_proj.weight") else 0.02
            parameters[name] = rng.standard_normal(shape, np.float32) * np.float32(std)
    return parameters


def check_shapes(state: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Compare a state dict's names and shapes with a model's.

    Raises:
        CheckpointError: naming the first parameter that is missing, unknown or of another shape.
    """
    for name, shape in shapes.items():
        if name not in state:
            raise CheckpointError(f"parameter {name!r} is missing", f"all {len(shapes)} parameters of the model")
        if tuple(state[name].shape) != shape:
            raise CheckpointError(f"parameter {name!r} has shape {tuple(state[name].shape)}", f"shape {shape}")
    unknown = sorted(set(state) - set(shapes))
    if unknown:
        raise CheckpointError(f"parameter {unknown[0]!r} is unknown", f"the {len(shapes)} names of this model")
