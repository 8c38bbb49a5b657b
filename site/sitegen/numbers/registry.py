"""Measured numbers by name: the names that pages use instead of typing numbers.

A name is a dotted path such as ``speedup.vectorized.numpy.small``. Each pattern is one row of a table; its upper-case
parts are placeholders for names of engines, presets and corpora. Values come from one scope
(``sitegen.numbers.quoted_rows``), so that two numbers in one sentence can be compared.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import pandas as pd

from bench.arms.devices import of_accelerators, of_processors
from bench.arms.registry import PEERS, ROOFLINE
from bench.arms.token_ways import TOKEN
from bench.records.grouping import grouped
from bench.records.rows import StoredRun
from bench.records.store import stored_runs
from bench.statistics.cells import CellSummary
from bench.statistics.cost_model import CostModel
from bench.statistics.intervals import MIN_ROUNDS
from bench.statistics.noise import cell_verdict
from bench.statistics.peer_ratios import PeerRatio
from bench.statistics.ratios import Ratio
from bench.statistics.token_times import TokenTime
from bench.statistics.training_parts import TrainingRun
from sitegen.numbers.accelerator_numbers import ANSWERS as ACCELERATOR_ANSWERS
from sitegen.numbers.lesson_numbers import ANSWERS as LESSON_ANSWERS
from sitegen.numbers.number import Answer, NotMeasured, Number, first, require
from sitegen.numbers.placeholders import FASTEST, PLACEHOLDERS
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.numbers.recipe_numbers import ANSWERS as RECIPE_ANSWERS
from sitegen.rows.accelerators import COMMAND as ACCELERATOR_COMMAND
from sitegen.rows.cells import code_text, evidence_text
from sitegen.rows.machines import accelerator_of, machine_label, processor_of
from sitegen.rows.peers import GENERATION_COMMAND, TRAINING_COMMAND, evidence, find
from sitegen.rows.ratios import Write, quoted_ends, quoted_range, quoted_ratio, ratio_words
from sitegen.rows.rungs import RUNGS, all_sources, code_lines
from sitegen.text.errors import SiteError
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.presets import LADDER, PRESETS
from tinygpt.terminal import quantities

Row = TypeVar("Row")

# ---- resolvers: (quoted rows, placeholders) → answer; they raise NotMeasured where a row is missing ---------


def _speedup(quoted: QuotedRows, engine: str, baseline: str, preset: str) -> Answer:
    pair = first(pair for pair in quoted.pairs(engine, baseline) if pair.cell.preset == preset)
    return _quoted(f"{engine} over {baseline} at {preset}", pair.ratio, pair.cell)


def _quoted(subject: str, ratio: Ratio, cell: CellSummary, write: Write = quantities.ratio) -> Answer:
    """A ratio as prose quotes it."""
    source = f"{subject}: {write(ratio.speedup)}, {ratio_words(ratio, write)}; {_origin(cell)}"
    return quoted_ratio(ratio, write), source, (cell.run_id,)


def _speedup_range(quoted: QuotedRows, engine: str, baseline: str) -> Answer:
    pairs = [*quoted.pairs(engine, baseline)]
    origin = _origin(first(pairs).cell)
    presets = quantities.listed(pair.cell.preset for pair in pairs)
    runs = tuple(dict.fromkeys(pair.cell.run_id for pair in pairs))
    source = f"{engine} over {baseline}, the widest ends at {presets}; {origin}"
    # An end without an interval names its rounds.
    ends = (
        min(pairs, key=lambda pair: quoted_ends(pair.ratio)),
        max(pairs, key=lambda pair: quoted_ends(pair.ratio)[1]),
    )
    few = {
        pair.cell.preset: f"{quantities.counted(pair.ratio.n_rounds, 'round')}{' a run' * bool(pair.ratio.runs)}"
        for pair in ends
        if not pair.ratio.has_interval
    }
    words = "; ".join(f"{preset}: {rounds}" for preset, rounds in few.items())
    return quoted_range([pair.ratio for pair in pairs]) + f" ({words})" * bool(few), source, runs


Candidates = Iterator[tuple[Row, str, str]]  # rows that may have a number, each with its source and the id of its run


def _value(
    candidates: Callable[..., Candidates[Row]],
    value: Callable[[Row], float | None],
    write: Callable[[float], str],
    command: str,
) -> Pattern:
    """The pattern of a value: that of the first candidate that has one."""

    def resolve(*arguments: Any) -> Answer:
        for row, source, run_id in candidates(*arguments):
            number = value(row)
            if number is not None and not math.isnan(number):
                return write(number), source, (run_id,)
        raise NotMeasured

    return Pattern(resolve, command)


def _cells(quoted: QuotedRows, engine: str, preset: str) -> Candidates[CellSummary]:
    if cell := quoted.measured.get((engine, preset)):
        yield cell, f"{engine} at {preset}, {evidence_text(cell)}, {code_text(cell)}; {_origin(cell)}", cell.run_id


def _step_ms(quoted: QuotedRows, engine: str, preset: str) -> Answer:
    cell, source, run_id = first(_cells(quoted, engine, preset))
    few = cell.n_rounds < MIN_ROUNDS
    doubt = quantities.counted(cell.n_rounds, "round") if few else cell_verdict(cell)
    return quantities.milliseconds(cell.seconds.median) + f" ({doubt})" * (doubt != "stable"), source, (run_id,)


def _fastest(quoted: QuotedRows, preset: str) -> Answer:
    """The name of our fastest engine at a preset."""
    cell, source, run_id = first(_cells(quoted, quoted.fastest(preset), preset))
    return cell.variant, source, (run_id,)


def _days(quoted: QuotedRows, engine: str) -> Answer:
    """The days of an engine's times, which name their runs on a page that has no room for ids."""
    cells = [cell for (name, _), cell in quoted.measured.items() if name == engine]
    days = dict.fromkeys(quantities.day(cell.started_at) for cell in sorted(cells, key=lambda cell: cell.started_at))
    return quantities.listed(days), f"{engine}; {_origin(first(cells))}", quoted.runs_of(engine)


