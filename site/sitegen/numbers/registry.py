"""Measured figures by name: the grammar that pages use instead of typing numbers.

A name is a dotted path such as ``speedup.vectorized.numpy.small``. Each pattern below is one row: its upper-case
parts are placeholders, looked up in the tables that define engines, presets and corpora. Values come from one scope
(``sitegen.numbers.quoted_rows``), so that two numbers in one sentence can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import MappingProxyType

from bench.arms.kernel_parts import PARTS
from bench.arms.registry import JAX_ON_CPU, OURS, PEERS, REFERENCE, ROOFLINE
from bench.statistics.cells import CellSummary
from bench.statistics.cost_model import CostModel
from bench.statistics.peer_ratios import PeerRatio
from bench.statistics.training_parts import TrainingRun
from bench.training.sweep import DEFAULT_RATES
from sitegen.numbers.accelerator_numbers import ANSWERS as ACCELERATOR_ANSWERS
from sitegen.numbers.number import Answer, Number
from sitegen.numbers.quoted_rows import Facts
from sitegen.numbers.recipe_numbers import (
    RACE_COMMAND,
    SWEEP_COMMAND,
    SWEPT,
    best_of_recipe,
    loss_at_rate,
    race_lowest,
    race_ratio,
    race_time,
)
from sitegen.rows.accelerators import COMMAND as ACCELERATOR_COMMAND
from sitegen.rows.cells import code_text, evidence_text
from sitegen.rows.machines import machine_label
from sitegen.rows.peers import BEST_TORCH, GENERATION_COMMAND, TRAINING_COMMAND, evidence, find
from sitegen.rows.ratios import interval_text
from sitegen.text import quantities
from sitegen.text.errors import SiteError
from tinygpt.corpora import CORPORA
from tinygpt.engines import ENGINES, parse_variant
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.presets import PRESETS

# ---- resolvers: (facts, parts) → (text, source, runs), or None while nothing is measured ------------------


def _speedup(facts: Facts, engine: str, baseline: str, preset: str) -> Answer:
    pair = next((pair for pair in facts.pairs(engine, baseline) if pair.cell.preset == preset), None)
    if pair is None:
        return None
    source = f"{engine} over {baseline} at {preset}, {interval_text(pair.ratio)}; {_place(pair.cell)}"
    return quantities.ratio(pair.ratio.speedup), source, (pair.cell.run_id,)


def _speedup_range(facts: Facts, engine: str, baseline: str) -> Answer:
    pairs = sorted(facts.pairs(engine, baseline), key=lambda pair: pair.ratio.speedup)
    if not pairs:
        return None
    ends = pairs[0], pairs[-1]
    presets = " and ".join(pair.cell.preset for pair in ends)
    texts = dict.fromkeys(quantities.ratio(pair.ratio.speedup) for pair in ends)
    runs = tuple(dict.fromkeys(pair.cell.run_id for pair in ends))
    return " to ".join(texts), f"{engine} over {baseline}, {presets}; {_place(pairs[0].cell)}", runs


def _of_cell(value: Callable[[CellSummary], float], write: Callable[[float], str]) -> Callable[..., Answer]:
    def resolve(facts: Facts, engine: str, preset: str) -> Answer:
        cell = facts.measured.get((engine, preset))
        if cell is None or math.isnan(value(cell)):
            return None
        source = f"{engine} at {preset}, {evidence_text(cell)}, {code_text(cell)}; {_place(cell)}"
        return write(value(cell)), source, (cell.run_id,)

    return resolve


def _of_training(
    value: Callable[[TrainingRun], float | None],
    write: Callable[[float], str],
    runs: Callable[[Facts], list[TrainingRun]] = lambda facts: facts.training,
) -> Callable[..., Answer]:
    def resolve(facts: Facts, corpus: str, preset: str) -> Answer:
        for run in runs(facts):
            number = value(run)
            if (run.corpus, run.preset) == (corpus, preset) and number is not None and not math.isnan(number):
                when = quantities.day(run.started_at)
                source = f"{run.variant}, {run.steps_done} steps on {corpus}, {run.origin}, {when}"
                return write(number), source, (run.run_id,)
        return None

    return resolve


def _best_loss(facts: Facts, corpus: str, preset: str) -> Answer:
    """The best evaluation of an accelerator's newest run: the checkpoint that such a run keeps is that one."""
    for run in facts.accelerated_training:
        if (run.corpus, run.preset) == (corpus, preset) and run.held_out_loss is not None:
            steps = facts.results.steps
            best = min(run.held_out_loss, float(steps.loc[steps["cell_id"] == run.cell_id, "held_out_loss"].min()))
            when = quantities.day(run.started_at)
            source = f"{run.variant}, best of the evaluations on {corpus}, {when}"
            return quantities.loss(best), source, (run.run_id,)
    return None


