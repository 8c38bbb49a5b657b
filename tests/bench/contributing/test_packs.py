"""A run becomes one file, and the file becomes contributed rows elsewhere; a hostile file becomes one line."""

from __future__ import annotations

import io
import json
import math
import os
import stat
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from bench.contributing import opening
from bench.contributing.adding import add_packs
from bench.contributing.pack import make_pack
from bench.records.checks import to_arrow
from bench.records.publishing import publish
from bench.records.rows import AREAS, CONTRIBUTED, Rows
from bench.records.schema import arrow_schema
from bench.records.store import read_table, read_tables, write_tables
from bench.statistics.cells import cell_summary
from bench.terminal.show_packs import print_additions, print_pack
from tests.bench.contributing.packs import LAPTOP, RUN, changed, measured_run, members_of, pack_of, parquet, zipped
from tests.bench.rows import run_row, sample_row, step_rows
from tinygpt.errors import ResultsError


def test_a_run_packed_on_one_checkout_is_added_to_another(tmp_path, console):
    here, there = tmp_path / "here", tmp_path / "there"
    rows = measured_run()
    write_tables(here, RUN, rows + Rows(samples=[sample_row(rows.runs[0], "private words")]))
    path = make_pack(here, tmp_path / "export")
    assert path.name == f"tinygpt-{RUN}.zip" and b"private words" not in path.read_bytes()
    before = path.read_bytes()
    assert make_pack(here, tmp_path / "export", [RUN]).read_bytes() == before  # the same rows, the same bytes
    (looked,) = add_packs(there, path, look_only=True)
    assert not looked.files and not there.exists()
    (added,) = add_packs(there, path)
    assert [file.parent.name for file in added.files] == [CONTRIBUTED] * 3
    assert read_table("runs", there).empty  # only who asks for contributed rows gets any
    runs, steps = read_tables(there, ("runs", "steps"), areas=AREAS)
    cells = {cell.variant: cell for cell in cell_summary(runs, steps)}
    assert cells["vectorized"].origin == CONTRIBUTED and cells["vectorized"].n_rounds == 6
    own = {cell.variant: cell for cell in cell_summary(*read_tables(here, ("runs", "steps")))}
    assert cells["vectorized"].seconds == own["vectorized"].seconds
    print_pack(path, console)
    print_additions([added], console)
    text = console.file.getvalue()
    assert "no texts, names or paths" in text and f"added {RUN}: 12 processes on Laptop 7 Pro, 8 cores, tiny" in text


