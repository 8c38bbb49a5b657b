"""A run that a machine elsewhere would have measured, and packs with something wrong in them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.arms.suites import Cell, repeat_command
from bench.arms.variants import engine_name, kind_of
from bench.contributing.pack import PACKED, Pack, pack_bytes
from bench.records.checks import to_arrow
from bench.records.process_rows import Process, RunContext
from bench.records.protocol import benchmark_protocol, sha256_text
from bench.records.provenance import Provenance
from bench.records.rows import Rows, RunRow
from bench.records.schema import arrow_schema
from tests.bench.rows import MACHINE, START, probe_rows
from tinygpt.corpora import CORPORA

RUN = "20261130T120000Z-0123abcd-9f9f"
NOVEMBER = START.replace(month=11, day=30)
LAPTOP = json.dumps(json.loads(MACHINE) | {"cpu": "Laptop 7 Pro", "cores": 8}, sort_keys=True)
SECONDS = {"numpy": 0.02, "vectorized": 0.01}


def measured_run(run_id: str = RUN, machine: str = LAPTOP, preset: str = "tiny", rounds: int = 6) -> Rows:
    """Two engines in interleaved rounds of suite ``standard`` on a laptop."""
    protocol = benchmark_protocol(preset, "shakespeare", CORPORA["shakespeare"].sha256, 0, rounds)
    context = RunContext(run_id, "standard", Provenance("c" * 40, False), machine)
    runs: list[RunRow] = []
    steps = []
    for number in range(rounds):
        for variant, seconds in SECONDS.items():
            process = Process(context, kind_of(variant), engine_name(variant), variant, number, protocol)
            command = repeat_command("standard", Cell(variant, preset, number, 60.0), "shakespeare", 0, rounds)
            own = [
                process.step_row(step, seconds * (1 + number / 100), 5.5 - 0.01 * step, 1.0, 0.1 * step)
                for step in range(1, 19)
            ]
            row = process.run_row("ok", command, NOVEMBER + timedelta(minutes=len(runs)), 3.0, 18)
            ends = {"first_loss": own[0].loss, "last_loss": own[-1].loss}
            runs.append(replace(row, exit_code=0, limit_seconds=60.0, resolved_variant=variant, threads=8, **ends))
            steps += own
    return Rows(runs, steps, probes=[probe for run in runs for probe in probe_rows(run, [0.003] * 7)])


def pack_of(rows: Rows, run_id: str = RUN) -> bytes:
    """A pack of rows, whatever they say."""
    return pack_bytes(Pack(run_id, run_id, {name: to_arrow(name, getattr(rows, name)) for name in PACKED}))


def changed(column: str, value: Any, table: str = "runs", every: bool = False) -> bytes:
    """A pack with another value in the last row of a table, or in all of them, past all checks of writing."""
    members = {name: to_arrow(name, getattr(measured_run(), name)) for name in PACKED}
    rows = members[table].to_pylist()
    for row in rows if every else rows[-1:]:
        row[column] = value
        if column in ("machine", "protocol"):
            row[f"{column}_hash"] = sha256_text(value)
    schema = arrow_schema(table)
    loose = pa.schema([field.with_nullable(True) for field in schema], schema.metadata)
    members[table] = pa.Table.from_pylist(rows, loose)
    return zipped((f"{name}-{RUN}.parquet", parquet(members[name])) for name in PACKED)


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return sink.getvalue().to_pybytes()


def members_of(pack: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(pack)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: Iterable[tuple[zipfile.ZipInfo | str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return sink.getvalue()
