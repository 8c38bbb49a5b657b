from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from bench.arms.registry import GENERATORS, JAX_ON_CPU, PEERS, ROOFLINE_VARIANTS
from bench.arms.suites import SUITES, Arm, Suite, select_suite
from bench.arms.token_ways import TOKEN_WAYS
from bench.arms.variants import check_variant, kind_of
from bench.measuring import peer_preparation as preparation
from bench.measuring.generation import (
    PROMPT,
    REGRET_TOLERANCE,
    generation_weights,
    largest_regret,
    make_tinygpt_generator,
)
from bench.measuring.peer_preparation import OVERRIDE_SOURCE, UnpreparedError, prepare, require_override
from bench.measuring.runner import RunOptions, run_suite
from bench.records.store import read_table
from tests import ROOT
from tinygpt.errors import ConfigError
from tinygpt.presets import LADDER

OVERRIDDEN = "torch-mkl-avx512"


@pytest.fixture
def installed(monkeypatch):
    """Every peer's package is there, whatever the machine has, on an AMD processor under Linux."""
    versions = {peer.package: f"{peer.version}+cpu" for peer in PEERS.values()}
    monkeypatch.setattr(preparation, "version", versions.__getitem__)
    monkeypatch.setattr(preparation, "cpu_model", lambda: "AMD Something 9")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("LD_PRELOAD", raising=False)


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """A compiler that copies the source to the output, and can be told to fail."""
    script = tmp_path / "compiler"
    script.write_text(
        '#!/bin/sh\n[ -n "$BROKEN" ] && { echo "first" >&2; echo "no such header" >&2; exit 1; }\ncat "$6" > "$5"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    return script


# ---- the table, and what it is called by ------------------------------------------------------------------


def test_the_extra_installs_what_the_table_measures():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pins = dict(item.split("==") for item in extras["peers"] if "==" in item)
    exact = {peer.package: peer.version for peer in PEERS.values() if peer.version.count(".") == 2}
    assert {"torch", "jax", "onnxruntime"} == {*exact}
    assert pins == exact | {way.package: way.version for way in TOKEN_WAYS.values() if way.version}
    (other,) = {peer.package: peer.version for peer in PEERS.values() if peer.package not in exact}.items()
    assert other == ("transformers", "5")
    assert "transformers>=5.0,<6" in extras["peers"]


def test_short_names_are_variants_of_a_kind_of_their_own():
    assert [check_variant(name) for name in PEERS] == [*PEERS]
    assert {kind_of(name) for name in PEERS} == {"peer"}
    assert kind_of("roofline[whole]") == "roofline"
    assert kind_of("vectorized[threads=1]") == kind_of("my.module:Engine") == "bench"
    with pytest.raises(ConfigError, match="did you mean 'torch-compile'"):
        check_variant("torch-compil")
    with pytest.raises(ConfigError, match="roofline"):
        check_variant("roofline[fast]")


def test_the_benchmark_imports_no_peer_and_a_worker_no_tables():
    code = (
        "import sys\n"
        "import bench.measuring.worker\n"
        "assert not {'pandas', 'pyarrow', 'scipy'} & set(sys.modules), 'part of every measured peak'\n"
        "import bench.measuring.runner, bench.statistics.peer_ratios\n"
        "assert not {'torch', 'jax', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_suites_hold_every_peer():
    peers, generation = SUITES["peers"], SUITES["generation"]
    trained = {name for name, peer in PEERS.items() if peer.trainer}
    for preset in LADDER:
        variants = {arm.variant for arm in peers.arms if arm.preset == preset}
        assert variants == {"numpy", "vectorized", "compiled", *ROOFLINE_VARIANTS} | trained
    assert {arm.rounds for arm in peers.arms if arm.preset == "xl" and arm.variant != "numpy"} == {6}
    assert {arm.rounds for arm in peers.arms if arm.preset == "behemoth"} == {1}
    assert {arm.variant for arm in generation.arms} == {*GENERATORS}
    assert {cell.kind for cell in generation.cells} == {"generation"}
    chosen = select_suite("generation", ["xl"], ["jax-textbook", JAX_ON_CPU])
    assert {(cell.variant, cell.kind) for cell in chosen.cells} == {
        ("jax-textbook", "generation"), (JAX_ON_CPU, "generation"),
    }  # fmt: skip
    with pytest.raises(ConfigError, match="unknown generator 'numpy'"):
        select_suite("generation", [], ["numpy"])


# ---- before a worker starts -------------------------------------------------------------------------------


def test_the_override_is_compiled_once_and_preloaded(installed, compiler, tmp_path):
    assert prepare("torch", tmp_path).environment == {}
    ready = prepare(OVERRIDDEN, tmp_path)
    assert ready.refusal is None
    library = Path(ready.environment["LD_PRELOAD"])
    assert library.parent == tmp_path
    assert library.read_text() == OVERRIDE_SOURCE
    compiler.unlink()
    assert prepare(OVERRIDDEN, tmp_path) == ready


def test_a_tuned_peer_has_its_environment_and_the_override_only_where_it_helps(
    installed, compiler, tmp_path, monkeypatch
):
    ready = prepare("torch-tuned", tmp_path)
    assert ready == prepare("roofline[whole,mkl]", tmp_path)
    assert {"GLIBC_TUNABLES", "THP_MEM_ALLOC_ENABLE", "LD_PRELOAD"} == set(ready.environment)
    assert prepare("torch-pinned", tmp_path).environment["OMP_PROC_BIND"] == "close"
    assert prepare("roofline[whole]", tmp_path) == preparation.Preparation()
    monkeypatch.setattr(preparation, "cpu_model", lambda: "Intel Xeon")
    there = prepare("torch-tuned", tmp_path)
    assert there.refusal is None
    assert {"GLIBC_TUNABLES", "THP_MEM_ALLOC_ENABLE"} == set(there.environment)
    require_override("torch-tuned", tmp_path / "none")
    assert "for AMD processors" in str(prepare(OVERRIDDEN, tmp_path).refusal)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_a_tuned_allocator_keeps_its_memory(tmp_path):
    # Blocks of a size that glibc would map and unmap each time.
    code = """
import ctypes, resource
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(48 * 2**20)
    ctypes.memset(block, 1, 48 * 2**20)
    libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""

    def second(**environment):
        command = [sys.executable, "-c", code]
        return int(subprocess.run(command, env=os.environ | environment, capture_output=True, check=True).stdout)

    assert second(**PEERS["torch-tuned"].environment) < 10
    assert second() >= 10, "without the tunables the pages are new ones"


def test_the_override_goes_before_what_is_preloaded_already(installed, compiler, tmp_path, monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", "/other.so")
    first, second = prepare(OVERRIDDEN, tmp_path).environment["LD_PRELOAD"].split(os.pathsep)
    assert (Path(first).name, second) == ("mkl_override.so", "/other.so")


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        (lambda m: m.setattr(preparation, "cpu_model", lambda: "Intel Xeon"), "for AMD processors.*Intel Xeon"),
        (lambda m: m.setattr(sys, "platform", "darwin"), "Linux"),
        (lambda m: m.setenv("CC", "/no/such/compiler"), "needs a C compiler"),
        (lambda m: m.setenv("BROKEN", "1"), "does not compile: no such header"),
    ],
)
def test_without_an_override_the_cell_is_refused_in_one_line(installed, compiler, tmp_path, monkeypatch, breaks, said):
    breaks(monkeypatch)
    refusal = prepare(OVERRIDDEN, tmp_path).refusal
    assert refusal is not None
    assert "\n" not in refusal
    assert re.search(said, refusal)


@pytest.mark.parametrize("name", ["two words", "a:b", "a\tb"])
def test_a_path_that_the_loader_would_split_is_refused(installed, compiler, tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    assert "LD_PRELOAD cannot hold" in str(prepare(OVERRIDDEN, folder).refusal)
    assert prepare("torch", folder).refusal is None


def test_a_worker_without_the_override_is_a_refused_row(
    installed, compiler, results_root, corpus, console, tmp_path, monkeypatch
):
    # What the compiler here leaves is no library: the loader complains on stderr, and goes on without it.
    runs, steps = run(Suite("x", "", 1, (Arm(OVERRIDDEN, "tiny", 60, 1),)), results_root, corpus, console, tmp_path)
    assert runs["status"].tolist() == ["refused"]
    assert runs["error_tail"].str.contains("the MKL override is not loaded: LD_PRELOAD is").all()
    assert steps.empty


def test_only_a_mapped_override_counts(tmp_path):
    maps = tmp_path / "maps"
    maps.write_text("7f00-7f10 r-xp 00000000 08:01 12 /tmp/x/mkl_override.so\n")
    require_override(OVERRIDDEN, maps)
    maps.write_text("7f00-7f10 r-xp 00000000 08:01 12 /tmp/x/mkl_override.so (deleted)\n")
    with pytest.raises(UnpreparedError, match="not loaded"):
        require_override(OVERRIDDEN, maps)
    require_override("torch", maps)
    require_override("vectorized", tmp_path / "none")


def test_torch_compile_needs_a_cxx_compiler(installed, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "/no/such/compiler")
    assert "C++ compiler" in str(prepare("torch-compile", tmp_path).refusal)
    monkeypatch.setenv("CXX", sys.executable)
    assert prepare("torch-compile", tmp_path).environment["TORCHINDUCTOR_CACHE_DIR"].startswith(str(tmp_path))


def test_another_version_is_refused(installed, tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "version", lambda package: "2.1.0")
    assert prepare("torch", tmp_path).refusal == (
        "torch 2.1.0 is installed, but this version measures 2.13.0; run: pip install -e '.[peers]'"
    )
    monkeypatch.setattr(preparation, "version", lambda package: "5.3.1")
    assert prepare("transformers", tmp_path).refusal is None


def test_what_is_no_peer_needs_nothing(tmp_path):
    assert prepare("vectorized[threads=1]", tmp_path) == preparation.Preparation()


def test_an_engine_with_an_extra_needs_that(installed, tmp_path, monkeypatch):
    assert prepare(JAX_ON_CPU, tmp_path).environment == {"JAX_PLATFORMS": "cpu"}
    assert prepare("jax[dispatch=3]", tmp_path) == preparation.Preparation()

    def missing(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(preparation, "version", missing)
    assert prepare(JAX_ON_CPU, tmp_path).refusal == "jax is not installed; run: pip install -e '.[jax]'"


# ---- through the runner -----------------------------------------------------------------------------------


def run(suite, results_root, corpus, console, tmp_path):
    run_suite(suite, results_root, corpus, console=console, options=RunOptions(lock_file=tmp_path / "lock"))
    return read_table("runs", results_root), read_table("steps", results_root)


def test_a_missing_peer_is_a_refused_row(results_root, corpus, console, tmp_path, monkeypatch):
    def missing(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(preparation, "version", missing)
    runs, steps = run(Suite("x", "", 1, (Arm("jax-textbook", "tiny", 60, 1),)), results_root, corpus, console, tmp_path)
    assert runs["status"].tolist() == ["refused"]
    assert runs["kind"].tolist() == ["peer"]
    assert runs["error_tail"].tolist() == ["jax is not installed; run: pip install -e '.[peers]'"]
    assert steps.empty


def test_a_roofline_is_a_row_without_losses(results_root, corpus, console, tmp_path):
    arms = (Arm("roofline[whole]", "tiny", 60, 1), Arm("roofline[shared]", "tiny", 60, 1))
    runs, steps = run(Suite("x", "", 1, arms), results_root, corpus, console, tmp_path)
    assert runs["status"].tolist() == ["ok", "ok"]
    assert set(runs["kind"]) == {"roofline"}
    assert runs["first_loss"].isna().all()
    assert len(steps) == 2 * 18
    assert (steps["seconds"] > 0).all()
    assert steps["loss"].isna().all()
    probes = read_table("probes", results_root)
    assert probes.groupby("cell_id", sort=False)["step"].agg(list).tolist() == [[0, 3, 6, 9, 12, 15, 18]] * 2


def test_a_text_is_a_step(results_root, corpus, console, tmp_path):
    suite = Suite("x", "", 1, (Arm("vectorized", "tiny", 60, 1),), generates=True)
    runs, steps = run(suite, results_root, corpus, console, tmp_path)
    assert runs[["status", "kind", "tokens_per_step"]].values.tolist() == [["ok", "generation", 256]]
    assert steps["is_warmup"].tolist() == [True] + [False] * 5
    assert read_table("probes", results_root)["step"].tolist() == [0, 1, 2, 3, 4, 5, 6]


# ---- whether a text is right ------------------------------------------------------------------------------


def test_a_greedy_text_has_no_regret_and_a_wrong_token_has(monkeypatch):
    model = LADDER["tiny"].model
    weights = generation_weights(model, seed=3)
    prompt = np.frombuffer(PROMPT, np.uint8)
    text = make_tinygpt_generator(model, weights)(prompt, 100)  # three windows
    assert largest_regret(model, weights, prompt, text) <= REGRET_TOLERANCE
    assert len(set(text.tolist())) > 5, "a text of one byte would test nothing"
    for position in (0, model.context_length, 99):
        wrong = text.copy()
        wrong[position] ^= 1
        assert largest_regret(model, weights, prompt, wrong) > REGRET_TOLERANCE
