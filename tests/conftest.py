"""Rules for every test: no network beyond this machine, and no file outside the test's own folders."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from invoke.main import program

from tests import ROOT

# Test processes run side by side, one a core. With a thread a core in each of them, BLAS spends more than half of the
# suite's processor time waiting for threads that do not run. Here, because NumPy reads it when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# The suite starts hundreds of processes. Each would translate every module that it imports.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

LOCAL = {"127.0.0.1", "::1", "localhost"}

# The first of two processes builds the site that many tests look at, which takes a minute. Meanwhile the second one has
# these files, longest first; then come the others, those with many tests first.
BUILDS = "tests/sitegen/build/test_site.py"
LONG = (
    "tests/test_documented_commands.py", "tests/sitegen/figures/test_figures.py",
    "tests/bench/planning/test_memory.py", "tests/bench/measuring/test_faults.py",
    "tests/tinygpt/learn/test_course.py", "tests/tinygpt/engines/test_engines.py",
    "tests/tinygpt/engines/test_vectorized.py", "tests/tinygpt/generation/test_coding.py",
    "tests/tinygpt/terminal/test_output.py", "tests/tinygpt/training/test_killed_sessions.py",
    "tests/tinygpt/evaluation/test_grades.py", "tests/bench/measuring/test_against.py",
    "tests/tinygpt/learn/test_grading.py", "tests/sitegen/numbers/test_one_quantity.py",
    "tests/sitegen/figures/test_speedup.py", "tests/bench/statistics/test_simulation.py",
    "tests/bench/training/test_ablation.py", "tests/tinygpt/checkpoints/test_loader_fuzz.py",
    "tests/bench/measuring/test_killed_runs.py", "tests/bench/measuring/test_kernel_times.py",
    "tests/test_documented_python.py", "tests/tinygpt/evaluation/test_evaluation.py",
    "tests/sitegen/documents/test_posts.py", "tests/bench/records/test_many_runs.py",
    "tests/bench/training/test_gallery_adapters.py", "tests/bench/training/test_gallery.py",
    "tests/bench/training/test_clinic.py", "tests/sitegen/tables/test_minutes.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first, so that at the end no process waits for another that has just begun one of them."""
    place = {name: number for number, name in enumerate((BUILDS, *LONG))}
    files = [item.nodeid.partition("::")[0] for item in items]
    size = Counter(files)

    def rank(named: tuple[str, pytest.Item]) -> tuple[int, int]:
        return place.get(named[0], len(place)), -size[named[0]]

    items[:] = [item for _, item in sorted(zip(files, items, strict=True), key=rank)]


def pytest_collection_finish() -> None:
    """Take what was imported for all tests out of the garbage collector's rounds, and of what forks copy."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Fail a test that opens a connection to another machine."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOCAL:
            raise AssertionError(f"a test tried to connect to {address[0]}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True, scope="session")
def interruptible():
    """Let Ctrl-C work in tests and the processes that they start, also where tests run in processes that ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def shared_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder that all processes of a session share; the first one that asks makes it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Keep the user's corpus cache out of the tests, and the tests out of the user's cache.

    Only compiled code is kept, in pytest's own cache: it takes half a minute, and its folder's name is that of its
    sources.
    """
    patch = pytest.MonkeyPatch()
    cache = shared_folder(tmp_path_factory, "cache")
    patch.setenv("TINYGPT_CACHE", str(cache))
    compiled = ROOT / ".pytest_cache" / "compiled"
    compiled.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        (cache / "compiled").symlink_to(compiled)
    yield
    patch.undo()


Typed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Typed:
    """Run a command in an empty folder and in this process, which spares each the start of an interpreter."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["invoke", "--search-root", str(ROOT), *words])
        code = 0
        try:
            program.run()
        except SystemExit as ended:
            code = ended.code or 0
        return subprocess.CompletedProcess(words, code, *capfd.readouterr())

    return run


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ``HOME``, and a user without an account, as in many containers."""
    for name in ("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("getpwuid", "getpwnam"):
        monkeypatch.setattr(f"pwd.{name}", lambda _user: {}["no account"])
