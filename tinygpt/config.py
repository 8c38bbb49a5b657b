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

import numbers
from collections.abc import Iterable
from dataclasses import dataclass

from tinygpt.arguments import check_fields, instance, number, whole_number, wrong
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.lora import Lora, parse_lora

_LARGEST = 2**31 - 1  # of a count: array sizes are products of at most two of them
DECAY_SHAPES = ("cosine", "linear")
OPTIMIZERS = ("adamw", "muon")


def _text(name: str, value: object) -> str:
    instance(name, value, str, "text")
    return str(value)


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
        counts = ("n_layers", "d_model", "n_heads", "context_length", "vocab_size")
        check_fields(self, whole_number, *counts, least=1, most=_LARGEST)
        check_fields(self, number, "layer_norm_eps", above=True)
        if self.d_model % self.n_heads:
            raise wrong("d_model", self.d_model, f"a multiple of n_heads, {self.n_heads}")

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
    """Batch and optimiser settings; the defaults are the reference's.

    Attributes:
        batch_size: B, sequences whose activations are in memory at once.
        learning_rate: η, the highest rate.
        betas: β₁ and β₂.
        eps: ε.
        weight_decay: λ, for matrices and embeddings; biases and gains never decay.
        grad_clip: largest global L2 norm of a gradient.
        accumulation: number of batches whose gradients make one update.
        warmup_steps: number of updates over which the rate rises.
        decay_steps: the update at which the rate has fallen; 0 for a constant rate.
        decay_to: the share of the rate that is left then.
        decay_shape: ``cosine`` or ``linear``.
        decay_from: the share of the updates after the warm-up that keep the full rate before it falls.
        dropout: share of the numbers that dropout sets to 0.
        optimizer: ``adamw`` (Loshchilov & Hutter 2019), or ``muon`` for the blocks' matrices (``tinygpt/muon.py``).
        train_only: the modules to train, such as ``h.10-11,ln_f``; all if empty (``tinygpt/trained.py``).
        lora: the adapter to train instead, such as ``rank=8,alpha=16,on=attn+mlp``; none if empty.

    Raises:
        ConfigError: a field is outside its range, or two of them exclude each other.
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
    decay_shape: str = "cosine"
    decay_from: float = 0.0
    dropout: float = 0.0
    optimizer: str = "adamw"
    train_only: str = ""
    lora: str = ""

    def __post_init__(self) -> None:
        check_fields(self, whole_number, "batch_size", "accumulation", least=1, most=_LARGEST)
        check_fields(self, whole_number, "warmup_steps", "decay_steps", most=_LARGEST)
        check_fields(self, number, "learning_rate", "eps", "grad_clip", above=True)
        check_fields(self, number, "weight_decay")
        check_fields(self, number, "decay_to", most=1.0)
        check_fields(self, number, "decay_from", most=0.99)
        for name, known in (("decay_shape", DECAY_SHAPES), ("optimizer", OPTIMIZERS)):
            if getattr(self, name) not in known:
                raise unknown_name(name, getattr(self, name), known)
        check_fields(self, number, "dropout", most=0.9)
        betas = tuple(self.betas) if isinstance(self.betas, Iterable) else ()
        if len(betas) != 2 or not all(isinstance(beta, numbers.Real) and 0.0 <= beta < 1.0 for beta in betas):
            raise wrong("betas", self.betas, "two numbers in [0, 1)")
        object.__setattr__(self, "betas", tuple(map(float, betas)))
        check_fields(self, _text, "train_only", "lora")
        if self.lora:
            object.__setattr__(self, "lora", str(parse_lora(self.lora)))
            if self.train_only:
                raise ConfigError(
                    "--lora with --train-only", "one of the two: an adapter leaves all weights as they are"
                )
            if self.optimizer == "muon":
                raise ConfigError("the optimizer muon with --lora", "adamw, as with --recipe stable")

    @property
    def adapter(self) -> Lora | None:
        """The shape of the adapter, or None without LoRA."""
        return parse_lora(self.lora) if self.lora else None

    @property
    def freezes(self) -> bool:
        """Some weights are not trained."""
        return bool(self.train_only or self.lora)

    @property
    def rows_per_step(self) -> int:
        """Number of sequences in one update."""
        return self.batch_size * self.accumulation
