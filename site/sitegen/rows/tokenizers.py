"""Runs that compare tokenizers in equal times: an accelerator takes the steps, and two cores say how long they take.

A step is the same on both, and losses agree to rounding. So the time of a run on the processor is its number of steps
times the median step of a short run there, of the same shape, tokens, optimiser and dropout.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.arms.devices import on_accelerator
from bench.records.grouping import grouped
from bench.records.rows import StoredRun
from bench.records.store import stored_runs
from bench.statistics.training_parts import TOKENIZERS
from sitegen.rows.cells import of_scope
from sitegen.rows.results import Results
from tinygpt.tokenizers import BYTES

TOKENIZERS_COMMAND = (
    "invoke accelerator-train --out rows --suite tokenizers --tokenizer bpe:2048 --recipe muon --steps 6000"
)
_FIRST_STEPS = 10  # of a short run: slower than the others
_DROPOUT = re.compile(r"dropout ([\d.]+)")


@dataclass(frozen=True)
class Compared:
    """The runs of one shape and tokenizer, one a seed.

    Attributes:
        runs: on the accelerator.
        pace: a run on the processor with the same steps, and the seconds of its median step; None if none is recorded.
    """

    runs: tuple[StoredRun, ...]
    pace: tuple[StoredRun, float] | None

    @property
    def first(self) -> StoredRun:
        """The run of the first seed, for what all share."""
        return self.runs[0]

    @property
    def vocab_size(self) -> int:
        """V, 256 for bytes."""
        return int(json.loads(self.first.protocol)["vocab_size"])

    @property
    def dropout(self) -> float:
        """Share of the numbers that dropout set to 0."""
        return _dropout(self.first)

    @property
    def losses(self) -> list[float]:
        """The last held-out loss of every seed, nats per byte."""
        return [float(run.held_out_loss or np.nan) for run in self.runs]

    @property
    def loss(self) -> float:
        """Their mean."""
        return float(np.mean(self.losses))

    @property
    def step_seconds(self) -> float | None:
        """The time of a step on the processor."""
        return None if self.pace is None else self.pace[1]

    @property
    def processor_seconds(self) -> float | None:
        """The time of all steps there."""
        return None if self.pace is None else self.first.steps_done * self.pace[1]


def compared(results: Results) -> list[Compared]:
    """Return the comparison of the newest run's text and machine, the lowest loss first."""
    runs = results.runs[(results.runs["suite"] == TOKENIZERS) & (results.runs["status"] == "ok")]
    runs = runs[runs["held_out_loss"].notna()].sort_values("started_at", kind="stable")
    same = of_scope(runs, runs.tail(1))
    same = same[same["corpus_sha256"].isin(same["corpus_sha256"].tail(1))]
    paces = _paces(results)
    found = []
    for (key, _), group in grouped(stored_runs(same), lambda run: (_steps_alike(run), run.steps_done)).items():
        by_seed = {run.seed: run for run in group}  # the newest of each
        found.append(Compared(tuple(by_seed.values()), paces.get(key)))
    return sorted(found, key=lambda one: one.loss)


def best_of_each_kind(found: Sequence[Compared]) -> tuple[Compared, Compared] | None:
    """Return the lowest losses of bytes and of other tokens; None without both."""
    of_bytes = [one for one in found if one.vocab_size == BYTES.vocab_size]
    others = [one for one in found if one.vocab_size != BYTES.vocab_size]
    return (of_bytes[0], others[0]) if of_bytes and others else None


def _paces(results: Results) -> dict[Hashable, tuple[StoredRun, float]]:
    """Return the newest short runs on the processor that measured other tokens last, by what makes steps alike."""
    runs = results.runs[results.runs["kind"] == "train"].sort_values("started_at", kind="stable")
    runs = runs[~runs["variant"].map(on_accelerator).astype(bool)]
    other = runs[runs["protocol"].str.contains('"tokenizer_sha256"')]
    found: dict[Hashable, tuple[StoredRun, float]] = {}
    for run in stored_runs(of_scope(runs, other.tail(1))):
        steps = results.steps[(results.steps["cell_id"] == run.cell_id) & (results.steps["step"] > _FIRST_STEPS)]
        if len(steps):
            found[_steps_alike(run)] = run, float(steps["seconds"].median())
    return found


def _steps_alike(run: StoredRun) -> Hashable:
    """Return what the time of a step depends on, besides the machine and the engine."""
    fields = json.loads(run.protocol)
    optimizer = str(fields["optimizer"]).partition(";")[0]
    return run.preset, fields["vocab_size"], fields["batch_size"], optimizer, _dropout(run)


def _dropout(run: StoredRun) -> float:
    found = _DROPOUT.search(str(json.loads(run.protocol)["optimizer"]))
    return float(found[1]) if found else 0.0
