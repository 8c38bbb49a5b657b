"""The tests mirror the packages: ``tests/tinygpt/checkpoints/`` is about ``tinygpt/checkpoints/``."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
