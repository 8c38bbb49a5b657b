from __future__ import annotations

import functools
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from bench.records.machine import fresh_machine
from tinygpt.corpora import Corpus

MEASURING = (
    "measuring.runner", "measuring.accelerator", "training.record_training", "training.race", "training.gallery_cards",
)  # fmt: skip
TEXT = b"".join(b"%d is the square of %d, and %d its cube.\n" % (n * n, n, n**3) for n in range(400))


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """A text that needs no download, big enough for tiny."""
    return Corpus("squares", TEXT[:-2000], TEXT[-2000:], "made here", "tests/bench/conftest.py")


@pytest.fixture
def console() -> Console:
    """A console that is not a terminal; ``console.file.getvalue()`` is what was printed."""
    return Console(file=io.StringIO(), width=160)


@pytest.fixture
def results_root(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture(autouse=True)
def code_at_rest(monkeypatch):
    """Somebody may be editing the code while the tests run; that is noticed, and has a test of its own."""
    monkeypatch.setattr("bench.measuring.runner.code_sha256", lambda: "the same")


@pytest.fixture(autouse=True, scope="session")
def machine_at_rest() -> Iterator[None]:
    """Ask for the machine once, in a process that imports NumPy for it, and not in every run of a test."""
    asked = functools.cache(fresh_machine)
    with pytest.MonkeyPatch.context() as patch:
        for name in MEASURING:
            if module := sys.modules.get(f"bench.{name}"):
                patch.setattr(module, "fresh_machine", asked)
        yield
