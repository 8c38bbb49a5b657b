"""The options of ``invoke accelerator``, in a module that does not import pandas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.arms.registry import STEPS_TOGETHER
from tinygpt.presets import LADDER
from tinygpt.terminal.options import REQUIRED, option


@dataclass(frozen=True, kw_only=True)
class AcceleratorOptions:
    """Options of accelerator."""

    out: Path = option(REQUIRED, "folder for the rows")
    presets: tuple[str, ...] = option(tuple(LADDER), "comma-separated, in this order")
    engines: tuple[str, ...] = option(
        (
            f"jax[dispatch={STEPS_TOGETHER}]",
            "torch-cuda",
            "torch-cuda-compile",
            "torch-cuda-graphs",
            "torch-cuda-compile-graphs",
        ),
        "comma-separated: variants of jax, and peers",
    )
    rounds: int = option(6, "of every engine at every preset")
    minutes: float = option(8.0, "no preset starts after that, and none goes on")
    batch: int | None = option(None, "sequences in a batch, instead of the preset's")
    context: int | None = option(None, "tokens in a sequence, instead of the preset's")
    corpus: str = option("shakespeare", "text that batches are cut from")
    corpus_file: str | None = option(None, "the corpus tinyshakespeare as a file that you have")
    commit: str = option("", "of the code, where it is a copy without the history")
