from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.arms.suites import Arm, Cell, Suite
from bench.measuring.runner import RunOptions, run_suite
from bench.planning import capacity
from bench.planning.capacity import check_fit, largest_preset, refusal, require_room_to_train
from bench.planning.memory import predicted_session_bytes
from bench.records.store import read_table
from tests import ROOT
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.errors import CapacityError, ConfigError
from tinygpt.params import initial_parameters
from tinygpt.presets import PRESETS
from tinygpt.system.memory import Memory, available_memory
from tinygpt.training.plan import TrainingPlan

GIB = 2**30
NOWHERE = Path("/nonexistent")


def memory(gib: float) -> Memory:
    return Memory(int(gib * GIB), "the control group's limit")


def plan(preset: str, engine: str = "numpy", out: Path = Path("runs/none"), **settings: Any) -> TrainingPlan:
    return TrainingPlan(out, preset=preset, engine=engine, **settings)


# ---- available memory --------------------------------------------------------------------------------------


def tree(root: Path, files: dict[str, int | str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def test_without_limits_the_system_s_free_memory_counts(tmp_path):
    found = available_memory(tmp_path, NOWHERE)
    assert found.limited_by == "the machine's free memory"
    assert 0 < found.available <= psutil.virtual_memory().total


V2 = {"memory.max": 100_000_000, "memory.current": 30_000_000, "memory.stat": "anon 5\ninactive_file 10000000"}
V1 = {
    "memory/memory.limit_in_bytes": 100_000_000,
    "memory/memory.usage_in_bytes": 30_000_000,
    "memory/memory.stat": "cache 7\ntotal_inactive_file 10000000",
}


@pytest.mark.parametrize("files", [V2, V1], ids=["version 2", "version 1"])
def test_a_control_group_leaves_its_limit_less_memory_that_cannot_be_reclaimed(tmp_path, files):
    assert available_memory(tree(tmp_path, files), NOWHERE) == Memory(80_000_000, "the control group's limit")


def test_the_process_s_own_group_and_those_above_it_count(tmp_path):
    membership = tree(tmp_path, {"membership": "1:cpu,cpuacct:/elsewhere\n0::/user/app"}) / "membership"
    groups: dict[str, int | str] = {"memory.max": "max", "elsewhere/memory.max": 1}
    groups |= {"user/memory.max": 50_000_000, "user/memory.current": 20_000_000}
    groups |= {"user/app/memory.max": 40_000_000, "user/app/memory.current": 0}
    root = tree(tmp_path / "cgroup", groups)
    assert available_memory(root, membership).available == 30_000_000
    tree(root, {"user/app/memory.current": 25_000_000})
    assert available_memory(root, membership).available == 15_000_000


def test_version_1_names_the_memory_controller_s_group(tmp_path):
    membership = tree(tmp_path, {"membership": "5:devices:/one\n4:memory,hugetlb:/two"}) / "membership"
    limits = {"one/": 1, "two/": 7_000_000, "": 9223372036854771712}
    root = tree(tmp_path / "cgroup", {f"memory/{group}memory.limit_in_bytes": limit for group, limit in limits.items()})
    assert available_memory(root, membership).available == 7_000_000


@pytest.mark.parametrize("text", ["max", "", "lots", "-1", "9223372036854771712"])
def test_a_value_that_is_no_limit_is_ignored(tmp_path, text):
    assert available_memory(tree(tmp_path, {"memory.max": text}), NOWHERE).limited_by == "the machine's free memory"


def test_a_group_over_its_limit_leaves_nothing(tmp_path):
    root = tree(tmp_path, {"memory.max": 1000, "memory.current": 5000})
    assert available_memory(root, NOWHERE).available == 0


# ---- refusals ----------------------------------------------------------------------------------------------


def test_a_cell_that_does_not_fit_is_refused_with_both_sizes_and_a_preset_that_fits():
    reason = refusal(Cell("numpy", "behemoth", 0, 1.0), available=4 * GIB)
    assert reason is not None
    assert "numpy at behemoth needs 9.0 GiB" in reason
    assert "4.0 GiB are available" in reason
    assert "swap is not counted" in reason
    assert "the largest preset that fits is mega" in reason
    assert "\n" not in reason
    assert refusal(Cell("numpy", "behemoth", 0, 1.0), available=16 * GIB) is None
    assert refusal(Cell("numpy", "mega", 0, 1.0), available=4 * GIB) is None


def test_the_message_says_if_nothing_fits():
    assert largest_preset("python", memory(0.01)) is None
    reason = refusal(Cell("python", "tiny", 0, 1.0), available=GIB // 100)
    assert reason is not None and "no preset of this engine fits" in reason


def test_a_peer_is_refused_only_below_the_memory_that_all_training_needs():
    peer = "package.module:Peer"
    reason = refusal(Cell(peer, "behemoth", 0, 1.0), available=4 * GIB)
    assert reason is not None and "needs at least 7.1 GiB" in reason
    assert refusal(Cell(peer, "behemoth", 0, 1.0), available=8 * GIB) is None


def test_generation_needs_six_numbers_a_parameter():
    cell = Cell("torch", "behemoth", 0, 1.0, generates=True)
    least = 24 * PRESETS["behemoth"].model.n_parameters
    reason = refusal(cell, available=least)
    assert reason is not None and f"generating with torch at behemoth needs at least {least / GIB:.1f} GiB" in reason
    assert refusal(cell, available=least + GIB // 10) is None


def test_exactly_enough_memory_fits():
    needed = check_fit("numpy", "xl").needed
    assert refusal(Cell("numpy", "xl", 0, 1.0), available=needed) is None
    assert refusal(Cell("numpy", "xl", 0, 1.0), available=needed - 1)


def test_training_is_refused_before_it_starts():
    with pytest.raises(CapacityError, match="largest preset that fits is xl") as caught:
        require_room_to_train(plan("behemoth"), memory=memory(0.6))
    message = str(caught.value)
    needed = predicted_session_bytes("numpy", PRESETS["behemoth"].model, PRESETS["behemoth"].train)
    assert f"needs {needed / GIB:.1f} GiB" in message and "0.60 GiB are available" in message
    assert "--ignore-memory" in message and "invoke train --preset xl" in message
    require_room_to_train(plan("xl"), memory=memory(0.6))


@pytest.mark.parametrize("engine", ["numpy", "vectorized[threads=2]"])
@pytest.mark.parametrize("setting", [{"batch_size": 64}, {"dropout": 0.1}, {"accumulation": 4}], ids=str)
def test_training_needs_memory_for_its_settings(engine, setting):
    plain = predicted_session_bytes(engine, PRESETS["large"].model, PRESETS["large"].train)
    just_enough = Memory(plain, "as given")
    require_room_to_train(plan("large", engine), memory=just_enough)
    with pytest.raises(CapacityError) as caught:
        require_room_to_train(plan("large", engine, **setting), memory=just_enough)
    options = plan("large", engine, **setting).options_text()
    assert f"training large with {engine} and {options} needs" in str(caught.value)
    assert f"--engine '{engine}' {options}, or" in str(caught.value)
    assert ("a smaller --batch" in str(caught.value)) == ("batch_size" in setting)


def test_a_resumed_run_needs_memory_for_its_checkpoint_s_settings(tmp_path):
    out, model, small = tmp_path / "run", PRESETS["tiny"].model, PRESETS["tiny"].train
    save_checkpoint(out, Checkpoint(model, replace(small, batch_size=256), initial_parameters(model, 0)))
    just_enough = Memory(predicted_session_bytes("numpy", model, small), "as given")
    require_room_to_train(plan("tiny", out=out), memory=just_enough)
    with pytest.raises(CapacityError, match="training tiny with numpy needs"):
        require_room_to_train(plan("tiny", out=out), resume=True, memory=just_enough)
    require_room_to_train(plan("tiny", out=out, batch_size=16), resume=True, memory=just_enough)
    large = tmp_path / "large"
    save_checkpoint(large, Checkpoint(PRESETS["medium"].model, small, initial_parameters(PRESETS["medium"].model, 0)))
    with pytest.raises(CapacityError):
        require_room_to_train(plan("tiny", start_from=large), memory=just_enough)
    (out / "training_state.json").write_text("{")  # the session reports the error
    require_room_to_train(plan("tiny", out=out), resume=True, memory=just_enough)


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match="unknown preset"):
        check_fit("numpy", "gigantic")
    with pytest.raises(ConfigError, match="option"):
        check_fit("vectorized[thread=2]", "tiny")


def test_a_suite_records_a_refused_cell_and_goes_on(results_root, corpus, console, monkeypatch, tmp_path):
    monkeypatch.setattr(capacity, "available_memory", lambda: Memory(80_000_000, "the control group's limit"))
    suite = Suite("quick", "", 1, (Arm("numpy", "behemoth", 30.0, 1), Arm("numpy", "tiny", 30.0, 1)))
    options = RunOptions(lock_file=tmp_path / "lock")
    # A long text, because behemoth's context is longer than the test corpus.
    text = replace(corpus, train=corpus.train * 2)
    summary = run_suite(suite, results_root, text, console=console, options=options)
    assert summary.statuses == ("refused", "ok") and summary.exit_code == 0
    runs = read_table("runs", results_root).set_index("preset")
    refused = runs.loc["behemoth"]
    assert refused["status"] == "refused" and refused["steps_done"] == 0 and refused["wall_seconds"] == 0
    assert "numpy at behemoth needs 9.0 GiB of memory, 0.07 GiB are available" in refused["error_tail"]
    assert "the largest preset that fits is tiny" in refused["error_tail"]


# ---- real limits -------------------------------------------------------------------------------------------

LIMITED = "import resource, os, sys; resource.setrlimit(resource.RLIMIT_AS, ({0}, {0})); os.execv(sys.executable, {1})"


def run_limited(limit: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process with this limit on its address space, in bytes, from its start."""
    command = LIMITED.format(limit, [sys.executable, *arguments])
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )


def test_a_real_limit_on_the_address_space_is_seen_and_a_cell_refused():
    code = "from bench.planning.capacity import *; print(refusal(Cell('numpy', 'behemoth', 0, 1.0)))"
    done = run_limited(4 * GIB, "-c", code)
    assert "numpy at behemoth needs 9.0 GiB" in done.stdout, done.stderr
    assert "address space limit" in done.stdout
    available = float(done.stdout.partition("of memory, ")[2].partition(" GiB")[0])
    assert 2.0 < available < 4.0


def test_train_refuses_in_one_line_with_exit_code_2(tmp_path):
    arguments = ["--preset", "behemoth", "--engine", "numpy", "--corpus", "stories", "--out", str(tmp_path / "run")]
    done = run_limited(4 * GIB, "-m", "invoke", "train", *arguments)
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: training behemoth with numpy needs ")
    assert not (tmp_path / "run").exists()


def test_ignore_memory_trains_anyway(tmp_path):
    # By the prediction tiny does not fit; it trains, because predictions have a margin.
    arguments = ["--preset", "tiny", "--engine", "numpy", "--corpus", "stories", "--steps", "1"]
    arguments += ["--out", str(tmp_path / "run"), "--ignore-memory"]
    done = run_limited(4 * GIB, "-m", "invoke", "train", *arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run").is_dir()


def test_accumulated_batches_count(tmp_path):
    """All rows of an update are drawn at once, in any number of batches."""
    plan = TrainingPlan(out=tmp_path / "run", preset="tiny", corpus="stories", accumulation=10**9)
    with pytest.raises(CapacityError, match=r"--accumulate 1000000000.* needs .*GiB"):
        require_room_to_train(plan)
