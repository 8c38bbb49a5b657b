"""PyTorch on the CPU behind the engine interface: eager, forward and backward compiled, and the whole step compiled.

A step is a usual training step of its users: forward, ``backward()``, ``clip_grad_norm_`` over all tensors at once, the
fused AdamW with decay on matrices and embeddings only, gradients dropped rather than zeroed. Float32 throughout, and as
many threads as the process may use.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad_and_value

from bench.peers.torch_model import TorchGPT2, from_module, to_module
from bench.peers.torch_muon import Orthogonalize, muon_step, orthogonalize
from tinygpt import muon
from tinygpt.config import OPTIMIZERS, ModelConfig, TrainConfig
from tinygpt.engines import Engine, OptimizerState, StepResult
from tinygpt.params import Arrays, is_decayed, parameter_shapes
from tinygpt.system.threads import available_cores

Tensors = dict[str, Tensor]


class TorchEngine(Engine):
    """PyTorch eager."""

    name: ClassVar[str] = "torch"
    compiles: ClassVar[bool] = False
    threads: ClassVar[int | None] = None  # all that the process may use
    captures: ClassVar[bool] = False  # the step becomes a CUDA graph, whose rate is a tensor
    optimizers: ClassVar[tuple[str, ...]] = OPTIMIZERS

    def __init__(self, model: ModelConfig, train: TrainConfig, device: str = "cpu") -> None:
        super().__init__(model, train)
        # Where threads are bound to cores, this one is since PyTorch was imported, and sees no other core.
        cores = torch.get_num_threads() if "OMP_PLACES" in os.environ else available_cores()
        torch.set_num_threads(self.threads or cores)
        self.device = torch.device(device)
        self.module = TorchGPT2(model).to(self.device)
        self.tensors = dict(self.module.named_parameters())
        orthogonalized = [name for name in self.tensors if train.optimizer == "muon" and muon.is_orthogonalized(name)]
        self.momenta = {name: torch.zeros_like(self.tensors[name]) for name in orthogonalized}
        adamw = [tensor for name, tensor in self.tensors.items() if name not in self.momenta]
        decayed = [tensor for tensor in adamw if is_decayed(tuple(tensor.shape))]
        others = [tensor for tensor in adamw if not is_decayed(tuple(tensor.shape))]
        self.orthogonalize: Orthogonalize = torch.compile(orthogonalize) if self.compiles else orthogonalize
        rate = torch.tensor(train.learning_rate, device=self.device) if self.captures else train.learning_rate
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": train.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=rate,
            betas=train.betas,
            eps=train.eps,
            fused=True,
            capturable=self.captures,
        )
        self.loss_of: Callable[[Tensor, Tensor], Tensor] = self.module.loss
        if self.compiles:  # at the first call; batches always have one shape
            self.loss_of = torch.compile(self.module.loss, dynamic=False)

    def options(self) -> dict[str, Any]:
        """Return the version and the number of threads."""
        return {"version": torch.__version__, "threads": torch.get_num_threads()}

    def _tokens(self, array: np.ndarray) -> Tensor:
        """Return token ids (B, T) in PyTorch's type, on the device."""
        return torch.from_numpy(np.ascontiguousarray(array, np.int64)).to(self.device)

    def _backward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Leave new gradients on the tensors and return the loss."""
        self.module.zero_grad(set_to_none=True)
        loss = self.loss_of(tokens, targets)
        loss.backward()
        return loss.detach()

    def _step(self, tokens: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Take a step and return its loss and norm; on a GPU it is only queued."""
        loss = self._backward(tokens, targets)
        norm = torch.nn.utils.clip_grad_norm_(self.tensors.values(), self.train.grad_clip, foreach=True)
        self.optimizer.step()
        if self.momenta:
            rate = float(self.optimizer.param_groups[0]["lr"])
            muon_step(self.tensors, self.momenta, rate, self.train, self.orthogonalize)
        return loss, norm

    def _set_rate(self, rate: float | None) -> None:
        value = self.train.learning_rate if rate is None else rate
        for group in self.optimizer.param_groups:
            if self.captures:
                group["lr"].fill_(value)
            else:
                group["lr"] = value

    def train_step(self, inputs: np.ndarray, targets: np.ndarray, learning_rate: float | None = None) -> StepResult:
        self._check_batch(inputs, targets)
        self._set_rate(learning_rate)
        loss, norm = self._step(self._tokens(inputs), self._tokens(targets))
        return StepResult(float(loss), float(norm))

    def loss_and_gradients(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, Arrays]:
        self._check_batch(inputs, targets)
        loss = self._backward(self._tokens(inputs), self._tokens(targets))
        grads: Arrays = {}
        for name in parameter_shapes(self.config):
            gradient = self.tensors[name].grad
            assert gradient is not None  # every parameter takes part in every loss
            grads[name] = np.array(from_module(name, gradient))
        return float(loss), grads

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        self._check_batch(inputs)
        with torch.inference_mode():
            scores: np.ndarray = self.module(self._tokens(inputs)).cpu().numpy()
        return scores

    def parameters(self) -> Arrays:
        return {name: from_module(name, self.tensors[name]) for name in parameter_shapes(self.config)}

    def optimizer_state(self) -> OptimizerState:
        states = {name: self.optimizer.state.get(tensor, {}) for name, tensor in self.tensors.items()}
        steps = [int(state["step"]) for state in states.values() if state]
        first = self._moments(states, "exp_avg") | {
            name: np.array(from_module(name, m)) for name, m in self.momenta.items()
        }
        return OptimizerState(max(steps, default=0), first, self._moments(states, "exp_avg_sq"))

    def _moments(self, states: dict[str, dict[str, Any]], key: str) -> Arrays:
        return {
            name: np.array(from_module(name, states[name][key])) if states[name] else np.zeros(shape, np.float32)
            for name, shape in parameter_shapes(self.config).items()
        }

    def load_optimizer_state(self, state: OptimizerState) -> None:
        """Write the state in place, because a captured graph reads it there."""
        for name, tensor in self.tensors.items():
            if name in self.momenta:
                self.momenta[name].copy_(to_module(name, state.first_moment[name]))
                continue
            entry = self.optimizer.state[tensor]
            if not entry:
                entry["step"] = torch.zeros((), device=self.device)
                entry["exp_avg"], entry["exp_avg_sq"] = torch.zeros_like(tensor), torch.zeros_like(tensor)
            entry["step"].fill_(float(state.step))
            entry["exp_avg"].copy_(to_module(name, state.first_moment[name]))
            entry["exp_avg_sq"].copy_(to_module(name, state.second_moment[name]))

    def _replace_parameters(self, state: Arrays) -> None:
        with torch.no_grad():
            for name, value in state.items():
                self.tensors[name].copy_(to_module(name, value))