def _trainings(quoted: QuotedRows, corpus: str, preset: str, accelerator: bool = False) -> Candidates[TrainingRun]:
    for run in quoted.accelerator_training if accelerator else quoted.training:
        if (run.corpus, run.preset) == (corpus, preset):
            when = quantities.day(run.started_at)
            yield run, f"{run.variant}, {run.steps_done} steps on {corpus}, {run.origin}, {when}", run.run_id


def _best_loss(quoted: QuotedRows, corpus: str, preset: str) -> Answer:
    """The best evaluation of an accelerator's newest run, whose checkpoint is the one that the run keeps."""
    for run in quoted.accelerator_training:
        if (run.corpus, run.preset) == (corpus, preset) and run.held_out_loss is not None:
            steps = quoted.results.steps
            best = min(run.held_out_loss, float(steps.loc[steps["cell_id"] == run.cell_id, "held_out_loss"].min()))
            source = f"{run.variant}, best of the evaluations on {corpus}, {quantities.day(run.started_at)}"
            return quantities.loss(best), source, (run.run_id,)
    raise NotMeasured


def _minutes(seconds: float) -> str:
    return f"{quantities.significant(seconds / 60, 2)} min"


def _parameters(_: QuotedRows, preset: str) -> Answer:
    return quantities.whole(PRESETS[preset].model.n_parameters), f"computed from the preset {preset}", ()


def _code_lines(_: QuotedRows, engine: str) -> Answer:
    if engine not in RUNGS:
        raise unknown_name("rung", engine, RUNGS)
    counted = ", ".join(f"tinygpt/{name}" for name in all_sources(engine))
    return quantities.whole(code_lines(engine)), f"counted in {counted}, without empty lines", ()


def _count(count: Callable[[pd.DataFrame], int], source: str) -> Callable[..., Answer]:
    def resolve(quoted: QuotedRows) -> Answer:
        runs = quoted.measured_runs
        return quantities.whole(count(runs)), source, tuple(dict.fromkeys(runs["run_id"]))

    return resolve


def _machines(
    select: Callable[[pd.DataFrame], pd.DataFrame], name: Callable[[StoredRun], str]
) -> Callable[[QuotedRows], Answer]:
    """Count the machines that computed the selected rows, by name."""

    def resolve(quoted: QuotedRows) -> Answer:
        found = grouped(stored_runs(select(quoted.measured_runs)), name)
        ids = tuple(dict.fromkeys(run.run_id for runs in found.values() for run in runs))
        return str(len(found)), "; ".join(found) or "none", ids

    return resolve


def _presets_measured(quoted: QuotedRows, engine: str) -> Answer:
    count = sum(variant == engine and preset in LADDER for variant, preset in quoted.measured)
    return f"{count} of {len(LADDER)}", f"presets at which {engine} was measured", quoted.runs_of(engine)


def _of_model(write: Callable[..., str], source: str) -> Callable[..., Answer]:
    """Answer from an engine's cost model; ``write`` takes the model and the placeholders after the engine."""

    def resolve(quoted: QuotedRows, engine: str, *rest: str) -> Answer:
        model = require(quoted.cost_models.get(engine))
        words = source.format(engine=" at ".join((engine, *rest)), count=len(model.measured), id=model.id)
        return write(model, *rest), words, quoted.runs_of(engine)

    return resolve


