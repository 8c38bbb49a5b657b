"""PyTorch on the CPU behind the engine interface: eager as installed, and through ``torch.compile``.

One step is what its own users write: forward, ``backward()``, ``clip_grad_norm_`` over all tensors at once, the fused
AdamW with decay on matrices and embeddings only, gradients dropped rather than zeroed. Float32 throughout, and as
many threads as the process may use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from bench.peers.torch_model import TorchGPT2, from_module, to_module
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import Engine, OptimizerState, StepResult
from tinygpt.params import Arrays, is_decayed, parameter_shapes
from tinygpt.system.threads import available_cores


class TorchEngine(Engine):
    """PyTorch eager."""

    name: ClassVar[str] = "torch"

    def __init__(self, model: ModelConfig, train: TrainConfig) -> None:
        super().__init__(model, train)
        torch.set_num_threads(available_cores())
        self.module = TorchGPT2(model)
        self.tensors = dict(self.module.named_parameters())
        decayed = [tensor for tensor in self.tensors.values() if is_decayed(tuple(tensor.shape))]
        kept = [tensor for tensor in self.tensors.values() if not is_decayed(tuple(tensor.shape))]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": train.weight_decay}, {"params": kept, "weight_decay": 0.0}],
            lr=train.learning_rate,
            betas=train.betas,
            eps=train.eps,
            fused=True,
        )
        self.loss_of = self._loss_function()

    def options(self) -> dict[str, Any]:
        """Threads, and the version for the row."""
        return {"version": torch.__version__, "threads": torch.get_num_threads()}

    def _loss_function(self) -> Callable[[Tensor, Tensor], Tensor]:
        """(tokens, targets) → loss, the part that a compiler may take."""
        return self.module.loss

    def _backward(self, inputs: np.ndarray, targets: np.ndarray) -> Tensor:
        """Leave fresh gradients on the tensors and return the loss."""
        self._check_batch(inputs, targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss_of(_tokens(inputs), _tokens(targets))
        loss.backward()
        return loss.detach()

    def train_step(self, inputs: np.ndarray, targets: np.ndarray, learning_rate: float | None = None) -> StepResult:
        loss = self._backward(inputs, targets)
        norm = torch.nn.utils.clip_grad_norm_(self.tensors.values(), self.train.grad_clip, foreach=True)
        for group in self.optimizer.param_groups:
            group["lr"] = self.train.learning_rate if learning_rate is None else learning_rate
        self.optimizer.step()
        return StepResult(float(loss), float(norm))

    def loss_and_gradients(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, Arrays]:
        loss = self._backward(inputs, targets)
        grads: Arrays = {}
        for name in parameter_shapes(self.model):
            gradient = self.tensors[name].grad
            assert gradient is not None  # every parameter takes part in every loss
            grads[name] = np.array(from_module(name, gradient))
        return float(loss), grads

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        self._check_batch(inputs)
        with torch.inference_mode():
            scores: np.ndarray = self.module(_tokens(inputs)).numpy()
        return scores

    def parameters(self) -> Arrays:
        return {name: from_module(name, self.tensors[name]) for name in parameter_shapes(self.model)}

    def optimizer_state(self) -> OptimizerState:
        states = {name: self.optimizer.state.get(tensor, {}) for name, tensor in self.tensors.items()}
        steps = [int(state["step"]) for state in states.values() if state]
        return OptimizerState(
            max(steps, default=0), self._moments(states, "exp_avg"), self._moments(states, "exp_avg_sq")
        )

    def _moments(self, states: dict[str, dict[str, Any]], key: str) -> Arrays:
        return {
            name: np.array(from_module(name, states[name][key])) if states[name] else np.zeros(shape, np.float32)
            for name, shape in parameter_shapes(self.model).items()
        }

    def load_optimizer_state(self, state: OptimizerState) -> None:
        for name, tensor in self.tensors.items():
            self.optimizer.state[tensor] = {
                "step": torch.tensor(float(state.step)),
                "exp_avg": to_module(name, state.first_moment[name]),
                "exp_avg_sq": to_module(name, state.second_moment[name]),
            }

    def _replace_parameters(self, state: Arrays) -> None:
        with torch.no_grad():
            for name, value in state.items():
                self.tensors[name].copy_(to_module(name, value))


class TorchCompileEngine(TorchEngine):
    """The same model with its forward and backward compiled by Inductor, which needs a C++ compiler."""

    name: ClassVar[str] = "torch-compile"

    def _loss_function(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Compiled at the first call; batches always have one shape."""
        compiled: Callable[[Tensor, Tensor], Tensor] = torch.compile(self.module.loss, dynamic=False)
        return compiled


def _tokens(array: np.ndarray) -> Tensor:
    """Token ids (B, T) as PyTorch wants them."""
    return torch.from_numpy(np.ascontiguousarray(array, np.int64))
