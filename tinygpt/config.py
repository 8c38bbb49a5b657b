"""The shape of a model and the settings of its training, as two frozen dataclasses that validate themselves.

Symbols of all dimensions, used in the whole project:

    B  batch_size        sequences in a batch
    T  context_length    tokens in a sequence
    D  d_model           width of the residual stream
    H  n_heads           attention heads
    C  head_dim = D / H  width of one head
    F  d_hidden = 4 D    width of the feed-forward layer
    V  vocab_size        256: one token per byte value
    L  n_layers          transformer blocks
"""

from __future__ import annotations

import math
import reprlib
from dataclasses import dataclass

from tinygpt.errors import ConfigError

_LARGEST = 2**31 - 1  # of a count: array sizes are products of at most two of them


def _require_counts(config: object, least: int, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _LARGEST:
            problem = f"{type(config).__name__}.{name} is {reprlib.repr(value)}"
            raise ConfigError(problem, f"a whole number from {least} to {_LARGEST}")


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a GPT-2 model (Radford et al. 2019), byte vocabulary, output head tied to the embedding.

    Raises:
        ConfigError: a field is not a positive integer, or ``d_model`` is not a multiple of ``n_heads``.
    """

    n_layers: int
    d_model: int
    n_heads: int
    context_length: int
    vocab_size: int = 256
    layer_norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        _require_counts(self, 1, "n_layers", "d_model", "n_heads", "context_length", "vocab_size")
        if self.d_model % self.n_heads:
            problem = f"ModelConfig.d_model is {self.d_model} with n_heads {self.n_heads}"
            raise ConfigError(problem, "a d_model that n_heads divides")
        if not (math.isfinite(self.layer_norm_eps) and self.layer_norm_eps > 0):
            raise ConfigError(f"ModelConfig.layer_norm_eps is {self.layer_norm_eps!r}", "a finite number above 0")

    @property
    def head_dim(self) -> int:
        """C: width of one attention head."""
        return self.d_model // self.n_heads

    @property
    def d_hidden(self) -> int:
        """F: width of the feed-forward layer, 4 D as in GPT-2."""
        return 4 * self.d_model

    @property
    def summary(self) -> str:
        """The shape in one line of text."""
        shape = f"{self.n_layers} layers, width {self.d_model}, {self.n_heads} heads, context {self.context_length}"
        return f"{shape}, {self.n_parameters:,} parameters"

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters: V·D + T·D + L·(12 D² + 13 D) + 2 D; the tied head adds none."""
        d = self.d_model
        return (self.vocab_size + self.context_length) * d + self.n_layers * (12 * d * d + 13 * d) + 2 * d


@dataclass(frozen=True)
class TrainConfig:
    """Batch and AdamW settings (Loshchilov & Hutter 2019); the defaults are the reference's.

    Attributes:
        batch_size: B, sequences whose activations are in memory at once.
        learning_rate: η, the highest rate.
        betas: β₁ and β₂.
        eps: ε.
        weight_decay: λ, for matrices and embeddings; biases and gains never decay.
        grad_clip: largest global L2 norm of a gradient.
        accumulation: number of batches whose gradients make one update.
        warmup_steps: number of updates over which the rate rises.
        decay_steps: the update at which the cosine ends; 0 for a constant rate.
        decay_to: the share of the rate at the end of the cosine.
        dropout: share of the numbers that dropout sets to 0.

    Raises:
        ConfigError: a field is outside its range.
    """

    batch_size: int
    learning_rate: float = 3e-4
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    weight_decay: float = 0.1
    grad_clip: float = 1.0
    accumulation: int = 1
    warmup_steps: int = 0
    decay_steps: int = 0
    decay_to: float = 0.1
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _require_counts(self, 1, "batch_size", "accumulation")
        _require_counts(self, 0, "warmup_steps", "decay_steps")
        for name, largest in (("decay_to", 1.0), ("dropout", 0.9)):
            value = getattr(self, name)
            if not 0.0 <= value <= largest:
                raise ConfigError(f"TrainConfig.{name} is {value!r}", f"0 to {largest:g}")
        for name in ("learning_rate", "eps", "grad_clip"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"TrainConfig.{name} is {value!r}", "a finite number above 0")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ConfigError(f"TrainConfig.weight_decay is {self.weight_decay!r}", "a finite number, 0 or more")
        if len(self.betas) != 2 or not all(0.0 <= beta < 1.0 for beta in self.betas):
            raise ConfigError(f"TrainConfig.betas is {self.betas!r}", "two numbers in [0, 1)")

    @property
    def rows_per_step(self) -> int:
        """Number of sequences in one update."""
        return self.batch_size * self.accumulation
