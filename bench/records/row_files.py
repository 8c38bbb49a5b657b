"""The files of a results folder: read, checked, one chosen for each run.

    list the areas ─┬─► rows of files that are as they were ◄── kept in the cache ◄─┐
                    └─► files that are new or changed ─► read ─► check ─────────────┴─► one file for each run

Opening a file takes a millisecond, so the rows of many are kept together in the user's cache folder. What is kept
is valid while a file's size, times and inode, and the code that checked it, are the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.records import checks, rows, schema
from bench.records.checks import first_faults
from bench.records.protocol import sha256_text
from bench.records.rows import AREAS, OWN_AREAS
from bench.records.schema import arrow_schema, check_schema, migrate
from tinygpt.errors import ResultsError, StorageError
from tinygpt.system.files import replace_file, require_regular
from tinygpt.system.home import cache_folder

MANY = 256  # files that are worth a place in the cache

_FILES = b"tinygpt.files"
_CODE = b"tinygpt.code"


@dataclass(frozen=True)
class RowFile:
    """A file that can be used.

    Attributes:
        area: one of ``AREAS``.
        path: its name says which table it holds, and no more.
        run_id: the run that its rows belong to.
        n_rows: at least one.
        stamp: size, times and inode, which differ when the file has changed.
    """

    area: str
    path: Path
    run_id: str
    n_rows: int
    stamp: tuple[int, ...]


@dataclass(frozen=True)
class TableRows:
    """Files of a table, and their rows, one file's after the other's, under this version's schema."""

    files: Sequence[RowFile]
    rows: pa.Table

    def of_rows(self, texts: Sequence[str]) -> pa.DictionaryArray:
        """A text of each file, as a column of its rows."""
        numbers = np.repeat(np.arange(len(self.files)), [file.n_rows for file in self.files])
        distinct = pa.array(texts, pa.string()).dictionary_encode()
        return pa.DictionaryArray.from_arrays(distinct.indices.take(pa.array(numbers)), distinct.dictionary)

    def by_file(self) -> Iterator[tuple[RowFile, pa.Table]]:
        """Each file with its rows."""
        start = 0
        for file in self.files:
            yield file, self.rows.slice(start, file.n_rows)
            start += file.n_rows

    def only(self, numbers: Sequence[int]) -> TableRows:
        """Some of the files, in the order of their numbers here."""
        if [*numbers] == [*range(len(self.files))]:
            return self
        ends = np.cumsum([file.n_rows for file in self.files])
        files = [self.files[number] for number in numbers]
        spans = [np.arange(ends[number] - self.files[number].n_rows, ends[number]) for number in numbers]
        return TableRows(files, self.rows.take(pa.array(np.concatenate([np.arange(0), *spans]))))


def table_rows(
    root: Path, table: str, problems: list[ResultsError] | None = None, areas: Sequence[str] = OWN_AREAS
) -> TableRows:
    """The files of a table that count, oldest run first: one for each run, whatever the files are called.

    Of several with rows of one run (a copy, an older version that a synchronisation left behind, a local run that was
    published), a published one counts before a local one, and that before a contributed one; then the one with most
    rows, then the one of the run's name.

    Raises:
        ResultsError: a file cannot be used, and no ``problems`` were asked for.
    """
    paths = [(area, path) for area in areas for path in sorted((root / area).glob(f"{table}-*.parquet"))]
    kept = _kept_rows(root, table) if len(paths) >= MANY else _joined(table, [])
    stamps = {path: _stamp(path) for _, path in paths}
    kept = kept.only([n for n, file in enumerate(kept.files) if stamps.get(file.path) == file.stamp])
    known = {file.path for file in kept.files}
    fresh = load_files(table, [(area, path) for area, path in paths if path not in known], problems)
    found = _joined(table, [kept, fresh])
    found = found.only(sorted(range(len(found.files)), key=lambda n: (found.files[n].run_id, _rank(found.files[n]))))
    if len(fresh.files) >= MANY:
        _keep(root, table, found)
    return found.only([n for n, file in enumerate(found.files) if n == 0 or file.run_id != found.files[n - 1].run_id])


def _rank(file: RowFile) -> tuple[object, ...]:
    return AREAS.index(file.area), -file.n_rows, not file.path.stem.endswith(f"-{file.run_id}"), file.path