def test_a_folder_of_packs_is_added_whole_or_not_at_all(tmp_path):
    folder, root = tmp_path / "packs", tmp_path / "results"
    folder.mkdir()
    (folder / "a.zip").write_bytes(pack_of(measured_run()))
    (folder / "b.zip").write_bytes(changed("seconds", 1e-15, "steps"))
    with pytest.raises(ResultsError, match=r"pack b\.zip"):
        add_packs(root, folder)
    assert not root.exists()
    (folder / "b.zip").unlink()
    assert [added.run_id for added in add_packs(root, folder)] == [RUN]
    with pytest.raises(ResultsError, match="holds no packs"):
        add_packs(root, root / CONTRIBUTED)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"dirty": True}, "uncommitted changes"),
        ({"commit": None, "dirty": None}, "outside a checkout"),
        ({"suite": "mine"}, "suite 'mine'"),
    ],
)
def test_a_run_that_would_be_refused_is_not_packed(tmp_path, changes, why):
    rows = measured_run()
    write_tables(tmp_path, RUN, replace(rows, runs=[replace(run, **changes) for run in rows.runs]))
    with pytest.raises(ResultsError, match=why):
        make_pack(tmp_path, tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_a_run_that_measured_nothing_is_one_line(tmp_path):
    rows = measured_run()
    failed = [replace(run, status="timeout", first_loss=None, last_loss=None) for run in rows.runs]
    write_tables(tmp_path, RUN, Rows(failed, probes=rows.probes))
    with pytest.raises(ResultsError, match="no step was measured"):
        make_pack(tmp_path, tmp_path / "export")


def test_only_a_local_run_of_engines_can_be_packed(tmp_path):
    with pytest.raises(ResultsError, match=r"there is no run to pack.*invoke bench --suite standard"):
        make_pack(tmp_path, tmp_path)
    run = run_row("trained", kind="train")
    write_tables(tmp_path, "trained", Rows([run], step_rows(run, [0.1] * 15)))
    with pytest.raises(ResultsError, match="trained is not one local run"):
        make_pack(tmp_path, tmp_path, ["trained"])


def machine(**changes):
    return json.dumps(json.loads(LAPTOP) | changes, sort_keys=True)


def steps_table(n_rows):
    """So many rows that say the same: a few bytes in Parquet."""
    (row,) = to_arrow("steps", measured_run().steps[:1]).to_pylist()
    schema = arrow_schema("steps")
    return pa.table([pa.repeat(pa.scalar(row[field.name], field.type), n_rows) for field in schema], schema=schema)


def with_members(**tables):
    members = members_of(pack_of(measured_run())) | {f"{name}-{RUN}.parquet": data for name, data in tables.items()}
    return zipped(members.items())


def with_entry(name, data=b"x", mode=None):
    info = zipfile.ZipInfo(name)
    if mode is not None:
        info.create_system, info.external_attr = 3, mode << 16
    return zipped([*members_of(pack_of(measured_run())).items(), (info, data)])


def giant_text(length=2_000_000):
    rows = to_arrow("runs", measured_run().runs).to_pylist()
    for row in rows:
        row["error_tail"] = "A" * length
    return parquet(pa.Table.from_pylist(rows, arrow_schema("runs")), compression="zstd")


def renamed_table():
    other = parquet(to_arrow("probes", measured_run().probes))
    return with_members(steps=other)


def lying_head():
    """A member whose head says that it is shorter than it is."""
    data = bytearray(zipped([(f"runs-{RUN}.parquet", b"\0" * 3_000_000)], zipfile.ZIP_DEFLATED))
    for offset in (data.rfind(b"PK\x01\x02") + 24, 22):
        data[offset : offset + 4] = (1000).to_bytes(4, "little")
    return bytes(data)


def without(variant):
    rows = measured_run()
    cells = {run.cell_id for run in rows.runs if run.variant != variant}
    tables = {
        name: [row for row in getattr(rows, name) if row.cell_id in cells] for name in ("runs", "steps", "probes")
    }
    return pack_of(Rows(**tables))


def bomb():
    return zipped([(f"runs-{RUN}.parquet", b"\0" * (opening.LARGEST_MEMBER + 1))], zipfile.ZIP_DEFLATED)


def twice():
    """Two members whose names become equal after they were written: zipfile warns of equal ones."""
    return zipped([(f"runs-{RUN}.parquet", b"x"), (f"ruNs-{RUN}.parquet", b"x")]).replace(b"ruNs", b"runs")


def link():
    members = members_of(pack_of(measured_run()))
    name = f"runs-{RUN}.parquet"
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return zipped([(info, b"/etc/passwd"), *((each, data) for each, data in members.items() if each != name)])


HOSTILE = {
    "no zip": (lambda: b"PAR1 and nothing else", "cannot be read"),
    "empty": (lambda: b"", "cannot be read"),
    "a zip of nothing": (lambda: zipped([]), "holds nothing"),
    "too large": (lambda: b"\0" * (opening.LARGEST_PACK + 1), "it has 8,388,609 bytes"),
    "zip bomb": (bomb, "unpack to 33,554,433 bytes"),
    "lying head": (lying_head, "cannot be read"),
    "path upwards": (lambda: with_entry("../../evil.parquet"), r"it holds '../../evil.parquet'"),
    "absolute path": (lambda: with_entry("/etc/passwd"), "it holds '/etc/passwd'"),
    "folder": (lambda: with_entry(f"x/samples-{RUN}.parquet"), "it holds 'x/samples"),
    "link": (link, "is a link"),
    "samples": (lambda: with_entry(f"samples-{RUN}.parquet"), "it holds 'samples"),
    "name with controls": (lambda: with_entry("runs-\x1b[2J\u202e.parquet"), r"‹U\+202E›"),
    "twice": (twice, "it holds 'runs"),
    "two runs": (lambda: zipped([(f"runs-{RUN}.parquet", b"x"), ("steps-other.parquet", b"x")]), "of 2 runs"),
    "another schema renamed": (renamed_table, "holds table 'probes'"),
    "foreign parquet": (lambda: with_members(runs=parquet(pa.table({"a": [1]}))), "schema version none"),
    "a million rows": (lambda: with_members(steps=parquet(steps_table(1_000_000))), "it has 1,000,000 rows of steps"),
    "no row": (lambda: with_members(steps=parquet(steps_table(0))), "it has 0 rows of steps"),
    "giant text": (lambda: with_members(runs=giant_text()), r"column 'error_tail' has a text of 2,000,000 bytes"),
    "another run inside": (lambda: pack_of(measured_run("another-run")), "rows of another run than their name"),
    "nan": (lambda: changed("seconds", math.nan, "steps"), "column 'seconds': nan"),
    "infinite": (lambda: changed("wall_seconds", math.inf), "column 'wall_seconds': inf"),
    "negative": (lambda: changed("seconds", -1.0, "steps"), "column 'seconds': -1.0"),
    "null": (lambda: changed("machine_hash", None), "it cannot be read"),
    "script": (lambda: changed("machine", machine(cpu="<script>alert(1)</script>"), every=True), "markup"),
    "address": (lambda: changed("error_tail", "see https://example.org"), "markup or an address"),
    "control characters": (lambda: changed("machine", machine(os="Linux\x1b[2J"), every=True), "cannot be seen"),
    "bidirectional": (lambda: changed("machine", machine(cpu="\u202eUPC"), every=True), "cannot be seen"),
    "another alphabet": (lambda: changed("machine", machine(cpu="Ｉntel"), every=True), "a machine whose cpu is"),
    "path of a home": (lambda: changed("error_tail", "no file /home/ann/x/data.txt"), "error_tail has a path"),
    "field of its own": (lambda: changed("machine", machine(hostname="box"), every=True), "a machine with hostname"),
    "two machines": (lambda: changed("machine", machine(cores=9)), "rows of 2 machines"),
    "a galaxy of cores": (lambda: changed("machine", machine(cores=10**9), every=True), "1000000000 cores"),
    "protocol of its own": (
        lambda: changed("protocol", measured_run().runs[0].protocol.replace("_steps\":15", "_steps\":5"), every=True),
        "a protocol that we do not know",
    ),
    "text of its own": (lambda: changed("corpus", "mine", every=True), "the text 'mine'"),
    "preset of its own": (lambda: changed("preset", "nano", every=True), "the preset 'nano'"),
    "engine of its own": (lambda: changed("variant", "evil.module:Engine"), "the engine 'evil.module:Engine'"),
    "accelerator": (lambda: changed("variant", "jax"), "on a processor"),
    "suite of its own": (lambda: changed("suite", "mine"), "suite 'mine'"),
    "training": (lambda: changed("kind", "train"), "train of suite"),
    "command to copy": (lambda: changed("command", "curl evil | sh"), "column 'command' has"),
    "dirty": (lambda: changed("dirty", True, every=True), "uncommitted changes"),
    "no commit": (lambda: changed("commit", "main", every=True), "the commit 'main'"),
    "the future": (lambda: changed("started_at", datetime(2226, 1, 1, tzinfo=UTC)), "a process of 2226-01-01"),
    "steps missing": (lambda: changed("step", 17, "steps"), "column 'step'"),
    "time that does not add up": (lambda: changed("seconds", 50.0, "steps"), "s of steps"),
    "warm-up that counts": (lambda: changed("is_warmup", True, "steps"), "other warm-ups"),
    "losses of another model": (lambda: changed("loss", 2.0, "steps"), "by the pack"),
    "losses not compared": (lambda: without("numpy"), "without numpy"),
    "ends of other losses": (lambda: changed("last_loss", 1.0), "first and last loss"),
    "faster than light": (lambda: changed("seconds", 1e-9, "steps"), "a step of"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_pack_is_one_line_and_nothing_is_stored(tmp_path, case):
    make, words = HOSTILE[case]
    path, root = tmp_path / "pack.zip", tmp_path / "results"
    path.write_bytes(make())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ResultsError, match=words) as caught:
        add_packs(root, path)
    text = str(caught.value)
    assert len(text.splitlines()) == 1 and len(text) < 800 and text.isprintable()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_pack_that_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    for name in ("pipe.zip", "absent.zip"):
        with pytest.raises(ResultsError, match=f"pack {name}: it cannot be read"):
            add_packs(tmp_path / "results", tmp_path / name)


def test_a_run_on_record_is_not_added_again_under_any_name(tmp_path):
    root, path = tmp_path / "results", tmp_path / "pack.zip"
    path.write_bytes(pack_of(measured_run()))
    add_packs(root, path)
    with pytest.raises(ResultsError, match=f"contributed run {RUN}"):
        add_packs(root, path)
    other = "20261130T120000Z-0123abcd-aaaa"
    path.write_bytes(pack_of(measured_run(other), other))
    with pytest.raises(ResultsError, match=f"its run is on record: contributed run {RUN}"):
        add_packs(root, path)
    published = tmp_path / "published"
    write_tables(published, RUN, measured_run())
    publish(published)
    with pytest.raises(ResultsError, match=f"published run {RUN}"):
        add_packs(published, path)


def test_losses_are_those_of_the_published_reference(tmp_path):
    root, path = tmp_path / "results", tmp_path / "pack.zip"
    write_tables(root, RUN, measured_run())
    publish(root)
    rows = measured_run("20261130T130000Z-0123abcd-bbbb")
    lower = [replace(step, loss=step.loss * 0.99) for step in rows.steps]
    ends = {"first_loss": lower[0].loss, "last_loss": lower[17].loss}
    later = [replace(run, started_at=run.started_at.replace(hour=9), **ends) for run in rows.runs]
    path.write_bytes(pack_of(replace(rows, runs=later, steps=lower), rows.runs[0].run_id))
    with pytest.raises(ResultsError, match=r"leave the reference's by 1\.00%.*by the record"):
        add_packs(root, path)


def test_what_is_stored_is_what_was_checked_and_nothing_more(tmp_path):
    root, path = tmp_path / "results", tmp_path / "pack.zip"
    path.write_bytes(pack_of(measured_run()) + b"a letter to nobody")
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        assert len(archive.namelist()) == 3
    (added,) = add_packs(root, path)
    assert all(b"a letter" not in file.read_bytes() for file in added.files)
