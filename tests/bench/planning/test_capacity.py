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
from tinygpt.checkpoints.checkpoint import Checkpoint, save_checkpoint
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


# ---- what there is -----------------------------------------------------------------------------------------


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_limits_it_is_the_system_that_counts(tmp_path):
    found = available_memory(tmp_path, NOWHERE)
    assert found.limited_by == "the machine's free memory"
    assert 0 < found.available <= psutil.virtual_memory().total


V2 = {"memory.max": "100000000\n", "memory.current": "30000000\n", "memory.stat": "anon 5\ninactive_file 10000000\n"}
V1 = {
    "memory/memory.limit_in_bytes": "100000000\n",
    "memory/memory.usage_in_bytes": "30000000\n",
    "memory/memory.stat": "cache 7\ntotal_inactive_file 10000000\n",
}


@pytest.mark.parametrize("files", [V2, V1], ids=["version 2", "version 1"])
def test_a_control_group_grants_its_limit_less_what_cannot_be_reclaimed(tmp_path, files):
    assert available_memory(tree(tmp_path, files), NOWHERE) == Memory(80_000_000, "the control group's limit")


def test_the_process_s_own_group_counts_and_so_do_those_above_it(tmp_path):
    membership = tmp_path / "membership"
    membership.write_text("1:cpu,cpuacct:/elsewhere\n0::/user/app\n")
    root = tree(
        tmp_path / "cgroup",
        {
            "memory.max": "max\n",
            "user/memory.max": "50000000\n",
            "user/memory.current": "20000000\n",
            "user/app/memory.max": "40000000\n",
            "user/app/memory.current": "0\n",
            "elsewhere/memory.max": "1\n",
        },
    )
    assert available_memory(root, membership).available == 30_000_000
    (root / "user/app/memory.current").write_text("25000000")
    assert available_memory(root, membership).available == 15_000_000


