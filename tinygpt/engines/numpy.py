"""Engine ``numpy``: textbook vectorization with temporaries, neither slow on purpose nor clever.

Every other engine is tested against this one. ``tinygpt/layers.py`` has the layers and their derivations. This file
connects them: a forward that keeps what the backward needs, and a backward that visits the layers in reverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tinygpt.config import OPTIMIZERS, ModelConfig, TrainConfig
from tinygpt.dropout import MaskDraw, dropped, n_sites
from tinygpt.engines.base import Engine, StepResult
from tinygpt.layers import (
    attention,
    attention_backward,
    embed,
    embed_backward,
    gelu,
    gelu_backward,
    layer_norm,
    layer_norm_backward,
    linear,
    linear_backward,
    lora,
    lora_backward,
    tied_head,
    token_losses,
)
from tinygpt.lora import adapter_names
from tinygpt.muon import is_orthogonalized, muon_update
from tinygpt.optim import OptimizerState, adamw_update, clip_factor, global_norm
from tinygpt.params import Arrays, is_decayed, parameter_shapes
from tinygpt.score_blocks import row_blocks
from tinygpt.system.stopping import InterruptsDeferred
from tinygpt.trained import EMBEDDINGS, lowest_trained

NormCache = tuple[np.ndarray, np.ndarray]
HeadsCache = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # q, k, v, attention weights
Masks = Sequence[np.ndarray | None]  # one per dropout site in data-flow order, (B, T, D) each; None without dropout


@dataclass(frozen=True)
class BlockCache:
    """Arrays that a block's backward needs; N is (B, T)."""

    normed_1: np.ndarray  # (N, D) input of c_attn
    norm_1: NormCache
    heads: HeadsCache
    mixed: np.ndarray  # (N, D) input of attn.c_proj
    normed_2: np.ndarray  # (N, D) input of c_fc
    norm_2: NormCache
    hidden: np.ndarray  # (N, F) input of the GELU
    hidden_tanh: np.ndarray  # (N, F) its tanh
    activated: np.ndarray  # (N, F) input of mlp.c_proj


