"""PyTorch on a GPU behind the engine interface: eager, through ``torch.compile``, and as a captured CUDA graph.

Float32 with TF32 off. A step is the one of ``bench/peers/torch_engine.py``: forward, ``backward()``,
``clip_grad_norm_``, the fused AdamW. Steps that are handed over together are queued one after the other, and the
losses fetched once at their end; so the processor runs ahead of the GPU, as it does in a loop that seldom logs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from bench.arms.registry import STEPS_TOGETHER
from bench.peers.torch_model import TorchGPT2, is_projection, to_module
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import Engine, OptimizerState, StepResult
from tinygpt.params import Arrays, is_decayed, parameter_shapes


class TorchCudaEngine(Engine):
    """PyTorch eager.

    Args:
        model: the shape.
        train: batch and optimiser.
        device: where; another one than a GPU is for tests.
    """

    name: ClassVar[str] = "torch-cuda"
    steps_per_dispatch = STEPS_TOGETHER
    captures: ClassVar[bool] = False
    compiles: ClassVar[bool] = False

    def __init__(self, model: ModelConfig, train: TrainConfig, device: str = "cuda") -> None:
        super().__init__(model, train)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        self.device = torch.device(device)
        self.module = TorchGPT2(model).to(self.device)
        self.tensors = dict(self.module.named_parameters())
        decayed = [tensor for tensor in self.tensors.values() if is_decayed(tuple(tensor.shape))]
        kept = [tensor for tensor in self.tensors.values() if not is_decayed(tuple(tensor.shape))]
        self.rate = torch.tensor(train.learning_rate, device=self.device) if self.captures else train.learning_rate
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": train.weight_decay}, {"params": kept, "weight_decay": 0.0}],
            lr=self.rate,
            betas=train.betas,
            eps=train.eps,
            fused=True,
            capturable=self.captures,
        )
        self.loss_of: Callable[[Tensor, Tensor], Tensor] = self.module.loss
        if self.compiles:
            self.loss_of = torch.compile(self.module.loss, dynamic=False)

    def options(self) -> dict[str, Any]:
        """The version, for the row."""
        return {"version": torch.__version__}

    # ---- steps -------------------------------------------------------------------------------------------

    def _step(self, tokens: Tensor) -> Tensor:
        """One step on tokens (2, B, T), queued; (2,): loss and norm."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss_of(tokens[0], tokens[1])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.tensors.values(), self.train.grad_clip, foreach=True)
        self.optimizer.step()
        return torch.stack([loss.detach(), norm])

    def _set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            if self.captures:
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def _tokens(self, inputs: np.ndarray, targets: np.ndarray) -> Tensor:
        return torch.from_numpy(np.stack([inputs, targets]).astype(np.int64)).to(self.device, non_blocking=True)

    def train_steps(
        self, inputs: np.ndarray, targets: np.ndarray, learning_rates: Sequence[float] | None = None
    ) -> list[StepResult]:
        results = []
        for batch, rate in zip(
            zip(inputs, targets, strict=True), self._rates(learning_rates, len(inputs)), strict=True
        ):
            self._set_rate(rate)
            results.append(self._step(self._tokens(*batch)))
        return [StepResult(loss, norm) for loss, norm in torch.stack(results).tolist()]

    def train_step(self, inputs: np.ndarray, targets: np.ndarray, learning_rate: float | None = None) -> StepResult:
        return self.train_steps(inputs[None], targets[None], None if learning_rate is None else [learning_rate])[0]

    def _rates(self, learning_rates: Sequence[float] | None, count: int) -> Sequence[float]:
        return learning_rates or [self.train.learning_rate] * count

    # ---- the rest of the interface -----------------------------------------------------------------------

    def loss_and_gradients(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, Arrays]:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss_of(*self._tokens(inputs, targets))
        loss.backward()
        return float(loss.detach()), self._arrays(lambda tensor: tensor.grad)

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            scores: np.ndarray = self.module(self._tokens(inputs, inputs)[0]).cpu().numpy()
        return scores

    def parameters(self) -> Arrays:
        """As :meth:`Engine.parameters`; copies."""
        return self._arrays(lambda tensor: tensor)

    def optimizer_state(self) -> OptimizerState:
        """As :meth:`Engine.optimizer_state`; there is none before the first step."""
        state = self.optimizer.state
        steps = [int(entry["step"]) for entry in state.values()]
        first = self._arrays(lambda tensor: state[tensor]["exp_avg"])
        second = self._arrays(lambda tensor: state[tensor]["exp_avg_sq"])
        return OptimizerState(max(steps), first, second)

    def load_optimizer_state(self, state: OptimizerState) -> None:
        """As :meth:`Engine.load_optimizer_state`; in place, where a captured graph looks for it."""
        for name, tensor in self.tensors.items():
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

    def _arrays(self, of: Callable[[Any], Any]) -> Arrays:
        """What belongs to each parameter, in the project's layout."""
        arrays: Arrays = {}
        for name in parameter_shapes(self.model):
            array = of(self.tensors[name]).detach().cpu().numpy()
            arrays[name] = np.array(array.T if is_projection(name) else array)
        return arrays


class TorchCudaCompileEngine(TorchCudaEngine):
    """Forward and backward compiled by Inductor."""

    name: ClassVar[str] = "torch-cuda-compile"
    compiles: ClassVar[bool] = True


class TorchCudaGraphEngine(TorchCudaEngine):
    """The whole eager step captured as a CUDA graph, and replayed: no launch is paid for one by one."""

    name: ClassVar[str] = "torch-cuda-graphs"
    captures: ClassVar[bool] = True

    _graph: Any = None

    def train_steps(
        self, inputs: np.ndarray, targets: np.ndarray, learning_rates: Sequence[float] | None = None
    ) -> list[StepResult]:
        """As :meth:`TorchCudaEngine.train_steps`; the first call captures the step."""
        if self._graph is None:
            self._capture(self._tokens(inputs[0], targets[0]))
        results = []
        for batch, rate in zip(
            zip(inputs, targets, strict=True), self._rates(learning_rates, len(inputs)), strict=True
        ):
            self._set_rate(rate)
            self._fixed.copy_(self._tokens(*batch))
            self._graph.replay()
            results.append(self._result.clone())
        return [StepResult(loss, norm) for loss, norm in torch.stack(results).tolist()]

    def _capture(self, tokens: Tensor) -> None:
        """Record a step. What has to run before that trains, so the weights and moments go back to where they were."""
        weights = self.state_dict()
        before = self.optimizer_state() if self.optimizer.state else None
        self._fixed = tokens.clone()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                self._step(self._fixed)
        torch.cuda.current_stream().wait_stream(aside)
        self.optimizer.zero_grad(set_to_none=True)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._result = self._step(self._fixed)
        self.load_state_dict(weights)
        if before is None:
            zeros = {name: np.zeros(shape, np.float32) for name, shape in parameter_shapes(self.model).items()}
            before = OptimizerState(0, zeros, zeros)
        self.load_optimizer_state(before)


class TorchCudaCompileGraphEngine(TorchCudaGraphEngine):
    """Compiled by Inductor, and captured."""

    name: ClassVar[str] = "torch-cuda-compile-graphs"
    compiles: ClassVar[bool] = True
