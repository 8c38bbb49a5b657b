"""The interface of every engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, Self, SupportsIndex

import numpy as np

from tinygpt.arguments import instance, whole_number
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.dropout import MaskDraw, mask_key
from tinygpt.engines.processes import Processes
from tinygpt.errors import ConfigError
from tinygpt.layers import token_losses
from tinygpt.lora import initial_adapter, merged
from tinygpt.optim import OptimizerState
from tinygpt.params import Arrays, check_shapes, initial_parameters, parameter_shapes
from tinygpt.score_blocks import row_blocks
from tinygpt.tokenizers import BYTES, Tokenizer
from tinygpt.trained import trained_shapes


@dataclass(frozen=True)
class StepResult:
    """Result of one training step.

    Attributes:
        loss: mean cross-entropy before the update, nats per token.
        grad_norm: global L2 norm of the gradient before clipping.
    """

    loss: float
    grad_norm: float


class Engine(ABC):
    """A GPT-2 that can be trained. Inputs and targets are integer arrays (B, T), values in [0, V).

    Attributes:
        config: the model's shape.
        train: batch and optimiser settings.
        seed: seeds the dropout masks; :meth:`create` sets it.
        tokenizer: of the text that it learns; that of bytes unless it is set.
        steps_per_dispatch: the number of steps that :meth:`train_steps` prefers to take at once.
        processes: the processes that train this model.
        trained: name → shape of the arrays that training changes: all parameters, some, or those of an adapter.
        lora: the adapter's settings; None without one.

    Raises:
        ConfigError: an argument is of another kind, or the settings have dropout, an optimiser or frozen weights that
            the engine lacks.
    """

    name: ClassVar[str]
    has_dropout: ClassVar[bool] = False
    optimizers: ClassVar[tuple[str, ...]] = ("adamw",)
    can_freeze: ClassVar[bool] = False
    steps_per_dispatch: int = 1
    processes: Processes = Processes()
    tokenizer: Tokenizer = BYTES

    def __init__(self, model: ModelConfig, train: TrainConfig) -> None:
        instance("model", model, ModelConfig, "a ModelConfig, such as PRESETS['tiny'].model")
        instance("train", train, TrainConfig, "a TrainConfig, such as PRESETS['tiny'].train")
        if train.dropout and not self.has_dropout:
            problem = f"dropout is {train.dropout:g}, and engine {self.name!r} has none"
            raise ConfigError(problem, "dropout 0, or the engine numpy, vectorized, compiled or jax")
        if train.optimizer not in self.optimizers:
            problem = f"the optimizer is {train.optimizer}, and engine {self.name!r} has {', '.join(self.optimizers)}"
            raise ConfigError(problem, "its own, as with --recipe stable, or another engine than python")
        if train.freezes and not self.can_freeze:
            problem = f"engine {self.name!r} trains all weights, and the settings have "
            problem += f"--lora {train.lora}" if train.lora else f"--train-only {train.train_only}"
            raise ConfigError(problem, "the engine numpy, vectorized or compiled", "the same with --engine auto")
        self.config = model
        self.train = train
        self.lora, self.trained = train.adapter, trained_shapes(model, train)
        self.seed = 0

    @classmethod
    def create(
        cls,
        model: ModelConfig,
        train: TrainConfig,
        seed: int = 0,
        weights: Mapping[str, np.ndarray] | None = None,
        adapter: Mapping[str, np.ndarray] | None = None,
        **options: Any,
    ) -> Self:
        """Make an engine that is ready to train; arguments as for :func:`tinygpt.engines.create_engine`.

        Raises:
            CheckpointError: the weights do not fit the model.
        """
        engine = cls(model, train, **options)
        engine.seed = seed = whole_number("seed", seed)
        engine.load_state_dict(initial_parameters(model, seed) if weights is None else weights)
        if adapter is not None:
            engine.load_adapter(adapter)
        return engine

    def __repr__(self) -> str:
        return f"<engine {self.name}: {self.config.summary}>"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Refuse copies and pickles, which would share this engine's weights and workers."""
        raise ConfigError("an engine can be neither copied nor pickled", "load_engine(engine) for one with its weights")

    @abstractmethod
    def train_step(self, inputs: np.ndarray, targets: np.ndarray, learning_rate: float | None = None) -> StepResult:
        """Do a forward and backward pass with dropout, clip to ``train.grad_clip``, and make one update.

        Args:
            inputs: token ids (B, T), where B counts the rows of all accumulated batches.
            targets: the next token at each position (B, T).
            learning_rate: this step's rate; by default the configuration's.
        """

    def train_steps(
        self, inputs: np.ndarray, targets: np.ndarray, learning_rates: Sequence[float] | None = None
    ) -> list[StepResult]:
        """Take K training steps with inputs and targets (K, B, T), and K rates in place of the configuration's."""
        rates: Sequence[float | None] = learning_rates or [None] * len(inputs)
        return [self.train_step(*batch) for batch in zip(inputs, targets, rates, strict=True)]

    @abstractmethod
    def loss_and_gradients(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, Arrays]:
        """Return the mean loss in nats per token and ∂loss/∂parameter by name of what is trained; update nothing."""

    @abstractmethod
    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Return the scores before the softmax, (B, T, V) float32."""

    @abstractmethod
    def parameters(self) -> Arrays:
        """Return the current weights by name, read-only and valid until the next step; with LoRA, those of the base."""

    @abstractmethod
    def optimizer_state(self) -> OptimizerState:
        """Return a copy of the optimiser's state."""

    def current_optimizer_state(self) -> OptimizerState:
        """Return the optimiser's state, read-only and valid until the next step."""
        return self.optimizer_state()

    @abstractmethod
    def _replace_parameters(self, state: Arrays) -> None:
        """Replace the weights or the adapter; names and shapes are checked."""

    @abstractmethod
    def load_optimizer_state(self, state: OptimizerState) -> None:
        """Replace the optimiser's state, so that the next update continues an earlier run."""

    def loss(self, inputs: np.ndarray, targets: np.ndarray) -> float:
        """Return the mean cross-entropy in nats per token, without gradients."""
        return float(self.token_losses(inputs, targets).mean())

    def token_losses(self, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return each token's cross-entropy, log Σ exp(z) − z[target], nats, (B, T) float64, without gradients."""
        self._check_batch(inputs, targets)
        rows, width = len(inputs), inputs.shape[1] * self.config.vocab_size
        blocks = row_blocks(rows, width)
        return np.concatenate([token_losses(self.logits(inputs[part]), targets[part]) for part in blocks])

    def adapter(self) -> Arrays:
        """Return LoRA's current arrays by name, read-only and valid until the next step; none without LoRA."""
        return {}

    def current_weights(self) -> Arrays:
        """Return the weights, an adapter folded in, read-only and valid until the next step."""
        weights = self.parameters()
        return weights if self.lora is None else merged(weights, self.adapter(), self.lora.scale)

    def state_dict(self) -> Arrays:
        """Copy the weights, an adapter folded in: name → float32 array of the shape in ``parameter_shapes``."""
        return {name: np.array(value, np.float32) for name, value in self.current_weights().items()}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Replace the weights. An adapter starts anew, so that the model is the one of these weights.

        Raises:
            CheckpointError: a name is missing or unknown, or a shape differs.
        """
        shapes = parameter_shapes(self.config)
        check_shapes(state, shapes)
        self._replace_parameters({name: np.asarray(state[name], np.float32) for name in shapes})
        if self.lora is not None:
            self._replace_parameters(initial_adapter(shapes, self.lora, self.seed))

    def load_adapter(self, adapter: Mapping[str, np.ndarray]) -> None:
        """Replace the adapter.

        Raises:
            CheckpointError: a name is missing or unknown, or a shape differs.
            ConfigError: the settings have no LoRA.
        """
        if self.lora is None:
            raise ConfigError("an adapter without the setting lora", "TrainConfig(lora='rank=8,alpha=16,on=attn+mlp')")
        check_shapes(adapter, self.trained)
        self._replace_parameters({name: np.asarray(adapter[name], np.float32) for name in self.trained})

    def process_ids(self) -> tuple[int, ...]:
        """List the processes that compute for this one; their memory counts as its own."""
        return ()

    def options(self) -> dict[str, Any]:
        """Return the options of this variant (threads, kernels, …), for records and checkpoints."""
        return {}

    def _mask_draw(self, step: int) -> MaskDraw | None:
        """Return the masks of an update, counted from 0, or None without dropout."""
        return MaskDraw(self.train.dropout, mask_key(self.seed), step) if self.train.dropout else None

    def _parts(self, rows: int) -> list[slice]:
        """Cut the rows of a step into accumulated batches of nearly equal size."""
        count = min(self.train.accumulation, rows)
        return [slice(rows * part // count, rows * (part + 1) // count) for part in range(count)]

    def _check_batch(self, inputs: np.ndarray, targets: np.ndarray | None = None) -> None:
        """Refuse token arrays that the model cannot read."""
        limit = self.config.context_length
        arrays = {"inputs": inputs} if targets is None else {"inputs": inputs, "targets": targets}
        for name, tokens in arrays.items():
            instance(name, tokens, np.ndarray, "an array (batch, tokens) of integers")
        if inputs.ndim != 2 or inputs.shape[0] < 1 or not 1 <= inputs.shape[1] <= limit:
            raise ConfigError(f"inputs have shape {inputs.shape}", f"(batch, tokens) with 1 to {limit} tokens per row")
        for name, tokens in arrays.items():
            if tokens.shape != inputs.shape:
                raise ConfigError(f"{name} have shape {tokens.shape}", f"the inputs' shape {inputs.shape}")
            if tokens.dtype.kind not in "iu":
                raise ConfigError(f"{name} hold {tokens.dtype}", "integers")
            if int(tokens.min()) < 0 or int(tokens.max()) >= self.config.vocab_size:
                problem = f"{name} hold tokens from {tokens.min()} to {tokens.max()}"
                raise ConfigError(problem, f"0 to {self.config.vocab_size - 1}")


def as_array(values: Sequence[Sequence[float]], shape: tuple[int, ...], double: bool = False) -> np.ndarray:
    """Turn rows of Python floats into an array, float32 or float64."""
    return np.array(values, np.float64 if double else np.float32).reshape(shape)


def as_arrays(weights: Mapping[str, Sequence[Sequence[float]]], model: ModelConfig, double: bool = False) -> Arrays:
    """Turn rows of Python floats by name into arrays of the model's shapes, float32 or float64."""
    return {name: as_array(weights[name], shape, double) for name, shape in parameter_shapes(model).items()}
