"""The four tables: every column with its type, unit and meaning, stored in the Parquet files themselves.

A row is written once and never edited. ``results/README.md`` lists the same columns; a test compares the two.

Versions only add: a column that came later may be null, and files of an older version are read with nulls in it.
Version 2 added what an engine chose for itself, and the link between the parts of a resumed training run. Up to then,
``jax`` was the name of a rival, a textbook step in JAX; since version 3 it is this project's engine, and the rival is
``jax-textbook``. Older files are read under the new name. Version 3 also has what advice expected of a training run.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from tinygpt.errors import ResultsError

SCHEMA_VERSION = 3
VERSION_KEY = b"tinygpt.schema_version"
TABLE_KEY = b"tinygpt.table"

STATUSES = ("ok", "timeout", "oom", "crashed", "diverged", "refused", "interrupted")
KINDS = ("bench", "peer", "roofline", "generation", "kernels", "train", "against")

_TYPES = MappingProxyType(
    {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "yes/no": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }
)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: as in the files.
        type: ``text``, ``integer``, ``number`` (float64), ``yes/no`` or ``time`` (UTC, microseconds).
        unit: what a number counts; empty where there is nothing to count.
        description: what the value is.
        optional: whether it may be null, and the description then says when.
        since: schema version that added it; later ones than the first are optional.
    """

    name: str
    type: str
    unit: str
    description: str
    optional: bool = False
    since: int = 1


_RUNS = (
    Column("run_id", "text", "", "the command that made the row: UTC start, machine hash, random part"),
    Column("cell_id", "text", "", "run, variant, preset and round: one process"),
    Column(
        "kind",
        "text",
        "",
        "bench, peer (a rival), roofline (products alone), generation, kernels (parts of a step), train or against",
    ),
    Column("engine", "text", "", "engine without its options"),
    Column("variant", "text", "", "engine with its options, such as vectorized[threads=1]"),
    Column("preset", "text", "", "model shape and batch"),
    Column("round", "integer", "", "repetition, counted from 0"),
    Column("status", "text", "", "ok, timeout, oom, crashed, diverged, refused or interrupted"),
    Column("exit_code", "integer", "", "of the process; null if a signal ended it or it never started", True),
    Column("signal", "text", "", "signal that ended the process, such as SIGSEGV; null without one", True),
    Column("error_tail", "text", "", "why the status is not ok: reason and last lines of stderr; null if ok", True),
    Column("command", "text", "", "command that repeats the measurement"),
    Column("protocol_hash", "text", "", "SHA-256 of the protocol"),
    Column("protocol", "text", "", "the protocol as canonical JSON"),
    Column("machine_hash", "text", "", "SHA-256 of the machine"),
    Column("machine", "text", "", "the machine's fingerprint as canonical JSON"),
    Column("commit", "text", "", "commit of the code; null outside a checkout", True),
    Column("dirty", "yes/no", "", "whether the code differed from that commit; null outside a checkout", True),
    Column("started_at", "time", "", "start of the process, UTC"),
    Column("suite", "text", "", "suite that planned the cell; of a training run train, sweep, race or gallery"),
    Column("corpus", "text", "", "name of the text"),
    Column("corpus_sha256", "text", "", "hash of the text"),
    Column("seed", "integer", "", "of the starting weights and the batches"),
    Column("n_parameters", "integer", "numbers", "trainable parameters of the model"),
    Column("tokens_per_step", "integer", "tokens", "batch size times context length"),
    Column("warmup_steps", "integer", "steps", "planned steps that do not count"),
    Column("measured_steps", "integer", "steps", "planned steps that count"),
    Column("steps_done", "integer", "steps", "steps that really ran, warm-ups included"),
    Column("limit_seconds", "number", "s", "time limit of the process; null without one", True),
    Column(
        "peak_memory_bytes",
        "integer",
        "bytes",
        "peak resident memory, with processes that work for it; null if unknown",
        True,
    ),
    Column("setup_seconds", "number", "s", "making the engine: import, weights, buffers; null if it failed", True),
    Column("first_loss", "number", "nats/token", "loss of the first step; null without steps", True),
    Column("last_loss", "number", "nats/token", "loss of the last step; null without steps", True),
    Column(
        "loss_drift", "number", "", "largest relative distance to the reference's losses; null if not compared", True
    ),
    Column("held_out_loss", "number", "nats/token", "last loss on held-out text; null if not evaluated", True),
    Column("wall_seconds", "number", "s", "from the start of the process to its end"),
    Column(
        "resolved_variant", "text", "", "engine with the options it chose for itself; null if it was not made", True, 2
    ),
    Column("threads", "integer", "threads", "threads it computed with; null if it was not made", True, 2),
    Column("blas_kernel", "text", "", "processor family whose BLAS kernel ran; null if unknown", True, 2),
    Column("continues", "text", "", "run_id of the training run that this one goes on with; null if none", True, 2),
    Column("expected_seconds", "number", "s", "wall time that advice expected; null without advice", True, 3),
    Column("expected_loss", "number", "nats/token", "held-out loss that advice expected; null without any", True, 3),
)