def _joined(table: str, parts: Iterable[TableRows]) -> TableRows:
    parts = [*parts]
    tables = [arrow_schema(table).empty_table(), *(part.rows for part in parts)]
    return TableRows([file for part in parts for file in part.files], pa.concat_tables(tables))


def load_files(table: str, paths: Sequence[tuple[str, Path]], problems: list[ResultsError] | None = None) -> TableRows:
    """Files of one table, checked value by value; those without rows are left out.

    Args:
        paths: (area, file).
        problems: takes an error for every file that cannot be used.

    Raises:
        ResultsError: a file cannot be used, and no ``problems`` were asked for.
    """
    read = [_read(table, area, path) for area, path in paths]
    errors = [found for found in read if isinstance(found, ResultsError)]
    found = _joined(table, (part for part in read if isinstance(part, TableRows) and part.files))
    found = TableRows(found.files, found.rows.combine_chunks())
    starts = np.cumsum([0, *(file.n_rows for file in found.files)])[:-1].tolist()
    faults = first_faults(table, found.rows, starts)
    errors += [fault.error(found.files[number].path) for number, fault in faults.items()]
    if errors and problems is None:
        raise errors[0]
    if problems is not None:
        known = {*map(str, problems)}
        problems += [error for error in errors if str(error) not in known]
    return found.only([number for number in range(len(found.files)) if number not in faults])


def _read(table: str, area: str, path: Path) -> TableRows | ResultsError:
    """One file, whose values are not checked yet, or the error about it."""
    try:
        require_regular(path)
        stamp = _stamp(path)
        with pq.ParquetFile(path) as file:
            version = check_schema(table, file.schema_arrow, str(path))
            arrow = file.read(columns=arrow_schema(table, version).names, use_threads=False)
        arrow.validate(full=True)  # texts that are not UTF-8 would fail where they are read, and name no file
    except ResultsError as error:
        return error
    except (pa.ArrowException, OSError):
        return ResultsError(
            f"{path} is not a readable Parquet file",
            "files that invoke bench, invoke train --record or invoke results publish wrote",
            f"move {path} out of the results folder",
        )
    arrow = migrate(table, arrow, version)
    files = [RowFile(area, path, str(arrow["run_id"][0]), arrow.num_rows, stamp)] if arrow.num_rows else []
    return TableRows(files, arrow)


# ---- rows in the cache -----------------------------------------------------------------------------------


def _stamp(path: Path) -> tuple[int, ...]:
    """Size, times and inode, which change when the file is written to or replaced; empty if there is no file."""
    with suppress(OSError):
        found = path.stat()
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
    return ()


def _code() -> bytes:
    """Hash of the code that says what a row may hold."""
    sources = (Path(str(module.__file__)).read_bytes() for module in (rows, schema, checks))
    return sha256(b"".join(sources)).hexdigest().encode()


def _cache_file(root: Path, table: str) -> Path:
    return cache_folder() / "rows" / f"{table}-{sha256_text(str(root.resolve()))[:16]}.parquet"


def _kept_rows(root: Path, table: str) -> TableRows:
    """The rows in the cache; none where it cannot be read, which is as good as an empty one."""
    with suppress(OSError, pa.ArrowException, ValueError, TypeError, KeyError):
        with pq.ParquetFile(_cache_file(root, table)) as file:
            metadata = file.schema_arrow.metadata
            listed = json.loads(metadata[_FILES]) if metadata[_CODE] == _code() else []
            found = file.read() if listed else arrow_schema(table).empty_table()
        files = [RowFile(area, root / area / name, run, n, tuple(stamp)) for area, name, run, n, stamp in listed]
        if sum(file.n_rows for file in files) == found.num_rows:
            return TableRows(files, found.cast(arrow_schema(table)))
    return _joined(table, [])


def _keep(root: Path, table: str, found: TableRows) -> None:
    """Put rows into the cache; nothing happens if it cannot be written."""
    listed = [(file.area, file.path.name, file.run_id, file.n_rows, file.stamp) for file in found.files]
    metadata = {_FILES: json.dumps(listed).encode(), _CODE: _code()}
    sink = pa.BufferOutputStream()
    pq.write_table(found.rows.replace_schema_metadata(metadata), sink, compression="zstd")
    with suppress(StorageError):
        replace_file(_cache_file(root, table), [memoryview(sink.getvalue())])
