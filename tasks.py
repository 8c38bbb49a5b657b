"""Invoke tasks: where training, measuring and publishing meet. Each is a typed signature and a call into a library.

``invoke NAME`` works in a checkout; the console script ``tinygpt NAME`` offers the same tasks anywhere.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from invoke import Collection, Context, Exit, Program, task

from tinygpt import __version__
from tinygpt.errors import ConfigError, MissingDependencyError, StorageError, TinyGPTError

# Module that an optional part imports → the extra that installs it.
EXTRA_OF = {
    "altair": "site",
    "hypothesis": "dev",
    "math_core": "site",
    "mkdocs": "site",
    "mypy": "dev",
    "pandas": "bench",
    "playwright": "dev",
    "pyarrow": "bench",
    "pytest": "dev",
    "ruff": "dev",
    "scipy": "bench",
    "torch": "parity",
    "transformers": "parity",
    "vl_convert": "site",
}


def _reports_errors(body: Callable[..., Any]) -> Callable[..., Any]:
    """Turn an error that is the user's to mend into its one line and an exit code other than 0."""

    @functools.wraps(body)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return body(*args, **kwargs)
        except TinyGPTError as error:
            raise Exit(f"error: {error}", error.exit_code) from None
        except ModuleNotFoundError as error:
            name = (error.name or "").split(".")[0]
            if name not in EXTRA_OF:
                raise
            missing = _missing(name)
            raise Exit(f"error: {missing}", missing.exit_code) from None
        except BrokenPipeError:  # the reader has seen enough, as in `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise Exit(code=0) from None
        except OSError as error:
            storage = StorageError(
                f"{error.filename or 'a file'}: {error.strerror or error}", "files and folders that can be used"
            )
            raise Exit(f"error: {storage}", storage.exit_code) from None
        except KeyboardInterrupt:
            raise Exit("stopped", 130) from None

    return run


def _missing(module: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"this task needs {module}, which is not installed", run=f"python -m pip install 'tinygpt[{EXTRA_OF[module]}]'"
    )


def _tool(module: str, *arguments: str) -> None:
    """Run a Python tool of the extras in the project's folder; its exit code is the task's."""
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise _missing(module)
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=_project_root(), check=False)
    if done.returncode:
        raise Exit(code=done.returncode)


def _is_checkout(folder: Path) -> bool:
    """Whether a folder is this project's: somebody else's may have a mkdocs.yml too."""
    return (folder / "mkdocs.yml").is_file() and (folder / "site" / "sitegen").is_dir()


def _root() -> Path:
    """The checkout around the current folder, as Invoke finds tasks.py from below; elsewhere the current folder."""
    here = Path.cwd()
    return next(filter(_is_checkout, (here, *here.parents)), here)


def _project_root() -> Path:
    """The checkout: tasks that build or test it make sense nowhere else."""
    root = _root()
    if not _is_checkout(root):
        raise ConfigError(
            f"there is no TinyGPT checkout in or above {root.name!r}", "the project's own folder", "cd to the checkout"
        )
    return root


def _results() -> Path:
    """The results folder, as short as it can be written from here."""
    return Path(os.path.relpath(_root() / "results"))


def _whole(option: str, text: str) -> int:
    """An option's whole number. Options come as text: Invoke's own conversion answers a slip with a traceback."""
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"--{option} is {text!r}", "a whole number", "invoke --list") from None


def _number(option: str, text: str) -> float:
    """An option's number."""
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"--{option} is {text!r}", "a number", "invoke --list") from None


# ---- train and sample --------------------------------------------------------------------------------


@task(
    help={
        "preset": "model and batch: tiny, small, medium, large, xl, huge, massive, mega or behemoth",
        "corpus": "shakespeare, kjv, python, stories, tinyshakespeare, file:PATH or hf:OWNER/NAME",
        "engine": "python, numpy or vectorized, with options as in vectorized[threads=1]",
        "steps": "updates in the whole run",
        "seed": "of the starting weights and the batches",
        "out": "folder of the checkpoint; runs/CORPUS-PRESET when omitted",
        "resume": "go on from the checkpoint in --out",
        "corpus-file": "the corpus tinyshakespeare as a file that you have",
        "learning-rate": "instead of the preset's",
        "prompt": "what the samples continue",
        "record": "write the run's steps and samples to results/local/",
        "ignore-memory": "start even if the model is predicted not to fit",
    }
)
@_reports_errors
def train(
    c: Context,
    preset: str = "small",
    corpus: str = "shakespeare",
    engine: str = "vectorized",
    steps: str = "1000",
    seed: str = "0",
    out: str = "",
    resume: bool = False,
    corpus_file: str = "",
    learning_rate: str = "",
    prompt: str = "",
    record: bool = False,
    ignore_memory: bool = False,
) -> None:
    """Train a preset on a corpus; Ctrl-C saves, --resume goes on."""
    from bench.capacity import require_room_to_train
    from tinygpt.plan import TrainingPlan

    plan = TrainingPlan(
        out=Path(out or f"runs/{corpus.partition(':')[0]}-{preset}"),
        preset=preset,
        corpus=corpus,
        engine=engine,
        steps=_whole("steps", steps),
        seed=_whole("seed", seed),
        learning_rate=_number("learning-rate", learning_rate) if learning_rate else None,
        prompt=prompt,
    )
    if not ignore_memory:
        require_room_to_train(plan.engine, plan.preset, record)
    code = _run_plan(plan, corpus_file or None, resume, record)
    if code:
        raise Exit(code=code)