class TorchCompileEngine(TorchEngine):
    """The same model with its forward and backward compiled by Inductor, which needs a C++ compiler."""

    name: ClassVar[str] = "torch-compile"
    compiles: ClassVar[bool] = True


class TorchOneThreadEngine(TorchEngine):
    """PyTorch eager on one thread, which waits for no other."""

    name: ClassVar[str] = "torch-1-thread"
    threads: ClassVar[int | None] = 1


class TorchStepEngine(TorchEngine):
    """Forward, backward, clipping and AdamW as one compiled graph, whose weights and moments are updated in place.

    The update is written out, because the optimizer's own would end the graph.
    """

    name: ClassVar[str] = "torch-step"
    mode: ClassVar[str | None] = None
    optimizers: ClassVar[tuple[str, ...]] = ("adamw",)

    def __init__(self, model: ModelConfig, train: TrainConfig) -> None:
        super().__init__(model, train)
        self._updates, self._rate = torch.zeros(()), torch.tensor(train.learning_rate)
        for tensor in self.tensors.values():
            moments = {name: torch.zeros_like(tensor) for name in ("exp_avg", "exp_avg_sq")}
            self.optimizer.state[tensor] = {"step": self._updates, **moments}
        self._whole = torch.compile(self._update, dynamic=False, fullgraph=True, mode=self.mode)

    def _set_rate(self, rate: float | None) -> None:
        self._rate.fill_(self.train.learning_rate if rate is None else rate)

    def _step(self, tokens: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        weights = {name: tensor.detach() for name, tensor in self.tensors.items()}
        first, second = (
            {name: self.optimizer.state[tensor][moment] for name, tensor in self.tensors.items()}
            for moment in ("exp_avg", "exp_avg_sq")
        )
        result: tuple[Tensor, Tensor] = self._whole(weights, first, second, tokens, targets)
        return result

    def _loss(self, weights: Tensors, tokens: Tensor, targets: Tensor) -> Tensor:
        scores = functional_call(self.module, weights, (tokens,))
        return F.cross_entropy(scores.flatten(0, 1), targets.flatten())

    def _update(
        self, weights: Tensors, first: Tensors, second: Tensors, tokens: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        grads, loss = grad_and_value(self._loss)(weights, tokens, targets)
        norm = torch.stack([gradient.square().sum() for gradient in grads.values()]).sum().sqrt()
        factor = torch.clamp(self.train.grad_clip / (norm + 1e-6), max=1.0)
        beta1, beta2 = self.train.betas
        self._updates.add_(1)
        correction1, correction2 = 1.0 - beta1**self._updates, 1.0 - beta2**self._updates
        for name, weight in weights.items():
            gradient = grads[name] * factor
            first[name].mul_(beta1).add_(gradient, alpha=1.0 - beta1)
            second[name].mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
            decay = self.train.weight_decay if is_decayed(tuple(weight.shape)) else 0.0
            direction = (first[name] / correction1) / ((second[name] / correction2).sqrt() + self.train.eps)
            weight.mul_(1.0 - self._rate * decay).sub_(self._rate * direction)
        return loss, norm


class TorchAutotuneEngine(TorchStepEngine):
    """The same with every product's kernel chosen by measuring it first."""

    name: ClassVar[str] = "torch-autotune"
    mode: ClassVar[str | None] = "max-autotune-no-cudagraphs"
