"""The oracle: Hugging Face's GPT-2 with PyTorch's autograd, clipping and AdamW, fed our weights and batches."""

from __future__ import annotations

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.params import Arrays, parameter_shapes


class Oracle:
    """GPT-2 in PyTorch, float32 (or float64 for a sharper comparison), with named weights of ours."""

    def __init__(self, model: ModelConfig, train: TrainConfig, weights: Arrays) -> None:
        config = GPT2Config(
            vocab_size=model.vocab_size,
            n_positions=model.context_length,
            n_embd=model.d_model,
            n_layer=model.n_layers,
            n_head=model.n_heads,
            activation_function="gelu_new",
            layer_norm_epsilon=model.layer_norm_eps,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=None,
            eos_token_id=None,
            attn_implementation="eager",
        )
        self.train_config = train
        self.network = GPT2LMHeadModel(config)
        self.names = list(parameter_shapes(model))
        self.parameters = {name: self.network.transformer.get_parameter(name) for name in self.names}
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(torch.from_numpy(weights[name]))
        matrices = [p for p in self.parameters.values() if p.ndim >= 2]
        vectors = [p for p in self.parameters.values() if p.ndim < 2]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": train.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
            lr=train.learning_rate,
            betas=train.betas,
            eps=train.eps,
        )

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self.network(torch.from_numpy(inputs)).logits.numpy()

    def _loss(self, inputs: np.ndarray, targets: np.ndarray) -> torch.Tensor:
        logits = self.network(torch.from_numpy(inputs)).logits
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(targets).flatten())

    def loss_and_gradients(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, Arrays]:
        self.network.zero_grad()
        loss = self._loss(inputs, targets)
        loss.backward()
        return float(loss.detach()), {name: p.grad.numpy().copy() for name, p in self.parameters.items()}

    def train_step(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
        self.network.zero_grad()
        loss = self._loss(inputs, targets)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.train_config.grad_clip)
        self.optimizer.step()
        return float(loss.detach()), float(norm)

    def weights(self) -> Arrays:
        return {name: p.detach().numpy().copy() for name, p in self.parameters.items()}