def _minutes(seconds: float) -> str:
    return f"{quantities.significant(seconds / 60, 2)} min"


def _parameters(facts: Facts, preset: str) -> Answer:
    del facts
    return quantities.whole(PRESETS[preset].model.n_parameters), f"computed from the preset {preset}", ()


def _count_cells(facts: Facts) -> Answer:
    return str(len(facts.bench_runs)), "cells in the table of runs, failures included", _all_runs(facts)


def _count_failed(facts: Facts) -> Answer:
    failed = facts.bench_runs["status"] != "ok"
    return str(int(failed.sum())), "cells whose status is not ok", _all_runs(facts)


def _count_machines(facts: Facts) -> Answer:
    return str(facts.bench_runs["machine_hash"].nunique()), "machines that measured them", _all_runs(facts)


def _presets_measured(facts: Facts, engine: str) -> Answer:
    count = sum(variant == engine for variant, _ in facts.measured)
    return f"{count} of {len(PRESETS)}", f"presets at which {engine} was measured", facts.runs_of(engine)


def _model(write: Callable[..., str], source: str) -> Callable[..., Answer]:
    """An answer of an engine's cost model: ``write`` takes the model and what else the name says."""

    def resolve(facts: Facts, engine: str, *rest: str) -> Answer:
        model = facts.cost_models.get(engine)
        if model is None:
            return None
        words = source.format(engine=" at ".join((engine, *rest)), count=len(model.measured), id=model.id)
        return write(model, *rest), words, facts.runs_of(engine)

    return resolve


def _fitted_rate(model: CostModel) -> str:
    # A fit may give the products nothing, where something else grows as they do.
    return quantities.gflops(1 / model.seconds_per_flop) if model.seconds_per_flop else "a rate that it cannot tell"


def _share_of(term: str) -> Callable[[CostModel, str], str]:
    def write(model: CostModel, preset: str) -> str:
        terms = model.terms(preset)
        return quantities.percent(terms[term] / sum(terms.values()))

    return write


_LEFT_OUT = "{engine}: each of {count} measured presets left out, cost model {id}"
_BY_MODEL = "{engine}: fitted by cost model {id}"
_PART = "{engine}: its part of a step by cost model {id}, not measured by itself"


def _part_share(facts: Facts, part: str, preset: str) -> Answer:
    wanted = part.replace("_", " "), preset
    found = next((share for share in facts.parts if (share.part, share.run.preset) == wanted), None)
    if found is None:
        return None
    source = f"{part} at {preset}, {found.n_steps} steps in {found.n_rounds} rounds"
    return quantities.percent(found.share), source, (found.run.run_id,)


def _of_peer(
    value: Callable[[PeerRatio], float],
    write: Callable[[float], str],
    rows: Callable[[Facts], list[PeerRatio]] = lambda facts: facts.beside_peers,
) -> Callable[..., Answer]:
    def resolve(facts: Facts, peer: str, preset: str) -> Answer:
        row = find(rows(facts), peer, preset)
        if row is None or math.isnan(value(row)):
            return None
        name = f"{peer} ({row.cell.variant})" if peer == BEST_TORCH else peer
        return write(value(row)), f"{name} at {preset}, {evidence(row)}; {_place(row.cell)}", (row.cell.run_id,)

    return resolve


def _of_results(resolve: Callable[..., Answer]) -> Callable[..., Answer]:
    return lambda facts, *parts: resolve(facts.results, *parts)


def _all_runs(facts: Facts) -> tuple[str, ...]:
    return tuple(dict.fromkeys(facts.bench_runs["run_id"]))


def _place(cell: CellSummary) -> str:
    return f"{machine_label(cell)}; {quantities.day(cell.started_at)}"


@dataclass(frozen=True)
class Pattern:
    """A row of the grammar: how to resolve a name of this form, and what measures it while it is missing."""

    resolve: Callable[..., Answer]
    command: str = "invoke bench --suite standard"


def _generating(facts: Facts) -> list[PeerRatio]:
    return facts.generating_beside_peers


