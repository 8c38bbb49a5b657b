"""Muon for the PyTorch peers: the update of ``tinygpt/muon.py`` on tensors, whose layout is transposed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tinygpt import muon
from tinygpt.config import TrainConfig

Orthogonalize = Callable[[Tensor], Tensor]


def orthogonalize(matrix: Tensor) -> Tensor:
    """Return the nearly orthogonal matrix with the same singular vectors."""
    a, b, c = muon.COEFFICIENTS
    x = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = x / (x.norm() + muon.SMALLEST)
    for _ in range(muon.ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


@torch.no_grad()
def muon_step(
    tensors: Mapping[str, Tensor],
    momenta: Mapping[str, Tensor],
    learning_rate: float,
    train: TrainConfig,
    make_orthogonal: Orthogonalize,
) -> None:
    """Update the blocks' matrices, stored (out, in), from their clipped gradients."""
    beta1 = train.betas[0]
    for name, momentum in momenta.items():
        tensor = tensors[name]
        gradient = tensor.grad
        assert gradient is not None  # every parameter takes part in every loss
        momentum.lerp_(gradient, 1.0 - beta1)
        ahead = gradient.lerp(momentum, beta1)
        tensor.mul_(1.0 - learning_rate * train.weight_decay)
        for part, direction in zip(*(x.chunk(muon.n_matrices(name), 0) for x in (tensor, ahead)), strict=True):
            part.sub_(make_orthogonal(direction), alpha=learning_rate * muon.scale(tuple(part.shape)))
