"""A run's options, and its plan, which is kept beside its rows until the run is complete.

    results/local/plan-<run_id>.json

Only ``invoke bench --resume`` reads the plan; it is not published.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.arms.registry import REFERENCE
from bench.arms.suites import Arm, Cell, Suite
from bench.planning.capacity import refusal
from bench.records.protocol import require_same
from bench.records.provenance import Provenance
from bench.records.rows import LOCAL, PUBLISHED, Kind
from bench.records.store import table_file
from bench.statistics.probe_adjustment import rounds_to_repeat
from tinygpt.errors import ResultsError
from tinygpt.system.files import replace_file

Refuse = Callable[[Cell], str | None]


def no_repeats(_: Mapping[int, float]) -> Sequence[int]:
    """Measure no round once more."""
    return ()


@dataclass(frozen=True)
class Tree:
    """Another commit's engines and worker, unpacked into a folder."""

    folder: Path
    provenance: Provenance


@dataclass(frozen=True)
class RunOptions:
    """Options of a run.

    Attributes:
        refuse: returns the reason to refuse a cell, or None; by default, too little memory.
        lock_file: the machine's when None.
        kind: the rows' kind; that of each cell's variant when None.
        reference: the variant whose losses all others are compared with.
        repeat: chooses rounds of a preset to measure once more, by their probes' time over the run's best.
        trees: other commits' code by the revision in an arm's label.
    """

    refuse: Refuse = refusal
    lock_file: Path | None = None
    kind: Kind | None = None
    reference: str = REFERENCE
    repeat: Callable[[Mapping[int, float]], Sequence[int]] = rounds_to_repeat
    trees: Mapping[str, Tree] = field(default_factory=dict)


@dataclass(frozen=True)
class RunPlan:
    """A run before its first cell.

    Attributes:
        suite: the selected suite with all its arms, so that later changes of the suite do not change the run.
        machine: the fingerprint, canonical JSON.
    """

    run_id: str
    suite: Suite
    corpus: str
    corpus_sha256: str
    seed: int
    machine: str
    provenance: Provenance
    code_sha256: str

    def require_unchanged(self, now: RunPlan) -> None:
        """Compare with the plan that the run would have now: rows of one run must be comparable.

        Raises:
            ResultsError: the machine, the code or the text has changed; the message names the difference.
        """
        require_same("machine", self.machine, now.machine)
        new_run = "invoke bench, for a new run"
        if self.code_sha256 != now.code_sha256:
            before, after = (
                f"{(plan.provenance.commit or 'no commit')[:9]}{'+' if plan.provenance.dirty else ''}"
                for plan in (self, now)
            )
            raise ResultsError(
                f"the code changed since run {self.run_id} began ({before}, now {after})",
                "the code it began with",
                new_run,
            )
        if self.corpus_sha256 != now.corpus_sha256:
            raise ResultsError(
                f"the text {self.corpus!r} changed since run {self.run_id} began", "the same text", new_run
            )


def plan_file(root: Path, run_id: str) -> Path:
    """Return the path of a run's plan.

    Raises:
        ResultsError: the run id has another form.
    """
    return table_file(root, LOCAL, "plan", run_id).with_suffix(".json")


def write_plan(root: Path, plan: RunPlan) -> None:
    """Write a plan.

    Raises:
        StorageError: the results folder cannot be written; better now than after the first cell.
    """
    replace_file(plan_file(root, plan.run_id), [json.dumps(asdict(plan), indent=1).encode()])


def drop_plan(root: Path, run_id: str) -> None:
    """Delete the plan of a complete run."""
    plan_file(root, run_id).unlink(missing_ok=True)


def unfinished(root: Path) -> list[str]:
    """Return the ids of runs that have a plan, oldest first."""
    return sorted(path.stem.removeprefix("plan-") for path in (root / LOCAL).glob("plan-*.json"))


def read_plan(root: Path, run_id: str) -> RunPlan:
    """Read the plan of an unfinished run; ``last`` is the newest one.

    Raises:
        ResultsError: there is no such run, it is published, or its plan cannot be read.
    """
    run_ids = unfinished(root)
    if run_id == "last" and run_ids:
        run_id = run_ids[-1]
    if run_id not in run_ids:
        raise ResultsError(f"there is no unfinished run {run_id!r}", ", ".join(run_ids), "invoke bench")
    if table_file(root, PUBLISHED, "runs", run_id).exists():
        raise ResultsError(f"run {run_id} is published", "published files never change", "invoke bench")
    path = plan_file(root, run_id)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        suite = record["suite"]
        arms = tuple(Arm(**arm) for arm in suite["arms"])
        return RunPlan(
            **{**record, "suite": Suite(**{**suite, "arms": arms}), "provenance": Provenance(**record["provenance"])}
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{path} cannot be read", "a plan that invoke bench wrote", f"rm {path}") from error
