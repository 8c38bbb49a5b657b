"""How to run, and what a run set out to do: its plan lies beside its rows until it is complete, so that it can go on.

    results/local/plan-<run_id>.json

The plan is no result: nothing reads it but ``invoke bench --resume``, and it is not published.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.arms.registry import REFERENCE
from bench.arms.suites import Arm, Cell, Suite
from bench.planning.capacity import refusal
from bench.records.protocol import require_same
from bench.records.provenance import Provenance
from bench.records.rows import LOCAL, PUBLISHED, Kind
from bench.records.store import table_file
from tinygpt.errors import ResultsError
from tinygpt.system.files import replace_file

Refuse = Callable[[Cell], str | None]


@dataclass(frozen=True)
class Tree:
    """Another commit's engines and worker, unpacked: the folder that holds them, and which commit it is."""

    folder: Path
    provenance: Provenance


@dataclass(frozen=True)
class RunOptions:
    """How to run, where it is not the usual way.

    Attributes:
        refuse: why a cell should not be started, or None; by default, when it cannot fit into the memory.
        lock_file: the machine's when None.
        kind: of the rows; by each cell's variant when None.
        reference: whose losses every other arm's are compared with.
        trees: other commits' code by the revision in an arm's label.
    """

    refuse: Refuse = refusal
    lock_file: Path | None = None
    kind: Kind | None = None
    reference: str = REFERENCE
    trees: Mapping[str, Tree] = field(default_factory=dict)


@dataclass(frozen=True)
class RunPlan:
    """A run before its first cell.

    Attributes:
        run_id: names the run.
        suite: its arms in full, so that a suite that changes later does not change the run.
        corpus: name of the text.
        corpus_sha256: its hash.
        seed: of starting weights and batches.
        machine: the fingerprint, canonical JSON.
        provenance: which code.
        code_sha256: hash of that code.
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
        """Refuse to go on under other circumstances: rows of one run are taken to be comparable.

        Args:
            now: the plan that the same run would have if it started now.

        Raises:
            ResultsError: the machine, the code or the text is another; what differs is named.
        """
        require_same("machine", self.machine, now.machine)
        anew = "invoke bench, to measure anew"
        if self.code_sha256 != now.code_sha256:
            before, after = (
                f"{(plan.provenance.commit or 'no commit')[:9]}{'+' if plan.provenance.dirty else ''}"
                for plan in (self, now)
            )
            raise ResultsError(
                f"the code changed since run {self.run_id} began ({before}, now {after})",
                "the code it began with",
                anew,
            )
        if self.corpus_sha256 != now.corpus_sha256:
            raise ResultsError(f"the text {self.corpus!r} changed since run {self.run_id} began", "the same text", anew)


def plan_file(root: Path, run_id: str) -> Path:
    """Where a run's plan lies.

    Raises:
        ResultsError: the run id is not one that a run would have.
    """
    return table_file(root, LOCAL, "plan", run_id).with_suffix(".json")


def write_plan(root: Path, plan: RunPlan) -> None:
    """Keep a plan.

    Raises:
        StorageError: the results folder cannot be written; better now than after the first cell.
    """
    replace_file(plan_file(root, plan.run_id), [json.dumps(asdict(plan), indent=1).encode()])


def drop_plan(root: Path, run_id: str) -> None:
    """Forget the plan of a run that is complete."""
    plan_file(root, run_id).unlink(missing_ok=True)


def unfinished(root: Path) -> list[str]:
    """Runs that have a plan and so are not complete, oldest first."""
    return sorted(path.stem.removeprefix("plan-") for path in (root / LOCAL).glob("plan-*.json"))


def read_plan(root: Path, run_id: str) -> RunPlan:
    """The plan of a run that stopped before its end; ``last`` is the newest one.

    Raises:
        ResultsError: there is no such run, it is published, or its plan cannot be read.
    """
    known = unfinished(root)
    if run_id == "last" and known:
        run_id = known[-1]
    if run_id not in known:
        raise ResultsError(f"there is no unfinished run {run_id!r}", ", ".join(known) or "none", "invoke bench")
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
        raise ResultsError(f"{path} cannot be read", "a plan that invoke bench wrote", f"delete {path}") from error
