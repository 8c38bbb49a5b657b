"""Invoke tasks: where training, measuring and publishing meet. Each is a typed signature and a call into a library.

``invoke NAME`` works in a checkout; the console script ``tinygpt NAME`` offers the same tasks anywhere.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invoke import Collection, Context, Exit, Program, task

from bench.commands import bench, compare, doctor, estimate, measure, results
from sitegen.commands import serve, site
from tinygpt import __version__
from tinygpt.errors import ConfigError
from tinygpt.options import (
    checkout,
    missing_extra,
    real_number,
    reports_errors,
    results_folder,
    whole_number,
)

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
@reports_errors
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
        steps=whole_number("steps", steps),
        seed=whole_number("seed", seed),
        learning_rate=real_number("learning-rate", learning_rate) if learning_rate else None,
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

        events = record_events(events, results_folder())
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
@reports_errors
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

    n_tokens, k, seed_number = whole_number("tokens", tokens), whole_number("top-k", top_k), whole_number("seed", seed)
    heat, copies = real_number("temperature", temperature), whole_number("count", count)
    if copies < 1:
        raise ConfigError(f"--count is {copies}", "1 or more", "invoke sample --checkpoint PATH --count 3")
    texts = [text for text in prompt or [""] for _ in range(copies)]
    model = load_checkpoint(checkpoint)
    if len(texts) == 1:
        print_sample(model, texts[0], n_tokens, heat, k or None, seed_number)
    else:
        print_samples(model, texts, n_tokens, heat, k or None, seed_number)


@task(help={"corpus": "what to train and measure on; stories and python need no network"})
@reports_errors
def demo(c: Context, corpus: str = "shakespeare") -> None:
    """Train, measure and render in under five minutes; ends with the page to open."""
    from sitegen.build import build_site
    from tinygpt.plan import TrainingPlan

    root, start = checkout(), time.perf_counter()

    def heading(number: int, text: str) -> None:
        print(f"\n[{number}/3] {text} ({time.perf_counter() - start:.0f} s so far)\n", flush=True)

    out = Path("runs") / time.strftime("demo-%Y%m%d-%H%M%S")
    heading(1, f"training preset small on {corpus}")
    code = _run_plan(TrainingPlan(out=out, preset="small", corpus=corpus, steps=1000), None, resume=False, record=True)
    if code:
        raise Exit(code=code)
    heading(2, "measuring three engines, one fresh process per cell")
    code = measure("quick", "", "", corpus, seed=0)
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


def _tool(module: str, *arguments: str) -> None:
    """Run a Python tool of the extras in the project's folder; its exit code is the task's."""
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise missing_extra(module)
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=checkout(), check=False)
    if done.returncode:
        raise Exit(code=done.returncode)


@task(help={"only": "a folder or file of tests"})
@reports_errors
def test(c: Context, only: str = "") -> None:
    """Run the tests that need neither a network, a browser nor PyTorch."""
    _tool("pytest", *([only] if only else ["tests", "--ignore=tests/browser", "--ignore=tests/parity"]))
    print("Two more suites have needs of their own: `invoke browser` (Chromium), `invoke parity` (PyTorch).")


@task
@reports_errors
def browser(c: Context) -> None:
    """Build the site and walk it in Chromium."""
    _tool("pytest", "tests/browser")


@task
@reports_errors
def parity(c: Context) -> None:
    """Compare with PyTorch, transformers and JAX, live; needs the extra `parity`."""
    for module in ("torch", "transformers", "jax"):
        __import__(module)
    _tool("pytest", "tests/parity")


@task(help={"fix": "mend what can be mended"})
@reports_errors
def lint(c: Context, fix: bool = False) -> None:
    """Check style and formatting."""
    _tool("ruff", "check", *(["--fix"] if fix else []), ".")
    _tool("ruff", "format", *([] if fix else ["--check"]), ".")


@task
@reports_errors
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
