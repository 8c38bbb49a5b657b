"""Runs by the clock, races to a loss, and ablations, as rows for pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.arms.registry import TORCH
from bench.records.grouping import grouped
from bench.records.rows import StoredRun
from bench.records.store import stored_runs
from bench.training.ablation import IDEAS
from bench.training.ablation import SUITE as ABLATION
from bench.training.race import SUITE as RACE
from sitegen.rows.cells import of_scope
from sitegen.rows.results import Results
from sitegen.rows.series import is_rival
from tinygpt.presets import PRESETS
from tinygpt.recipes import RECIPES
from tinygpt.schedule import optimizer_text
from tinygpt.training.plan import TrainingPlan

CORPUS = "tinyshakespeare"
TARGETS = (1.88, 1.60, 1.4697)
MINUTES_COMMAND = f"invoke train --minutes 5 --corpus {CORPUS}"
ABLATION_COMMAND = "invoke ablate"
RACE_COMMAND = "invoke race --preset small --recipe muon --steps 600 --target 1.88 --engines auto,torch --nanogpt torch"
_BY_CLOCK = re.compile(r" of the rate after ([\d.]+) minutes")
_NOWHERE = Path("unused")

Curve = tuple[tuple[float, float], ...]  # seconds and loss, rising in time


@dataclass(frozen=True)
class ClockRun:
    """A run by the clock, and its minutes."""

    minutes: float
    run: StoredRun


def clock_runs(results: Results) -> list[ClockRun]:
    """Return the newest finished run of each number of minutes on the machine of the newest one, shortest first."""
    runs = results.runs[(results.runs["suite"] == "train") & (results.runs["status"] == "ok")]
    runs = runs[(runs["corpus"] == CORPUS) & runs["protocol"].str.contains(_BY_CLOCK.pattern.replace("(", "(?:"))]
    runs = runs.sort_values("started_at", kind="stable")
    newest: dict[float, StoredRun] = {}
    for run in stored_runs(of_scope(runs, runs.tail(1))):
        found = _BY_CLOCK.search(str(json.loads(run.protocol)["optimizer"]))
        if found:
            newest[float(found[1])] = run
    return [ClockRun(minutes, run) for minutes, run in sorted(newest.items())]


@dataclass(frozen=True)
class Raced:
    """A program of a race: the runs of one variant by one recipe, one a seed.

    Attributes:
        curves: seed → seconds of training and held-out loss at every evaluation.
    """

    runs: tuple[StoredRun, ...]
    recipe: str
    steps: int
    curves: Mapping[int, Curve]

    @property
    def first(self) -> StoredRun:
        """The run of the first seed, for what all share."""
        return self.runs[0]

    @property
    def lowest(self) -> list[float]:
        """The lowest loss of every seed."""
        return [min(loss for _, loss in curve) for curve in self.curves.values()]

    @property
    def totals(self) -> list[float]:
        """Seconds of training of every seed."""
        return [curve[-1][0] for curve in self.curves.values()]

    def seconds_to(self, target: float) -> list[float]:
        """Seconds of training until the loss was first at or below a target, of the seeds that reached it."""
        return [seconds for curve in self.curves.values() if (seconds := arrival(curve, target)) is not None]


def arrival(curve: Curve, target: float) -> float | None:
    """Return the seconds at which a curve is first at or below a target; None if never."""
    return next((seconds for seconds, loss in curve if loss <= target), None)


def raced(results: Results) -> list[Raced]:
    """Return the races on the text and machine of the newest one, the newest run of each variant and protocol."""
    runs = results.runs[(results.runs["suite"] == RACE) & (results.runs["status"] == "ok")]
    runs = runs[runs["corpus"] == CORPUS].sort_values("started_at", kind="stable")
    same = of_scope(runs, runs.tail(1)).drop_duplicates(["variant", "protocol_hash"], keep="last")
    curves = {run.cell_id: curve_of(results, run) for run in stored_runs(same)}
    found = []
    for (_, _, recipe, steps), group in grouped(
        (run for run in stored_runs(same) if curves[run.cell_id]),
        lambda run: (run.variant, run.preset, recipe_of(run), int(json.loads(run.protocol)["measured_steps"])),
    ).items():
        found.append(Raced(tuple(group), recipe, steps, {run.seed: curves[run.cell_id] for run in group}))
    return found


def curve_of(results: Results, run: StoredRun) -> Curve:
    """Return the seconds and the held-out loss at every evaluation of a run."""
    rows = results.steps[results.steps["cell_id"] == run.cell_id].sort_values("step")
    rows = rows[rows["held_out_loss"].notna()]
    return tuple(zip(rows["elapsed_seconds"].tolist(), rows["held_out_loss"].tolist(), strict=True))


@dataclass(frozen=True)
class Sooner:
    """Our program beside nanoGPT's recipe in PyTorch, both of one run.

    Attributes:
        ratios: seconds of theirs over ours, each until the lowest loss of theirs, one a seed.
    """

    ours: Raced
    theirs: Raced
    ratios: tuple[float, ...]


def sooner(results: Results) -> Sooner | None:
    """Compare the newest race that has nanoGPT's recipe in PyTorch with our fastest program in it.

    Of PyTorch's variants, the fastest. Seeds of which ours never has that loss do not count; None if no seed is left.
    """
    races = raced(results)
    theirs = [race for race in races if race.recipe == race.first.preset == "nanogpt" and race.first.variant in TORCH]
    newest = max((race.first.run_id for race in theirs), default=None)
    pairs = []
    for ours in races:
        if is_rival(ours.first.variant) or ours.recipe == "nanogpt" or ours.first.run_id != newest:
            continue
        for race in theirs:
            ratios = [
                last / own
                for seed, curve in race.curves.items()
                if seed in ours.curves
                for last, loss in [min(curve, key=lambda point: point[1])]
                if (own := arrival(ours.curves[seed], loss)) is not None
            ]
            if race.first.run_id == newest and ratios:
                pairs.append(Sooner(ours, race, tuple(ratios)))
    if not pairs:
        return None
    fastest = min((pair.theirs for pair in pairs), key=lambda race: np.median(race.totals))
    return max((pair for pair in pairs if pair.theirs is fastest), key=lambda pair: np.median(pair.ratios))


def recipe_of(run: StoredRun) -> str:
    """Return the name of the recipe with a run's update rule and rate, or the rule in words."""
    fields, preset = json.loads(run.protocol), PRESETS[run.preset]
    for name, recipe in RECIPES.items():
        train = recipe.apply(preset.train, preset.model, int(fields["measured_steps"]))
        same = optimizer_text(train) == str(fields["optimizer"]).partition("; dropout")[0]
        if same and (fields["learning_rate"], tuple(fields["betas"])) == (train.learning_rate, train.betas):
            return name
    return str(fields["optimizer"])


