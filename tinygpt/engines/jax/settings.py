"""The options of a variant such as ``jax[precision=bfloat16,dispatch=8]``, checked and in JAX's terms.

precision   float32    products in full float32: TF32 is off, even if it is the device's default
            tf32       products on tensor cores with ten bits of mantissa
            tf32x3     products on tensor cores in three TF32 passes, close to float32
            bfloat16   products and activations in bfloat16; weights, moments, norms and the loss in float32
layers      unrolled   every layer in the program: the fastest step, and the longest compilation
            scanned    one layer in the program, looped over stacked weights
remat       the backward computes each layer's activations again instead of keeping them
dispatch    number of steps in one call of the program
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import jax.numpy as jnp
from jax.lax import DotAlgorithmPreset, Precision
from jax.typing import DTypeLike

from tinygpt.arguments import whole_number
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.score_blocks import MOST_SCORES

# Deeper models are scanned by default. A loop over layers copies what the backward needs in and out of stacked arrays,
# for a program that compiles in half of the time.
MOST_UNROLLED_LAYERS = 32
# Deeper models keep an array per parameter: copying gradients into flat arrays would take longer than it saves.
MOST_ARENA_LAYERS = 16
# An accelerator needs larger blocks of scores than a processor to be busy: these have 512 MiB.
_ACCELERATORS_SCORES = 2**27


@dataclass(frozen=True)
class Arithmetic:
    """A mode of computing products.

    Attributes:
        dtype: type of a product's operands and of a layer's branches.
        precision: JAX's name of the mode.
        accelerators_only: CPUs do not have this mode.
    """

    dtype: DTypeLike
    precision: Precision | DotAlgorithmPreset
    accelerators_only: bool


PRECISIONS = MappingProxyType(
    {
        "float32": Arithmetic(jnp.float32, Precision.HIGHEST, False),
        "tf32": Arithmetic(jnp.float32, DotAlgorithmPreset.TF32_TF32_F32, True),
        "tf32x3": Arithmetic(jnp.float32, DotAlgorithmPreset.TF32_TF32_F32_X3, True),
        "bfloat16": Arithmetic(jnp.bfloat16, Precision.DEFAULT, False),
    }
)
LAYERS = ("auto", "unrolled", "scanned")

# XLA's options for the training program, by JAX's name of the platform. A GPU runs a step as a captured graph; in it,
# kernels that do not need each other run side by side. The sums of a backward, which take few of a GPU's processors for
# a long time, then run beside its products.
_CONCURRENT = MappingProxyType({"xla_gpu_command_buffer_scheduling_mode": "CONCURRENT"})
_GPUS = ("gpu", "cuda")


@dataclass(frozen=True)
class Settings:
    """Settings of the compiled programs, besides those of the model and the optimiser.

    Attributes:
        precision: a name in ``PRECISIONS``.
        scanned: layers are a loop over stacked weights.
        arena: weights and moments are two flat arrays each (``layout.py``).
        remat: the backward computes activations again.
        dispatch: number of steps in one call.
        dropout: share of numbers that training sets to zero, at the sites of ``tinygpt/dropout.py``.
        fused_attention: attention is the platform's own kernel, which never stores the scores.
        most_scores: scores of the head in a block.
    """

    precision: str
    scanned: bool
    arena: bool
    remat: bool
    dispatch: int
    dropout: float
    fused_attention: bool
    most_scores: int

    @property
    def arithmetic(self) -> Arithmetic:
        """The row of ``PRECISIONS``."""
        return PRECISIONS[self.precision]


def make_settings(
    precision: str, layers: str, remat: bool, dispatch: int, dropout: float, n_layers: int, platform: str, cut: bool
) -> Settings:
    """Check the options of a variant against the model and the platform (JAX's name for that of the devices).

    With ``cut``, weights are cut into a part per device, which are gathered array by array.

    Raises:
        ConfigError: a name is unknown, a number is out of range, or the platform lacks the arithmetic.
    """
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    if layers not in LAYERS:
        raise unknown_name("arrangement of layers", layers, LAYERS)
    whole_number("dispatch", dispatch, 1)
    if PRECISIONS[precision].accelerators_only and platform == "cpu":
        raise ConfigError(f"precision {precision} on a CPU", "float32 or bfloat16 there")
    scanned = layers == "scanned" or (layers == "auto" and n_layers > MOST_UNROLLED_LAYERS)
    # cuDNN's attention takes half-precision operands only.
    fused = platform in _GPUS and precision == "bfloat16"
    arena = not (scanned or cut) and n_layers <= MOST_ARENA_LAYERS
    most_scores = MOST_SCORES if platform == "cpu" else _ACCELERATORS_SCORES
    return Settings(precision, scanned, arena, remat, dispatch, dropout, fused, most_scores)


def compiler_options(platform: str) -> dict[str, str] | None:
    """Return XLA's options for the training program on a platform; None for the defaults."""
    return dict(_CONCURRENT) if platform in _GPUS else None
