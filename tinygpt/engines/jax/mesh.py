"""Devices as a mesh, and which device has which part of a batch, a weight or a moment.

    data   every device has the whole state and reads its part of the batch; gradients are summed over devices
    fsdp   also, weights, gradients and moments are cut into parts, and gathered layer by layer when needed
           (fully sharded data parallelism, Zhao et al. 2023)

A batch is divided over both axes. XLA derives all transfers between devices from these placements.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from tinygpt.config import ModelConfig
from tinygpt.engines.jax.layout import BLOCKS, MATRICES, VECTORS, Tree, to_tree
from tinygpt.engines.jax.settings import Settings
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.params import parameter_shapes

AXES = ("data", "fsdp")
_FORM = "data=N, fsdp=N, or both: data=2,fsdp=4 (in a variant's brackets data2-fsdp4)"


@dataclass(frozen=True)
class MeshShape:
    """Number of devices along each axis."""

    data: int = 1
    fsdp: int = 1

    @property
    def size(self) -> int:
        """Number of devices."""
        return self.data * self.fsdp

    def __str__(self) -> str:
        return "-".join(f"{axis}{getattr(self, axis)}" for axis in AXES if getattr(self, axis) > 1) or "data1"


def parse_mesh(text: str) -> MeshShape:
    """Read ``data=2,fsdp=4`` or ``data2-fsdp4``.

    Raises:
        ConfigError: an axis is unknown or named twice, or a number is missing or below 1.
    """
    sizes: dict[str, int] = {}
    for part in re.split(r"[,-]", text):
        match = re.fullmatch(r"([a-z]+)=?(\d+)", part.strip())
        if match is None or int(match[2]) < 1:
            raise ConfigError(f"mesh {text!r}", _FORM)
        if match[1] not in AXES:
            raise unknown_name("axis of a mesh", match[1], AXES)
        if match[1] in sizes:
            raise ConfigError(f"mesh {text!r} names axis {match[1]} twice", _FORM)
        sizes[match[1]] = int(match[2])
    return MeshShape(**sizes)


def check_mesh(shape: MeshShape, n_devices: int, batch_size: int, n_processes: int = 1) -> None:
    """Refuse a mesh whose size does not divide the devices or the batch, or that leaves out a process's devices.

    Raises:
        ConfigError: with the sizes that are possible.
    """
    mesh = f"a mesh of {shape.size} ({shape})"
    for total, name in ((n_devices, f"{n_devices} devices"), (batch_size, f"a batch of {batch_size}")):
        if total % shape.size:
            sizes = ", ".join(str(size) for size in range(1, total + 1) if total % size == 0)
            raise ConfigError(f"{mesh} does not divide {name}", f"{sizes} devices")
    if n_processes > 1 and shape.size != n_devices:
        raise ConfigError(f"{mesh} leaves devices of {n_processes} processes out", f"all {n_devices}")


def make_mesh(shape: MeshShape, devices: Sequence[jax.Device]) -> Mesh:
    """Make a mesh of the first devices, in order, so that each process has adjacent rows of a batch."""
    chosen = np.array(devices[: shape.size], dtype=object).reshape(shape.data, shape.fsdp)
    return Mesh(chosen, AXES)


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding of an array that every device has whole."""
    return NamedSharding(mesh, PartitionSpec())


def over_rows(mesh: Mesh, axis: int) -> NamedSharding:
    """Return the sharding of an array whose given axis is a batch's rows, divided over the whole mesh."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, AXES))


def tree_shardings(model: ModelConfig, mesh: Mesh, settings: Settings) -> Tree:
    """Return the sharding of each weight, and so of its gradient and moments.

    ``fsdp`` cuts an array along its longest divisible axis (never along the axis of layers). An array without such an
    axis, and every array if ``fsdp`` is 1, is whole on every device.
    """
    parts, scanned = mesh.shape["fsdp"], settings.scanned
    if settings.arena:
        return {MATRICES: replicated(mesh), VECTORS: replicated(mesh)}

    def sharding(shape: tuple[int, ...], stacked: bool) -> NamedSharding:
        longest = max((size for size in shape if size % parts == 0), default=0)
        if parts == 1 or not longest:
            return replicated(mesh)
        axis = shape.index(longest) + stacked
        return NamedSharding(mesh, PartitionSpec(*[None] * axis, "fsdp"))

    # One parameter at a time: a tree would take the shapes, which are tuples, for branches.
    tree = to_tree(parameter_shapes(model), model, scanned=False)
    layers = [{name: sharding(shape, scanned) for name, shape in layer.items()} for layer in tree.pop(BLOCKS)]
    others = {name: sharding(shape, False) for name, shape in tree.items()}
    return others | {BLOCKS: layers[0] if scanned else layers}


def own_rows(mesh: Mesh, batch_size: int) -> slice:
    """Return the rows of a batch that this process's devices read."""
    places = over_rows(mesh, 0).addressable_devices_indices_map((batch_size,)).values()
    bounds = [place[0].indices(batch_size) for place in places if place is not None]
    return slice(min(start for start, _, _ in bounds), max(stop for _, stop, _ in bounds))
