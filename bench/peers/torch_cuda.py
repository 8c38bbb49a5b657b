"""PyTorch on a GPU behind the engine interface: eager, through ``torch.compile``, and as a captured CUDA graph.

Products are in float32 with TF32 off, in TF32, or in bfloat16 by autocast, whose weights, moments, norms and loss stay
in float32. A step is that of ``bench/peers/torch_engine.py``. Steps of one call are queued one after
another, and their losses are fetched once at the end, so that the processor runs ahead of the GPU, as in a loop that
rarely logs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from bench.arms.registry import BFLOAT16, FLOAT32, STEPS_TOGETHER, TF32
from bench.peers.torch_engine import TorchEngine
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import StepResult


class TorchCudaEngine(TorchEngine):
    """PyTorch eager; tests run it on a processor."""

    name: ClassVar[str] = "torch-cuda"
    steps_per_dispatch = STEPS_TOGETHER

    def __init__(
        self, model: ModelConfig, train: TrainConfig, device: str = "cuda:0", precision: str = FLOAT32
    ) -> None:
        self.precision = precision
        super().__init__(model, train, device)
        if precision == BFLOAT16:
            self.loss_of = torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)(self.loss_of)

    def options(self) -> dict[str, Any]:
        """Return the version and the arithmetic."""
        return {"version": torch.__version__, "precision": self.precision}

    def train_steps(
        self, inputs: np.ndarray, targets: np.ndarray, learning_rates: Sequence[float] | None = None
    ) -> list[StepResult]:
        torch.backends.cuda.matmul.allow_tf32 = self.precision == TF32  # a setting of the process
        if self.device.type != "cpu":
            torch.cuda.set_device(self.device)  # JAX in the same process makes another one current
        results = []
        rates: Iterable[float | None] = learning_rates or [None] * len(inputs)
        for batch, rate in zip(zip(inputs, targets, strict=True), rates, strict=True):
            self._set_rate(rate)
            results.append(self._queue(self._pair(*batch)))
        return [StepResult(loss, norm) for loss, norm in torch.stack(results).tolist()]

    def train_step(self, inputs: np.ndarray, targets: np.ndarray, learning_rate: float | None = None) -> StepResult:
        return self.train_steps(inputs[None], targets[None], None if learning_rate is None else [learning_rate])[0]

    def _pair(self, inputs: np.ndarray, targets: np.ndarray) -> Tensor:
        """Send inputs and targets in one transfer, (2, B, T)."""
        return torch.from_numpy(np.stack([inputs, targets]).astype(np.int64)).to(self.device, non_blocking=True)

    def _queue(self, tokens: Tensor) -> Tensor:
        """Queue a step on tokens (2, B, T); return loss and norm, (2,)."""
        return torch.stack(self._step(tokens[0], tokens[1]))


class TorchCudaCompileEngine(TorchCudaEngine):
    """Forward and backward compiled by Inductor."""

    name: ClassVar[str] = "torch-cuda-compile"
    compiles: ClassVar[bool] = True


class TorchCudaGraphEngine(TorchCudaEngine):
    """The whole eager step, captured as a CUDA graph at the first step and replayed without single launches."""

    name: ClassVar[str] = "torch-cuda-graphs"
    captures: ClassVar[bool] = True
    optimizers: ClassVar[tuple[str, ...]] = ("adamw",)

    _graph: Any = None

    def _queue(self, tokens: Tensor) -> Tensor:
        if self._graph is None:
            self._capture(tokens)
        self._fixed.copy_(tokens)
        self._graph.replay()
        return self._result.clone()

    def _capture(self, tokens: Tensor) -> None:
        """Capture a step. The steps before the capture train, so weights and moments are restored afterwards."""
        weights, before = self.state_dict(), self.optimizer_state()
        self._fixed = tokens.clone()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                super()._queue(self._fixed)
        torch.cuda.current_stream().wait_stream(aside)
        self.optimizer.zero_grad(set_to_none=True)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._result = super()._queue(self._fixed)
        self.load_state_dict(weights)
        self.load_optimizer_state(before)


class TorchCudaCompileGraphEngine(TorchCudaGraphEngine):
    """Compiled by Inductor, and captured."""

    name: ClassVar[str] = "torch-cuda-compile-graphs"
    compiles: ClassVar[bool] = True
