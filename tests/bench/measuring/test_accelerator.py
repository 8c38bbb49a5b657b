"""Measuring on an accelerator, tested without one: protocols, rows, verdicts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bench.arms.registry import ACCELERATOR_PEERS, STEPS_TOGETHER
from bench.measuring.accelerator import REFERENCE, check_engines, protocol_of, rows_of
from bench.measuring.accelerator_options import AcceleratorOptions
from bench.measuring.accelerator_worker import timed_steps
from bench.measuring.device_kernels import shared
from bench.measuring.endings import compare_losses
from bench.records import machine as machine_module
from bench.records.process_rows import RunContext
from bench.records.protocol import benchmark_protocol
from bench.records.provenance import Provenance
from bench.records.store import read_table, write_tables
from tests.bench.rows import MACHINE
from tinygpt.engines import create_engine
from tinygpt.errors import ConfigError

ENGINES = AcceleratorOptions.engines
CONTEXT = RunContext("20260101T000000Z-aaaaaaaa-0000", "accelerator", Provenance("c" * 40, False), MACHINE)


PROBES = [
    {"event": "probe", "step": step, "threads": 8, "product_seconds": 0.002, "copy_seconds": 0.001} for step in (0, 18)
]


def round_event(variant, number, losses):
    steps = [
        {"step": step, "seconds": 0.001, "loss": loss, "grad_norm": 1.0, "elapsed_seconds": 0.001 * step}
        for step, loss in enumerate(losses, 1)
    ]
    return {
        "event": "round",
        "variant": variant,
        "round": number,
        "steps": steps,
        "started_at": datetime.now(UTC).isoformat(),
    }


def test_an_arithmetic_of_its_own_has_a_protocol_of_its_own(corpus):
    names = ("jax", "jax[dispatch=3]", REFERENCE, "jax[precision=tf32]", "jax[precision=bfloat16]")
    hashes = [protocol_of(name, "tiny", corpus, rounds=6).hash for name in names]
    assert hashes[0] == hashes[1] == hashes[2]
    assert len(set(hashes)) == 3
    peers = (f"{REFERENCE}[precision={precision}]" for precision in ("tf32", "bfloat16"))
    assert [protocol_of(name, "tiny", corpus, rounds=6).hash for name in peers] == hashes[3:]
    processor = benchmark_protocol("tiny", corpus.name, corpus.sha256, seed=0, rounds=6)
    assert processor.hash not in hashes, "steps timed together are not compared with steps timed alone"
    longer = protocol_of("jax", "behemoth", corpus, 6, batch=8, context=4096)
    assert (longer.batch_size, longer.context_length, longer.model.context_length) == (8, 4096, 4096)


def test_groups_divide_the_protocols_steps(corpus):
    protocol = protocol_of("jax", "tiny", corpus, rounds=1)
    assert protocol.warmup_steps % STEPS_TOGETHER == protocol.measured_steps % STEPS_TOGETHER == 0
    engine = create_engine("numpy", protocol.model, protocol.train)
    engine.steps_per_dispatch = STEPS_TOGETHER
    steps = timed_steps(engine, protocol, corpus.train_tokens)
    assert [step["step"] for step in steps] == list(range(1, 19))
    assert len({step["seconds"] for step in steps}) <= 18 / STEPS_TOGETHER
    assert steps[-1]["loss"] < steps[0]["loss"]


def test_a_workers_events_become_rows(corpus, results_root):
    variants = (*ENGINES, "jax[dispatch=3,precision=bfloat16]")
    protocols = {name: protocol_of(name, "tiny", corpus, rounds=2) for name in variants}
    curve = [5.0 - 0.01 * step for step in range(18)]
    wrong = [loss * 1.01 for loss in curve]
    events = [
        *(round_event(name, number, curve) for name in variants[:2] for number in (0, 1)),
        round_event("torch-cuda-compile", 0, wrong),
        {"event": "error", "variant": "torch-cuda-graphs", "type": "OutOfMemoryError", "message": "CUDA out of memory"},
        round_event(variants[-1], 0, wrong) | {"probes": PROBES},
        {"event": "kernels", "variant": variants[0], "kinds": {"products": [0.0006, 59.0], "copies": [0.0001, 3.0]}},
        {"event": "done"},
    ]
    write_tables(results_root, CONTEXT.run_id, rows_of(CONTEXT, protocols, events, limit=480.0, stderr_tail=""))
    table = read_table("runs", results_root).set_index(["variant", "round"])
    status = table["status"].to_dict()
    assert status == {
        (variants[0], 0): "ok", (variants[0], 1): "ok", (REFERENCE, 0): "ok", (REFERENCE, 1): "ok",
        ("torch-cuda-compile", 0): "diverged", ("torch-cuda-graphs", 0): "oom",
        ("torch-cuda-compile-graphs", 0): "crashed", (variants[-1], 0): "ok",
    }  # fmt: skip
    assert table["loss_drift"][variants[-1], 0] == pytest.approx(0.01)
    assert table["kind"].to_dict() == {key: "peer" if key[0] in ACCELERATOR_PEERS else "bench" for key in status}
    assert len(read_table("steps", results_root)) == 18 * 6
    assert read_table("probes", results_root)["step"].tolist() == [0, 18]
    kernels = read_table("kernels", results_root)
    assert kernels[["name", "seconds", "elements"]].values.tolist() == [["products", 0.0006, 59], ["copies", 0.0001, 3]]
    assert set(kernels["cell_id"]) == {table["cell_id"][variants[0], 1]}, "once, after the last round"
    assert table["command"][variants[0], 0].startswith("invoke accelerator --out rows --presets tiny")


def test_a_rows_command_names_a_batch_and_a_context_of_ones_own(corpus):
    sizes = {None: "", 4096: " --batch 2 --context 4096"}
    for context, words in sizes.items():
        protocols = {REFERENCE: protocol_of(REFERENCE, "tiny", corpus, 1, context and 2, context)}
        (row,) = rows_of(CONTEXT, protocols, [], limit=480.0, stderr_tail="").runs
        assert row.command == f"invoke accelerator --out rows --presets tiny --engines '{REFERENCE}'{words}"


def test_kernels_that_run_together_share_the_time():
    spans = [("products", 0.0, 4.0), ("reductions", 1.0, 3.0), ("products", 2.0, 3.0), ("copies", 5.0, 6.0)]
    assert shared(spans) == pytest.approx({"products": 1 + 1 / 2 + 2 / 3 + 1, "reductions": 1 / 2 + 1 / 3, "copies": 1})
    assert shared([]) == {}


def test_a_process_that_ended_early_is_a_row_for_each_of_its_engines(corpus):
    protocols = {name: protocol_of(name, "tiny", corpus, rounds=1) for name in ENGINES}
    rows = rows_of(CONTEXT, protocols, [], limit=480.0, stderr_tail="Segmentation fault")
    assert [row.status for row in rows.runs] == ["crashed"] * len(ENGINES)
    assert all("Segmentation fault" in row.error_tail for row in rows.runs)
    assert not rows.steps


def test_a_preset_that_the_run_had_no_time_for_is_interrupted_and_not_a_crash(corpus):
    protocols = {name: protocol_of(name, "tiny", corpus, rounds=1) for name in ENGINES}
    failed = {"event": "error", "variant": REFERENCE, "type": "ValueError", "message": "its own"}
    rows = rows_of(CONTEXT, protocols, [failed], limit=480.0, stderr_tail=None)
    assert {row.variant: row.status for row in rows.runs} == {
        name: "crashed" if name == REFERENCE else "interrupted" for name in ENGINES
    }


def test_a_loss_that_is_not_finite_has_diverged():
    assert compare_losses([5.0, float("inf")], [5.0, 4.9]).status == "diverged"
    assert compare_losses([5.0, 4.9], None).loss_drift is None


def test_names_are_checked_before_anything_runs():
    check_engines(ENGINES)
    with pytest.raises(ConfigError, match="torch-cud"):
        check_engines(["jax[dispatch=3,precision=tf32]", "torch-cud"])


def test_the_fingerprint_names_gpus_and_driver(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf 'NVIDIA H200, 580.1\\nNVIDIA H200, 580.1\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setattr(machine_module.shutil, "which", lambda name: str(tool))
    assert machine_module.accelerator() == "2 × NVIDIA H200, driver 580.1"
    tool.write_text("#!/bin/sh\necho no devices were found; exit 6\n")
    assert machine_module.accelerator() is None
