"""Invoke tasks: where training, measuring and publishing meet. Each is a typed signature and a call into a library.

``invoke NAME`` works in a checkout; the console script ``tinygpt NAME`` offers the same tasks anywhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invoke import Collection, Context, Exit, Program, task

from bench.terminal.commands import bench, compare, doctor, estimate, measure, results
from bench.terminal.model_commands import evaluate, gallery, race, sweep
from sitegen.commands.commands import audit, deploy, embed, playground, serve, site
from tinygpt import __version__
from tinygpt.engines import with_mesh
from tinygpt.errors import ConfigError
from tinygpt.terminal.commands import restore, runs, stop
from tinygpt.terminal.options import (
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
        "preset": "small when omitted; tiny, medium, large, xl, huge, massive, mega, behemoth, or nanogpt",
        "corpus": "shakespeare, kjv, python, stories, tinyshakespeare, file:PATH or hf:OWNER/NAME",
        "engine": "python, numpy, vectorized or jax, with options as in vectorized[threads=1]",
        "steps": "updates in the whole run; 1000 when omitted",
        "minutes": "instead of --steps: pick steps (and a preset) for so much time, and record the run",
        "seed": "of the starting weights and the batches",
        "out": "folder of the checkpoint; runs/CORPUS-PRESET when omitted",
        "resume": "go on from the checkpoint in --out",
        "corpus-file": "the corpus tinyshakespeare as a file that you have",
        "recipe": "constant (the reference's, which every measurement uses), warmup, cosine or nanogpt",
        "learning-rate": "instead of the recipe's; auto for the one that suits the preset's width",
        "batch": "sequences in a batch, instead of the preset's",
        "accumulate": "batches whose gradients make one update",
        "warmup": "updates over which the learning rate rises, instead of the recipe's",
        "schedule": "constant or cosine, instead of the recipe's",
        "dropout": "share of the numbers that dropout sets to 0; off when omitted",
        "patience": "stop after so many evaluations without a lower held-out loss",
        "prompt": "what the samples continue",
        "record": "write the run's steps and samples to results/local/",
        "ignore-memory": "start even if the model is predicted not to fit",
        "start-from": "a checkpoint folder, ours or a GPT-2 of transformers with a byte vocabulary, to train further",
        "keep": "checkpoints before the newest that stay in the folder",
        "detach": "train in the background; `invoke runs` tells how it is doing",
        "gentle": "let everything else on this machine go first",
        "mesh": "devices of engine jax: data=2, fsdp=4, or data=2,fsdp=4",
        "hosts": "several processes of engine jax: HOST:PORT of process 0, or auto on a cluster",
        "process": "with --hosts HOST:PORT, which one this is: 0/2, 1/2",
    }
)
@reports_errors
def train(
    c: Context,
    preset: str = "",
    corpus: str = "shakespeare",
    engine: str = "vectorized",
    steps: str = "",
    minutes: str = "",
    seed: str = "0",
    out: str = "",
    resume: bool = False,
    corpus_file: str = "",
    recipe: str = "",
    learning_rate: str = "",
    batch: str = "",
    accumulate: str = "",
    warmup: str = "",
    schedule: str = "",
    dropout: str = "",
    patience: str = "",
    prompt: str = "",
    record: bool = False,
    ignore_memory: bool = False,
    start_from: str = "",
    keep: str = "2",
    detach: bool = False,
    gentle: bool = False,
    mesh: str = "",
    hosts: str = "",
    process: str = "",
) -> None:
    """Train a preset on a corpus; Ctrl-C saves, --resume goes on."""
    from bench.planning.capacity import require_room_to_train
    from tinygpt.runs.background import become_detached, train_in_background
    from tinygpt.system.priority import step_back
    from tinygpt.terminal.runs_view import print_started
    from tinygpt.training.plan import TrainingPlan

    fixed = {"--steps": bool(steps), "--resume": resume, "--batch": bool(batch), "--accumulate": bool(accumulate)}
    advice = _advice(minutes, preset, engine, corpus, fixed) if minutes else None
    preset = preset or (advice.row.preset if advice else "small")
    plan = TrainingPlan(
        out=Path(out or f"runs/{corpus.partition(':')[0]}-{preset}"),
        preset=preset,
        corpus=corpus,
        engine=with_mesh(engine, mesh) if mesh else engine,
        steps=advice.steps if advice else whole_number("steps", steps or "1000"),
        seed=whole_number("seed", seed),
        recipe=recipe or None,
        learning_rate=_learning_rate(learning_rate, preset),
        batch_size=whole_number("batch", batch) if batch else None,
        accumulation=whole_number("accumulate", accumulate) if accumulate else None,
        warmup_steps=whole_number("warmup", warmup) if warmup else None,
        schedule=schedule or None,
        dropout=real_number("dropout", dropout) if dropout else None,
        patience=whole_number("patience", patience) if patience else None,
        prompt=prompt,
        keep=whole_number("keep", keep),
        start_from=Path(start_from) if start_from else None,
    )
    if advice:
        from bench.training.advice import advice_text

        advice = advice.for_run(plan)
        print(advice_text(advice), flush=True)
    record = record or advice is not None
    if record and start_from:
        raise ConfigError("--record with --start-from", "one of the two: recorded runs start from their seed")
    if not ignore_memory:
        require_room_to_train(plan, resume, record)
    if detach and not become_detached():
        print_started(train_in_background(plan, resume))
        return
    if gentle:
        step_back()
    if hosts or process:
        from tinygpt.engines.jax.hosts import job, parse_meeting

        with job(parse_meeting(hosts, process), plan.engine, str(plan.out)) as index:
            code = _run_plan(plan, corpus_file or None, resume, record, index)
    else:
        code = _run_plan(plan, corpus_file or None, resume, record, advice=advice)
    if code:
        raise Exit(code=code)


def _learning_rate(text: str, preset: str) -> float | None:
    from tinygpt.presets import get_preset
    from tinygpt.recipes import preset_learning_rate

    if text == "auto":
        return preset_learning_rate(get_preset(preset).model)
    return real_number("learning-rate", text) if text else None


def _advice(minutes: str, preset: str, engine: str, corpus: str, fixed: dict[str, bool]) -> Any:
    """What to train in so much time; steps, and the batch that step times were measured with, are its own to set."""
    from bench.planning.budget import make_budget
    from bench.training.advice import advise

    if given := [option for option, is_given in fixed.items() if is_given]:
        raise ConfigError(f"--minutes with {given[0]}", "one of the two", "invoke train --minutes 15")
    return advise(make_budget(results_folder(), real_number("minutes", minutes), preset or None, engine, corpus))


def _run_plan(
    plan: Any, corpus_file: str | None, resume: bool, record: bool, index: int | None = None, advice: Any = None
) -> int:
    """Train with the live view, recording when asked to; returns the process's exit code.

    Of several processes that train one model, each has an index, and only the first one shows and writes anything.
    """
    from tinygpt.corpora import load_corpus
    from tinygpt.runs.status import report_status
    from tinygpt.system.stopping import StopRequest
    from tinygpt.terminal.live_view import watch
    from tinygpt.training.events import StopRecord
    from tinygpt.training.session import run_session

    corpus = load_corpus(plan.corpus, path=corpus_file)
    if index is not None:
        from tinygpt.training.same_plan import require_same_plan

        require_same_plan(plan, corpus, resume)
    first, stop = not index, StopRequest()
    events = run_session(plan, corpus, resume=resume, stop=stop, writes=first)
    if first:
        print(f"corpus {corpus.name}: {corpus.licence}", flush=True)
        events = report_status(watch(events, stop=stop))
    if record and first:
        from bench.training.record_training import record_events

        events = record_events(events, results_folder(), expected=advice.expected if advice else None)
    code = 0
    for event in events:
        if isinstance(event, StopRecord):
            code = event.exit_code
            if advice and not code:
                from bench.training.advice import outcome_text

                print(outcome_text(advice.expected, event))
    return code


@task(
    iterable=["prompt"],
    help={
        "checkpoint": "folder that `invoke train` wrote, or any GPT-2 folder with a byte vocabulary",
        "model": "a gallery model instead, such as shakespeare: it comes with the package",
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
    checkpoint: str = "",
    model: str = "",
    prompt: Sequence[str] | None = None,
    tokens: str = "256",
    temperature: str = "0.8",
    top_k: str = "0",
    seed: str = "0",
    count: str = "1",
) -> None:
    """Stream text from a checkpoint or a gallery model, token by token; several texts come one after the other."""
    from tinygpt.evaluation.subject import load_model
    from tinygpt.generation.sampling import SamplingSettings
    from tinygpt.terminal.samples import print_sample, print_samples

    n_tokens, k, seed_number = whole_number("tokens", tokens), whole_number("top-k", top_k), whole_number("seed", seed)
    settings = SamplingSettings(n_tokens, real_number("temperature", temperature), k or None, seed_number)
    copies = whole_number("count", count)
    if copies < 1:
        raise ConfigError(f"--count is {copies}", "1 or more", "invoke sample --checkpoint PATH --count 3")
    texts = [text for text in prompt or [""] for _ in range(copies)]
    source = load_model(checkpoint, model)
    if len(texts) == 1:
        print_sample(source, texts[0], settings)
    else:
        print_samples(source, texts, settings)


@task(help={"corpus": "what to train and measure on; stories and python need no network"})
@reports_errors
def demo(c: Context, corpus: str = "shakespeare") -> None:
    """Train, measure and render in under five minutes; ends with the page to open."""
    from sitegen.build.site import build_site
    from tinygpt.training.plan import TrainingPlan

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

# Files of tests go to two processes: many tests wait for processes of their own. A file's tests share what they need.
_TWO_AT_A_TIME = ("--numprocesses=2", "--dist=loadfile")


def _tool(module: str, *arguments: str) -> int:
    """Run a Python tool of the extras in the project's folder; returns its exit code."""
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise missing_extra(module)
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=checkout(), check=False).returncode


