"""A pack from somewhere else: opened without trusting it.

Sizes and counts are looked at before anything is unpacked, and texts before they are written out: a dictionary of
Parquet can hold one long text for a million rows in a few bytes. Nothing is written to the disk, so names of members
are only compared. What is left are tables of this project's schema with values that runs write; whether they are
plausible is the question of ``bench.contributing.judging``.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.contributing.pack import PACKED, Pack
from bench.contributing.refusal import refused
from bench.records.checks import RUN_ID, first_faults
from bench.records.schema import check_schema, migrate
from tinygpt.errors import ResultsError
from tinygpt.system.files import require_regular
from tinygpt.terminal.visible import one_line

LARGEST_PACK = 8 * 2**20  # bytes; a standard run has a tenth of a megabyte
LARGEST_MEMBER = 32 * 2**20  # bytes, unpacked and as Parquet's columns
LONGEST_TEXT = 5_000  # bytes of a value
MOST_ROWS: Mapping[str, int] = MappingProxyType({"runs": 5_000, "steps": 100_000, "probes": 50_000})

_MEMBER = re.compile(rf"({'|'.join(PACKED)})-({RUN_ID.pattern})\.parquet")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNREADABLE = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError, pa.ArrowException,
)  # fmt: skip


def open_pack(path: Path) -> Pack:
    """Read a pack's tables, within limits and checked value by value.

    Raises:
        ResultsError: the file is no pack, is too large, or holds anything else than one run's tables.
    """
    name = one_line(path.name, 80)
    try:
        require_regular(path)
        size = path.stat().st_size
        if size > LARGEST_PACK:
            raise refused(name, f"it has {size:,} bytes", f"at most {LARGEST_PACK:,}")
        with zipfile.ZipFile(path) as archive:
            run_id, members = _members(name, archive)
        tables = {table: _table(name, table, data) for table, data in members.items()}
    except ResultsError:
        raise
    except _UNREADABLE as error:
        raise refused(
            name, f"it cannot be read as a pack ({type(error).__name__})", "what results pack wrote"
        ) from error
    for table, arrow in tables.items():
        for fault in first_faults(table, arrow).values():
            where = f"{table}, row {fault.row}, column {fault.column!r}: {fault.received}"
            raise refused(name, where, fault.allowed)
        if arrow["run_id"][0].as_py() != run_id:
            raise refused(name, f"its {table} hold rows of another run than their name", run_id)
    return Pack(name, run_id, tables)


def _members(name: str, archive: zipfile.ZipFile) -> tuple[str, dict[str, bytes]]:
    """The run's id and the bytes of each table."""
    found: dict[str, bytes] = {}
    runs: set[str] = set()
    for member in archive.infolist()[: len(PACKED) + 1]:
        match = _MEMBER.fullmatch(member.filename)
        if match is None or match[1] in found:
            raise refused(name, f"it holds {one_line(member.filename, 60)!r}", f"one file each of {', '.join(PACKED)}")
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
            raise refused(name, f"{match[0][:60]} is a link or a device", "plain files")
        if member.compress_type not in _METHODS or member.file_size > LARGEST_MEMBER:
            raise refused(name, f"{match[1]} unpack to {member.file_size:,} bytes", f"at most {LARGEST_MEMBER:,}")
        with archive.open(member) as file:  # what its head says of its size may be wrong
            found[match[1]] = file.read(LARGEST_MEMBER + 1)
        if len(found[match[1]]) > LARGEST_MEMBER:
            raise refused(name, f"{match[1]} unpack to more bytes than they say", f"at most {LARGEST_MEMBER:,}")
        runs.add(match[2])
    if not {"runs", "steps"} <= found.keys() or len(runs) != 1:
        raise refused(name, f"it holds {', '.join(sorted(found)) or 'nothing'} of {len(runs)} runs", "one run")
    return runs.pop(), found


def _table(name: str, table: str, data: bytes) -> pa.Table:
    """A table, in this version's schema; its sizes and the lengths of its texts are looked at first."""
    source = pa.py_buffer(data)
    with pq.ParquetFile(pa.BufferReader(source)) as file:
        about, schema = file.metadata, file.schema_arrow
        version = check_schema(table, schema, name)
    if not 0 < about.num_rows <= MOST_ROWS[table]:
        raise refused(name, f"it has {about.num_rows:,} rows of {table}", f"1 to {MOST_ROWS[table]:,}")
    size = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
    if size > LARGEST_MEMBER:
        raise refused(name, f"{table} unpack to {size:,} bytes", f"at most {LARGEST_MEMBER:,}")
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    with pq.ParquetFile(pa.BufferReader(source), read_dictionary=texts) as file:
        arrow = file.read(use_threads=False)
    for text in texts:
        longest = max(
            (pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0 for chunk in arrow[text].chunks), default=0
        )
        if longest > LONGEST_TEXT:
            raise refused(
                name, f"{table}, column {text!r} has a text of {longest:,} bytes", f"at most {LONGEST_TEXT:,}"
            )
    plain = arrow.cast(schema)
    plain.validate(full=True)  # texts that are not UTF-8
    return migrate(table, plain, version)
