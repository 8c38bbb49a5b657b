"""What a cell's end means: one of the statuses, with the reason in words.

A fast wrong answer is a failure: the losses of all steps, warm-ups included, must stay within 0.1 % of the reference
engine's, which started from the same weights and read the same batches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bench.arms.suites import SUITES, Cell
from bench.measuring.process import Outcome
from bench.records.protocol import Protocol
from bench.records.rows import Status
from bench.records.scrub import scrub

LOSS_TOLERANCE = 1e-3

# Exceptions of the worker that are a status of their own.
# A CapacityError there is a helper process that was killed for want of memory, a WorkerError one that ended otherwise.
_ERROR_STATUS: Mapping[str, Status] = MappingProxyType(
    {
        "MemoryError": "oom",
        "CapacityError": "oom",
        "WorkerError": "crashed",
        "DivergedError": "diverged",
        "UnpreparedError": "refused",
    }
)

# Libraries that give up on memory without raising MemoryError say so on stderr, and so does a failing thread start.
_MEMORY_WORDS = (
    "MemoryError",
    "Cannot allocate memory",
    "std::bad_alloc",
    "Memory allocation still failed",
)


@dataclass(frozen=True)
class Verdict:
    """A status and why.

    Attributes:
        status: as in the row.
        error_tail: reason and last lines of stderr; None if the status is ok.
        loss_drift: largest relative distance to the reference's losses; None if they were not compared.
    """

    status: Status
    error_tail: str | None
    loss_drift: float | None


def judge(cell: Cell, protocol: Protocol, outcome: Outcome, reference: Sequence[float] | None) -> Verdict:
    """Decide a cell's status.

    Args:
        cell: which cell.
        protocol: what it should have done.
        outcome: how its process ended.
        reference: the reference engine's losses by step, None where it has none.
    """
    status, reason = _how_it_ended(cell, protocol, outcome)
    drift = None
    # Steps that train nothing have no loss.
    losses = [float(event["loss"]) for event in outcome.of_kind("step") if "loss" in event]
    if status == "ok":
        if not all(math.isfinite(loss) for loss in losses):
            first = next(step for step, loss in enumerate(losses, 1) if not math.isfinite(loss))
            status, reason = "diverged", f"the loss of step {first} is {losses[first - 1]}"
        elif losses and reference is not None:
            drift = loss_drift(losses, reference)
            if drift > LOSS_TOLERANCE:
                status = "diverged"
                reason = f"losses leave the reference's by {drift:.2%}, allowed {LOSS_TOLERANCE:.1%}"
    if status == "ok":
        return Verdict(status, None, drift)
    return Verdict(status, error_tail(outcome, status, reason), drift)


def error_tail(outcome: Outcome, status: Status, reason: str) -> str:
    """The last lines of stderr where they tell anything, and then the reason: it is the line that tables show."""
    tail = outcome.stderr_tail if status in ("crashed", "oom") else ""
    return scrub(f"{tail}\n{reason}".strip())


def loss_drift(losses: Sequence[float], reference: Sequence[float]) -> float:
    """max over steps of |loss − reference| / reference."""
    return max(abs(ours - theirs) / abs(theirs) for ours, theirs in zip(losses, reference, strict=True))


def _how_it_ended(cell: Cell, protocol: Protocol, outcome: Outcome) -> tuple[Status, str]:
    steps = len(outcome.of_kind("step"))
    progress = f"{steps} of {protocol.total_steps} steps done"
    if outcome.killed_for == "interrupt":
        return "interrupted", f"stopped by the user, {progress}"
    if outcome.killed_for == "limit":
        return "timeout", f"limit of {cell.limit_seconds:g} s reached, {progress}{_where_it_may_take_longer(cell)}"
    failed = failure(outcome)
    if failed is not None:
        return failed[0], f"{failed[1]}, {progress}"
    backwards = [event["seconds"] for event in outcome.of_kind("step") if not event["seconds"] > 0]
    if backwards:
        return "crashed", f"a step took {backwards[0]:g} s: the clock cannot be trusted, {progress}"
    if steps != protocol.total_steps or not outcome.of_kind("done"):
        return "crashed", f"ended with exit code 0 before it was done, {progress}"
    return "ok", ""


def _where_it_may_take_longer(cell: Cell) -> str:
    """Advice for a cell that ran out of time, where the suite that measures most grants it more."""
    same = [arm.limit_seconds for arm in SUITES["full"].arms if (arm.variant, arm.preset) == cell.arm]
    granted = 0.0 if cell.generates else max(same, default=0.0)
    return f"; suite full allows {granted:g} s" if granted > cell.limit_seconds else ""


def failure(outcome: Outcome) -> tuple[Status, str] | None:
    """Status and reason of a process that reported an error, met a signal or gave an exit code; None if it did not.

    SIGKILL says nothing of why: it is for want of memory if the kernel counted such a kill, else a crash.
    """
    errors = outcome.of_kind("error")
    if errors:
        kind, message = str(errors[-1].get("type")), str(errors[-1].get("message"))
        looks_like_memory = any(word in message for word in _MEMORY_WORDS)
        return _ERROR_STATUS.get(kind, "oom" if looks_like_memory else "crashed"), f"{kind}: {message}"
    if outcome.signal == "SIGKILL" and outcome.out_of_memory:
        return "oom", "killed by the system for want of memory"
    if outcome.signal is not None:
        return _by_stderr(outcome), f"ended by {outcome.signal}"
    if outcome.exit_code:
        return _by_stderr(outcome), f"exit code {outcome.exit_code}"
    return None


def _by_stderr(outcome: Outcome) -> Status:
    return "oom" if any(word in outcome.stderr_tail for word in _MEMORY_WORDS) else "crashed"
