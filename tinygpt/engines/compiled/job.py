"""A worker's job: all that its part of a step reads and writes, and the compiled function that does it.

``work`` is the only function of the engine that Python calls, so that everything is compiled once. It runs one phase,
or serves as a member of a team: it waits for orders and runs their phases, until one is not for it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygpt.engines.compiled.head import head, scores
from tinygpt.engines.compiled.passes import backward, clear_vectors, forward, table_gradient, token_table
from tinygpt.engines.compiled.waiting import Turns, set_counter, wait_for_change, wait_until
from tinygpt.engines.compiled.workspace import Workspace
from tinygpt.engines.loops.compiling import entry, part
from tinygpt.engines.loops.update import reduce, update
from tinygpt.engines.vectorized.phases import Phase

Array = np.ndarray

_GRADIENTS, _REDUCE, _UPDATE, _LOGITS = map(int, (Phase.GRADIENTS, Phase.REDUCE, Phase.UPDATE, Phase.LOGITS))
_ZERO = np.float32(0.0)

# An order is (its number · 2 + 1 if its phase begins in Python) · 16 + the phase, so that one write contains all of it.
PHASES = IN_PYTHON = 16
NUMBER = 32
NOTHING = 15  # a phase without work
END = -1


class Job(NamedTuple):
    """A worker's arrays; those of the mailbox and the arena are shared by all."""

    workspace: Workspace
    worker: int
    shards: int  # workers with rows
    blocks: int  # of rows in the head, the same number for every worker
    accumulates: bool  # the gradients of several batches are added
    parameters: Array  # (P,)
    gradients: Array  # (shards, P or a few more), or (1, …): then workers add to it in turns
    first_moment: Array  # (P,)
    second_moment: Array  # (P,)
    parts: Array  # (parts, 3) the worker's range of the arena: start, stop, kind
    tokens: Array  # flat
    targets: Array  # flat
    shape: Array  # (2,) B, T of the batch
    place: Array  # (3,) positions in the mean loss, the batch's first row among accumulated ones, dropout's step
    rate: Array  # (1,) of dropout
    step: Array  # (8,) AdamW's constants
    losses: Array  # (workers,)
    squares: Array  # (workers,)
    logits: Array  # flat
    token_losses: Array  # flat, float64
    turns: Array  # number of turns that each worker has ended, 8 numbers apart


@part
def _pass(job: Job, active: int, phase: int) -> None:
    """Run the forward on the worker's rows; then compute the scores, or the losses and maybe the gradients."""
    trains = phase == _GRADIENTS
    s, worker, length = job.workspace, job.worker, job.shape[1]
    is_first = job.place[1] == 0
    if worker >= active:
        if trains and job.accumulates and is_first and worker < len(job.gradients):
            job.gradients[worker, :] = _ZERO
        return
    first = job.shape[0] * worker // active * length
    last = first + s.batch * length
    tokens = job.tokens[first:last].reshape(s.batch, length)
    masked = trains and job.rate[0] > 0.0
    forward(s, job.parameters, tokens, masked)
    table = token_table(s, job.parameters)
    if phase == _LOGITS:
        v = len(table)
        scores(s, s.normed, table, job.logits[first * v : last * v].reshape(last - first, v))
        return
    share, losses = np.float32(1.0 / job.place[0]), job.token_losses[first:last]
    shared = len(job.gradients) < job.shards
    g, turns = job.gradients[0 if shared else worker], Turns(job.turns, worker if shared else -1, active - 1)
    adds, dtable = not is_first or turns.worker > 0, table_gradient(s, g)
    if trains and not adds:
        clear_vectors(s, g)
    job.losses[worker] = head(s, table, job.targets[first:last], job.blocks, share, losses, dtable, trains, adds, turns)
    if trains:
        backward(s, job.parameters, g, tokens, masked, adds, turns)


@part
def _run(job: Job, phase: int) -> None:
    """Run the worker's part of a phase."""
    active = min(job.shards, job.shape[0])
    if phase == _REDUCE:
        count = len(job.gradients) if job.accumulates else min(active, len(job.gradients))
        job.squares[job.worker] = reduce(job.gradients, count, job.parts)
    elif phase == _UPDATE:
        moments = job.first_moment, job.second_moment
        update(job.parameters, job.gradients[0], moments[0], moments[1], job.parts, job.step)
    elif phase != NOTHING:
        _pass(job, active, phase)


@entry
def work(job: Job, order: int, counters: Array, workers: int) -> int:
    """Run the worker's part of an order's phase; return the newest order.

    A team has counters, the order first and then the last order that each worker has completed. Worker 0 gives the
    order and waits for all. Another worker waits for the next order, runs it, and so on, until one begins in Python or
    ends the team. Without a team, ``workers`` is 0.
    """
    if workers > 0 and job.worker == 0:
        set_counter(counters, 0, order)
    while True:
        _run(job, order % PHASES)
        if workers == 0:
            return order
        if job.worker == 0:
            for other in range(1, workers):
                wait_until(counters, other, order)
            return order
        set_counter(counters, job.worker, order)
        order = wait_for_change(counters, 0, order)
        if order < 0 or order % NUMBER >= IN_PYTHON:
            return order
