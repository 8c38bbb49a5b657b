"""Devices as a mesh, and which part of a batch, a weight or a moment lies on which.

    data   every device holds the whole state and reads its part of the batch; gradients are summed over devices
    fsdp   besides, weights, gradients and moments are cut into parts, and gathered layer by layer when they are needed
           (fully sharded data parallelism, Zhao et al. 2023)

A batch is shared out over both axes. What moves between devices, and when, is XLA's to work out from where things lie.
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
_RUN = "invoke train --engine jax --mesh data=2"


@dataclass(frozen=True)
class MeshShape:
    """Devices along each axis."""

    data: int = 1
    fsdp: int = 1

    @property
    def size(self) -> int:
        """Devices in all."""
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
        found = re.fullmatch(r"([a-z]+)=?(\d+)", part.strip())
        if found is None or int(found[2]) < 1:
            raise ConfigError(f"mesh {text!r}", _FORM, _RUN)
        if found[1] not in AXES:
            raise unknown_name("axis of a mesh", found[1], AXES, _RUN)
        if found[1] in sizes:
            raise ConfigError(f"mesh {text!r} names axis {found[1]} twice", _FORM, _RUN)
        sizes[found[1]] = int(found[2])
    return MeshShape(**sizes)


def check_mesh(shape: MeshShape, n_devices: int, batch_size: int, n_processes: int = 1) -> None:
    """Refuse a mesh that the devices or the batch cannot fill.

    Args:
        shape: the mesh.
        n_devices: of all processes.
        batch_size: B, rows of a batch.
        n_processes: several of them leave no device out.

    Raises:
        ConfigError: with the sizes that would do.
    """
    if n_devices % shape.size:
        sizes = ", ".join(str(size) for size in range(1, n_devices + 1) if n_devices % size == 0)
        raise ConfigError(f"a mesh of {shape.size} ({shape}) does not divide {n_devices} devices", f"{sizes} devices")
    if n_processes > 1 and shape.size != n_devices:
        raise ConfigError(
            f"a mesh of {shape.size} ({shape}) leaves devices of {n_processes} processes out", f"all {n_devices}"
        )
    if batch_size % shape.size:
        sizes = ", ".join(str(size) for size in range(1, batch_size + 1) if batch_size % size == 0)
        raise ConfigError(
            f"a mesh of {shape.size} ({shape}) does not divide a batch of {batch_size}", f"{sizes} devices"
        )


def make_mesh(shape: MeshShape, devices: Sequence[jax.Device]) -> Mesh:
    """The first devices, in their own order, so that each process has neighbouring rows of a batch."""
    chosen = np.array(devices[: shape.size], dtype=object).reshape(shape.data, shape.fsdp)
    return Mesh(chosen, AXES)


def replicated(mesh: Mesh) -> NamedSharding:
    """All of it on every device."""
    return NamedSharding(mesh, PartitionSpec())


def over_rows(mesh: Mesh, axis: int) -> NamedSharding:
    """An array whose given axis is a batch's rows, shared out over the whole mesh."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, AXES))


def tree_shardings(model: ModelConfig, mesh: Mesh, settings: Settings) -> Tree:
    """Where each weight lies; its gradient and moments lie with it.

    Along ``fsdp``, an array is cut on its longest axis that divides (never on the axis of layers); one without such an
    axis, and everything where ``fsdp`` is 1, is whole on every device.
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

    # Shapes are tuples, which a tree would take for branches: look at one parameter at a time.
    tree = to_tree(parameter_shapes(model), model, scanned=False)
    layers = [{name: sharding(shape, scanned) for name, shape in layer.items()} for layer in tree.pop(BLOCKS)]
    whole = {name: sharding(shape, False) for name, shape in tree.items()}
    return whole | {BLOCKS: layers[0] if scanned else layers}


def own_rows(mesh: Mesh, batch_size: int) -> slice:
    """Rows of a batch that this process's devices read."""
    places = over_rows(mesh, 0).addressable_devices_indices_map((batch_size,)).values()
    bounds = [place[0].indices(batch_size) for place in places if place is not None]
    return slice(min(start for start, _, _ in bounds), max(stop for _, stop, _ in bounds))