def _run_plan(plan: Any, corpus_file: str | None, resume: bool, record: bool) -> int:
    """Train with the live view, recording when asked to; returns the process's exit code."""
    from tinygpt.corpora import load_corpus
    from tinygpt.events import StopRecord
    from tinygpt.session import run_session
    from tinygpt.stopping import StopRequest
    from tinygpt.view import watch

    corpus = load_corpus(plan.corpus, path=corpus_file)
    print(f"corpus {corpus.name}: {corpus.licence}", flush=True)
    stop = StopRequest()
    events = watch(run_session(plan, corpus, resume=resume, stop=stop), stop=stop)
    if record:
        from bench.record_training import record_events

        events = record_events(events, _results())
    code = 0
    for event in events:
        if isinstance(event, StopRecord):
            code = event.exit_code
    return code


@task(
    iterable=["prompt"],
    help={
        "checkpoint": "folder that `invoke train` wrote, or any GPT-2 folder with a byte vocabulary",
        "prompt": "text to continue; given several times, the texts are written together",
        "tokens": "how many to generate",
        "temperature": "0 for the likeliest token each time",
        "top-k": "choose among the k likeliest tokens; 0 for all",
        "seed": "of the random choices; every further text's is one more",
        "count": "texts for each prompt",
    },
)
@_reports_errors
def sample(
    c: Context,
    checkpoint: str,
    prompt: Sequence[str] | None = None,
    tokens: str = "256",
    temperature: str = "0.8",
    top_k: str = "0",
    seed: str = "0",
    count: str = "1",
) -> None:
    """Stream text from a checkpoint, token by token; several texts come one after the other."""
    from tinygpt.checkpoint import load_checkpoint
    from tinygpt.terminal import print_sample, print_samples

    n_tokens, k, seed_number = _whole("tokens", tokens), _whole("top-k", top_k), _whole("seed", seed)
    heat, copies = _number("temperature", temperature), _whole("count", count)
    if copies < 1:
        raise ConfigError(f"--count is {copies}", "1 or more", "invoke sample --checkpoint PATH --count 3")
    texts = [text for text in prompt or [""] for _ in range(copies)]
    model = load_checkpoint(checkpoint)
    if len(texts) == 1:
        print_sample(model, texts[0], n_tokens, heat, k or None, seed_number)
    else:
        print_samples(model, texts, n_tokens, heat, k or None, seed_number)


# ---- measure -----------------------------------------------------------------------------------------


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
@_reports_errors
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
        at_most = _number("threshold", threshold)
        code = _measure_against(against, presets, engines, corpus, _whole("seed", seed), at_most)
    else:
        code = _measure("kernels" if kernels else suite, presets, engines, corpus, _whole("seed", seed))
    if code:
        raise Exit(code=code)


def _resume(run_id: str) -> int:
    """Go on with a run and print what it has measured; returns the process's exit code."""
    from bench.runner import resume_run
    from bench.show import print_run

    summary = resume_run(run_id, _results())
    print_run(summary, _results())
    return summary.exit_code


def _measure_against(revision: str, presets: str, engines: str, corpus: str, seed: int, threshold: float) -> int:
    """Measure against a commit and print both looks; returns the process's exit code."""
    from bench.against import run_against
    from bench.show import print_comparison
    from bench.variants import split_names

    done = run_against(revision, _results(), split_names(presets), split_names(engines), corpus, seed, threshold)
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
@_reports_errors
def compare(c: Context, before: str, after: str, threshold: str = "0.05") -> None:
    """Compare two stored runs or commits, cell by cell; exit code 3 if the second is slower, 4 if cells are missing."""
    from bench.compare import compare_stored
    from bench.show import print_comparison

    comparison = compare_stored(_results(), before, after, _number("threshold", threshold))
    print_comparison(comparison)
    if comparison.exit_code:
        raise Exit(code=comparison.exit_code)