_STEPS = (
    Column("run_id", "text", "", "as in runs"),
    Column("cell_id", "text", "", "as in runs"),
    Column("step", "integer", "", "updates done, counted from 1"),
    Column("is_warmup", "yes/no", "", "whether the step does not count"),
    Column("seconds", "number", "s", "forward, backward, clipping and AdamW update of one batch"),
    Column("loss", "number", "nats/token", "mean cross-entropy of the batch before the update"),
    Column("grad_norm", "number", "", "global L2 norm of the gradient before clipping"),
    Column("elapsed_seconds", "number", "s", "from the first step's start to this step's end"),
    Column(
        "held_out_loss", "number", "nats/token", "loss on held-out text after the step; null if not evaluated", True
    ),
)

_SAMPLES = (
    Column("run_id", "text", "", "as in runs"),
    Column("cell_id", "text", "", "as in runs"),
    Column("engine", "text", "", "engine without its options"),
    Column("preset", "text", "", "model shape and batch"),
    Column("corpus", "text", "", "name of the text the model was trained on"),
    Column("step", "integer", "", "updates done when the text was written"),
    Column("prompt", "text", "", "what the text continues"),
    Column("text", "text", "", "the continuation, exactly as generated; bytes that are not UTF-8 are U+FFFD"),
    Column("temperature", "number", "", "sampling temperature; 0 takes the best token"),
    Column("top_k", "integer", "tokens", "candidates kept per token; null for all", True),
    Column("seed", "integer", "", "of the random choices"),
    Column("n_tokens", "integer", "tokens", "tokens generated"),
    Column("tokens_per_second", "number", "tokens/s", "decoding speed"),
    Column("first_token_seconds", "number", "s", "time to the first token"),
    Column("train_loss", "number", "nats/token", "training loss at that step"),
    Column("held_out_loss", "number", "nats/token", "newest held-out loss; null if not evaluated", True),
)

_KERNELS = (
    Column("run_id", "text", "", "as in runs"),
    Column("cell_id", "text", "", "as in runs"),
    Column("preset", "text", "", "model shape and batch of the step"),
    Column("measure", "text", "", "step (wall time), part (of a step) or form (of a fused kernel)"),
    Column("name", "text", "", "of the part or the kernel; for a step, step"),
    Column("worker", "integer", "", "whose time it is, counted from 0; null unless it is a part", True),
    Column("form", "text", "", "numpy or numexpr; null unless it is a form", True),
    Column("place", "text", "", "where the operands lay, cache or memory; null unless it is a form", True),
    Column("repeat", "integer", "", "step or timing, counted from 1"),
    Column("is_warmup", "yes/no", "", "whether it does not count"),
    Column("seconds", "number", "s", "of the step, of the part within it, or of one call of the kernel"),
    Column("elements", "integer", "numbers", "that a call of the kernel goes over; null unless it is a form", True),
)

TABLES = MappingProxyType({"runs": _RUNS, "steps": _STEPS, "samples": _SAMPLES, "kernels": _KERNELS})

_RENAMED_IN_3 = MappingProxyType({"jax": "jax-textbook"})

