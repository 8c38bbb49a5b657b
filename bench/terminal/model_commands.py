"""The tasks race, sweep, ablate, clinic and gallery, which train models to compare or to publish."""

from __future__ import annotations

from pathlib import Path

from bench.training.options import AblateOptions, ClinicOptions, GalleryOptions, RaceOptions, SweepOptions
from tinygpt.terminal.checkout import results_folder
from tinygpt.terminal.quantities import or_dash
from tinygpt.terminal.tasks import task


@task(needs="bench")
def race(options: RaceOptions) -> int:
    """Train recipes with several engines, one after another, and record when each reaches a loss."""
    from bench.terminal.show_race import print_evaluation_line, print_race
    from bench.training.race import Race, programs, run_race
    from tinygpt.corpora import load_corpus
    from tinygpt.training.plan import TrainingPlan

    plan = TrainingPlan.of(options, out=Path("runs/race"), steps=options.steps)
    corpus = load_corpus(options.corpus, path=options.corpus_file)
    racing = programs(plan, options.engines, options.nanogpt, options.seeds)
    settings = Race(racing, options.target, options.evaluations)
    result = run_race(settings, corpus, results_folder(), print_evaluation_line)
    print_race(result)
    return result.exit_code


@task(needs="bench")
def sweep(options: SweepOptions) -> int:
    """Train at several learning rates and record every run; the site has a figure of the sweep."""
    from bench.training.sweep import run_sweep
    from tinygpt.corpora import load_corpus
    from tinygpt.training.plan import TrainingPlan

    plan = TrainingPlan.of(options, out=Path("runs/sweep"), steps=options.steps)
    for point in run_sweep(plan, load_corpus(options.corpus), results_folder(), options.rates, options.recipes):
        loss = or_dash(point.held_out_loss, ".4f")
        print(f"{point.recipe:<10} {point.learning_rate:<8g} {point.status:<12} held-out loss {loss}", flush=True)
        if point.exit_code:
            return point.exit_code
    return 0


@task(needs="bench")
def ablate(options: AblateOptions) -> int:
    """Train a recipe with one thing changed at a time, with several seeds, and record every run."""
    from bench.records.provenance import vouched_provenance
    from bench.training.ablation import run_ablation
    from tinygpt.corpora import load_corpus
    from tinygpt.training.plan import TrainingPlan

    plan = TrainingPlan.of(options, out=Path("runs/ablation"), steps=options.steps)
    corpus = load_corpus(options.corpus, path=options.corpus_file)
    code = vouched_provenance(options.commit)
    for outcome in run_ablation(plan, corpus, results_folder(), options.ideas, options.seeds, code):
        loss = "diverged" if outcome.held_out_loss is None else f"{outcome.held_out_loss:.4f}"
        print(f"{outcome.idea:<13} seed {outcome.seed}  {outcome.steps:,} steps  held-out loss {loss}", flush=True)
        if outcome.exit_code:
            return outcome.exit_code
    return 0


@task(needs="bench")
def clinic(options: ClinicOptions) -> int:
    """Train small models with one thing wrong each, record them, and run the checks that find it."""
    from bench.terminal.show_clinic import print_evaluation, print_outcomes
    from bench.training.clinic import run_clinic
    from bench.training.clinic_cases import chosen_cases
    from tinygpt.corpora import load_corpus

    cases, corpus = chosen_cases(options.cases), load_corpus(options.corpus)
    runs = run_clinic(cases, corpus, options.steps, options.seed, results_folder(), print_evaluation)
    return print_outcomes([*runs])


@task(needs="bench")
def gallery(options: GalleryOptions) -> int:
    """Make a model or an adapter of the gallery: train, evaluate, store, write the card."""
    from bench.training.gallery_run import regrade, train_for_gallery, write_to_gallery

    if options.action == "judge":
        regrade(options)
        return 0
    if options.action == "train" and (code := train_for_gallery(options, results_folder())):
        return code
    write_to_gallery(options)
    return 0