def _measure(suite: str, presets: str, engines: str, corpus: str, seed: int) -> int:
    """Run a suite and print what came out; returns the process's exit code."""
    from bench.runner import run_benchmark
    from bench.show import print_run
    from bench.variants import split_names

    summary = run_benchmark(suite, split_names(presets), split_names(engines), corpus, _results(), seed)
    print_run(summary, _results())
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
@_reports_errors
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
    from bench import merge, publishing, show, store
    from bench.variants import split_names

    actions: dict[str, Callable[[], None]] = {
        "show": lambda: show.print_results(_results(), run_id=run_id or None, every_run=all),
        "publish": lambda: show.print_publication(
            publishing.publish_runs(_results(), split_names(run_id), force, look_only)
        ),
        "merge": lambda: show.print_merged(merge.merge_results(_results(), [*map(Path, split_names(dirs))])),
        "export": lambda: print(*store.export(_results(), Path(out), format), sep="\n"),
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
@_reports_errors
def estimate(
    c: Context, minutes: str = "15", preset: str = "", engine: str = "vectorized", corpus: str = "shakespeare"
) -> None:
    """Say what some minutes on this machine would give: steps, tokens, and the loss to expect."""
    from bench.cost.show import print_estimate

    print_estimate(_results(), _number("minutes", minutes), preset or None, engine, corpus)


@task
@_reports_errors
def doctor(c: Context) -> None:
    """Look at this machine: BLAS kernel, threads, memory, what fits, what is missing and what mends it."""
    from bench.doctor_view import print_doctor

    code = print_doctor(_results())
    if code:
        raise Exit(code=code)


# ---- publish -----------------------------------------------------------------------------------------


@task(help={"output": "folder to build into"})
@_reports_errors
def site(c: Context, output: str = "_site") -> None:
    """Build the site from docs/ and results/."""
    from sitegen.build import build_site

    start = time.perf_counter()
    built = build_site(_project_root(), _root() / "results", Path(output))
    print(f"built {built.n_pages} pages in {time.perf_counter() - start:.1f} s: {built.output / 'index.html'}")


@task(help={"port": "on 127.0.0.1"})
@_reports_errors
def serve(c: Context, port: str = "8000") -> None:
    """Show the built site on 127.0.0.1."""
    from sitegen.serve import serve_site

    number = _whole("port", port)
    serve_site(_project_root() / "_site", number)


@task(help={"corpus": "what to train and measure on; stories and python need no network"})
@_reports_errors
def demo(c: Context, corpus: str = "shakespeare") -> None:
    """Train, measure and render in under five minutes; ends with the page to open."""
    from sitegen.build import build_site
    from tinygpt.plan import TrainingPlan

    root, start = _project_root(), time.perf_counter()

    def heading(number: int, text: str) -> None:
        print(f"\n[{number}/3] {text} ({time.perf_counter() - start:.0f} s so far)\n", flush=True)

    out = Path("runs") / time.strftime("demo-%Y%m%d-%H%M%S")
    heading(1, f"training preset small on {corpus}")
    code = _run_plan(TrainingPlan(out=out, preset="small", corpus=corpus, steps=1000), None, resume=False, record=True)
    if code:
        raise Exit(code=code)
    heading(2, "measuring three engines, one fresh process per cell")
    code = _measure("quick", "", "", corpus, seed=0)
    if code == 130:  # stopped by hand
        raise Exit(code=code)
    heading(3, "rendering the site")
    built = build_site(root, root / "results", Path("_site"))
    print(
        f"done in {(time.perf_counter() - start) / 60:.1f} minutes\n"
        f"  the page to open:    {(built.output / 'speedup' / 'index.html').as_uri()}\n"
        f"  the site, all alive: invoke serve, then http://127.0.0.1:8000/speedup/\n"
        f"  to hear the model:   invoke sample --checkpoint {out} --prompt 'ROMEO:'"
    )
    if code:
        raise Exit(code=code)


# ---- check -------------------------------------------------------------------------------------------


@task(help={"only": "a folder or file of tests"})
@_reports_errors
def test(c: Context, only: str = "") -> None:
    """Run the tests that need neither a network, a browser nor PyTorch."""
    _tool("pytest", *([only] if only else ["tests", "--ignore=tests/browser", "--ignore=tests/parity"]))
    print("Two more suites have needs of their own: `invoke browser` (Chromium), `invoke parity` (PyTorch).")


@task
@_reports_errors
def browser(c: Context) -> None:
    """Build the site and walk it in Chromium."""
    _tool("pytest", "tests/browser")


@task
@_reports_errors
def parity(c: Context) -> None:
    """Compare with PyTorch, transformers and JAX, live; needs the extra `parity`."""
    for module in ("torch", "transformers", "jax"):
        __import__(module)
    _tool("pytest", "tests/parity")


@task(help={"fix": "mend what can be mended"})
@_reports_errors
def lint(c: Context, fix: bool = False) -> None:
    """Check style and formatting."""
    _tool("ruff", "check", *(["--fix"] if fix else []), ".")
    _tool("ruff", "format", *([] if fix else ["--check"]), ".")


@task
@_reports_errors
def types(c: Context) -> None:
    """Check types."""
    _tool("mypy")


namespace = Collection(
    train, sample, bench, compare, results, estimate, doctor, site, serve, demo, test, browser, parity, lint, types
)
program = Program(name="tinygpt", binary="tinygpt", version=__version__, namespace=namespace)


def main() -> None:
    """Entry point of the console script ``tinygpt``."""
    program.run()