# Columns that hold one of a few words.
_CHOICES = {
    ("runs", "status"): STATUSES,
    ("runs", "kind"): KINDS,
    ("kernels", "measure"): ("step", "part", "form"),
}


def arrow_schema(table: str, version: int = SCHEMA_VERSION) -> pa.Schema:
    """A table's Arrow schema: units and descriptions on the fields, the schema's version on the whole."""
    arrow_fields = [
        pa.field(
            column.name,
            _TYPES[column.type],
            nullable=column.optional,
            metadata={b"unit": column.unit.encode(), b"description": column.description.encode()},
        )
        for column in TABLES[table]
        if column.since <= version
    ]
    return pa.schema(arrow_fields, metadata={TABLE_KEY: table.encode(), VERSION_KEY: str(version).encode()})


def to_arrow(table: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows to an Arrow table, checked against the schema.

    Raises:
        ResultsError: a column is missing or unknown, a value has another type, or a required one is null.
    """
    schema = arrow_schema(table)
    names = set(schema.names)
    for row in rows:
        wrong = sorted(names ^ set(row))
        if wrong:
            raise ResultsError(f"a row of {table} has column {wrong[0]!r} missing or too many", ", ".join(schema.names))
    try:
        arrow = pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ResultsError(f"a row of {table} does not fit the schema: {error}") from error
    check_values(table, arrow, f"a row of {table}")
    return arrow


def check_values(table: str, arrow: pa.Table, where: str) -> None:
    """Check what a type cannot say: required values are there, and words are among those allowed.

    Raises:
        ResultsError: naming the column, and ``where`` it is.
    """
    for column in TABLES[table]:
        values = arrow.column(column.name)
        if not column.optional and values.null_count:
            raise ResultsError(f"{where} has no value in column {column.name!r}", "a value in every required column")
        allowed = _CHOICES.get((table, column.name))
        if allowed is not None:
            unknown = sorted(set(values.to_pylist()) - set(allowed))
            if unknown:
                raise ResultsError(f"{where} has {column.name} {unknown[0]!r}", ", ".join(allowed))


def check_schema(table: str, schema: pa.Schema, where: str) -> int:
    """Compare a file's schema with the version that it says it has.

    Returns:
        that version, this one or an older one.

    Raises:
        ResultsError: the version is unknown, or a column or a type differs; ``where`` names the file.
    """
    run = f"move {where} out of the results folder, or read it with the version that wrote it"
    metadata = schema.metadata or {}
    text = metadata.get(VERSION_KEY, b"none").decode("ascii", "replace")
    known = [str(version) for version in range(1, SCHEMA_VERSION + 1)]
    if text not in known:
        raise ResultsError(f"{where} has schema version {text}", f"version {' or '.join(known)}", run)
    version = int(text)
    found_table = metadata.get(TABLE_KEY, b"none").decode("ascii", "replace")
    if found_table != table:
        raise ResultsError(f"{where} holds table {found_table!r}", f"table {table!r}", run)
    expected = arrow_schema(table, version)
    for field in expected:
        position = schema.get_field_index(field.name)
        if position < 0:
            raise ResultsError(f"{where} has no column {field.name!r}", ", ".join(expected.names), run)
        found = schema.field(position).type
        if found != field.type:
            raise ResultsError(f"{where} has column {field.name!r} as {found}", f"{field.type}", run)
    extra = [name for name in schema.names if name not in expected.names]
    if extra:
        raise ResultsError(f"{where} has an unknown column {extra[0]!r}", ", ".join(expected.names), run)
    return version


def migrate(table: str, arrow: pa.Table, version: int) -> pa.Table:
    """A checked file's rows under this version's schema: nulls in columns that came later, today's names of engines."""
    schema = arrow_schema(table)
    for column in ("engine", "variant"):
        if version < 3 and column in arrow.column_names:
            names = [_RENAMED_IN_3.get(name, name) for name in arrow[column].to_pylist()]
            arrow = arrow.set_column(arrow.column_names.index(column), column, pa.array(names, pa.string()))
    missing = [field for field in schema if field.name not in arrow.column_names]
    for field in missing:
        arrow = arrow.append_column(field, pa.nulls(arrow.num_rows, field.type))
    return arrow.select(schema.names).cast(schema)
