from __future__ import annotations

import fcntl
import pickle

import pytest

from sitegen.build.site import BuiltSite
from tests.conftest import shared_folder
from tests.sitegen.example import build_example


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltSite:
    """The real pages over made-up results, built once: by the first of the test processes that asks."""
    folder = shared_folder(tmp_path_factory, "checkout")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = folder / "built"
        if not kept.exists():
            kept.write_bytes(pickle.dumps(build_example(folder)))
        return pickle.loads(kept.read_bytes())