def _fitted_rate(model: CostModel) -> str:
    # A fit may give the products no time, if another term grows as they do.
    return quantities.gflops(1 / model.seconds_per_flop) if model.seconds_per_flop else "a rate that it cannot tell"


def _share_of(term: str) -> Callable[[CostModel, str], str]:
    def write(model: CostModel, preset: str) -> str:
        terms = model.terms(preset)
        return quantities.percent(terms[term] / sum(terms.values()))

    return write


_LEFT_OUT = "{engine}: each of {count} measured presets left out, cost model {id}"
_BY_MODEL = "{engine}: fitted by cost model {id}"
_PART = "{engine}: its part of a step by cost model {id}, not measured by itself"


def _part_share(quoted: QuotedRows, part: str, preset: str) -> Answer:
    wanted = part.replace("_", " "), preset
    found = first(share for share in quoted.parts if (share.part, share.run.preset) == wanted)
    rounds = quantities.counted(found.n_rounds, "round")
    source = f"{part} at {preset}, {quantities.counted(found.n_steps, 'step')} in {rounds}"
    return quantities.percent(found.share), source, (found.run.run_id,)


def _tokens(quoted: QuotedRows, way: str, preset: str) -> Candidates[TokenTime]:
    for time in quoted.token_times:
        if (time.way.name, time.cell.preset) == (way, preset) and time.cell.n_rounds:
            words = f"products of a token, {time.way.label}, at {preset}"
            yield time, f"{words}, {evidence_text(time.cell)}; {_origin(time.cell)}", time.cell.run_id


def _token_ratio(quoted: QuotedRows, way: str, preset: str) -> Answer:
    time, _, _ = first(_tokens(quoted, way, preset))
    return _quoted(f"float32 over {time.way.label} at {preset}", require(time.ratio), time.cell)


def _peers(rows: Callable[[QuotedRows], list[PeerRatio]]) -> Callable[..., Candidates[PeerRatio]]:
    def candidates(quoted: QuotedRows, peer: str, preset: str) -> Candidates[PeerRatio]:
        if row := find(rows(quoted), peer, preset):
            name = f"{peer} ({row.cell.variant})" if peer != row.cell.variant else peer
            yield row, f"{name} at {preset}, {evidence(row)}; {_origin(row.cell)}", row.cell.run_id

    return candidates


def _ratio_of_peer(
    ratio: Callable[[PeerRatio], Ratio | None],
    write: Write = quantities.ratio,
    rows: Callable[[QuotedRows], list[PeerRatio]] = lambda quoted: quoted.training_ratios,
) -> Callable[..., Answer]:
    def resolve(quoted: QuotedRows, peer: str, preset: str) -> Answer:
        row = require(find(rows(quoted), peer, preset))
        return _quoted(f"{row.cell.variant} at {preset}", require(ratio(row)), row.cell, write)

    return resolve


def _unmeasured_peers(quoted: QuotedRows) -> Answer:
    rows = require(quoted.training_ratios or None)
    known = {row.cell.variant for row in (*quoted.results.training_ratios, *quoted.results.generation_ratios)}
    missing = [name for name in PEERS if name not in known]
    text = f"Without a published row: {quantities.listed(missing)}." if missing else "Every peer has published rows."
    return text, f"peers without a row; {_origin(rows[0].cell)}", ()


_PRODUCTS = ("OpenBLAS in one layout", "the fastest of several libraries, layouts and ways to use threads")


def _products_tried(quoted: QuotedRows) -> Answer:
    """The ways of multiplying that the rooflines tried, by the version of their protocol."""
    cells = [row.cell for row in quoted.training_ratios if row.cell.variant == ROOFLINE and row.cell.n_rounds]
    source = f"versions of the protocols; {_origin(first(cells))}"
    by_version = grouped(cells, lambda cell: int(json.loads(cell.protocol).get("version", 1)))
    words = [
        f"{_PRODUCTS[version > 1]} at {quantities.listed(cell.preset for cell in group)} (protocol {version})"
        for version, group in sorted(by_version.items())
    ]
    return quantities.listed(words), source, tuple(dict.fromkeys(cell.run_id for cell in cells))


def _generation(quoted: QuotedRows) -> list[PeerRatio]:
    return quoted.generation_ratios


_stepping = _peers(lambda quoted: quoted.training_ratios)
_generating = _peers(_generation)


def _of_results(resolve: Callable[..., Answer]) -> Callable[..., Answer]:
    return lambda quoted, *parts: resolve(quoted.results, *parts)


