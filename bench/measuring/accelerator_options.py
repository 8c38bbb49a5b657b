"""What ``invoke accelerator`` is asked to measure. The module that measures it imports pandas; this one does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.arms.registry import STEPS_TOGETHER
from tinygpt.presets import PRESETS


@dataclass(frozen=True, kw_only=True)
class AcceleratorOptions:
    """Options of accelerator.

    Attributes:
        out: folder for the rows.
        presets: comma-separated, in this order.
        engines: comma-separated: variants of jax, and peers.
        rounds: of every engine at every preset.
        minutes: no preset starts after that, and none goes on.
        batch: sequences in a batch, instead of the preset's.
        corpus: text that batches are cut from.
        corpus_file: the corpus tinyshakespeare as a file that you have.
        commit: of the code, where it is a copy without the history.
    """

    out: Path
    presets: tuple[str, ...] = tuple(PRESETS)
    engines: tuple[str, ...] = (
        f"jax[dispatch={STEPS_TOGETHER}]",
        "torch-cuda",
        "torch-cuda-compile",
        "torch-cuda-graphs",
    )
    rounds: int = 6
    minutes: float = 8.0
    batch: int | None = None
    corpus: str = "shakespeare"
    corpus_file: str | None = None
    commit: str = ""
