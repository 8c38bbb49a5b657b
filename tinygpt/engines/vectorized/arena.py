"""The arena: flat float32 arrays for the parameters, for each moment, and for each worker's gradient.

Flat storage turns clipping and AdamW into a few tiled passes over contiguous memory, however many layers there are.
The order is that of the data flow, so a projection's bias follows its weight: together they are one (I + 1, O) matrix,
which an input with a column of ones multiplies in one product. What is trained comes first, LoRA adapters included, and
what is frozen after it: moments and gradients have the first part alone, at the same places.

The work after the gradients is divided by ranges: each worker owns a range of the arena that begins and ends between
units. A unit is a norm with the projection that reads it, or a projection alone, or an adapter, or an end of the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.vectorized.forms import KernelSet
from tinygpt.engines.vectorized.kernels import TILE, AdamWStep
from tinygpt.params import Arrays, is_decayed, parameter_shapes
from tinygpt.trained import trained_shapes

Allocate = Callable[[int], np.ndarray]

_LINE = 16  # numbers, a line of the cache: gradients do not share one

# The first parameter of every unit except the embeddings, with which the arena begins.
_UNIT_STARTS = (
    ".ln_1.weight", ".attn.c_proj.weight", ".ln_2.weight", ".mlp.c_proj.weight", "ln_f.weight", ".lora_A",
)  # fmt: skip


@dataclass(frozen=True)
class Tile:
    """A part of a range that fits in the cache, and the slices of it that have weight decay."""

    range: slice
    decayed: tuple[slice, ...]


class Arena:
    """A model's parameters, moments and gradients.

    Args:
        model: the model's shape.
        gradients: their number; they are summed in order into the first.
        allocate: makes a zeroed float32 array of a length, in memory that all workers share.
        accumulates: make room for the sum of earlier batches' gradients.
        train: the settings that say what is trained; everything when None.

    Attributes:
        trained: name → shape of what is trained.
        size: the numbers of these, and of each moment and gradient.
    """

    def __init__(
        self,
        model: ModelConfig,
        gradients: int,
        allocate: Allocate,
        accumulates: bool = False,
        train: TrainConfig | None = None,
    ) -> None:
        self.trained = parameter_shapes(model) if train is None else trained_shapes(model, train)
        self.lora = None if train is None else train.adapter
        self.shapes = self.trained | parameter_shapes(model)  # a trained name keeps its place at the front
        self.slices: dict[str, slice] = {}
        end = 0
        for name, shape in self.shapes.items():
            start, end = end, end + math.prod(shape)
            self.slices[name] = slice(start, end)
        self.size = size = sum(map(math.prod, self.trained.values()))
        self.flat_parameters = allocate(end)
        self.flat_first_moment = allocate(size)
        self.flat_second_moment = allocate(size)
        apart = -(-size // _LINE) * _LINE
        self.stacked_gradients = allocate(gradients * apart).reshape(gradients, apart)
        self.flat_gradients = [row[:size] for row in self.stacked_gradients]
        self.flat_accumulated = allocate(size) if accumulates else None
        self.parameters = self.views(self.flat_parameters)
        self.gradients = [self.views(flat) for flat in self.flat_gradients]

    def views(self, flat: np.ndarray) -> Arrays:
        """Return shaped views into a flat array by name, in its order: of everything, or of what is trained."""
        shapes = self.trained if len(flat) == self.size else self.shapes
        return {name: flat[self.slices[name]].reshape(shape) for name, shape in shapes.items()}

    def joined(self, flat: np.ndarray, projection: str) -> np.ndarray:
        """Return a projection's weight with its bias as the last row: (I + 1, O), a view."""
        weight, bias = self.slices[f"{projection}.weight"], self.slices[f"{projection}.bias"]
        return flat[weight.start : bias.stop].reshape(-1, bias.stop - bias.start)

    def fill(self, flat: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        """Copy named arrays into a flat array."""
        views = self.views(flat)
        for name, value in values.items():
            views[name][...] = value

    # ---- ranges: the workers' shares after the gradients -------------------------------------------------------

    def worker_range(self, worker: int, workers: int) -> slice:
        """Return the range that a worker owns: about an equal share, cut between units."""
        starts = [0, *(self.slices[name].start for name in self.trained if name.endswith(_UNIT_STARTS)), self.size]
        bounds = [min(starts, key=lambda s: abs(s - self.size * index / workers)) for index in range(workers + 1)]
        return slice(bounds[worker], bounds[worker + 1])

    def tiles(self, owned: slice, without: Iterable[str] = ()) -> list[Tile]:
        """Cut a range into tiles, without some of its parameters."""
        bounds = [owned.start, *(b for name in without for b in (self.slices[name].start, self.slices[name].stop))]
        bounds.append(owned.stop)
        runs = [range(start, stop) for start, stop in zip(bounds[::2], bounds[1::2], strict=True)]
        decayed = [self.slices[name] for name, shape in self.shapes.items() if is_decayed(shape)]
        tiles = []
        for start, stop in ((at, min(at + TILE, run.stop)) for run in runs for at in run[::TILE]):
            parts = ((max(part.start, start), min(part.stop, stop)) for part in decayed)
            tiles.append(Tile(slice(start, stop), tuple(slice(a, b) for a, b in parts if a < b)))
        return tiles

    def reduce(self, tiles: list[Tile], n_gradients: int) -> None:
        """Sum the first ``n_gradients`` gradients into the first one."""
        total = self.flat_gradients[0]
        for other in self.flat_gradients[1:n_gradients]:
            for tile in tiles:
                part = total[tile.range]
                part += other[tile.range]

    def accumulate(self, tiles: list[Tile]) -> None:
        """Add the reduced gradient to the sum of the earlier batches."""
        assert self.flat_accumulated is not None
        for tile in tiles:
            part = self.flat_accumulated[tile.range]
            part += self.flat_gradients[0][tile.range]

    def add_accumulated(self, tiles: list[Tile]) -> None:
        """Add the sum of the earlier batches to the reduced gradient, and clear that sum."""
        if self.flat_accumulated is None:
            return
        for tile in tiles:
            part = self.flat_gradients[0][tile.range]
            part += self.flat_accumulated[tile.range]
            self.flat_accumulated[tile.range] = 0.0

    def drop_accumulated(self) -> None:
        """Clear the sum of the earlier batches after an interrupted step."""
        if self.flat_accumulated is not None:
            self.flat_accumulated[...] = 0.0

    def squared_norm(self, tiles: list[Tile]) -> float:
        """Return the squared L2 norm of the reduced gradient over the tiles."""
        total = self.flat_gradients[0]
        return sum(float(np.dot(total[tile.range], total[tile.range])) for tile in tiles)

    def update(self, tiles: list[Tile], step: AdamWStep, kernels: KernelSet, scratch: np.ndarray) -> None:
        """Update the tiles with AdamW from the reduced gradient."""
        for tile in tiles:
            for part in tile.decayed:
                weights = self.flat_parameters[part]
                weights *= np.float32(step.decay)
            kernels.adamw(
                self.flat_parameters[tile.range],
                self.flat_gradients[0][tile.range],
                self.flat_first_moment[tile.range],
                self.flat_second_moment[tile.range],
                step,
                scratch[: tile.range.stop - tile.range.start],
            )