class NumpyEngine(Engine):
    """GPT-2 in whole-array NumPy."""

    name: ClassVar[str] = "numpy"
    has_dropout: ClassVar[bool] = True
    optimizers: ClassVar[tuple[str, ...]] = OPTIMIZERS
    can_freeze: ClassVar[bool] = True

    def __init__(self, model: ModelConfig, train: TrainConfig) -> None:
        super().__init__(model, train)
        shapes = parameter_shapes(model) | self.trained
        self.weights: Arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        self.first_moment: Arrays = {name: np.zeros(shape, np.float32) for name, shape in self.trained.items()}
        self.second_moment: Arrays = {name: np.zeros(shape, np.float32) for name, shape in self.trained.items()}
        self.lowest = lowest_trained(self.trained, model.n_layers)
        self.updates = 0

    # ---- forward -----------------------------------------------------------------------------------------

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        y = linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])
        adapter = self._adapter(name)
        return y if adapter is None else y + lora(x, *adapter)

    def _adapter(self, name: str) -> tuple[np.ndarray, np.ndarray, float] | None:
        """Return A, B and α / r of a linear layer, or None if it has no adapter."""
        if self.lora is None:
            return None
        a, b = adapter_names(name)
        return (self.weights[a], self.weights[b], self.lora.scale) if a in self.weights else None

    def _norm(self, name: str, x: np.ndarray) -> tuple[np.ndarray, NormCache]:
        return layer_norm(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], self.config.layer_norm_eps)

    def _attention(self, qkv: np.ndarray) -> tuple[np.ndarray, HeadsCache]:
        return attention(qkv, self.config.n_heads)

    def _block(self, x: np.ndarray, h: str, masks: Masks) -> tuple[np.ndarray, BlockCache]:
        """Run one pre-LayerNorm transformer block: x (B, T, D) → (B, T, D); ``masks`` are those of its two branches."""
        normed_1, norm_1 = self._norm(f"{h}.ln_1", x)
        mixed, heads = self._attention(self._linear(f"{h}.attn.c_attn", normed_1))
        x = x + dropped(self._linear(f"{h}.attn.c_proj", mixed), masks[0])
        normed_2, norm_2 = self._norm(f"{h}.ln_2", x)
        hidden = self._linear(f"{h}.mlp.c_fc", normed_2)  # (B, T, F)
        activated, hidden_tanh = gelu(hidden)
        x = x + dropped(self._linear(f"{h}.mlp.c_proj", activated), masks[1])
        return x, BlockCache(normed_1, norm_1, heads, mixed, normed_2, norm_2, hidden, hidden_tanh, activated)

    def _forward(self, inputs: np.ndarray, masks: Masks) -> tuple[np.ndarray, list[BlockCache], NormCache]:
        """Tokens (B, T) → the last norm's output (B, T, D), for the head, with the caches of blocks and norm."""
        x = dropped(embed(inputs, self.weights["wte.weight"], self.weights["wpe.weight"]), masks[0])
        caches = []
        for layer in range(self.config.n_layers):
            x, cache = self._block(x, f"h.{layer}", masks[1 + 2 * layer : 3 + 2 * layer])
            caches.append(cache)
        final, norm_f = self._norm("ln_f", x)
        return final, caches, norm_f

    # ---- backward ----------------------------------------------------------------------------------------

    def _linear_backward(self, name: str, dy: np.ndarray, x: np.ndarray, grads: Arrays) -> np.ndarray:
        weight = self.weights[f"{name}.weight"]
        if f"{name}.weight" in self.trained:
            dx, grads[f"{name}.weight"], grads[f"{name}.bias"] = linear_backward(dy, x, weight)
            return dx
        dx = dy @ weight.T
        if (adapter := self._adapter(name)) is None:
            return dx
        a, b = adapter_names(name)
        dx_low, grads[a], grads[b] = lora_backward(dy, x, *adapter)
        return dx + dx_low

    def _norm_backward(self, name: str, dy: np.ndarray, cache: NormCache, grads: Arrays) -> np.ndarray:
        weight, bias = f"{name}.weight", f"{name}.bias"
        dx, dgain, dbias = layer_norm_backward(dy, self.weights[weight], cache)
        if weight in self.trained:
            grads[weight], grads[bias] = dgain, dbias
        return dx

    def _attention_backward(self, dy: np.ndarray, heads: HeadsCache) -> np.ndarray:
        return attention_backward(dy, heads)

    def _block_backward(self, dx: np.ndarray, h: str, cache: BlockCache, masks: Masks, grads: Arrays) -> np.ndarray:
        """∂loss/∂(block output) → ∂loss/∂(block input), both (B, T, D), the block's gradients into ``grads``.

        Each ``x + f(x)`` sends dx down both paths, so the branch's gradient is added to dx itself.
        """
        dactivated = self._linear_backward(f"{h}.mlp.c_proj", dropped(dx, masks[1]), cache.activated, grads)
        dhidden = gelu_backward(dactivated, cache.hidden, cache.hidden_tanh)
        dnormed_2 = self._linear_backward(f"{h}.mlp.c_fc", dhidden, cache.normed_2, grads)
        dx = dx + self._norm_backward(f"{h}.ln_2", dnormed_2, cache.norm_2, grads)
        dmixed = self._linear_backward(f"{h}.attn.c_proj", dropped(dx, masks[0]), cache.mixed, grads)
        dqkv = self._attention_backward(dmixed, cache.heads)
        dnormed_1 = self._linear_backward(f"{h}.attn.c_attn", dqkv, cache.normed_1, grads)
        return dx + self._norm_backward(f"{h}.ln_1", dnormed_1, cache.norm_1, grads)

    def loss_and_gradients(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, Arrays]:
        self._check_batch(inputs, targets)
        return self._pass(inputs, targets, self._no_masks())

    def _pass(self, inputs: np.ndarray, targets: np.ndarray, masks: Masks) -> tuple[float, Arrays]:
        """Do the forward and backward pass of one batch."""
        w = self.weights
        final, caches, norm_f = self._forward(inputs, masks)
        # The head is the embedding, transposed; the embedding's share of the table's gradient is added last.
        loss, dfinal, dwte_head = tied_head(final, w["wte.weight"], targets, "wte.weight" in self.trained)
        grads: Arrays = {}
        dx = self._norm_backward("ln_f", dfinal, norm_f, grads)
        for layer in reversed(range(max(0, self.lowest), self.config.n_layers)):
            dx = self._block_backward(dx, f"h.{layer}", caches[layer], masks[1 + 2 * layer : 3 + 2 * layer], grads)
        if self.lowest == EMBEDDINGS:
            dx = dropped(dx, masks[0])
            dwte_embedding, grads["wpe.weight"] = embed_backward(dx, inputs, w["wte.weight"], w["wpe.weight"])
            grads["wte.weight"] = dwte_head + dwte_embedding
        return loss, {name: grads[name] for name in self.trained}

    # ---- dropout and accumulation ------------------------------------------------------------------------

    def _no_masks(self) -> Masks:
        return [None] * n_sites(self.config.n_layers)

    def _masks(self, draw: MaskDraw | None, rows: slice, length: int) -> Masks:
        """Draw the masks of some rows of an update's batch."""
        if draw is None:
            return self._no_masks()
        shape = (n_sites(self.config.n_layers), rows.stop - rows.start, length, self.config.d_model)
        masks = np.empty(shape, np.float32)
        draw.fill(masks, rows.start)
        return list(masks)

    def _accumulated(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, Arrays]:
        """Return the mean loss and its gradients over the accumulated batches of an update."""
        draw, loss = self._mask_draw(self.updates), 0.0
        grads: Arrays = {}
        for rows in self._parts(len(inputs)):
            masks = self._masks(draw, rows, inputs.shape[1])
            part_loss, part = self._pass(inputs[rows], targets[rows], masks)
            if rows.stop - rows.start == len(inputs):
                return part_loss, part
            share = (rows.stop - rows.start) / len(inputs)
            loss += share * part_loss
            grads = {name: grads.get(name, 0.0) + np.float32(share) * value for name, value in part.items()}
        return loss, grads

    # ---- the interface -----------------------------------------------------------------------------------

    def train_step(self, inputs: np.ndarray, targets: np.ndarray, learning_rate: float | None = None) -> StepResult:
        self._check_batch(inputs, targets)
        loss, grads = self._accumulated(inputs, targets)
        norm = global_norm(grads.values())
        factor = clip_factor(norm, self.train.grad_clip)
        rate = self.train.learning_rate if learning_rate is None else learning_rate
        with InterruptsDeferred():
            self.updates += 1
            for name in self.trained:
                parameter = self.weights[name]
                if self.train.optimizer == "muon" and is_orthogonalized(name):
                    gradient = grads[name] * factor
                    muon_update(name, parameter, gradient, self.first_moment[name], rate, self.train)
                    continue
                adamw_update(
                    parameter,
                    grads[name] * factor,
                    self.first_moment[name],
                    self.second_moment[name],
                    self.updates,
                    rate,
                    self.train,
                    is_decayed(parameter.shape),
                )
        return StepResult(loss, norm)

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        self._check_batch(inputs)
        final = self._forward(inputs, self._no_masks())[0]
        return (final @ self.weights["wte.weight"].T).astype(np.float32, copy=False)

    def token_losses(self, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        self._check_batch(inputs, targets)
        final, table = self._forward(inputs, self._no_masks())[0], self.weights["wte.weight"]
        length, losses = inputs.shape[1], np.empty(inputs.shape, np.float64)
        for part in row_blocks(length, len(inputs) * len(table)):
            losses[:, part] = token_losses(final[:, part] @ table.T, targets[:, part])
        return losses

    def attention_weights(self, inputs: np.ndarray) -> list[np.ndarray]:
        """Return the attention weights for tokens (B, T): an array (B, H, T, T) for each layer."""
        self._check_batch(inputs)
        return [cache.heads[3] for cache in self._forward(inputs, self._no_masks())[1]]

    def parameters(self) -> Arrays:
        return {name: self.weights[name] for name in parameter_shapes(self.config)}

    def adapter(self) -> Arrays:
        return {name: self.weights[name] for name in self.trained} if self.lora else {}

    def optimizer_state(self) -> OptimizerState:
        return OptimizerState(
            self.updates,
            {name: value.copy() for name, value in self.first_moment.items()},
            {name: value.copy() for name, value in self.second_moment.items()},
        )

    def _replace_parameters(self, state: Arrays) -> None:
        self.weights |= {name: value.copy() for name, value in state.items()}

    def load_optimizer_state(self, state: OptimizerState) -> None:
        self.updates = state.step
        self.first_moment = {name: np.array(value, np.float32) for name, value in state.first_moment.items()}
        self.second_moment = {name: np.array(value, np.float32) for name, value in state.second_moment.items()}
