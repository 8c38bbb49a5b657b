from __future__ import annotations

import getpass
import io
import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench.planning import doctor
from bench.planning.doctor import (
    BROKEN,
    MISSING,
    NOTE,
    OK,
    Diagnosis,
    Finding,
    check_core,
    check_engines,
    check_folders,
    check_kernel,
    check_memory,
    check_parts,
    check_record,
    check_threads,
    check_tools,
    memory_needs,
)
from bench.records.machine import Machine
from bench.records.rows import Rows
from bench.records.store import write_tables
from bench.terminal.show_doctor import print_diagnosis
from tests import ROOT
from tests.bench.rows import MACHINE, run_row
from tinygpt.engines import CPU_ENGINES
from tinygpt.system.memory import Memory

RECORD = Machine(**json.loads(MACHINE))


def machine(**changes: object) -> Machine:
    return replace(RECORD, **changes)  # type: ignore[arg-type]


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


# ---- speed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "level", "state"),
    [
        ("SkylakeX", "x86-64-v4", OK),
        ("Cooperlake", "x86-64-v4", OK),
        ("Haswell", "x86-64-v4", NOTE),
        ("Zen", "x86-64-v4", NOTE),
        ("Zen", "x86-64-v3", OK),
        ("Haswell", "x86-64-v3", OK),
        ("Sandybridge", "x86-64-v3", NOTE),
        ("Prescott", "x86-64-v2", NOTE),
        ("SkylakeX", "x86-64-v3", OK),
        ("neoversen1", "arm64", OK),
        (None, "x86-64-v4", OK),
        ("a future kernel", "x86-64-v4", OK),
    ],
)
def test_a_kernel_is_compared_with_the_processor(kernel, level, state):
    assert only(check_kernel(machine(blas_kernel=kernel, arch_level=level), {})).state == state


def test_a_forced_kernel_comes_with_the_command_that_frees_it():
    slow = machine(blas_kernel="Haswell", arch_level="x86-64-v4")
    forced = only(check_kernel(slow, {"OPENBLAS_CORETYPE": "Haswell"}))
    assert forced.fix == "unset OPENBLAS_CORETYPE"
    assert "OPENBLAS_CORETYPE=Haswell forces it" in forced.text and "AVX-512" in forced.text
    unrecognized = only(check_kernel(slow, {}))
    assert unrecognized.fix == "export OPENBLAS_CORETYPE=SkylakeX"


def test_a_cache_size_set_by_hand_is_noted():
    findings = check_kernel(machine(arch_level="x86-64-v3"), {"OPENBLAS_L2_SIZE": "1"})
    assert [(found.state, found.fix) for found in findings] == [(OK, ""), (NOTE, "unset OPENBLAS_L2_SIZE")]


@pytest.mark.parametrize(
    ("threads", "quota", "environment", "state", "fix"),
    [
        (2, None, {}, OK, ""),
        (2, 2.0, {"OMP_NUM_THREADS": "2"}, OK, ""),
        (8, 2.0, {}, NOTE, "export OPENBLAS_NUM_THREADS=2"),
        (1, None, {"OMP_NUM_THREADS": "1"}, NOTE, "unset OMP_NUM_THREADS"),
        (None, None, {}, OK, ""),
    ],
)
def test_threads_against_cores_and_quota(threads, quota, environment, state, fix):
    found = only(check_threads(machine(blas_threads=threads, core_quota=quota), environment))
    assert (found.state, found.fix) == (state, fix)
    assert ("quota" in found.text) == (quota is not None)


# ---- requirements of training ------------------------------------------------------------------------------


def test_a_package_that_cannot_be_imported_is_broken():
    found = only(check_core(["json", "a_package_that_does_not_exist"]))
    assert found.state == BROKEN and found.subject == "a_package_that_does_not_exist"
    assert found.fix == "python -m pip install --force-reinstall a_package_that_does_not_exist"
    assert only(check_core()).state == OK


def test_an_engine_that_fails_or_computes_wrong_losses_is_broken(monkeypatch):
    assert only(check_engines(["numpy"])).state == OK

    class Result:
        loss = 4.0

    class Wrong:
        def train_step(self, inputs, targets):
            return Result

    monkeypatch.setattr(doctor, "create_engine", lambda *arguments, **options: Wrong())
    found = only(check_engines(["numpy"]))
    assert found.state == BROKEN and "4.0000" in found.text

    def fail(*arguments, **options):
        raise RuntimeError("no\nsuch instruction")

    monkeypatch.setattr(doctor, "create_engine", fail)
    found = check_engines(["numpy"])[0]
    assert found.state == BROKEN and "RuntimeError: no such instruction" in found.text


