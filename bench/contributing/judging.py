"""Check that a pack is what a run of this project on one machine would have written.

    texts ─► code ─► machine ─► protocol ─► processes ─► steps ─► losses ─► speed        the first objection refuses it

The protocol is made again from the preset and the text's name, and the command from the suite. So the pack's maker
chooses nothing that a page shows or a reader may copy, except the names in the machine's fingerprint, and these have a
narrow alphabet. The losses must be those of the reference in the same pack, and the reference's those on record:
weights and batches follow from the seed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa

from bench.arms.devices import on_accelerator
from bench.arms.registry import REFERENCE
from bench.arms.step_work import step_work
from bench.arms.suites import SUITES, Cell, repeat_command
from bench.arms.variants import check_variant, engine_name, is_outside, kind_of
from bench.contributing.refusal import refused
from bench.measuring.endings import LOSS_TOLERANCE, compare_losses
from bench.records.grouping import grouped
from bench.records.machine import Machine
from bench.records.protocol import Protocol, benchmark_protocol
from bench.records.rows import PUBLISHED, Kind, RunRow
from bench.records.scrub import has_path
from bench.records.store import read_tables
from tinygpt.corpora import CORPORA
from tinygpt.errors import TinyGPTError
from tinygpt.presets import LADDER
from tinygpt.terminal.visible import one_line, visible_text

TRAINS: tuple[Kind, ...] = ("bench", "peer", "roofline")  # kinds of rows that a pack holds

_FIRST = datetime(2026, 11, 1, tzinfo=UTC)  # this project is younger
_CLOCK = timedelta(days=1)  # that a clock may be ahead
_LINE = 300  # characters of an error's last line
# No core multiplies float32 faster: the fastest units of 2026 with a matrix extension stay below a tenth of it.
_FLOPS_PER_CORE = 2e13
_NAME = re.compile(r"[A-Za-z0-9_ .,:;()@+/&'*×®™=\[\]-]{1,200}")  # of a processor, a system, a version
_SIGNAL = re.compile(r"SIG[A-Z0-9+-]{1,12}|signal \d{1,3}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MARKUP = re.compile(r"[<>]|://")  # and addresses
_AGAIN = re.compile(r"/again-\d{1,2}$")  # a process that repeats one that was stopped by hand
_CHECKED_AS_A_WHOLE = ("machine", "protocol", "cell_id")

Objections = Iterator[tuple[str, str]]  # what was found, and what is allowed


@dataclass(frozen=True)
class _Rows:
    """A pack's rows, and the record that they are compared with."""

    runs: Sequence[RunRow]
    steps: pd.DataFrame
    probes: pd.DataFrame
    root: Path

    @cached_property
    def trained(self) -> list[RunRow]:
        """Processes that trained to the end."""
        return [run for run in self.runs if run.status == "ok" and run.kind != "roofline"]

    @cached_property
    def losses(self) -> Mapping[str, list[float]]:
        """Losses by process, in the order of steps."""
        steps = self.steps.sort_values(["cell_id", "step"])
        return {str(cell): group["loss"].tolist() for cell, group in steps.groupby("cell_id")}


def require_plausible(name: str, tables: Mapping[str, pa.Table], root: Path) -> None:
    """Refuse a pack that no run of this project would have made.

    Args:
        name: the pack's, for messages.
        tables: checked value by value.
        root: the results folder, whose published losses of the reference are compared.

    Raises:
        ResultsError: the first objection.
    """
    if "steps" not in tables:
        raise refused(name, "no step was measured", "a run with at least one measured cell")
    frames = {table: arrow.to_pandas() for table, arrow in tables.items() if table != "runs"}
    runs = [RunRow(**row) for row in tables["runs"].to_pylist()]
    rows = _Rows(runs, frames["steps"], frames.get("probes", pd.DataFrame({"cell_id": []})), root)
    for check in _CHECKS:
        for problem, allowed in check(rows):
            raise refused(name, one_line(problem, 200), allowed)


def _texts(rows: _Rows) -> Objections:
    """Nothing invisible, no markup, no address, no path."""
    for run in rows.runs:
        of_row = {
            field.name: getattr(run, field.name) for field in fields(RunRow) if field.name not in _CHECKED_AS_A_WHOLE
        }
        of_machine = {f"machine, {name}": value for name, value in json.loads(run.machine).items()}
        for name, value in (of_row | of_machine).items():
            if isinstance(value, str):
                if visible_text(value, keep="") != value:
                    yield f"{name} has characters that cannot be seen: {value[:120]!r}", "visible characters"
                if _MARKUP.search(value):
                    yield f"{name} has markup or an address: {value[:120]!r}", "plain words"
                if has_path(value):
                    yield f"{name} has a path: {value[:120]!r}", "no folder of the machine"
        if len(run.error_tail or "") > _LINE:
            yield f"an error of {len(run.error_tail or '')} characters", f"its last line, at most {_LINE}"
        if run.signal is not None and not _SIGNAL.fullmatch(run.signal):
            yield f"the signal {run.signal!r}", "a signal's name"


