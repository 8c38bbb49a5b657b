"""The task train: a run with its live view, in this terminal or in the background, recorded on request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygpt.checkpoints.saving import has_checkpoint
from tinygpt.engines import with_mesh
from tinygpt.errors import ConfigError
from tinygpt.presets import PRESETS
from tinygpt.terminal.checkout import results_folder
from tinygpt.terminal.options import option
from tinygpt.terminal.tasks import task
from tinygpt.training.plan import TrainingPlan, TrainingSettings
from tinygpt.training.resume import resumed_settings

if TYPE_CHECKING:
    from bench.training.advice import Advice


@dataclass(frozen=True, kw_only=True)
class TrainOptions(TrainingSettings):
    """Options of train."""

    preset: str = option(
        "",
        "small when omitted; tiny to behemoth as in the table of presets, nanogpt, medium256 or gpt2, with options for "
        "another shape as in `small[n_layers=4,d_model=160]`: n_layers, d_model, n_heads, context_length, batch_size",
    )
    steps: int | None = option(None, "updates in the whole run; 1000 when omitted")
    minutes: float | None = option(
        None,
        "wall time of the whole command instead of --steps: chooses a preset and the recipe muon, and records the run; "
        "needs the extra `bench`",
    )
    out: Path | None = option(None, "folder of the checkpoint; runs/CORPUS-PRESET when omitted")
    resume: bool = option(
        False, "continue from the checkpoint in --out, with the run's own settings unless others are given"
    )
    auto_resume: bool = option(
        False, "continue if --out has a checkpoint, else start: for a command that a job scheduler repeats"
    )
    ignore_memory: bool = option(False, "start even if the model does not fit by the prediction")
    detach: bool = option(False, "train in the background; `invoke runs` shows its progress")
    mesh: str = option("", "devices of engine jax: data=2, fsdp=4, or data=2,fsdp=4")
    hosts: str = option("", "several processes of engine jax: HOST:PORT of process 0, or auto on a cluster")
    process: str = option("", "with --hosts HOST:PORT, this process's number of all: 0/2, 1/2")

    @classmethod
    def complete(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Add the settings of a resumed run to the typed options."""
        out = given.get("out") or _default_out(
            given.get("corpus", TrainingSettings.corpus), given.get("preset", ""), given.get("start_from")
        )
        if given.get("auto_resume"):
            given["resume"] = has_checkpoint(out)
        if not given.get("resume"):
            return given
        return resumed_settings(out) | given | {"out": out}


def _default_out(corpus: str, preset: str, start_from: str | None) -> Path:
    """Name a run's folder by text and preset, without the brackets of the preset's options, or by the model's name."""
    name = Path(start_from).name if start_from else PRESETS[preset or TrainingSettings.preset].name
    words = re.split(r"[\[\],]+", name.rstrip("]"))
    return Path(f"runs/{'-'.join((corpus.partition(':')[0], *words))}")


@task()
def train(options: TrainOptions) -> int:
    """Train a preset on a corpus; Ctrl-C saves, --resume continues."""
    import time

    import psutil

    from bench.planning.capacity import require_room_to_train
    from tinygpt.runs.background import become_detached, train_in_background
    from tinygpt.system.priority import step_back
    from tinygpt.terminal.runs_view import print_started

    begun = psutil.Process().create_time()  # the time of the command counts, not that of the steps alone
    advice = None if options.minutes is None or options.resume else _advice(options, time.time() - begun)
    preset = options.preset or (advice.row.preset if advice else TrainingSettings.preset)
    plan = TrainingPlan.of(
        options,
        preset=preset,
        out=options.out or _default_out(options.corpus, preset, options.start_from),
        engine=with_mesh(options.engine, options.mesh) if options.mesh else options.engine,
        steps=advice.steps if advice else TrainingPlan.steps if options.steps is None else options.steps,
        record=options.record or advice is not None,
        recipe=_recipe(options) if advice else options.recipe,
        dropout=_dropout(options, advice) if advice else options.dropout,
        minutes=options.minutes,
        seconds_before=0.0 if options.minutes is None else time.time() - begun,
    )
    if advice:
        from bench.training.advice import advice_text

        advice = advice.for_run(plan)
        print(advice_text(advice), flush=True)
    if options.preset and plan.start_from and not options.resume:
        run = "the same command without --preset; --context and --batch are options"
        raise ConfigError("--preset with --start-from", "one of the two: a model has a shape of its own", run)
    if plan.record and plan.start_from:
        raise ConfigError("--record with --start-from", "one of the two: recorded runs start from their seed")
    if not options.ignore_memory:
        require_room_to_train(plan, options.resume)
    if options.detach and not become_detached():
        print_started(train_in_background(plan, options.resume))
        return 0
    if plan.gentle:
        step_back()
    if options.hosts or options.process:
        from tinygpt.engines.jax.hosts import job, parse_meeting

        with job(parse_meeting(options.hosts, options.process), plan.engine, str(plan.out)) as index:
            return run_plan(plan, options, index=index)
    return run_plan(plan, options, advice)


