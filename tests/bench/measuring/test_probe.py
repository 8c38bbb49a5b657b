from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from bench.measuring import worker
from bench.measuring.cell_rows import outcome_rows
from bench.measuring.endings import CellEnd
from bench.measuring.probe import Probe, probe_threads, read_counters
from bench.measuring.process import Outcome
from bench.records.protocol import benchmark_protocol, generation_protocol
from tests.bench.rows import process
from tinygpt.system.threads import available_cores

STATUS = "Name:\tpython\nvoluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t{}\n"


class Log:
    """Takes events as the file of a worker does."""

    def __init__(self):
        self.events = []

    def write(self, event, **values):
        self.events.append({"event": event, **values})

    def write_ready(self, started, resolved_variant, threads):
        self.write("ready", resolved_variant=resolved_variant, threads=threads, setup_seconds=0.1)


class SlowProbe:
    """Takes longer than a step."""

    def take(self, step, processes=()):
        time.sleep(0.05)
        return {"step": step, "threads": 1, "product_seconds": 0.04, "copy_seconds": 0.01}


def blas_threads():
    return [entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "blas"]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_probe_does_its_work_on_its_threads_and_leaves_blas_as_it_was(threads):
    before = blas_threads()
    probe = Probe(threads)
    first, second = probe.take(0), probe.take(3)
    assert blas_threads() == before
    assert (first["step"], second["step"], second["threads"]) == (0, 3, threads)
    assert min(reading[f"{part}_seconds"] for reading in (first, second) for part in ("product", "copy")) > 0
    for left, right, out in probe._products:
        assert np.allclose(out, left @ right, rtol=1e-4)
    for source, target in probe._copies:
        assert (source == target).all()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system pins no threads")
def test_a_framework_that_pins_its_threads_does_not_pin_the_probes():
    cores = os.sched_getaffinity(0)
    probe, seen = Probe(2), []
    work = probe._work

    def watched(thread, *rest):
        work(thread, *rest)
        seen.append((thread, os.sched_getaffinity(0)))

    probe._work = watched
    os.sched_setaffinity(0, {min(cores)})
    try:
        probe.take(0)
    finally:
        os.sched_setaffinity(0, cores)
    assert dict(seen) == {0: {min(cores)}, 1: cores}


@pytest.mark.skipif(sys.platform != "linux", reason="counters come from /proc")
def test_counters_are_what_was_added_since_the_probe_before():
    probe = Probe(1)
    first = probe.take(0)
    assert {first[name] for name in ("steal_seconds", "voluntary_switches", "page_faults")} == {None}
    for _ in range(30):  # of which a few may end without a switch
        time.sleep(1e-4)
    assert np.ones(2**22).all()  # 32 MB of new pages
    second = probe.take(3)
    assert second["voluntary_switches"] >= 20
    assert second["page_faults"] > 0  # few: large folios and huge pages fault once for megabytes
    assert second["steal_seconds"] >= 0
    assert probe.take(6)["voluntary_switches"] < 20


def test_counters_add_up_a_cells_processes(tmp_path):
    (tmp_path / "stat").write_text("cpu  1 2 3 4 5 6 7 250 9 10\ncpu0 1 2 3 4 5 6 7 250 9 10\n")
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "cpu").write_text("some avg10=1.00 avg60=0.10 avg300=0.01 total=3500000\nfull total=7\n")
    for number, switches in ((11, (5, 1)), (12, (7, 2)), (21, (100, 10))):
        owner = tmp_path / str(number // 10 * 10) / "task" / str(number)
        owner.mkdir(parents=True)
        (owner / "status").write_text(STATUS.format(*switches))
    (tmp_path / "10" / "stat").write_text("10 (a (b) c) S 1 1 1 0 -1 0 400 9 9 9")
    (tmp_path / "20" / "stat").write_text("20 (d) S 1 1 1 0 -1 0 30 9 9 9")
    assert read_counters((10, 20, 99), tmp_path) == {
        "steal_seconds": 250 / os.sysconf("SC_CLK_TCK"),
        "waiting_seconds": 3.5,
        "voluntary_switches": 112,
        "involuntary_switches": 13,
        "page_faults": 430,
    }
    assert set(read_counters((10,), tmp_path / "none").values()) == {None}


@pytest.mark.parametrize(
    ("variant", "threads"),
    [
        ("vectorized", available_cores()),
        ("vectorized[threads=1]", 1),
        ("vectorized[kernels=numpy,threads=3]", 3),
        ("python", 1),
        ("torch-1-thread", 1),
        ("torch", available_cores()),
    ],
)
def test_a_probe_has_as_many_threads_as_its_cell(variant, threads):
    assert probe_threads(variant) == threads


def test_the_probe_runs_after_every_block_and_never_inside_a_timed_step(tmp_path):
    (tmp_path / "tokens").write_bytes(bytes(range(256)) * 8)
    protocol = benchmark_protocol("tiny", "squares", "ab" * 32, seed=0, rounds=1)
    log = Log()
    task = {"variant": "numpy", "tokens": tmp_path / "tokens", "protocol": protocol.canonical_json, "sample": False}
    worker.run_cell(task, log, SlowProbe())
    names = [event["event"] for event in log.events]
    assert names == ["ready", *(["step"] * 3 + ["probe"]) * 6, "measured", "done"]
    assert [event["step"] for event in log.events if event["event"] == "probe"] == [3, 6, 9, 12, 15, 18]
    steps = [event for event in log.events if event["event"] == "step"]
    assert steps[-1]["elapsed_seconds"] > 5 * 0.05 + sum(event["seconds"] for event in steps)
    assert generation_protocol("tiny", "squares", "ab" * 32, seed=0, rounds=1).block_steps == 1


def test_a_cells_rows_hold_its_probes_and_its_peak_without_their_memory():
    readings = [SlowProbe().take(step) | {"event": "probe"} for step in (0, 3)]
    events = (
        readings[0] | {"own_bytes": 1_000},
        {"event": "ready", "peak_bytes": 50_000, "setup_seconds": 0.1},
        readings[1],
    )
    rows = outcome_rows(process(), Outcome(events, exit_code=0), CellEnd("ok"), "invoke bench", 30.0)
    assert rows.runs[0].peak_memory_bytes == 49_000
    assert [(row.number, row.step, row.cell_id) for row in rows.probes] == [
        (0, 0, rows.runs[0].cell_id),
        (1, 3, rows.runs[0].cell_id),
    ]
    assert rows.probes[1].page_faults is None


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_the_probe_leaves_the_allocators_thresholds_alone():
    # A freed block of a megabyte would make later blocks of that size come from the heap, with fewer page faults.
    code = """
import ctypes
from bench.measuring.probe import Probe
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def is_mapped():
    block = libc.malloc(2**20)
    with open("/proc/self/maps") as maps:
        heap = next((line.split()[0].split("-") for line in maps if "[heap]" in line), ("0", "0"))
    return not int(heap[0], 16) <= block <= int(heap[1], 16), block
assert is_mapped()[0], "glibc maps a block of this size, until one has been freed"
probe = Probe(2)
probe.take(0); probe.take(3)
mapped, block = is_mapped()
assert mapped
libc.free(block)
assert not is_mapped()[0]
"""
    subprocess.run([sys.executable, "-c", code], check=True)