def _code(rows: _Rows) -> Objections:
    """One commit, committed."""
    for run in rows.runs:
        if run.commit is None or not _COMMIT.fullmatch(run.commit):
            yield f"the commit {run.commit!r}", "40 hexadecimal digits of a checkout's commit"
        if run.dirty is not False:
            yield "code with uncommitted changes", "a clean checkout"
    commits = {run.commit for run in rows.runs}
    if len(commits) > 1:
        yield f"rows of {len(commits)} commits", "one commit"


def _machine(rows: _Rows) -> Objections:
    """One machine, with a fingerprint of this version's fields."""
    texts = {run.machine for run in rows.runs}
    if len(texts) > 1:
        yield f"rows of {len(texts)} machines", "one machine"
    found = json.loads(texts.pop())
    names = {field.name for field in fields(Machine)}
    if found.keys() != names:
        yield f"a machine with {', '.join(sorted(found.keys() ^ names))}", f"the fields {', '.join(sorted(names))}"
    for name, value in found.items():
        if isinstance(value, str) and not _NAME.fullmatch(value):
            yield f"a machine whose {name} is {value!r}", "letters, digits and the usual signs, at most 200"
    if not (1 <= found["cores"] <= 4096 and 0.1 <= found["memory_gib"] <= 1e5):
        yield f"{found['cores']} cores and {found['memory_gib']} GiB", "1 to 4,096 cores, 0.1 to 100,000 GiB"


def _protocol(rows: _Rows) -> Objections:
    """The protocol that this version makes of the preset, the text, the seed and the rounds."""
    for text, runs in grouped(rows.runs, lambda run: run.protocol).items():
        run = runs[0]
        entry = CORPORA.get(run.corpus)
        if entry is None or entry.sha256 not in (None, run.corpus_sha256):
            yield f"the text {run.corpus!r} with hash {run.corpus_sha256[:12]!r}", f"one of {', '.join(CORPORA)}"
        if run.preset not in LADDER:
            yield f"the preset {run.preset!r}", ", ".join(LADDER)
        rounds = json.loads(text).get("rounds")
        rounds = rounds if isinstance(rounds, int) and 1 <= rounds <= 100 else 0
        ours = benchmark_protocol(run.preset, run.corpus, run.corpus_sha256, run.seed, rounds)
        if text != ours.canonical_json:
            yield f"a protocol that we do not know ({run.protocol_hash[:8]}) at {run.preset}", f"{ours.hash[:8]} there"


def _processes(rows: _Rows) -> Objections:
    """Every process is a cell of a suite, and its row says what the protocol says."""
    for run in rows.runs:
        protocol = _protocol_of(run)
        try:
            variant = check_variant(run.variant)
        except TinyGPTError as error:
            yield str(error).partition(";")[0], "engines and peers of this version"
            return
        if variant != run.variant or is_outside(variant) or on_accelerator(variant):
            yield f"the engine {run.variant!r}", "engines and peers of this version, on a processor"
        if run.suite not in SUITES or run.kind not in TRAINS or run.kind != kind_of(variant):
            yield f"{run.kind} of suite {run.suite!r}", f"{', '.join(TRAINS)} of {', '.join(SUITES)}"
        cell = Cell(variant, run.preset, run.round, run.limit_seconds or 0.0)
        expected = {
            "engine": engine_name(variant),
            "cell_id": f"{run.run_id}/{variant}/{run.preset}/{run.round}{''.join(_AGAIN.findall(run.cell_id))}",
            "command": repeat_command(run.suite, cell, run.corpus, run.seed, protocol.rounds),
            "n_parameters": protocol.model.n_parameters,
            "tokens_per_step": protocol.batch_size * protocol.context_length,
            "warmup_steps": protocol.warmup_steps,
            "measured_steps": protocol.measured_steps,
            "continues": None,
            "held_out_loss": None,
            "expected_seconds": None,
            "expected_loss": None,
            "expected_spread": None,
        }
        for name, value in expected.items():
            if getattr(run, name) != value:
                yield f"column {name!r} has {getattr(run, name)!r} for {run.cell_id}", repr(value)
        if run.resolved_variant and not (
            run.resolved_variant.startswith(cell.engine) and _NAME.fullmatch(run.resolved_variant)
        ):
            yield f"{run.variant!r} as {run.resolved_variant!r}", f"{cell.engine} with its options"
        if not _FIRST <= run.started_at <= datetime.now(UTC) + _CLOCK:
            yield f"a process of {run.started_at:%Y-%m-%d}", f"a day from {_FIRST:%Y-%m-%d} to today"