def _origin(cell: CellSummary) -> str:
    return f"{machine_label(cell)}; {quantities.day(cell.started_at)}"


# ---- patterns --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pattern:
    """The resolver of a form of names, and the command that measures a missing number of that form."""

    resolve: Callable[..., Answer]
    command: str = "invoke bench --suite standard"


_BENCH = "invoke bench --engines {ENGINE}"
_CELL = "invoke bench --suite full --presets {PRESET} --engines {ENGINE}"
_TRAIN = "invoke train --preset {PRESET} --corpus {CORPUS} --record"
_TRAIN_THERE = "invoke accelerator-train --out rows --preset {PRESET} --corpus {CORPUS}"
_PEERS = f"{TRAINING_COMMAND} --presets {{PRESET}}"
_GENERATE = f"{GENERATION_COMMAND} --presets {{PRESET}}"
_TOKEN = f"invoke bench --suite {TOKEN} --presets {{PRESET}}"


def _of_accelerator(name: str) -> Pattern:
    """The pattern of a name in ``sitegen.numbers.accelerator_numbers``."""
    answer = ACCELERATOR_ANSWERS[name]
    of_preset = "invoke accelerator --out rows --presets {PRESET}"
    command = of_preset if name.endswith("PRESET") else ACCELERATOR_COMMAND
    return Pattern(lambda quoted, *parts: answer(quoted.accelerator, *parts), command)


PATTERNS = MappingProxyType(
    {
        "speedup.ENGINE.BASELINE.PRESET": Pattern(
            _speedup, "invoke bench --presets {PRESET} --engines {ENGINE},{BASELINE}"
        ),
        "speedup_range.ENGINE.BASELINE": Pattern(_speedup_range, f"{_BENCH},{{BASELINE}}"),
        "step_ms.ENGINE.PRESET": Pattern(_step_ms, _CELL),
        "days.ENGINE": Pattern(_days, _BENCH),
        "tokens_per_s.ENGINE.PRESET": _value(
            _cells, lambda cell: cell.tokens_per_second, quantities.significant, _CELL
        ),
        "memory.ENGINE.PRESET": _value(_cells, lambda cell: cell.peak_memory_bytes, quantities.megabytes, _CELL),
        "params.PRESET": Pattern(_parameters),
        "code_lines.ENGINE": Pattern(_code_lines),
        "loss.held_out.CORPUS.PRESET": _value(_trainings, lambda run: run.held_out_loss, quantities.loss, _TRAIN),
        "loss.first.CORPUS.PRESET": _value(_trainings, lambda run: run.first_loss, quantities.loss, _TRAIN),
        "loss.train.CORPUS.PRESET": _value(_trainings, lambda run: run.train_loss, quantities.loss, _TRAIN),
        "train_steps.CORPUS.PRESET": _value(_trainings, lambda run: run.steps_done, quantities.whole, _TRAIN),
        "train_minutes.CORPUS.PRESET": _value(_trainings, lambda run: run.wall_seconds, _minutes, _TRAIN),
        "over.PEER.PRESET": Pattern(_ratio_of_peer(lambda row: row.ratio), _PEERS),
        "peer_ms.PEER.PRESET": _value(_stepping, lambda row: row.cell.seconds.median, quantities.milliseconds, _PEERS),
        "peer_step.PEER.PRESET": _value(_stepping, lambda row: row.cell.seconds.median, quantities.duration, _PEERS),
        "peer_memory.PEER.PRESET": _value(
            _stepping, lambda row: row.cell.peak_memory_bytes, quantities.megabytes, _PEERS
        ),
        "roofline.tried": Pattern(_products_tried, TRAINING_COMMAND),
        "peers.unmeasured": Pattern(_unmeasured_peers, TRAINING_COMMAND),
        "roofline_share.PEER.PRESET": Pattern(_ratio_of_peer(lambda row: row.of_roofline, quantities.percent), _PEERS),
        "gflops.PEER.PRESET": _value(_stepping, lambda row: row.flops_per_second, quantities.gflops, _PEERS),
        "generates.PEER.PRESET": _value(
            _generating, lambda row: row.cell.tokens_per_second, quantities.significant, _GENERATE
        ),
        "generates_over.PEER.PRESET": Pattern(_ratio_of_peer(lambda row: row.ratio, rows=_generation), _GENERATE),
        "token_ms.WAY.PRESET": _value(_tokens, lambda time: time.cell.seconds.median, quantities.milliseconds, _TOKEN),
        "token_over.WAY.PRESET": Pattern(_token_ratio, _TOKEN),
        "count.cells": Pattern(_count(len, "cells of processors and accelerators, failures included")),
        "count.failed": Pattern(_count(lambda runs: (runs["status"] != "ok").sum(), "cells whose status is not ok")),
        "count.processors": Pattern(_machines(of_processors, lambda run: processor_of(run)[0])),
        "count.accelerators": Pattern(_machines(of_accelerators, lambda run: accelerator_of(run)[0])),
        "cost.error.ENGINE": Pattern(
            _of_model(lambda model: quantities.percent(model.largest_error), _LEFT_OUT), _BENCH
        ),
        "cost.median.ENGINE": Pattern(
            _of_model(lambda model: quantities.percent(model.median_error), _LEFT_OUT), _BENCH
        ),
        "cost.overhead.ENGINE": Pattern(
            _of_model(lambda model: quantities.duration(model.overhead), _BY_MODEL), _BENCH
        ),
        "cost.rate.ENGINE": Pattern(_of_model(_fitted_rate, _BY_MODEL), _BENCH),
        "cost.calls.ENGINE.PRESET": Pattern(_of_model(_share_of("calls"), _PART), _BENCH),
        "cost.products.ENGINE.PRESET": Pattern(_of_model(_share_of("flops"), _PART), _BENCH),
        "cost.traffic.ENGINE.PRESET": Pattern(_of_model(_share_of("bytes"), _PART), _BENCH),
        "breakdown.PART.PRESET": Pattern(_part_share, "invoke bench --kernels --presets {PRESET}"),
        **{f"accelerator.{name}": _of_accelerator(name) for name in ACCELERATOR_ANSWERS},
        "accelerator.loss.CORPUS.PRESET": Pattern(_best_loss, _TRAIN_THERE),
        "accelerator.minutes.CORPUS.PRESET": _value(
            partial(_trainings, accelerator=True), lambda run: run.wall_seconds, _minutes, _TRAIN_THERE
        ),
        **{name: Pattern(answer) for name, answer in LESSON_ANSWERS.items()},
        **{name: Pattern(_of_results(answer), command) for name, (answer, command) in RECIPE_ANSWERS.items()},
        "presets.measured.ENGINE": Pattern(_presets_measured, _BENCH),
        "fastest.PRESET": Pattern(_fastest, "invoke bench --suite standard --presets {PRESET}"),
    }
)


