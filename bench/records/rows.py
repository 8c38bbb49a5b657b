"""The rows of the five tables as they are written: a frozen dataclass each, whose fields are the table's columns.

A field's type is the column's, and ``| None`` says that the value may be absent; ``About`` says the rest. The files'
schema (``bench.records.schema``), the checks of every value (``bench.records.checks``) and ``results/README.md`` follow
from here. Rows are made by ``bench.records.process_rows``. Nothing here needs pandas or pyarrow: a worker's memory is
measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Annotated, Any, Literal, TypeVar, get_args

Status = Literal["ok", "timeout", "oom", "crashed", "diverged", "refused", "interrupted"]
Kind = Literal["bench", "peer", "roofline", "generation", "token", "kernels", "train", "against"]
Measure = Literal["step", "part", "form"]
Form = Literal["numpy", "exp", "numexpr", "numba"]
OperandPlace = Literal["cache", "memory"]

STATUSES: tuple[Status, ...] = get_args(Status)


def _listed(choices: Any) -> str:
    """The values of a literal type in words."""
    *others, last = get_args(choices)
    return f"{', '.join(others)} or {last}"


# Where a row lies in a results folder. Only what names all areas reads other people's rows.
PUBLISHED = "published"
LOCAL = "local"
CONTRIBUTED = "contributed"
OWN_AREAS = (PUBLISHED, LOCAL)
AREAS = (*OWN_AREAS, CONTRIBUTED)

Scope = tuple[str, str]  # origin, machine_hash
Place = tuple[str, str, str]  # and preset

# No clock resolves less and no process takes longer, in seconds; a damaged number is outside.
SHORTEST, LONGEST = 1e-12, 1e12
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class About:
    """A column in words, and the range of its values.

    Attributes:
        description: what the value is; says when it is null if it may be.
        unit: what a number counts; empty where there is nothing to count.
        since: schema version that added it; later ones than the first are optional.
        least: the smallest value. A column with a range holds no NaN.
        most: the largest value.
    """

    description: str
    unit: str = ""
    since: int = 1
    least: float | datetime | None = None
    most: float | datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One process."""

    run_id: Annotated[str, About("the command that made the row: UTC start, machine hash, random part")]
    cell_id: Annotated[str, About("run, variant, preset and round: one process")]
    kind: Annotated[
        Kind,
        About(
            f"{_listed(Kind)}; roofline is the products of a step alone, token those of a token, kernels the parts "
            "of a step"
        ),
    ]
    engine: Annotated[str, About("engine without its options")]
    variant: Annotated[str, About("engine with its options, such as vectorized[threads=1]")]
    preset: Annotated[str, About("model shape and batch")]
    round: Annotated[int, About("repetition, counted from 0", least=0)]
    status: Annotated[Status, About(_listed(Status))]
    exit_code: Annotated[int | None, About("of the process; null if a signal ended it or it never started")] = None
    signal: Annotated[str | None, About("signal that ended the process, such as SIGSEGV; null without one")] = None
    error_tail: Annotated[
        str | None, About("why the status is not ok: reason and last lines of stderr; null if ok")
    ] = None
    command: Annotated[str, About("command that repeats the measurement")]
    protocol_hash: Annotated[str, About("SHA-256 of the protocol")]
    protocol: Annotated[str, About("the protocol as canonical JSON")]
    machine_hash: Annotated[str, About("SHA-256 of the machine")]
    machine: Annotated[str, About("the machine's fingerprint as canonical JSON")]
    commit: Annotated[str | None, About("commit of the code; null outside a checkout")] = None
    dirty: Annotated[bool | None, About("whether the code differed from that commit; null outside a checkout")] = None
    started_at: Annotated[datetime, About("start of the process, UTC", least=EARLIEST, most=LATEST)]
    suite: Annotated[
        str, About("suite that planned the cell; of a training run train, gallery, or an experiment such as sweep")
    ]
    corpus: Annotated[str, About("name of the text")]
    corpus_sha256: Annotated[str, About("hash of the text")]
    seed: Annotated[int, About("of the starting weights and the batches")]
    n_parameters: Annotated[int, About("trainable parameters of the model", "numbers", least=1)]
    tokens_per_step: Annotated[
        int, About("batch size times context length; of generation, a text; of token, 1", "tokens", least=1)
    ]
    warmup_steps: Annotated[int, About("planned steps that do not count", "steps", least=0)]
    measured_steps: Annotated[int, About("planned steps that count", "steps", least=0)]
    steps_done: Annotated[int, About("steps that really ran, warm-ups included", "steps", least=0)]
    limit_seconds: Annotated[
        float | None, About("time limit of the process; null without one", "s", least=0, most=LONGEST)
    ] = None
    peak_memory_bytes: Annotated[
        int | None, About("peak resident memory, with processes that work for it; null if unknown", "bytes", least=0)
    ] = None
    setup_seconds: Annotated[
        float | None,
        About("making the engine: import, weights, buffers; null if it failed", "s", least=0, most=LONGEST),
    ] = None
    first_loss: Annotated[float | None, About("loss of the first step; null without steps", "nats/byte")] = None
    last_loss: Annotated[float | None, About("loss of the last step; null without steps", "nats/byte")] = None
    loss_drift: Annotated[
        float | None, About("largest relative distance to the reference's losses; null if not compared")
    ] = None
    held_out_loss: Annotated[float | None, About("last loss on held-out text; null if not evaluated", "nats/byte")] = (
        None
    )
    wall_seconds: Annotated[float, About("from the start of the process to its end", "s", least=0, most=LONGEST)]
    resolved_variant: Annotated[
        str | None, About("engine with the options it chose for itself; null if it was not made", since=2)
    ] = None
    threads: Annotated[
        int | None, About("threads it computed with; null if it was not made", "threads", since=2, least=1)
    ] = None
    blas_kernel: Annotated[str | None, About("processor family whose BLAS kernel ran; null if unknown", since=2)] = None
    continues: Annotated[
        str | None, About("run_id of the training run that this one goes on with; null if none", since=2)
    ] = None
    expected_seconds: Annotated[
        float | None, About("wall time that advice expected; null without advice", "s", since=3, least=0, most=LONGEST)
    ] = None
    expected_loss: Annotated[
        float | None, About("held-out loss that advice expected; null without any", "nats/byte", since=3)
    ] = None
    expected_spread: Annotated[
        float | None,
        About("its spread to both sides; null without any", "nats/byte", since=4, least=0, most=LONGEST),
    ] = None
    replaces: Annotated[
        int | None, About("round of the run that this one measures again; null in a planned round", since=4, least=0)
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One step of a process."""

    run_id: Annotated[str, About("as in runs")]
    cell_id: Annotated[str, About("as in runs")]
    step: Annotated[int, About("updates done, counted from 1", least=1)]
    is_warmup: Annotated[bool, About("whether the step does not count")]
    seconds: Annotated[
        float, About("forward, backward, clipping and AdamW update of one batch", "s", least=SHORTEST, most=LONGEST)
    ]
    loss: Annotated[float, About("mean cross-entropy of the batch before the update", "nats/byte")]
    grad_norm: Annotated[float, About("global L2 norm of the gradient before clipping")]
    elapsed_seconds: Annotated[
        float, About("from the first step's start to this step's end", "s", least=0, most=LONGEST)
    ]
    held_out_loss: Annotated[
        float | None, About("loss on held-out text after the step; null if not evaluated", "nats/byte")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """One text that a model wrote."""

    run_id: Annotated[str, About("as in runs")]
    cell_id: Annotated[str, About("as in runs")]
    engine: Annotated[str, About("engine without its options")]
    preset: Annotated[str, About("model shape and batch")]
    corpus: Annotated[str, About("name of the text the model was trained on")]
    step: Annotated[int, About("updates done when the text was written", least=0)]
    prompt: Annotated[str, About("what the text continues")]
    text: Annotated[str, About("the continuation, exactly as generated; bytes that are not UTF-8 are U+FFFD")]
    temperature: Annotated[float, About("sampling temperature; 0 takes the best token", least=0)]
    top_k: Annotated[int | None, About("candidates kept per token; null for all", "tokens", least=1)] = None
    seed: Annotated[int, About("of the random choices")]
    n_tokens: Annotated[int, About("tokens generated", "tokens", least=0)]
    tokens_per_second: Annotated[float, About("decoding speed", "tokens/s", least=0, most=LONGEST)]
    first_token_seconds: Annotated[float, About("time to the first token", "s", least=0, most=LONGEST)]
    train_loss: Annotated[float, About("training loss at that step", "nats/byte")]
    held_out_loss: Annotated[float | None, About("newest held-out loss; null if not evaluated", "nats/byte")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRow:
    """One timing of a step, of a part of it, or of a fused kernel."""

    run_id: Annotated[str, About("as in runs")]
    cell_id: Annotated[str, About("as in runs")]
    preset: Annotated[str, About("model shape and batch of the step")]
    measure: Annotated[Measure, About("step (wall time), part (of a step) or form (of a fused kernel)")]
    name: Annotated[str, About("of the part or the kernel; for a step, step")]
    worker: Annotated[int | None, About("whose time it is, counted from 0; null unless it is a part", least=0)] = None
    form: Annotated[Form | None, About(f"{_listed(Form)}; null unless it is a form")] = None
    place: Annotated[
        OperandPlace | None, About("where the operands lay, cache or memory; null unless it is a form")
    ] = None
    repeat: Annotated[int, About("step or timing, counted from 1", least=1)]
    is_warmup: Annotated[bool, About("whether it does not count")]
    seconds: Annotated[
        float, About("of the step, of the part within it, or of one call of the kernel", "s", least=0, most=LONGEST)
    ]
    elements: Annotated[
        int | None,
        About("numbers that a call of the kernel goes over; of a part on a GPU, its kernels; null otherwise", least=1),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRow:
    """One run of the probe, a fixed piece of work that shows how fast the machine is at that moment."""

    run_id: Annotated[str, About("as in runs")]
    cell_id: Annotated[str, About("as in runs")]
    number: Annotated[int, About("in the cell, counted from 0; the first one is before the engine is made", least=0)]
    step: Annotated[int, About("steps done before it, warm-ups included", "steps", least=0)]
    threads: Annotated[int, About("threads that did its work at the same time", "threads", least=1)]
    product_seconds: Annotated[
        float, About("the matrix products, until the last thread was done", "s", least=SHORTEST, most=LONGEST)
    ]
    copy_seconds: Annotated[
        float, About("the copies, until the last thread was done", "s", least=SHORTEST, most=LONGEST)
    ]
    steal_seconds: Annotated[
        float | None,
        About("processor time since the probe before that other virtual machines got; null if unknown", "s", least=0),
    ] = None
    waiting_seconds: Annotated[
        float | None,
        About("time since then in which a task waited for a processor (PSI); null if unknown", "s", least=0),
    ] = None
    voluntary_switches: Annotated[
        int | None, About("context switches of the cell since then that it asked for; null if unknown", least=0)
    ] = None
    involuntary_switches: Annotated[
        int | None, About("context switches since then that it did not ask for; null if unknown", least=0)
    ] = None
    page_faults: Annotated[
        int | None, About("page faults of the cell since then that needed no disk; null if unknown", least=0)
    ] = None
    load: Annotated[float | None, About("the machine's load average over a minute; null if unknown", least=0)] = None
    frequency_mhz: Annotated[float | None, About("mean clock of the processors; null if unknown", "MHz", least=0)] = (
        None
    )


Row = RunRow | StepRow | SampleRow | KernelRow | ProbeRow


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a run by table; sums join tables with tables."""

    runs: Sequence[RunRow] = ()
    steps: Sequence[StepRow] = ()
    samples: Sequence[SampleRow] = ()
    kernels: Sequence[KernelRow] = ()
    probes: Sequence[ProbeRow] = ()

    def __add__(self, more: Rows) -> Rows:
        """These rows and then those."""
        return Rows(
            (*self.runs, *more.runs),
            (*self.steps, *more.steps),
            (*self.samples, *more.samples),
            (*self.kernels, *more.kernels),
            (*self.probes, *more.probes),
        )


# ---- rows as they are read -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun(RunRow):
    """A row of ``runs`` with the area that it lies in."""

    origin: str

    @property
    def scope(self) -> Scope:
        """Area and machine: rows of two scopes are never pooled."""
        return self.origin, self.machine_hash

    @property
    def place(self) -> Place:
        """Scope and preset: what one picture shows side by side."""
        return *self.scope, self.preset

    @property
    def arm(self) -> tuple[str, str, str, str]:
        """Place and variant: what one run is chosen for."""
        return *self.place, self.variant

    @property
    def together(self) -> tuple[str, ...]:
        """The key that both sides of a ratio share: place, protocol and run."""
        return *self.place, self.protocol_hash, self.run_id

    @property
    def key(self) -> tuple[str, ...]:
        """The key that the rounds of a cell share: place, protocol, run and variant."""
        return self.origin, self.machine_hash, self.preset, self.protocol_hash, self.run_id, self.variant

    @property
    def is_clean(self) -> bool:
        """False where published rows come from uncommitted changes; local rows are work in progress."""
        return self.origin != PUBLISHED or not self.dirty

    @property
    def published_first(self) -> tuple[bool, str, int]:
        """Sorts rows as tables and figures do: published ones, then by machine, then by model size."""
        return self.origin != PUBLISHED, self.machine_hash, self.n_parameters


R = TypeVar("R", bound=StoredRun)
_NAMES = tuple(field.name for field in fields(StoredRun))
_VALUES = attrgetter(*_NAMES)
_SLOTS = tuple(getattr(StoredRun, name).__set__ for name in _NAMES)


def stored_run(values: Iterable[Any]) -> StoredRun:
    """A row from the values of all its fields in order; in half the time that so many keywords take."""
    row = object.__new__(StoredRun)
    for set_value, value in zip(_SLOTS, values, strict=True):
        set_value(row, value)
    return row


def extended(row: StoredRun, row_type: type[R], **more: Any) -> R:
    """A row as one of a type that has more fields; ``more`` gives these, and may replace some of the row's own."""
    return row_type(**dict(zip(_NAMES, _VALUES(row), strict=True)) | more)
