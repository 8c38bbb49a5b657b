"""The measuring tasks: bench, compare, results, estimate, doctor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from invoke import Context, Exit, task

from tinygpt.errors import ConfigError
from tinygpt.terminal.options import real_number, reports_errors, results_folder, whole_number


@task(
    help={
        "suite": "quick (minutes), standard (a quarter of an hour), full, variants, peers (hours), or generation",
        "presets": "comma-separated; the suite's when omitted",
        "engines": "comma-separated, variants too; the suite's when omitted",
        "corpus": "what the batches are cut from",
        "seed": "of the starting weights and the batches",
        "kernels": "measure the parts of a step and the forms of its kernels: the suite `kernels`",
        "resume": "go on with this run (or `last`) where it stopped, under the conditions it began with",
        "against": "measure this checkout against another commit, interleaved; exit code 3 if it is slower, twice",
        "threshold": "with --against: slower by less than this is fine",
    }
)
@reports_errors
def bench(
    c: Context,
    suite: str = "quick",
    presets: str = "",
    engines: str = "",
    corpus: str = "shakespeare",
    seed: str = "0",
    kernels: bool = False,
    resume: str = "",
    against: str = "",
    threshold: str = "0.05",
) -> None:
    """Measure step times, one fresh process per cell; rows go to results/local/."""
    if resume:
        code = _resume(resume)
    elif against:
        at_most = real_number("threshold", threshold)
        code = _measure_against(against, presets, engines, corpus, whole_number("seed", seed), at_most)
    else:
        code = measure("kernels" if kernels else suite, presets, engines, corpus, whole_number("seed", seed))
    if code:
        raise Exit(code=code)


def _resume(run_id: str) -> int:
    """Go on with a run and print what it has measured; returns the process's exit code."""
    from bench.measuring.runner import resume_run
    from bench.terminal.show import print_run

    summary = resume_run(run_id, results_folder())
    print_run(summary, results_folder())
    return summary.exit_code


def _measure_against(revision: str, presets: str, engines: str, corpus: str, seed: int, threshold: float) -> int:
    """Measure against a commit and print both looks; returns the process's exit code."""
    from bench.arms.variants import split_names
    from bench.measuring.against import run_against
    from bench.terminal.show import print_comparison

    done = run_against(revision, results_folder(), split_names(presets), split_names(engines), corpus, seed, threshold)
    for comparison in done.comparisons:
        print_comparison(comparison)
    return done.exit_code


@task(
    help={
        "before": "a run's id, or the beginning of a commit",
        "after": "likewise",
        "threshold": "slower by less than this is fine",
    }
)
@reports_errors
def compare(c: Context, before: str, after: str, threshold: str = "0.05") -> None:
    """Compare two stored runs or commits, cell by cell; exit code 3 if the second is slower, 4 if cells are missing."""
    from bench.statistics.compare import compare_stored
    from bench.terminal.show import print_comparison

    comparison = compare_stored(results_folder(), before, after, real_number("threshold", threshold))
    print_comparison(comparison)
    if comparison.exit_code:
        raise Exit(code=comparison.exit_code)


def measure(suite: str, presets: str, engines: str, corpus: str, seed: int) -> int:
    """Run a suite and print what came out; returns the process's exit code."""
    from bench.arms.suites import select_suite
    from bench.arms.variants import split_names
    from bench.measuring.runner import run_suite
    from bench.terminal.show import print_run

    selected = select_suite(suite, split_names(presets), split_names(engines))
    summary = run_suite(selected, results_folder(), corpus, seed)
    print_run(summary, results_folder())
    return summary.exit_code


@task(
    positional=["action"],
    help={
        "action": "show, publish, merge or export",
        "run-id": "this run only, when showing or publishing",
        "all": "show older runs of the same cells, too",
        "force": "publish runs with uncommitted changes, too",
        "look-only": "say what would be published, and add nothing",
        "dirs": "with merge: results folders of other machines, comma-separated",
        "format": "of an export: csv, json or parquet",
        "out": "folder of an export",
    },
)
@reports_errors
def results(
    c: Context,
    action: str,
    run_id: str = "",
    all: bool = False,
    force: bool = False,
    look_only: bool = False,
    dirs: str = "",
    format: str = "csv",
    out: str = "export",
) -> None:
    """Show what was measured, publish local rows into the committed ones, merge other machines' in, or export all."""
    from bench.arms.variants import split_names
    from bench.records import merge, publishing, store
    from bench.terminal import show

    actions: dict[str, Callable[[], None]] = {
        "show": lambda: show.print_results(results_folder(), run_id=run_id or None, every_run=all),
        "publish": lambda: show.print_publication(
            publishing.publish_runs(results_folder(), split_names(run_id), force, look_only)
        ),
        "merge": lambda: show.print_merged(merge.merge_results(results_folder(), [*map(Path, split_names(dirs))])),
        "export": lambda: print(*store.export(results_folder(), Path(out), format), sep="\n"),
    }
    if action not in actions:
        raise ConfigError(f"results action is {action!r}", ", ".join(actions), "invoke results show")
    actions[action]()


@task(
    help={
        "minutes": "of training",
        "preset": "one preset, told in full; all of them when omitted",
        "engine": "python, numpy or vectorized",
        "corpus": "what would be trained on",
    }
)
@reports_errors
def estimate(
    c: Context, minutes: str = "15", preset: str = "", engine: str = "vectorized", corpus: str = "shakespeare"
) -> None:
    """Say what some minutes on this machine would give: steps, tokens, and the loss to expect."""
    from bench.terminal.show_cost import print_estimate

    print_estimate(results_folder(), real_number("minutes", minutes), preset or None, engine, corpus)


@task
@reports_errors
def doctor(c: Context) -> None:
    """Look at this machine: BLAS kernel, threads, memory, what fits, what is missing and what mends it."""
    from bench.terminal.show_doctor import print_doctor

    code = print_doctor(results_folder())
    if code:
        raise Exit(code=code)