def _check(*tools: Sequence[str]) -> None:
    """Run the tools of a check until one fails; its exit code is the task's."""
    for module, *arguments in tools:
        if code := _tool(module, *arguments):
            raise Exit(code=code)


@task(help={"only": "a folder or file of tests"})
@reports_errors
def test(c: Context, only: str = "") -> None:
    """Run the tests that need neither a network, a browser nor PyTorch."""
    if only:
        _check(["pytest", only])
        return
    _check(["pytest", "tests", *_TWO_AT_A_TIME, "--ignore=tests/browser", "--ignore=tests/parity"])
    print("Two more suites have needs of their own: `invoke browser` (Chromium), `invoke parity` (PyTorch).")


@task(help={"every-page": "walk every page, not only one of each kind: ten minutes"})
@reports_errors
def browser(c: Context, every_page: bool = False) -> None:
    """Build the site and walk it in Chromium."""
    if every_page:
        os.environ["TINYGPT_EVERY_PAGE"] = "yes"
    _check(["pytest", "tests/browser"])


@task
@reports_errors
def parity(c: Context) -> None:
    """Compare with PyTorch, transformers and JAX, live; needs the extra `parity`."""
    for module in ("torch", "transformers", "jax"):
        __import__(module)
    _check(["pytest", "tests/parity", *_TWO_AT_A_TIME])


