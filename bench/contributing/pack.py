"""The pack: one zip file with a run's tables, small enough to attach to an issue or a pull request.

    results/local/runs-RUN.parquet, steps-RUN.parquet, probes-RUN.parquet ─► export/tinygpt-RUN.zip

A pack holds what a processor's step times rest on. Texts that models wrote, training runs and the parts of a step stay
at home. Of a failure's error output it has the last line.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from bench.contributing.judging import TRAINS, require_plausible
from bench.records.checks import to_arrow
from bench.records.publishing import candidates
from bench.records.rows import RunRow
from bench.records.store import local_rows_of, parquet_bytes
from tinygpt.errors import ResultsError
from tinygpt.system.files import replace_file

PACKED = ("steps", "probes", "runs")  # tables, in the order in which they are stored
_MOMENT = (2000, 1, 1, 0, 0, 0)  # of every member, so that the same rows give the same file


@dataclass(frozen=True)
class Pack:
    """The tables of one run.

    Attributes:
        name: the file's, for messages.
        tables: by name, in this version's schema, value by value as runs write them.
    """

    name: str
    run_id: str
    tables: Mapping[str, pa.Table]


def make_pack(root: Path, out: Path, run_ids: Sequence[str] = ()) -> Path:
    """Pack a local run into a file of a folder.

    Args:
        out: the folder; made if missing.
        run_ids: the run's id; the newest local run that measured engines when empty.

    Raises:
        ResultsError: there is no such run, there are objections to it, or its rows are not plausible.
        StorageError: the file system refused.
    """
    found = [run for run in candidates(root) if run.kind in TRAINS]
    names = [run.run_id for run in found]
    if len(run_ids) > 1 or not {*run_ids} <= {*names} or not found:
        problem = f"{', '.join(run_ids)} is not one local run" if run_ids else "there is no run to pack"
        raise ResultsError(problem, ", ".join(names[-5:]) or "a local run", "invoke bench --suite standard")
    run = found[-1] if not run_ids else found[names.index(run_ids[0])]
    if run.objections:
        raise ResultsError(
            f"{run.run_id} is not packed: {', '.join(run.objections)}",
            "a run of a committed checkout",
            "invoke bench --suite standard, in a clean clone",
        )
    rows = local_rows_of(root, run.run_id)
    tables = {name: getattr(rows, name) for name in PACKED} | {"runs": [*map(_one_line_of_error, rows.runs)]}
    pack = Pack(run.run_id, run.run_id, {name: to_arrow(name, rows) for name, rows in tables.items() if rows})
    require_plausible(pack.name, pack.tables, root)
    path = out / f"tinygpt-{run.run_id}.zip"
    replace_file(path, [pack_bytes(pack)])
    return path


def pack_bytes(pack: Pack) -> bytes:
    """A pack as a file; the same rows give the same bytes."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # Parquet is compressed already
        for name in PACKED:
            if name in pack.tables:
                member = zipfile.ZipInfo(f"{name}-{pack.run_id}.parquet", _MOMENT)
                archive.writestr(member, parquet_bytes(pack.tables[name]))
    return sink.getvalue()


def _one_line_of_error(row: RunRow) -> RunRow:
    lines = (row.error_tail or "").strip().splitlines()
    return replace(row, error_tail=lines[-1].strip() if lines else None)
