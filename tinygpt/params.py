"""Parameter names, shapes and initial values, in data-flow order, under Hugging Face GPT-2 names.

Every projection is stored input-first, (in, out), and applied as ``y = x @ W + b``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tinygpt.arguments import instance
from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError

Arrays = dict[str, np.ndarray]


def parameter_shapes(model: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return name → shape of every parameter, in the order of the forward pass."""
    v, t, d, f = model.vocab_size, model.context_length, model.d_model, model.d_hidden
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (v, d), "wpe.weight": (t, d)}
    block = {"ln_1": (d,), "attn.c_attn": (d, 3 * d), "attn.c_proj": (d, d)}
    block |= {"ln_2": (d,), "mlp.c_fc": (d, f), "mlp.c_proj": (f, d)}
    for layer in range(model.n_layers):
        for name, weight in block.items():
            shapes |= {f"h.{layer}.{name}.weight": weight, f"h.{layer}.{name}.bias": weight[-1:]}
    return shapes | {"ln_f.weight": (d,), "ln_f.bias": (d,)}


def is_decayed(shape: tuple[int, ...]) -> bool:
    """Return whether a parameter has weight decay: matrices and embeddings do, biases and gains do not."""
    return len(shape) >= 2


def initial_parameters(model: ModelConfig, seed: int) -> Arrays:
    """Draw a model's starting weights, which are the same for every engine.

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
        CheckpointError: names the first parameter that is missing, unknown or of another shape.
        ConfigError: the state is no mapping.
    """
    instance("weights", state, Mapping, "a mapping, name → array, such as state_dict()")
    for name, shape in shapes.items():
        if name not in state:
            raise CheckpointError(f"parameter {name!r} is missing", f"all {len(shapes)} parameters of the model")
        if np.shape(state[name]) != shape:
            raise CheckpointError(f"parameter {name!r} has shape {np.shape(state[name])}", f"shape {shape}")
    if unknown := sorted(set(state) - set(shapes)):
        raise CheckpointError(f"parameter {unknown[0]!r} is unknown", f"the {len(shapes)} names of this model")


def check_arrays(shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, np.ndarray], title: str) -> None:
    """Check names, shapes and finiteness of stored arrays; a value that is not finite would spread to all others.

    Raises:
        CheckpointError: names the title and the first parameter that does not fit.
    """
    try:
        check_shapes(arrays, shapes)
    except CheckpointError as error:
        raise CheckpointError(f"{title}: {error.problem}", error.allowed, error.run) from None
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"{title}: parameter {name!r} holds values that are not finite", "finite numbers")