@dataclass(frozen=True)
class Ablated:
    """An idea's runs at one preset, text and length: the last losses, one a seed."""

    idea: str
    preset: str
    steps: int
    losses: tuple[float, ...]
    runs: tuple[StoredRun, ...]

    @property
    def mean(self) -> float:
        """Mean of the losses."""
        return float(np.mean(self.losses))


def ablated(results: Results) -> dict[tuple[str, int], list[Ablated]]:
    """Return the ablations: preset and steps → the ideas' losses, the recipe itself first."""
    runs = results.runs[(results.runs["suite"] == ABLATION) & (results.runs["status"] == "ok")]
    runs = runs[runs["held_out_loss"].notna()].sort_values("started_at", kind="stable")
    named = [(idea, steps, run) for run in stored_runs(runs) for idea, steps in _ideas_of(run)]
    found: dict[tuple[str, int], list[Ablated]] = {}
    for (preset, steps), group in grouped(named, lambda one: (one[2].preset, one[1])).items():
        by_idea = grouped(group, lambda one: one[0])
        for idea in IDEAS:
            own = {run.seed: run for _, _, run in by_idea.get(idea, ())}
            if own:
                losses = tuple(float(run.held_out_loss or np.nan) for run in own.values())
                found.setdefault((preset, steps), []).append(Ablated(idea, preset, steps, losses, tuple(own.values())))
    return found


def _ideas_of(run: StoredRun) -> Iterator[tuple[str, int]]:
    """Yield the idea whose plan has the run's protocol, and the steps of the recipe that it changes."""
    fields, preset = json.loads(run.protocol), PRESETS[run.preset]
    for idea in IDEAS.values():
        done = int(fields["measured_steps"])
        steps = done * int(fields["batch_size"]) // preset.train.batch_size
        plan = TrainingPlan(_NOWHERE, preset=run.preset, recipe="muon", steps=steps)
        own = replace(plan, **idea.changes(plan))
        train = own.train_config(preset.train)
        same = (own.steps, train.batch_size, train.learning_rate, optimizer_text(train)) == (
            done, fields["batch_size"], fields["learning_rate"], fields["optimizer"],
        )  # fmt: skip
        if same and tuple(fields["betas"]) == train.betas:
            yield idea.name, steps
            return
