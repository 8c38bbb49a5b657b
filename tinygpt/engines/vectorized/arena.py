"""One flat float32 array for the parameters, one for each moment, one per worker for the gradient.

Flat storage turns clipping and AdamW into a few tiled passes over contiguous memory, whatever the number of
layers. Matrices and embeddings come first, biases and gains after them, so that weight decay is a range.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.engines.vectorized.kernels import TILE, AdamWStep, KernelSet
from tinygpt.params import Arrays, is_decayed, parameter_shapes


class Arena:
    """A model's parameters, moments and gradients.

    Args:
        model: gives the names and shapes.
        workers: how many gradients to hold; they are summed in order into the first.
    """

    def __init__(self, model: ModelConfig, workers: int) -> None:
        shapes = parameter_shapes(model)
        ordered = sorted(shapes, key=lambda name: not is_decayed(shapes[name]))  # stable: decayed ones first
        self.slices: dict[str, slice] = {}
        end = 0
        for name in ordered:
            start, end = end, end + math.prod(shapes[name])
            self.slices[name] = slice(start, end)
        self.shapes = shapes
        self.size = end
        self.decayed_size = sum(math.prod(shape) for shape in shapes.values() if is_decayed(shape))
        self.flat_parameters = np.zeros(end, np.float32)
        self.flat_first_moment = np.zeros(end, np.float32)
        self.flat_second_moment = np.zeros(end, np.float32)
        self.flat_gradients = [np.zeros(end, np.float32) for _ in range(workers)]
        self.parameters = self.views(self.flat_parameters)
        self.gradients = [self.views(flat) for flat in self.flat_gradients]

    def views(self, flat: np.ndarray) -> Arrays:
        """Names → shaped views into a flat array, in data-flow order."""
        return {name: flat[self.slices[name]].reshape(shape) for name, shape in self.shapes.items()}

    def fill(self, flat: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        """Copy named arrays into a flat array."""
        for name, part in self.views(flat).items():
            part[...] = values[name]

    def tiles(self, worker: int, workers: int) -> list[tuple[slice, bool]]:
        """A worker's share of the arena as (tile, decayed), each tile within one decay range."""
        ranges = ((0, self.decayed_size, True), (self.decayed_size, self.size, False))
        every = [
            (slice(start, min(start + TILE, stop)), decayed)
            for begin, stop, decayed in ranges
            for start in range(begin, stop, TILE)
        ]
        share = -(-len(every) // workers)
        return every[worker * share : (worker + 1) * share]

    def reduce_tiles(self, tiles: list[tuple[slice, bool]]) -> float:
        """Sum the workers' gradients into the first one; returns the tiles' squared L2 norm."""
        total, others = self.flat_gradients[0], self.flat_gradients[1:]
        squared = 0.0
        for tile, _ in tiles:
            part = total[tile]
            for other in others:
                part += other[tile]
            squared += float(np.dot(part, part))
        return squared

    def update_tiles(
        self, tiles: list[tuple[slice, bool]], step: AdamWStep, kernels: KernelSet, scratch: np.ndarray
    ) -> None:
        """AdamW over the tiles, from the reduced gradient."""
        for tile, decayed in tiles:
            kernels.adamw(
                self.flat_parameters[tile],
                self.flat_gradients[0][tile],
                self.flat_first_moment[tile],
                self.flat_second_moment[tile],
                step,
                decayed,
                scratch[: tile.stop - tile.start],
            )
