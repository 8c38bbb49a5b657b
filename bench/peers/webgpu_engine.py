"""The playground's WebGPU engine behind the engine interface, in Node with Dawn, the WebGPU of Chromium.

Node is a process of its own, which gets tokens and returns losses over pipes. On a GPU it needs the npm package
``webgpu``; ``TINYGPT_DAWN`` may name its module and ``TINYGPT_NODE`` the program. Shaders and scripts are those that a
browser loads. Tests run the same process with the page's plain JavaScript.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bench.arms.registry import FLOAT32, STEPS_TOGETHER
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import Engine, OptimizerState, StepResult
from tinygpt.errors import ConfigError, MissingDependencyError
from tinygpt.params import Arrays, parameter_shapes

_SERVER = Path(__file__).with_name("webgpu_node.mjs")
_LENGTHS = struct.Struct("<II")


class WebGpuEngine(Engine):
    """The engine of the page; tests run it with ``backend="js"``.

    Raises:
        ConfigError: another arithmetic than float32, or the process refuses the model.
        MissingDependencyError: Node is not installed.
    """

    name: ClassVar[str] = "webgpu"
    steps_per_dispatch = STEPS_TOGETHER

    def __init__(
        self, model: ModelConfig, train: TrainConfig, precision: str = FLOAT32, backend: str = "webgpu"
    ) -> None:
        super().__init__(model, train)
        if precision != FLOAT32:
            raise ConfigError(f"precision {precision!r} of engine 'webgpu'", FLOAT32)
        node = os.environ.get("TINYGPT_NODE") or shutil.which("node")
        if node is None:
            raise MissingDependencyError("engine 'webgpu' needs Node", run="apt-get install nodejs npm")
        self._process = subprocess.Popen([node, str(_SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._end = weakref.finalize(self, self._process.kill)
        config = {
            "nLayers": model.n_layers, "dModel": model.d_model, "nHeads": model.n_heads,
            "contextLength": model.context_length, "eps": model.layer_norm_eps, "vocabSize": model.vocab_size,
        }  # fmt: skip
        self._ask("open", config=config, batchSize=train.batch_size, backend=backend)

    def options(self) -> dict[str, Any]:
        """Return the arithmetic; the adapter is part of the machine."""
        return {"precision": FLOAT32}

    def process_ids(self) -> tuple[int, ...]:
        return (self._process.pid,)

    def train_step(self, inputs: np.ndarray, targets: np.ndarray, learning_rate: float | None = None) -> StepResult:
        return self.train_steps(inputs[None], targets[None], None if learning_rate is None else [learning_rate])[0]

    def train_steps(
        self, inputs: np.ndarray, targets: np.ndarray, learning_rates: Sequence[float] | None = None
    ) -> list[StepResult]:
        train = self.train
        fixed = {
            "beta1": train.betas[0], "beta2": train.betas[1], "eps": train.eps,
            "weightDecay": train.weight_decay, "gradClip": train.grad_clip,
        }  # fmt: skip
        rates = learning_rates or [train.learning_rate] * len(inputs)
        settings = [{**fixed, "learningRate": float(rate)} for rate in rates]
        tokens = np.stack([inputs, targets], axis=1).astype(np.uint32)
        answer, _ = self._ask("steps", tokens.tobytes(), count=len(inputs), settings=settings)
        return [StepResult(_number(result["loss"]), _number(result["gradNorm"])) for result in answer["results"]]

    def loss_and_gradients(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, Arrays]:
        self._check_batch(inputs, targets)
        answer, rest = self._ask("gradients", np.stack([inputs, targets]).astype(np.uint32).tobytes())
        return float(answer["loss"]), self._arrays(rest)[0]

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        self._check_batch(inputs)
        _, rest = self._ask("logits", inputs.astype(np.uint32).tobytes())
        return np.frombuffer(rest, np.float32).reshape(*inputs.shape, self.config.vocab_size)

    def parameters(self) -> Arrays:
        return self._arrays(self._ask("weights")[1])[0]

    def optimizer_state(self) -> OptimizerState:
        answer, rest = self._ask("state")
        return OptimizerState(int(answer["updates"]), *self._arrays(rest))

    def _replace_parameters(self, state: Arrays) -> None:
        self._ask("load", self._bytes(state))

    def load_optimizer_state(self, state: OptimizerState) -> None:
        self._ask("moments", self._bytes(state.first_moment) + self._bytes(state.second_moment), updates=state.step)

    def _bytes(self, arrays: Arrays) -> bytes:
        """Arrays one after the other, in the order of the parameters."""
        return b"".join(np.asarray(arrays[name], np.float32).tobytes() for name in parameter_shapes(self.config))

    def _arrays(self, rest: bytes) -> list[Arrays]:
        """Read them back: one dictionary, or several that follow one another."""
        shapes = parameter_shapes(self.config)
        flat = np.frombuffer(rest, np.float32).reshape(-1, sum(int(np.prod(shape)) for shape in shapes.values()))
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])[:-1]
        return [
            {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), np.split(row, ends), strict=True)}
            for row in flat
        ]

    def _ask(self, kind: str, rest: bytes = b"", **request: Any) -> tuple[dict[str, Any], bytes]:
        """Send a request and wait for its answer.

        Raises:
            ConfigError: the process cannot do it, or has ended.
        """
        text = json.dumps({"type": kind, **request}).encode()
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None and pipe_out is not None
        try:
            pipe_in.write(_LENGTHS.pack(len(text), len(rest)) + text + rest)
            pipe_in.flush()
            lengths = _LENGTHS.unpack(pipe_out.read(_LENGTHS.size))
            answer, more = json.loads(pipe_out.read(lengths[0])), pipe_out.read(lengths[1])
        except (OSError, struct.error) as error:
            raise ConfigError("engine 'webgpu' ended", "Node with the npm package webgpu; see above") from error
        if "error" in answer:
            raise ConfigError(f"engine 'webgpu': {answer['error']}", "a GPU and a model that fits", answer["report"])
        return answer, more


def _number(value: float | None) -> float:
    """A number of an answer; JSON has none that is not finite."""
    return float("nan") if value is None else float(value)
