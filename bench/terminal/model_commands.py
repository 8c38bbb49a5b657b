"""Tasks that train models to compare or to ship: race to a loss, sweep the learning rate, make the gallery."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tinygpt.terminal.checkout import results_folder
from tinygpt.terminal.options import REQUIRED, option
from tinygpt.terminal.quantities import or_dash
from tinygpt.terminal.tasks import task


@dataclass(frozen=True, kw_only=True)
class RaceOptions:
    """Options of race."""

    engines: tuple[str, ...] = option(
        ("vectorized", "torch", "torch-mkl-avx512"), "comma-separated: ours and peers; ratios are against the first"
    )
    preset: str = option("nanogpt", "model and batch; nanogpt is nanoGPT's for a CPU")
    corpus: str = option("tinyshakespeare", "what all of them train on")
    corpus_file: str | None = option(None, "the corpus tinyshakespeare as a file that you have")
    recipe: str = option("nanogpt", "constant, warmup, cosine or nanogpt")
    steps: int = option(2000, "updates")
    learning_rate: float | None = option(None, "instead of the recipe's")
    dropout: float | None = option(None, "share of the numbers that dropout sets to 0; peers have none")
    target: float = option(1.9, "held-out loss to reach, nats per byte")
    seed: int = option(0, "of the starting weights and the batches")


@task(needs="bench")
def race(options: RaceOptions) -> int:
    """Train one recipe with several engines, one after the other, and record who reaches a loss when."""
    from bench.terminal.show_race import print_evaluation_line, print_race
    from bench.training.race import Race, run_race
    from tinygpt.corpora import load_corpus
    from tinygpt.training.plan import TrainingPlan

    plan = TrainingPlan(
        Path("runs/race"),
        preset=options.preset,
        corpus=options.corpus,
        steps=options.steps,
        seed=options.seed,
        recipe=options.recipe,
        learning_rate=options.learning_rate,
        dropout=options.dropout,
    )
    wanted = Race(plan, options.engines, options.target)
    text = load_corpus(options.corpus, path=options.corpus_file)
    result = run_race(wanted, text, results_folder(), print_evaluation_line)
    print_race(result)
    return result.exit_code


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Options of sweep."""

    preset: str = option("tiny", "model and batch")
    corpus: str = option("shakespeare", "what is trained on")
    engine: str = option("vectorized", "python, numpy or vectorized")
    steps: int = option(2000, "updates of each run")
    rates: tuple[float, ...] = option((1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2), "comma-separated learning rates")
    recipes: tuple[str, ...] = option(
        ("constant", "warmup", "cosine"), "comma-separated: constant, warmup, cosine, nanogpt"
    )
    seed: int = option(0, "of the starting weights and the batches")


@task(needs="bench")
def sweep(options: SweepOptions) -> int:
    """Train at several learning rates and record every run; the figure of the sweep is on the site."""
    from bench.training.sweep import run_sweep
    from tinygpt.corpora import load_corpus
    from tinygpt.training.plan import TrainingPlan

    plan = TrainingPlan(
        Path("runs/sweep"),
        preset=options.preset,
        corpus=options.corpus,
        engine=options.engine,
        steps=options.steps,
        seed=options.seed,
    )
    for point in run_sweep(plan, load_corpus(options.corpus), results_folder(), options.rates, options.recipes):
        loss = or_dash(point.held_out_loss, ".4f")
        print(f"{point.recipe:<10} {point.learning_rate:<8g} {point.status:<12} held-out loss {loss}", flush=True)
        if point.exit_code:
            return point.exit_code
    return 0


@dataclass(frozen=True, kw_only=True)
class GalleryOptions:
    """Options of gallery."""

    action: Literal["train", "card"] = option(
        REQUIRED, "train (then evaluate and store) or card (evaluate and store a finished run again)"
    )
    name: str = option(REQUIRED, "shakespeare, kjv, python or stories")
    out: Path | None = option(None, "folder of the run; runs/gallery-NAME when omitted")
    resume: bool = option(False, "go on with a run that was stopped")
    steps: int | None = option(None, "updates, instead of the table's")
    precision: str = option("int8", "of the stored weights: int8 or float16")


@task(needs="bench")
def gallery(options: GalleryOptions) -> int:
    """Make the models that come with the package: train, evaluate, store in int8, write the card."""
    from bench.training.gallery_run import train_for_gallery, write_to_gallery

    if options.action == "train":
        code = train_for_gallery(options.name, options.out, results_folder(), options.resume, options.steps)
        if code:
            return code
    write_to_gallery(options.name, options.out, options.precision, options.steps)
    return 0