_TRAIN = "invoke train --preset {PRESET} --corpus {CORPUS} --record"
_CELL = "invoke bench --suite full --presets {PRESET} --engines {ENGINE}"

_FITTED = "invoke bench --engines {ENGINE}"
_PEERS = f"{TRAINING_COMMAND} --presets {{PRESET}}"
_GENERATES = f"{GENERATION_COMMAND} --presets {{PRESET}}"

_TRAINS_THERE = "invoke accelerator-train --out rows --preset {PRESET} --corpus {CORPUS}"


def _of_accelerator(name: str) -> Pattern:
    """A row of the grammar that ``sitegen.numbers.accelerator_numbers`` answers."""
    answer = ACCELERATOR_ANSWERS[name]
    of_preset = "invoke accelerator --out rows --presets {PRESET}"
    command = of_preset if name.endswith("PRESET") else ACCELERATOR_COMMAND
    return Pattern(lambda facts, *parts: answer(facts.accelerated, *parts), command)


PATTERNS = MappingProxyType(
    {
        "speedup.ENGINE.BASELINE.PRESET": Pattern(
            _speedup, "invoke bench --presets {PRESET} --engines {ENGINE},{BASELINE}"
        ),
        "speedup_range.ENGINE.BASELINE": Pattern(_speedup_range, "invoke bench --engines {ENGINE},{BASELINE}"),
        "step_ms.ENGINE.PRESET": Pattern(_of_cell(lambda cell: cell.seconds.median, quantities.milliseconds), _CELL),
        "tokens_per_s.ENGINE.PRESET": Pattern(
            _of_cell(lambda cell: cell.tokens_per_second, quantities.significant), _CELL
        ),
        "memory.ENGINE.PRESET": Pattern(
            _of_cell(lambda cell: cell.peak_memory_bytes or math.nan, quantities.megabytes), _CELL
        ),
        "params.PRESET": Pattern(_parameters),
        "loss.held_out.CORPUS.PRESET": Pattern(_of_training(lambda run: run.held_out_loss, quantities.loss), _TRAIN),
        "loss.first.CORPUS.PRESET": Pattern(_of_training(lambda run: run.first_loss, quantities.loss), _TRAIN),
        "loss.train.CORPUS.PRESET": Pattern(_of_training(lambda run: run.train_loss, quantities.loss), _TRAIN),
        "train_minutes.CORPUS.PRESET": Pattern(_of_training(lambda run: run.wall_seconds, _minutes), _TRAIN),
        "over.PEER.PRESET": Pattern(_of_peer(lambda row: row.speedup, quantities.ratio), _PEERS),
        "rival_ms.PEER.PRESET": Pattern(_of_peer(lambda row: row.cell.seconds.median, quantities.milliseconds), _PEERS),
        "rival_memory.PEER.PRESET": Pattern(
            _of_peer(lambda row: row.cell.peak_memory_bytes or math.nan, quantities.megabytes), _PEERS
        ),
        "roofline_share.PEER.PRESET": Pattern(_of_peer(lambda row: row.share, quantities.percent), _PEERS),
        "gflops.PEER.PRESET": Pattern(_of_peer(lambda row: row.flops_per_second, quantities.gflops), _PEERS),
        "generates.PEER.PRESET": Pattern(
            _of_peer(lambda row: row.cell.tokens_per_second, quantities.significant, _generating), _GENERATES
        ),
        "generates_over.PEER.PRESET": Pattern(
            _of_peer(lambda row: row.speedup, quantities.ratio, _generating), _GENERATES
        ),
        "sweep.loss.RECIPE.RATE": Pattern(_of_results(loss_at_rate), SWEEP_COMMAND),
        "sweep.best.RECIPE": Pattern(_of_results(best_of_recipe), SWEEP_COMMAND),
        "race.time.PEER": Pattern(_of_results(race_time), RACE_COMMAND),
        "race.over.PEER": Pattern(_of_results(race_ratio), RACE_COMMAND),
        "race.lowest.PEER": Pattern(_of_results(race_lowest), RACE_COMMAND),
        "count.cells": Pattern(_count_cells),
        "count.failed": Pattern(_count_failed),
        "count.machines": Pattern(_count_machines),
        "cost.error.ENGINE": Pattern(_model(lambda model: quantities.percent(model.largest_error), _LEFT_OUT), _FITTED),
        "cost.median.ENGINE": Pattern(_model(lambda model: quantities.percent(model.median_error), _LEFT_OUT), _FITTED),
        "cost.overhead.ENGINE": Pattern(_model(lambda model: quantities.duration(model.overhead), _BY_MODEL), _FITTED),
        "cost.rate.ENGINE": Pattern(_model(_fitted_rate, _BY_MODEL), _FITTED),
        "cost.calls.ENGINE.PRESET": Pattern(_model(_share_of("calls"), _PART), _FITTED),
        "cost.products.ENGINE.PRESET": Pattern(_model(_share_of("flops"), _PART), _FITTED),
        "cost.traffic.ENGINE.PRESET": Pattern(_model(_share_of("bytes"), _PART), _FITTED),
        "breakdown.PART.PRESET": Pattern(_part_share, "invoke bench --kernels --presets {PRESET}"),
        **{f"accelerator.{name}": _of_accelerator(name) for name in ACCELERATOR_ANSWERS},
        "accelerator.loss.CORPUS.PRESET": Pattern(_best_loss, _TRAINS_THERE),
        "accelerator.minutes.CORPUS.PRESET": Pattern(
            _of_training(lambda run: run.wall_seconds, _minutes, lambda facts: facts.accelerated_training),
            _TRAINS_THERE,
        ),
        "presets.measured.ENGINE": Pattern(_presets_measured, "invoke bench --engines {ENGINE}"),
    }
)


