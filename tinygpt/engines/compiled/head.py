"""The tied head and its loss, forward and backward, for a block of rows and a part of the vocabulary at a time.

    z = x tableᵀ      z ← (softmax(z) − onehot) / N      dtable = zᵀ x      dx = z table

The scores z (R, V) of R rows exist at one time. A part of the table is so small that a core's cache holds it.
"""

from __future__ import annotations

import numpy as np

from tinygpt.engines.compiled.products import address, product
from tinygpt.engines.compiled.tiles import BYTES
from tinygpt.engines.compiled.waiting import Turns, begin_turn, end_turn, wait_for_all
from tinygpt.engines.compiled.workspace import Workspace
from tinygpt.engines.loops.compiling import loop
from tinygpt.engines.loops.layers import cross_entropy

Array = np.ndarray


@loop
def scores(s: Workspace, x: Array, table: Array, z: Array) -> None:
    """z (R, V) ← x tableᵀ, for x (R, D) and table (V, D)."""
    rows, d, v = len(x), x.shape[1], len(table)
    room = address(s.room)
    for first in range(0, v, s.part):
        product(
            0, 1, rows, min(s.part, v - first), d, address(x), BYTES * d, address(table) + BYTES * first * d, BYTES * d,
            room, 0, address(z) + BYTES * first, BYTES * v, room,
        )  # fmt: skip


@loop
def scores_backward(
    s: Workspace, dz: Array, x: Array, table: Array, dtable: Array, dx: Array, adds: bool, turns: Turns
) -> None:
    """dtable ← dzᵀ x, and what is there before if it ``adds``; dx ← dz table. A frozen table's has no rows."""
    rows, d, v = len(x), x.shape[1], len(table)
    room = address(s.room)
    for first in range(0, v, s.part):
        size, row = min(s.part, v - first), BYTES * d
        begin, entries = address(dz) + BYTES * first, address(dtable) + first * row
        if len(dtable) > 0:
            begin_turn(turns)
            product(
                1, 0, size, d, rows, begin, BYTES * v, address(x), row, entries if adds else room, row if adds else 0,
                entries, row, room,
            )  # fmt: skip
            end_turn(turns)
        start, start_row = (address(dx), row) if first > 0 else (room, 0)
        product(
            0, 0, rows, d, size, begin, BYTES * v, address(table) + first * row, row, start, start_row, address(dx),
            row, room,
        )  # fmt: skip


@loop
def head(
    s: Workspace,
    table: Array,
    targets: Array,
    blocks: int,
    share: np.float32,
    losses: Array,
    dtable: Array,
    trains: bool,
    adds: bool,
    turns: Turns,
) -> float:
    """Write the losses (N) of s.normed, a number of blocks one after the other, and return their sum.

    If it ``trains``, write the head's share of the table's gradient, or add it to what is there, and
    s.branch ← ∂loss/∂normed.
    """
    loss = 0.0
    rows = len(s.normed)
    for block in range(blocks):
        first, last = rows * block // blocks, rows * (block + 1) // blocks
        x, z = s.normed[first:last], s.logits[: last - first]
        scores(s, x, table, z)
        loss += cross_entropy(z, targets[first:last], share, s.row, losses[first:last])
        if trains:
            if block > 0:
                wait_for_all(turns)
            scores_backward(s, z, x, table, dtable, s.branch[first:last], adds or first > 0, turns)
    return loss
