"""The tasks bench, compare, results, estimate and doctor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from bench.training.options import ENGINE
from tinygpt.engines import DEFAULT_ENGINE
from tinygpt.errors import ConfigError
from tinygpt.terminal.checkout import results_folder
from tinygpt.terminal.options import REQUIRED, option
from tinygpt.terminal.tasks import task


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """Options of bench."""

    suite: str = option(
        "quick",
        "quick (minutes), standard (a quarter of an hour), full, variants, peers (hours), generation, history",
    )
    presets: tuple[str, ...] = option((), "comma-separated; the suite's when omitted")
    engines: tuple[str, ...] = option((), "comma-separated, variants too; the suite's when omitted")
    corpus: str = option("shakespeare", "text that batches are cut from")
    seed: int = option(0, "seed of the starting weights and the batches")
    rounds: int | None = option(None, "rounds of each arm that is not slow; with --against, the most")
    kernels: bool = option(False, "measure the parts of a step and the forms of its kernels (the suite `kernels`)")
    resume: str = option("", "continue this run (or `last`), if machine, code and text are the same")
    against: str = option(
        "", "measure this checkout against another commit, interleaved; exit code 3 if it is slower, 5 if undecided"
    )
    threshold: float = option(0.05, "with --against: the largest slowdown that is allowed")


@task(needs="bench")
def bench(options: BenchOptions) -> int:
    """Measure step times, one fresh process per cell; rows go to results/local/."""
    if options.resume:
        from bench.measuring.runner import resume_run
        from bench.terminal.show import print_run

        summary = resume_run(options.resume, results_folder())
        print_run(summary, results_folder())
        return summary.exit_code
    if options.against:
        from bench.measuring.against import run_against
        from bench.statistics.sequential import PLANNED_ROUNDS
        from bench.terminal.show import print_comparison

        arms = (options.presets, options.engines, options.corpus, options.seed)
        rounds = PLANNED_ROUNDS if options.rounds is None else options.rounds
        done = run_against(options.against, results_folder(), *arms, options.threshold, rounds)
        print_comparison(done.comparison)
        return done.exit_code
    return measure(options)


def measure(options: BenchOptions) -> int:
    """Run a suite and print its results; return the process's exit code."""
    from bench.arms.suites import select_suite
    from bench.measuring.runner import run_suite
    from bench.measuring.trees import run_commits
    from bench.terminal.show import print_run

    name = "kernels" if options.kernels else options.suite
    selected = select_suite(name, options.presets, options.engines, options.rounds)
    run = run_commits if selected.has_commits else run_suite
    summary = run(selected, results_folder(), options.corpus, options.seed)
    print_run(summary, results_folder())
    return summary.exit_code


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Options of compare."""

    before: str = option(
        REQUIRED,
        "a run's id, a commit's first characters, a variant or RUN/VARIANT, from `invoke results show --all`",
    )
    after: str = option(REQUIRED, "the same of the second side")
    threshold: float = option(0.05, "the largest slowdown that is allowed")


@task(needs="bench")
def compare(options: CompareOptions) -> int:
    """Compare two stored runs, commits or variants; exit code 3 if the second is slower, 5 if undecided."""
    from bench.statistics.compare import compare_stored
    from bench.terminal.show import print_comparison

    comparison = compare_stored(results_folder(), options.before, options.after, options.threshold)
    print_comparison(comparison)
    return comparison.exit_code


@dataclass(frozen=True, kw_only=True)
class ResultsOptions:
    """Options of results."""

    action: Literal["show", "publish", "merge", "export", "calibrate", "pack", "add"] = option(
        REQUIRED,
        "show, publish, merge, export; pack: a run as one file, to give away; add: such a file to the contributed "
        "rows; calibrate: test the statistics by simulation on the rows",
    )
    file: Path | None = option(None, "with add: a pack, or a folder of packs", leading=True)
    run_id: tuple[str, ...] = option((), "show, publish or pack only this run")
    all: bool = option(False, "also show older runs of the same cells")
    force: bool = option(False, "also publish runs with uncommitted changes")
    look_only: bool = option(False, "print what would be published or added, and add nothing")
    dirs: tuple[str, ...] = option((), "with merge: results folders of other machines, comma-separated")
    format: str = option("csv", "of an export: csv, json or parquet")
    out: Path = option(Path("export"), "folder of an export or a pack")
    replace: bool = option(False, "overwrite files of an earlier export")


@task(needs="bench")
def results(options: ResultsOptions) -> None:
    """Show, publish, merge, export, pack, add or calibrate: what is measured, and what becomes of it."""
    _ACTIONS[options.action](options, results_folder())


def _show(options: ResultsOptions, root: Path) -> None:
    from bench.terminal.show import print_results

    print_results(root, run_id=",".join(options.run_id) or None, every_run=options.all)


def _publish(options: ResultsOptions, root: Path) -> None:
    from bench.records.publishing import publish_runs
    from bench.terminal.show import print_publication

    print_publication(publish_runs(root, options.run_id, options.force, options.look_only))


def _merge(options: ResultsOptions, root: Path) -> None:
    from bench.records.merge import merge_results
    from bench.terminal.show import print_merged

    print_merged(merge_results(root, [*map(Path, options.dirs)]))


def _export(options: ResultsOptions, root: Path) -> None:
    from bench.records.export import export

    print(*export(root, options.out, options.format, options.replace), sep="\n")


def _calibrate(_: ResultsOptions, root: Path) -> None:
    from bench.terminal.show_calibration import print_calibrations

    print_calibrations(root)


def _pack(options: ResultsOptions, root: Path) -> None:
    from bench.contributing.pack import make_pack
    from bench.terminal.show_packs import print_pack

    print_pack(make_pack(root, options.out, options.run_id))


def _add(options: ResultsOptions, root: Path) -> None:
    from bench.contributing.adding import add_packs
    from bench.terminal.show_packs import print_additions

    if options.file is None:
        raise ConfigError("results add was not given a file", "a pack, or a folder of packs", "invoke results add FILE")
    print_additions(add_packs(root, options.file, options.look_only))


_ACTIONS: Mapping[str, Callable[[ResultsOptions, Path], None]] = MappingProxyType(
    {
        "show": _show,
        "publish": _publish,
        "merge": _merge,
        "export": _export,
        "calibrate": _calibrate,
        "pack": _pack,
        "add": _add,
    }
)


@dataclass(frozen=True, kw_only=True)
class EstimateOptions:
    """Options of estimate."""

    minutes: float = option(15.0, "of training")
    preset: str | None = option(None, "one preset, in more detail; all when omitted")
    engine: str = option(DEFAULT_ENGINE, ENGINE)
    corpus: str = option("shakespeare", "text to train on")


@task(needs="bench")
def estimate(options: EstimateOptions) -> None:
    """Estimate the result of some minutes of training on this machine: steps, tokens and loss."""
    from bench.terminal.show_cost import print_estimate
    from tinygpt.corpora import require_corpus

    require_corpus(options.corpus)
    print_estimate(results_folder(), options.minutes, options.preset, options.engine, options.corpus)


@task()
def doctor() -> int:
    """Check this machine and installation, and print the command that fixes each problem."""
    from bench.terminal.show_doctor import print_doctor

    return print_doctor(results_folder())