def _known_engine(text: str) -> None:
    try:
        parse_variant(text)
    except ConfigError:
        raise unknown_name("engine", text, ENGINES, "invoke site") from None


def _known(kind: str, names: Iterable[str]) -> Callable[[str], None]:
    allowed = tuple(names)

    def check(text: str) -> None:
        if text not in allowed:
            raise unknown_name(kind, text, allowed, "invoke site")

    return check


PLACEHOLDERS: MappingProxyType[str, Callable[[str], None]] = MappingProxyType(
    {
        "ENGINE": _known_engine,
        "BASELINE": _known_engine,
        "PRESET": _known("preset", PRESETS),
        "CORPUS": _known("corpus", CORPORA),
        "PART": _known("part", [part.replace(" ", "_") for part in PARTS]),
        "PEER": _known("peer", (REFERENCE, OURS, JAX_ON_CPU, *PEERS, BEST_TORCH, ROOFLINE)),
        "RECIPE": _known("recipe", SWEPT),
        "RATE": _known("rate", map(quantities.learning_rate, DEFAULT_RATES)),
    }
)


def resolve_number(name: str, facts: Facts) -> Number:
    """Look a figure up by its name; pages, their table of numbers and the rows behind them all ask for the same.

    Raises:
        SiteError: the name fits no pattern, or names an engine, preset or corpus that does not exist.
    """
    if name not in facts.resolved:
        facts.resolved[name] = _resolve(name, facts)
    return facts.resolved[name]


def _resolve(name: str, facts: Facts) -> Number:
    pattern_text, placeholders = _match(name)
    for kind, value in placeholders.items():
        try:
            PLACEHOLDERS[kind](value)
        except ConfigError as error:
            raise SiteError(f"number {name!r}: {error.problem}", error.allowed) from None
    pattern = PATTERNS[pattern_text]
    answer = pattern.resolve(facts, *placeholders.values())
    command = pattern.command.format(**placeholders)
    if answer is None:
        return Number(None, _why_missing(facts, placeholders), command)
    text, source, runs = answer
    return Number(text, source, command, runs)


def _why_missing(facts: Facts, placeholders: dict[str, str]) -> str:
    """Whether the cell behind a number failed, or was never tried."""
    cells = facts.cells
    engines = [placeholders[slot] for slot in ("ENGINE", "BASELINE") if slot in placeholders]
    failed = cells[
        (cells["state"] == "failed")
        & cells["variant"].isin(engines)
        & (cells["preset"] == placeholders.get("PRESET", ""))
    ]
    return "not measured yet" if failed.empty else f"did not finish ({failed.iloc[0]['status']})"


def _match(name: str) -> tuple[str, dict[str, str]]:
    """The pattern that a name fits, and what stands at its placeholders."""
    parts = name.split(".")
    for text in PATTERNS:
        form = text.split(".")
        if len(form) == len(parts) and all(
            slot in PLACEHOLDERS or slot == part for slot, part in zip(form, parts, strict=True)
        ):
            return text, {slot: part for slot, part in zip(form, parts, strict=True) if slot in PLACEHOLDERS}
    raise SiteError(f"unknown number {name!r}", ", ".join(PATTERNS))
