"""The tests mirror the packages: ``tests/tinygpt/checkpoints/`` is about ``tinygpt/checkpoints/``."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def environment(**changes: str) -> dict[str, str]:
    """Variables of a process that finds this checkout's packages from any folder."""
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "site")))} | changes