def test_no_memory_for_the_smallest_preset_is_broken():
    assert only(check_memory(Memory(10**10, "the machine's free memory"), 0)).state == OK
    assert only(check_memory(Memory(10**6, "the control group's limit"), 0)).state == BROKEN
    assert only(check_memory(Memory(10**10, "the machine's free memory"), 10**10)).state == NOTE


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert only(check_folders(Path("results"))).subject == "disk"
    refused: set[Path] = {tmp_path / "results"}
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).resolve() not in refused)
    assert only(check_folders(Path("results"))).state == NOTE
    refused.add(tmp_path)
    assert only(check_folders(Path("results"))).state == BROKEN


# ---- optional parts ----------------------------------------------------------------------------------------


def test_a_missing_package_comes_with_its_command():
    parts = [doctor._Part("peers", ("json", "no_such_torch"), "peers"), doctor._Part("text", ("json",), "x")]
    missing, installed = check_parts(parts)
    assert (missing.state, missing.text) == (MISSING, "no_such_torch not installed")
    assert missing.fix == "python -m pip install 'tinygpt[peers]'"
    assert installed.state == OK


def test_programs_are_looked_for_by_every_name(monkeypatch):
    monkeypatch.delenv("TINYGPT_CHROMIUM", raising=False)
    monkeypatch.delenv("CC", raising=False)
    found = {one.subject: one for one in check_tools(lambda name: "/x" if name in ("google-chrome", "git") else None)}
    assert found["Chromium"].state == OK and found["git"].state == OK
    assert found["C compiler"].state == MISSING and found["C compiler"].fix == "apt-get install gcc"
    monkeypatch.setenv("CC", "tcc")
    again = {one.subject: one for one in check_tools(lambda name: None)}
    assert again["C compiler"].state == OK and again["Chromium"].state == MISSING


def test_a_machine_without_measurements_is_noted(results_root):
    row = run_row()
    assert only(check_record(results_root, row.machine_hash)).fix == "invoke bench --suite quick"
    write_tables(results_root, "run-a", Rows([row], []))
    assert "1 cells" in only(check_record(results_root, row.machine_hash)).text
    assert only(check_record(results_root, "f" * 64)).state == NOTE
    (results_root / "local" / "runs-broken.parquet").write_text("no")
    assert "runs-broken.parquet" in check_record(results_root, row.machine_hash)[0].text


def test_the_task_exits_with_0_if_training_works(tmp_path):
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "doctor"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "This machine" in done.stdout and "What fits" in done.stdout and "→ invoke bench" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


# ---- all checks --------------------------------------------------------------------------------------------


def diagnosis(*findings: Finding, memory: Memory | None = None) -> Diagnosis:
    memory = memory or Memory(3 * 2**30, "the control group's limit")
    return Diagnosis(RECORD, memory, memory_needs(), findings)


def printed(found: Diagnosis, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_diagnosis(found, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_only_a_broken_finding_makes_it_fail():
    states = [Finding("a", state, "text", "command") for state in (OK, NOTE, MISSING)]
    assert diagnosis(*states).exit_code == 0
    assert diagnosis(*states, Finding("b", BROKEN, "text")).exit_code == 1


def test_it_fits_into_80_columns_and_shows_every_command():
    findings = [
        Finding("BLAS kernel", NOTE, "words " * 40, "export OPENBLAS_CORETYPE=SkylakeX"),
        Finding("corpora hf:…", MISSING, "[datasets] not installed", 'python -m pip install -e ".[hf]"'),
    ]
    text = printed(diagnosis(*findings))
    assert max(map(len, text.splitlines())) <= 80
    for finding in findings:
        assert f"→ {finding.fix}" in text
    assert "[datasets] not installed" in text, "brackets are text, not markup"
    assert "1 to note; 1 optional and not installed" in text
    assert "Nothing to fix." in printed(diagnosis(Finding("a", OK, "fine")))


def test_the_needed_memory_is_shown_for_every_preset_and_engine():
    lines = {line.split()[0]: line for line in printed(diagnosis()).splitlines() if line.strip()}
    assert all(engine in lines["preset"] for engine in CPU_ENGINES)
    assert lines["behemoth"].count(" no") == len(CPU_ENGINES)
    assert " no" not in lines["small"]


def test_the_real_machine_is_described_without_naming_it(tmp_path):
    found = doctor.diagnose(tmp_path / "results")
    assert len(found.findings) > 10 and found.machine.cores >= 1
    text = printed(found, width=2000)
    for name in (socket.gethostname(), str(Path.home()), getpass.getuser(), str(tmp_path)):
        if len(name) > 5:  # "root" occurs in ordinary sentences
            assert name not in text
