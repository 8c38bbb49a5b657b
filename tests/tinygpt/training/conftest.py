"""A run that nothing interrupted, to compare with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tinygpt.training.small_runs import CORPUS, plan
from tinygpt.training.events import Event
from tinygpt.training.session import run_session


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    out = tmp_path_factory.mktemp("whole") / "run"
    return out, list(run_session(plan(out, eval_every=2, sample_every=3, checkpoint_every=4), CORPUS))