def resolve_number(name: str, quoted: QuotedRows) -> Number:
    """Look a number up by its name. Each is computed once per ``quoted``, however many pages use it.

    Raises:
        SiteError: the name fits no pattern, or names an engine, preset or corpus that does not exist.
    """
    if name not in quoted.resolved:
        quoted.resolved[name] = _resolve(name, quoted)
    return quoted.resolved[name]


def _resolve(name: str, quoted: QuotedRows) -> Number:
    pattern, placeholders = _match(name)
    for kind, value in placeholders.items():
        try:
            placeholders[kind] = PLACEHOLDERS[kind](value)
        except ConfigError as error:
            raise SiteError(f"number {name!r}: {error.problem}", error.allowed) from None
    if placeholders.get("ENGINE") == FASTEST:
        placeholders["ENGINE"] = quoted.fastest(placeholders["PRESET"])
    command = pattern.command.format(**{kind: shlex.quote(value) for kind, value in placeholders.items()})
    try:
        text, source, runs = pattern.resolve(quoted, *placeholders.values())
    except NotMeasured:
        return Number(None, _why_missing(quoted, placeholders), command)
    return Number(text, source, command, runs)


def _why_missing(quoted: QuotedRows, placeholders: dict[str, str]) -> str:
    """Say whether the cell behind a number failed or was never tried."""
    engines = [placeholders[slot] for slot in ("ENGINE", "BASELINE") if slot in placeholders]
    cells = quoted.cells[quoted.cells["variant"].isin(engines)]
    failed = cells[(cells["state"] == "failed") & (cells["preset"] == placeholders.get("PRESET", ""))]
    return "not measured yet" if failed.empty else f"did not finish ({failed.iloc[0]['status']})"


def _match(name: str) -> tuple[Pattern, dict[str, str]]:
    """The pattern that a name fits, and the values of its placeholders."""
    parts = name.split(".")
    for form, pattern in PATTERNS.items():
        slots = form.split(".")
        if len(slots) == len(parts) and all(
            slot in PLACEHOLDERS or slot == part for slot, part in zip(slots, parts, strict=True)
        ):
            return pattern, {slot: part for slot, part in zip(slots, parts, strict=True) if slot in PLACEHOLDERS}
    raise SiteError(f"unknown number {name!r}", ", ".join(PATTERNS))
