"""The compiled engine's surroundings: the choice of auto, the cache of code, and what is missing or broken."""

import importlib
import os
import time

import numpy as np
import pytest

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import create_engine, extras, fastest_engine, parse_variant, resolve_variant
from tinygpt.engines.compiled.job import NOTHING, work
from tinygpt.engines.loops import compiling
from tinygpt.errors import ConfigError, MissingDependencyError

MODEL, TRAIN = ModelConfig(1, 8, 2, 6), TrainConfig(batch_size=2)


@pytest.fixture
def asked_again():
    """Ask which engines can be made again, in this test and after it."""
    fastest_engine.cache_clear()
    yield
    fastest_engine.cache_clear()


def test_auto_is_the_compiled_engine_where_numba_is_installed(asked_again):
    assert parse_variant("auto[threads=1]") == ("compiled", {"threads": 1})
    assert resolve_variant("auto[threads=1]") == "compiled[threads=1]"
    assert resolve_variant("numpy") == "numpy"


def test_without_numba_auto_goes_on_and_the_engine_names_its_extra(asked_again, monkeypatch):
    imported = importlib.import_module

    def without_numba(name):
        if name.startswith("tinygpt.engines.compiled"):
            raise ModuleNotFoundError("No module named 'numba'", name="numba")
        return imported(name)

    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    monkeypatch.setattr(extras, "import_module", without_numba)
    assert resolve_variant("auto") == "vectorized"
    with pytest.raises(
        MissingDependencyError, match=r"^engine 'compiled' needs numba, .*pip install 'tinygpt\[fast\]'$"
    ):
        create_engine("compiled", MODEL, TRAIN)


def test_a_numba_that_does_not_know_this_python_is_named(asked_again, monkeypatch, caplog):
    def fails(name):
        raise ImportError("Numba needs NumPy 2.3 or less")

    monkeypatch.setattr(extras, "import_module", fails)
    assert fastest_engine() == "vectorized"
    assert "numba cannot be imported: Numba needs NumPy 2.3 or less" in caplog.text
    with pytest.raises(MissingDependencyError, match="which cannot be imported: Numba needs NumPy") as caught:
        create_engine("compiled", MODEL, TRAIN)
    assert "\n" not in str(caught.value)


def test_processes_need_a_fork(monkeypatch):
    monkeypatch.delattr(os, "fork")
    for engine in ("vectorized", "compiled"):
        with pytest.raises(ConfigError, match="which this system cannot fork; allowed: threads"):
            create_engine(f"{engine}[team=processes]", MODEL, TRAIN)


@pytest.mark.parametrize("engine", ["python", "numpy", "jax", "compiled"])
def test_an_engine_without_these_kernels_names_one_that_has_them(engine):
    with pytest.raises(
        ConfigError, match=r"allowed: .*run: the same with --engine .vectorized\[kernels=numba\]"
    ) as caught:
        create_engine(f"{engine}[kernels=numba]", MODEL, TRAIN)
    assert "\n" not in str(caught.value)
    assert "kernels" in str(caught.value) and engine in str(caught.value)


# ---- the cache of compiled code --------------------------------------------------------------------------


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """An empty cache folder."""
    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path))
    compiling.code_folder.cache_clear()
    yield tmp_path / "compiled"
    compiling.code_folder.cache_clear()


def new_entry():
    @compiling.entry
    def doubled(x):
        return x + x

    return doubled


def hits(function):
    return sum(function.stats.cache_hits.values())


def test_code_is_compiled_once_and_read_after_that(folder, caplog):
    for start in range(2):
        function = new_entry()
        compiling.prepare(function, np.ones(1, np.float32))
        np.testing.assert_array_equal(function(np.ones(3, np.float32)), 2.0)
        assert hits(function) == start
    assert caplog.text.count("compiling engine compiled") == 1
    assert list(folder.glob("*/*.nbc"))


def test_code_of_another_processor_is_not_used(folder, monkeypatch):
    compiling.prepare(new_entry(), np.ones(1, np.float32))
    monkeypatch.setattr("numba.core.codegen.JITCPUCodegen.magic_tuple", lambda self: ("another", "processor", ""))
    other = new_entry()
    compiling.prepare(other, np.ones(1, np.float32))
    assert hits(other) == 0


def test_damaged_code_is_made_again(folder, caplog):
    compiling.prepare(new_entry(), np.ones(1, np.float32))
    for path in folder.glob("*/*.nb?"):
        path.write_bytes(path.read_bytes()[:20])
    function = new_entry()
    compiling.prepare(function, np.ones(1, np.float32))
    np.testing.assert_array_equal(function(np.ones(3, np.float32)), 2.0)
    assert "cannot be read" in caplog.text


def test_a_folder_that_cannot_be_written_gives_one_line(folder, monkeypatch, caplog):
    (folder.parent / "file").write_text("")
    monkeypatch.setenv("TINYGPT_CACHE", str(folder.parent / "file"))
    compiling.code_folder.cache_clear()
    function = new_entry()
    compiling.prepare(function, np.ones(1, np.float32))
    np.testing.assert_array_equal(function(np.ones(3, np.float32)), 2.0)
    assert caplog.text.count("compiled code is not kept") == 1


def test_both_teams_run_the_same_code():
    tokens = np.zeros((2, 6), np.int64)
    losses = {
        create_engine(f"compiled[threads=2,team={team}]", MODEL, TRAIN).train_step(tokens, tokens).loss
        for team in ("threads", "processes")
    }
    assert len(losses) == 1
    assert len(work.signatures) == 1


def test_a_thread_that_starts_late_runs_no_phase_of_its_own():
    engine = create_engine("compiled[threads=2]", MODEL, TRAIN)
    engine._mailbox.post(np.zeros((2, 6), np.int64), np.zeros((2, 6), np.int64), positions=12)
    engine.arena.flat_gradients[1][:] = 7.0
    team = engine._new_team()  # its thread begins while a batch is there, and nothing is ordered
    deadline = time.monotonic() + 20
    while team._counters[8] != NOTHING and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert team._counters[8] == NOTHING
    assert (engine.arena.flat_gradients[1] == 7.0).all()