def test_version_1_names_the_memory_controller_s_group(tmp_path):
    membership = tmp_path / "membership"
    membership.write_text("5:devices:/one\n4:memory,hugetlb:/two\n")
    root = tree(
        tmp_path / "cgroup",
        {
            "memory/one/memory.limit_in_bytes": "1\n",
            "memory/two/memory.limit_in_bytes": "7000000\n",
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert available_memory(root, membership).available == 7_000_000


@pytest.mark.parametrize("text", ["max", "", "lots", "-1", "9223372036854771712"])
def test_what_is_no_limit_limits_nothing(tmp_path, text):
    assert available_memory(tree(tmp_path, {"memory.max": text}), NOWHERE).limited_by == "the machine's free memory"


def test_a_group_over_its_limit_grants_nothing(tmp_path):
    files = {"memory.max": "1000", "memory.current": "5000"}
    assert available_memory(tree(tmp_path, files), NOWHERE).available == 0


# ---- whether it is enough ----------------------------------------------------------------------------------


def test_a_cell_that_does_not_fit_is_refused_with_both_figures_and_the_way_out():
    reason = refusal(Cell("numpy", "behemoth", 0, 1.0), available=4 * GIB)
    assert reason is not None
    assert "numpy at behemoth needs 9.0 GiB" in reason
    assert "4.0 GiB are available" in reason
    assert "swap is not counted" in reason
    assert "the largest preset that fits is mega" in reason
    assert "\n" not in reason
    assert refusal(Cell("numpy", "behemoth", 0, 1.0), available=16 * GIB) is None
    assert refusal(Cell("numpy", "mega", 0, 1.0), available=4 * GIB) is None


def test_where_nothing_fits_it_says_so():
    assert largest_preset("python", memory(0.01)) is None
    reason = refusal(Cell("python", "tiny", 0, 1.0), available=GIB // 100)
    assert reason is not None and "no preset of this engine fits" in reason


def test_a_rival_is_refused_only_below_what_no_training_can_do_without():
    rival = "package.module:Rival"
    reason = refusal(Cell(rival, "behemoth", 0, 1.0), available=4 * GIB)
    assert reason is not None and "needs at least 7.1 GiB" in reason
    assert refusal(Cell(rival, "behemoth", 0, 1.0), available=8 * GIB) is None


def test_generation_needs_six_numbers_a_parameter():
    cell = Cell("torch", "behemoth", 0, 1.0, generates=True)
    least = 24 * PRESETS["behemoth"].model.n_parameters
    reason = refusal(cell, available=least)
    assert reason is not None and f"generating with torch at behemoth needs at least {least / GIB:.1f} GiB" in reason
    assert refusal(cell, available=least + GIB // 10) is None


def test_the_boundary_belongs_to_what_fits():
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
def test_training_needs_what_its_settings_take(engine, setting):
    plain = predicted_session_bytes(engine, PRESETS["large"].model, PRESETS["large"].train)
    just_enough = Memory(plain, "as given")
    require_room_to_train(plan("large", engine), memory=just_enough)
    with pytest.raises(CapacityError) as caught:
        require_room_to_train(plan("large", engine, **setting), memory=just_enough)
    options = plan("large", engine, **setting).options_text()
    assert f"training large with {engine} and {options} needs" in str(caught.value)
    assert f"--engine '{engine}' {options}, or" in str(caught.value)
    assert ("a smaller --batch" in str(caught.value)) == ("batch_size" in setting)


def test_a_resumed_run_needs_what_its_checkpoint_says(tmp_path):
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
    (out / "training_state.json").write_text("{")  # the session says what is wrong
    require_room_to_train(plan("tiny", out=out), resume=True, memory=just_enough)


def test_unknown_names_are_told():
    with pytest.raises(ConfigError, match="unknown preset"):
        check_fit("numpy", "gigantic")
    with pytest.raises(ConfigError, match="option"):
        check_fit("vectorized[thread=2]", "tiny")


def test_a_suite_records_what_it_refuses_and_goes_on(results_root, corpus, console, monkeypatch, tmp_path):
    monkeypatch.setattr(capacity, "available_memory", lambda: Memory(80_000_000, "the control group's limit"))
    suite = Suite("quick", "", 1, (Arm("numpy", "behemoth", 30.0, 1), Arm("numpy", "tiny", 30.0, 1)))
    options = RunOptions(lock_file=tmp_path / "lock")
    # A long text, because behemoth's context is longer than the made-up one.
    text = replace(corpus, train=corpus.train * 2)
    summary = run_suite(suite, results_root, text, console=console, options=options)
    assert summary.statuses == ("refused", "ok") and summary.exit_code == 0
    runs = read_table("runs", results_root).set_index("preset")
    refused = runs.loc["behemoth"]
    assert refused["status"] == "refused" and refused["steps_done"] == 0 and refused["wall_seconds"] == 0
    assert "numpy at behemoth needs 9.0 GiB of memory, 0.07 GiB are available" in refused["error_tail"]
    assert "the largest preset that fits is tiny" in refused["error_tail"]


# ---- for real ----------------------------------------------------------------------------------------------

LIMITED = "import resource, os, sys; resource.setrlimit(resource.RLIMIT_AS, ({0}, {0})); os.execv(sys.executable, {1})"


def run_limited(limit: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python process that may address so many bytes, before it imports anything."""
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


def test_train_can_be_told_to_try_all_the_same(tmp_path):
    # The limit leaves no room by the prediction, and tiny trains in it: predictions have a margin of their own.
    arguments = ["--preset", "tiny", "--engine", "numpy", "--corpus", "stories", "--steps", "1"]
    arguments += ["--out", str(tmp_path / "run"), "--ignore-memory"]
    done = run_limited(4 * GIB, "-m", "invoke", "train", *arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run").is_dir()


def test_accumulated_batches_count(tmp_path):
    """All rows of an update are drawn at once, however many batches they make."""
    plan = TrainingPlan(out=tmp_path / "run", preset="tiny", corpus="stories", accumulation=10**9)
    with pytest.raises(CapacityError, match=r"--accumulate 1000000000.* needs .*GiB"):
        require_room_to_train(plan)
