"""A run of trackio's local project ``tinygpt``, under the name of the run's folder: ``trackio show`` draws it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trackio

PROJECT = "tinygpt"


class _Run:
    def __init__(self, run: Any) -> None:
        self._run = run

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def text(self, step: int, name: str, text: str) -> None:
        self._run.log({name: trackio.Markdown(text)}, step=step)

    def close(self) -> None:
        self._run.finish()


def open_tracker(folder: Path, settings: Mapping[str, Any]) -> _Run:
    """Begin a run, or continue the one of this name; nothing of the machine is logged."""
    return _Run(
        trackio.init(
            PROJECT,
            folder.name,
            config=dict(settings),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
    )
