"""A cell's status, and its reason in words.

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

# The status of a worker's exception; any other is ``crashed``. A CapacityError is a helper process that the system
# killed for lack of memory, a WorkerError one that ended otherwise.
_ERROR_STATUS: Mapping[str, Status] = MappingProxyType(
    {
        "MemoryError": "oom",
        "CapacityError": "oom",
        "WorkerError": "crashed",
        "DivergedError": "diverged",
        "UnpreparedError": "refused",
    }
)

# Words on stderr of libraries that run out of memory without a MemoryError, and of a thread that cannot start.
_MEMORY_WORDS = (
    "MemoryError",
    "Cannot allocate memory",
    "std::bad_alloc",
    "Memory allocation still failed",
)


@dataclass(frozen=True)
class CellEnd:
    """A status and its reason.

    Attributes:
        error_tail: last lines of stderr, then the reason; None if the status is ok.
        loss_drift: largest relative distance to the reference's losses; None if they were not compared.
    """

    status: Status
    error_tail: str | None = None
    loss_drift: float | None = None


def cell_end(cell: Cell, protocol: Protocol, outcome: Outcome, reference: Sequence[float] | None) -> CellEnd:
    """Decide a cell's status; ``reference`` has the reference engine's losses by step, if they are known."""
    status, reason = _status_of_process(cell, protocol, outcome)
    if status != "ok":
        # The reason comes last, because tables show the last line.
        tail = outcome.stderr_tail if status in ("crashed", "oom") else ""
        return CellEnd(status, scrub(f"{tail}\n{reason}".strip()))
    return compare_losses([float(event["loss"]) for event in outcome.of_kind("step") if "loss" in event], reference)


def compare_losses(losses: Sequence[float], reference: Sequence[float] | None, is_exact: bool = True) -> CellEnd:
    """Compare losses with the reference's: drift = max over steps of |loss − reference| / |reference|.

    Args:
        losses: by step; empty for steps that train nothing.
        reference: of the same steps, None if unknown.
        is_exact: the drift must stay within the tolerance.
    """
    for step, loss in enumerate(losses, 1):
        if not math.isfinite(loss):
            return CellEnd("diverged", f"the loss of step {step} is {loss}")
    if not losses or reference is None:
        return CellEnd("ok")
    drift = max(abs(ours - theirs) / abs(theirs) for ours, theirs in zip(losses, reference, strict=True))
    if is_exact and drift > LOSS_TOLERANCE:
        reason = f"losses leave the reference's by {drift:.2%}, allowed {LOSS_TOLERANCE:.1%}"
        return CellEnd("diverged", reason, drift)
    return CellEnd("ok", None, drift)


def _status_of_process(cell: Cell, protocol: Protocol, outcome: Outcome) -> tuple[Status, str]:
    steps = outcome.of_kind("step")
    progress = f"{len(steps)} of {protocol.total_steps} steps done"
    if outcome.killed_for == "interrupt":
        return "interrupted", f"stopped by the user, {progress}"
    if outcome.killed_for == "limit":
        return "timeout", f"limit of {cell.limit_seconds:g} s reached, {progress}{_longer_limit(cell)}"
    if failed := _failure(outcome):
        return failed[0], f"{failed[1]}, {progress}"
    backwards = [event["seconds"] for event in steps if not event["seconds"] > 0]
    if backwards:
        return "crashed", f"a step took {backwards[0]:g} s: the clock cannot be trusted, {progress}"
    if len(steps) != protocol.total_steps or not outcome.of_kind("done"):
        return "crashed", f"ended with exit code 0 before it was done, {progress}"
    return "ok", ""


def _longer_limit(cell: Cell) -> str:
    """Return advice for a timeout, if the suite ``full`` has a longer limit."""
    same = [arm.limit_seconds for arm in SUITES["full"].arms if (arm.variant, arm.preset) == cell.arm]
    longest = 0.0 if cell.generates else max(same, default=0.0)
    return f"; suite full allows {longest:g} s" if longest > cell.limit_seconds else ""


def _failure(outcome: Outcome) -> tuple[Status, str] | None:
    """Return status and reason of an error, a signal or an exit code; None without any.

    SIGKILL counts as lack of memory if the kernel counted such a kill, else as a crash.
    """
    errors = outcome.of_kind("error")
    if errors:
        kind, message = str(errors[-1].get("type")), str(errors[-1].get("message"))
        return _ERROR_STATUS.get(kind, _crash_or_oom(message)), f"{kind}: {message}"
    if outcome.signal == "SIGKILL" and outcome.out_of_memory:
        return "oom", "killed by the system for lack of memory"
    if outcome.signal is not None:
        return _crash_or_oom(outcome.stderr_tail), f"ended by {outcome.signal}"
    if outcome.exit_code:
        return _crash_or_oom(outcome.stderr_tail), f"exit code {outcome.exit_code}"
    return None


def _crash_or_oom(text: str) -> Status:
    return "oom" if any(word in text for word in _MEMORY_WORDS) else "crashed"
