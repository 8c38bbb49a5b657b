"""Options of the tasks that train, in a module that does not import pandas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tinygpt.engines import DEFAULT_ENGINE
from tinygpt.terminal.options import REQUIRED, option

# nanoGPT's README has 1.88 for its CPU recipe, an average over random batches. Over the whole held-out tenth the recipe
# ends slightly higher, depending on the seed.
NANOGPT_TARGET = 1.9

_SEED = "seed of the starting weights and the batches"
_SEEDS = "comma-separated seeds of the starting weights and the batches"
ENGINE = "an engine that trains; auto for the fastest that this machine has"
_CORPUS_FILE = "your own copy of the corpus tinyshakespeare"
_RATE = "a rate instead of the recipe's"
_COMMIT = "commit of the code, for a copy without the history"


@dataclass(frozen=True, kw_only=True)
class RaceOptions:
    """Options of race."""

    engines: tuple[str, ...] = option(
        (DEFAULT_ENGINE, "torch", "torch-mkl-avx512"),
        "comma-separated, of this project (auto for its fastest) and peers; ratios are against the first",
    )
    preset: str = option("nanogpt", "model and batch; nanogpt is nanoGPT's for a CPU")
    corpus: str = option("tinyshakespeare", "text to train on")
    corpus_file: Path | None = option(None, _CORPUS_FILE)
    recipe: str = option("nanogpt", "constant, warmup, cosine, stable, muon or nanogpt")
    steps: int = option(2000, "updates")
    learning_rate: float | None = option(None, _RATE)
    dropout: float | None = option(None, "share of the numbers that dropout sets to 0; peers have no dropout")
    target: float = option(NANOGPT_TARGET, "held-out loss to reach, nats per byte")
    nanogpt: tuple[str, ...] = option((), "engines that train nanoGPT's recipe for a CPU in the same race")
    evaluations: int = option(40, "evaluations of each program, at which the loss is looked at")
    seeds: tuple[int, ...] = option((0,), _SEEDS)


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Options of sweep."""

    preset: str = option("tiny", "model and batch")
    corpus: str = option("shakespeare", "text to train on")
    engine: str = option(DEFAULT_ENGINE, ENGINE)
    steps: int = option(2000, "updates of each run")
    # Half-decades around the reference's rate, 3e-4, and the original's default, 3e-3.
    rates: tuple[float, ...] = option((1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2), "comma-separated learning rates")
    recipes: tuple[str, ...] = option(
        ("constant", "warmup", "cosine"), "comma-separated: constant, warmup, cosine, stable, muon, nanogpt"
    )
    seed: int = option(0, _SEED)


@dataclass(frozen=True, kw_only=True)
class AblateOptions:
    """Options of ablate."""

    preset: str = option("medium", "model and batch")
    corpus: str = option("tinyshakespeare", "text to train on")
    corpus_file: Path | None = option(None, _CORPUS_FILE)
    engine: str = option(DEFAULT_ENGINE, ENGINE)
    recipe: str = option("muon", "the recipe that the ideas change")
    steps: int = option(3000, "updates of each run")
    ideas: tuple[str, ...] = option(
        (
            "none",
            "adamw",
            "adamw-cosine",
            "cosine",
            "half-rate",
            "double-rate",
            "half-batch",
            "double-batch",
            "dropout",
        ),
        "comma-separated, also constant, no-warmup and more-dropout",
    )
    seeds: tuple[int, ...] = option((0, 1, 2), _SEEDS)
    commit: str = option("", _COMMIT)


@dataclass(frozen=True, kw_only=True)
class ClinicOptions:
    """Options of clinic."""

    cases: tuple[str, ...] = option(
        (), "comma-separated: healthy, shift, mask, rate, text, norm, score; all by default"
    )
    corpus: str = option("stories", "text to train on")
    steps: int = option(800, "updates of each run")
    seed: int = option(0, _SEED)


@dataclass(frozen=True, kw_only=True)
class GalleryOptions:
    """Options of gallery."""

    action: Literal["train", "card", "judge"] = option(
        REQUIRED,
        "train (then evaluate and store), card (evaluate and store a finished run again) or judge (evaluate the stored "
        "weights again)",
    )
    name: str = option(
        REQUIRED, "shakespeare, kjv, python, stories or shakespeare-bytes, or an adapter such as stories-shakespeare"
    )
    out: Path | None = option(None, "folder of the run; runs/gallery-NAME by default")
    resume: bool = option(False, "continue a run that was stopped")
    preset: str | None = option(None, "shape and batch, instead of the table's")
    tokenizer: str | None = option(None, "such as bpe:2048, instead of the table's")
    recipe: str | None = option(None, "constant, warmup, cosine, stable, muon or nanogpt, instead of the table's")
    steps: int | None = option(None, "updates, instead of the table's")
    dropout: float | None = option(None, "share of the numbers that dropout sets to 0, instead of the table's")
    engine: str | None = option(None, "a variant that trains, instead of the table's")
    precision: str = option("int8", "of the stored weights: int8 or float16")
    shelf: Path | None = option(None, "folder of models to store it in, or to judge it from; the package's by default")
    unjudged: bool = option(False, "store the model without an evaluation, which judge adds, also on another machine")
    commit: str = option("", _COMMIT)


@dataclass(frozen=True, kw_only=True)
class AcceleratorTrainingOptions:
    """Options of accelerator-train."""

    out: Path = option(REQUIRED, "folder for the rows and the best checkpoint")
    preset: str = option("huge", "model to train")
    engine: str = option("jax[dispatch=8]", "a variant of jax")
    corpus: str = option("shakespeare", "text to train on")
    corpus_file: Path | None = option(None, _CORPUS_FILE)
    tokenizer: str | None = option(
        None, "bytes when omitted; bpe:2048 (trained on the corpus), gpt2, or the path of a tokenizer.json"
    )
    recipe: str = option("nanogpt", "constant, warmup, cosine, stable, muon or nanogpt")
    learning_rate: float | None = option(None, _RATE)
    dropout: float = option(0.2, "share of the numbers that dropout sets to 0")
    batch: int = option(64, "sequences in a batch")
    seed: int = option(0, _SEED)
    minutes: float = option(9.0, "in total")
    steps: int | None = option(None, "updates, instead of as many as fit into the minutes")
    eval_batches: int = option(16, "held-out batches per evaluation")
    evaluations: int = option(40, "evaluations of the whole run")
    suite: Literal["train", "tokenizers"] = option("train", "of the rows: tokenizers for a comparison of tokenizers")
    commit: str = option("", _COMMIT)