def _steps(rows: _Rows) -> Objections:
    """Steps are numbered, count as the protocol says, and fit into the time of their process."""
    runs = {run.cell_id: run for run in rows.runs}
    for table, frame in (("steps", rows.steps), ("probes", rows.probes)):
        for cell in set(frame["cell_id"]) - runs.keys():
            yield f"{table} of {cell}", "processes of runs"
    by_cell = {str(cell): group.sort_values("step") for cell, group in rows.steps.groupby("cell_id")}
    for cell, run in runs.items():
        steps = by_cell.get(cell)
        count = 0 if steps is None else len(steps)
        total = run.warmup_steps + run.measured_steps
        if run.steps_done != count or count > total or (run.status == "ok" and count != total):
            yield f"{count} steps of {cell}, {run.steps_done} by its row", f"{total}"
        if steps is None:
            continue
        numbers, elapsed = steps["step"].to_numpy(), steps["elapsed_seconds"].to_numpy()
        if numbers.tolist() != [*range(1, count + 1)]:
            yield f"the steps of {cell} are not numbered 1 to {count}", "every step"
        if (steps["is_warmup"].to_numpy() != (numbers <= run.warmup_steps)).any():
            yield f"other warm-ups of {cell} than the first {run.warmup_steps}", f"{run.warmup_steps} warm-ups"
        gone = steps["seconds"].to_numpy().cumsum()
        if (elapsed < gone * (1 - 1e-9) - 1e-6).any() or elapsed[-1] > run.wall_seconds:
            yield (
                f"{elapsed[-1]:g} s for {gone[-1]:g} s of steps of {cell}, in {run.wall_seconds:g} s",
                "time that adds up",
            )


def _losses(rows: _Rows) -> Objections:
    """Losses are the reference's, and the reference's are those on record."""
    references: dict[str, list[float]] = {}
    for run in rows.trained:
        if run.variant == REFERENCE:
            references.setdefault(run.preset, rows.losses[run.cell_id])
    known = _recorded_losses(rows)
    for run in rows.trained:
        if run.preset not in references:
            yield f"{run.variant} at {run.preset} without {REFERENCE}", f"{REFERENCE} at every preset"
            continue
        for against, whose in ((references[run.preset], "the pack"), (known.get(run.preset), "the record")):
            end = compare_losses(rows.losses[run.cell_id], against)
            if end.status != "ok":
                yield f"{run.cell_id}: {end.error_tail}, by {whose}", f"within {LOSS_TOLERANCE:.1%} of {REFERENCE}"
        ends = rows.losses[run.cell_id][0], rows.losses[run.cell_id][-1]
        if (run.first_loss, run.last_loss) != ends:
            yield f"first and last loss of {run.cell_id} are not those of its steps", f"{ends[0]:.4f} and {ends[1]:.4f}"
    if not rows.trained:
        yield "no process that trained to its end", "one at least"


def _recorded_losses(rows: _Rows) -> dict[str, list[float]]:
    """The reference's losses on record, by preset, where they were made from the same text and seed."""
    runs, steps = read_tables(rows.root, ("runs", "steps"))
    same = (runs["origin"] == PUBLISHED) & (runs["variant"] == REFERENCE) & (runs["status"] == "ok")
    same &= (runs["kind"] == "bench") & runs["corpus_sha256"].isin([run.corpus_sha256 for run in rows.runs])
    first = runs[same & runs["seed"].isin([run.seed for run in rows.runs])].drop_duplicates("preset")
    found = {}
    for preset, cell, total in first[["preset", "cell_id", "steps_done"]].itertuples(index=False):
        losses = steps[steps["cell_id"] == cell].sort_values("step")["loss"].tolist()
        if any(run.preset == preset and run.steps_done == total for run in rows.trained):
            found[str(preset)] = losses
    return found


def _speed(rows: _Rows) -> Objections:
    """No step is faster than its products could be on the fastest cores there are."""
    cores = int(json.loads(rows.runs[0].machine)["cores"])
    fastest = rows.steps.groupby("cell_id")["seconds"].min().to_dict()
    for run in rows.runs:
        protocol = _protocol_of(run)
        least = step_work("vectorized", protocol.model, protocol.train).flops / (cores * _FLOPS_PER_CORE)
        if fastest.get(run.cell_id, least) < least:
            yield f"a step of {run.cell_id} in {fastest[run.cell_id]:g} s", f"{least:.2g} s or more on {cores} cores"


def _protocol_of(run: RunRow) -> Protocol:
    """The protocol of a row, which was found to be one of this version's."""
    return benchmark_protocol(run.preset, run.corpus, run.corpus_sha256, run.seed, json.loads(run.protocol)["rounds"])


_CHECKS: tuple[Callable[[_Rows], Objections], ...] = (
    _texts, _code, _machine, _protocol, _processes, _steps, _losses, _speed,
)  # fmt: skip