def _recipe(options: TrainOptions) -> str:
    """Return the recipe for ``--minutes``: the given one, or the best that the engine has."""
    from bench.planning.by_the_clock import RECIPE, WITHOUT_MUON
    from tinygpt.engines import engine_class

    return options.recipe or (RECIPE if "muon" in engine_class(options.engine).optimizers else WITHOUT_MUON)


def _dropout(options: TrainOptions, advice: Advice) -> float | None:
    from tinygpt.engines import engine_class

    return advice.dropout if options.dropout is None and engine_class(options.engine).has_dropout else options.dropout


def _advice(options: TrainOptions, spent: float) -> Advice:
    """Return the advice for ``--minutes``, which sets the steps and needs the preset's own batch."""
    from bench.training.advice import advise_minutes
    from tinygpt.corpora import load_corpus
    from tinygpt.tokenizers import BYTES

    excluded = {
        "--steps": options.steps is not None,
        "--batch": options.batch_size is not None,
        "--accumulate": options.accumulation is not None,
        "--eval-every": options.eval_every is not None,
        "--hosts": bool(options.hosts or options.process),
        "--start-from": options.start_from is not None,
    }
    if given := [option for option, is_given in excluded.items() if is_given]:
        raise ConfigError(f"--minutes with {given[0]}", "one of the two", "invoke train --minutes 15")
    corpus = load_corpus(options.corpus, path=options.corpus_file)
    minutes, preset = float(options.minutes or 0), options.preset or None
    recipe, tokenizer = _recipe(options), options.tokenizer or BYTES.name
    return advise_minutes(results_folder(), minutes, spent, options.engine, corpus, preset, recipe, tokenizer)


def run_plan(plan: TrainingPlan, options: TrainOptions, advice: Advice | None = None, index: int | None = None) -> int:
    """Train with the live view, record on request, and return the process's exit code.

    If several processes train one model, each has an index, and only the first one prints and writes.
    """
    from tinygpt.corpora import load_corpus
    from tinygpt.runs.status import report_status
    from tinygpt.system.stopping import StopRequest
    from tinygpt.terminal.live_view import watch
    from tinygpt.terminal.output import OptionalOutput
    from tinygpt.training.events import StopRecord
    from tinygpt.training.session import run_session

    corpus = load_corpus(plan.corpus, path=plan.corpus_file)
    if index is not None:
        from tinygpt.engines.jax.hosts import gather_configurations
        from tinygpt.training.same_plan import require_same_plan

        require_same_plan(plan, corpus, options.resume, gather_configurations)
    first, stop = not index, StopRequest()
    events = run_session(plan, corpus, resume=options.resume, stop=stop, writes=first)
    if first:
        notes: list[str] = []
        begins = f"corpus {corpus.name}: {corpus.licence}"
        if options.auto_resume and not options.resume:
            begins += f"\n{plan.out} holds no checkpoint: a new run starts, with the settings of this command"
        OptionalOutput(notes.append)(lambda: print(begins, flush=True))
        events = report_status(watch(events, stop=stop, lost=notes.append), notes)
    if plan.track and first:
        from tinygpt.training.tracking import track

        events = track(events, plan.track)
    if plan.record and first:
        from bench.training.record_training import record_events

        events = record_events(events, results_folder(), expected=advice.expected if advice else None)
    shown: list[str] = []
    if advice:
        from bench.training.advice import with_outlook

        events = with_outlook(events, advice.ends, shown)
    code = 0
    for event in events:
        while shown:
            print(shown.pop(), flush=True)
        if isinstance(event, StopRecord):
            code = event.exit_code
            if advice and not code:
                from bench.training.advice import outcome_text

                print(outcome_text(advice.expected, event))
    return code