@task(help={"fix": "mend what can be mended"})
@reports_errors
def lint(c: Context, fix: bool = False) -> None:
    """Check style and formatting."""
    mend = ["--fix"] if fix else []
    _check(["ruff", "check", *mend, "."], ["ruff", "format", *([] if fix else ["--check"]), "."])


@task
@reports_errors
def types(c: Context) -> None:
    """Check types."""
    _check(["mypy"])


@task
@reports_errors
def checks(c: Context) -> None:
    """Run test, lint, types, browser and parity."""
    codes = {name: _tool("invoke", name) for name in ("test", "lint", "types", "browser", "parity")}
    for name, code in codes.items():
        print(f"{name}: {'failed' if code else 'passed'}")
    if any(codes.values()):
        raise Exit(code=1)


namespace = Collection(
    train, sample, evaluate, runs, stop, restore, bench, compare, results, estimate, doctor, site, embed, serve,
    playground, audit, deploy, race, sweep, gallery, demo, test, browser, parity, lint, types, checks,
)  # fmt: skip
for each in namespace.tasks.values():
    each.auto_shortflags = False  # the letters that Invoke would hand out: -h for --schedule, and -- for --start-from
program = Program(name="tinygpt", binary="tinygpt", version=__version__, namespace=namespace)


def main() -> None:
    """Entry point of the console script ``tinygpt``."""
    program.run()
