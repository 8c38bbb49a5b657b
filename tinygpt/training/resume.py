"""Checks before a run: a new one needs a free folder, a resumed one needs its own checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from shlex import quote
from typing import Any

from tinygpt.checkpoints.adapted import OtherBaseError
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import FILES, KEPT, STATE, is_adapter
from tinygpt.checkpoints.retention import kept_checkpoints
from tinygpt.checkpoints.saving import has_checkpoint
from tinygpt.checkpoints.training_state import TrainingState
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.corpora import Corpus
from tinygpt.engines import ENGINES, format_variant, parse_variant
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.gallery.sources import folder_shape, load_run
from tinygpt.system.files import finished_name
from tinygpt.system.folder_lock import LOCK
from tinygpt.system.json_records import read_json, record_from_json
from tinygpt.system.staging import SAVED, SAVING, current_files
from tinygpt.tokenizers import BYTES, Tokenizer, load_tokenizer
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.starting import starting_shape

# Files of a run that ended before its first checkpoint, and the folder of an empty volume.
RUN_FILES = frozenset({"status.json", "train.log", "recorded.json", "tensorboard", LOCK, SAVING, SAVED, "lost+found"})


def require_free_folder(plan: TrainingPlan) -> None:
    """Raise a ConfigError if the folder of a new run has a checkpoint or other files."""
    out = plan.out
    if current_files(out, [STATE]):
        problem = f"{out} already holds a checkpoint"
        raise ConfigError(problem, "a new folder, or --resume to continue", plan.resume_command())
    if out.is_dir() and any(finished_name(path.name) not in RUN_FILES for path in out.iterdir()):
        raise ConfigError(
            f"{out} holds files but no checkpoint of a run",
            "a new or empty folder",
            "the same command with another --out",
        )


def require_own_folder(out: Path) -> None:
    """Raise a ConfigError if a run's folder is one that another run keeps for its own saves."""
    for run in out.absolute().parents:
        is_run = current_files(run, [STATE]) or (run / "status.json").exists() or (run / LOCK).exists()
        if is_run and out.absolute().relative_to(run).parts[0] in (SAVING, SAVED, KEPT):
            run_elsewhere = "the same command with another --out"
            raise ConfigError(f"{out} is inside the run {run}, which replaces its files", "a new folder", run_elsewhere)


def run_tokenizer(plan: TrainingPlan, corpus: Corpus, source: Checkpoint | None) -> Tokenizer:
    """Return the tokenizer of a run: the plan's, which has to be that of the weights if it continues some.

    Args:
        source: the weights that it continues from or starts from.

    Raises:
        ConfigError: the tokenizer is another one than that of the weights, or cannot be made.
        MissingDependencyError: it needs the package ``tokenizers``, which is not installed.
    """
    if source is None:
        return load_tokenizer(plan.tokenizer or BYTES.name, corpus)
    state, own = source.training, source.tokenizer
    same_run = state is not None and state.corpus_sha256 == corpus.sha256
    if plan.tokenizer is None or (state and same_run and state.settings.get("tokenizer") == plan.tokenizer):
        return own
    if load_tokenizer(plan.tokenizer, corpus).hash != own.hash:
        problem = f"tokenizer {plan.tokenizer!r} is not that of the weights, {own.name!r} of {own.vocab_size:,} tokens"
        raise ConfigError(problem, "the tokenizer that they were trained with", "the same command without --tokenizer")
    return own


def shape_and_settings(plan: TrainingPlan, resume: bool = False) -> tuple[ModelConfig, TrainConfig]:
    """Return a planned run's model and settings without reading any weights.

    The settings of a resumed run are those of its checkpoint, changed by the plan. An unreadable folder is ignored; the
    session raises its error.
    """
    model, base = plan.model, plan.preset_entry.train
    with suppress(CheckpointError):
        if resume:
            model, base = folder_shape(plan.out)
        elif plan.start_from is not None:
            model, base = starting_shape(plan)
    return model, plan.train_config(base, model)


def resumed_settings(out: Path) -> dict[str, Any]:
    """Read the settings of the run in a folder: field of the plan → value. An older format has fewer.

    Raises:
        CheckpointError: there is no checkpoint to resume from, or its state cannot be read.
    """
    with _restore_named(out):
        path = current_files(out, [STATE]).get(STATE)
        if path is None:
            is_there = out.is_dir()
            problem = f"{out} holds no checkpoint to resume from" if is_there else f"there is no folder {out} to resume"
            run = "the same command with --auto-resume, which then starts"
            run = _start_from(out) if has_checkpoint(out) else run
            raise CheckpointError(problem, "a folder that invoke train wrote", run)
        training = read_json(path).get("training")
        state = record_from_json(TrainingState, training, "training", str(out / STATE), defaults=True)
    own = {"preset": state.preset, "corpus": state.corpus, "engine": state.engine, "seed": state.seed}
    return own | {"steps": state.planned_steps, "start_from": state.started_from} | state.settings


def newest_sound(directory: Path) -> tuple[int, Path] | None:
    """Find the newest kept checkpoint from which a run can be resumed: its step and folder."""
    for step, path in kept_checkpoints(directory).items():
        with suppress(CheckpointError):
            checkpoint = load_run(path)
            if checkpoint.training is not None and checkpoint.optimizer is not None:
                return step, path
    return None


@contextmanager
def _restore_named(out: Path) -> Iterator[None]:
    """Name the command that restores a kept checkpoint in the error of a damaged one, if a kept one is sound."""
    try:
        yield
    except OtherBaseError:
        raise
    except CheckpointError as error:
        if (kept := newest_sound(out)) is None:
            raise
        run = f"invoke restore {quote(str(out))}, then --resume"
        raise CheckpointError(error.problem, f"a whole checkpoint, as {kept[1]} is", run) from None


def _on_its_base(plan: TrainingPlan) -> Checkpoint:
    """Load the checkpoint of a run to resume.

    Of an adapter, a start that is not the recorded one is the place where its base is now.

    Raises:
        CheckpointError: there is no sound checkpoint, or the base has other weights than the adapter was trained on.
    """
    files = current_files(plan.out, FILES)
    try:
        with _restore_named(plan.out):
            training = read_json(files[STATE]).get("training") if is_adapter(files) and STATE in files else None
            recorded = training.get("started_from") if isinstance(training, dict) else plan.start_from
            moved = None if plan.start_from == recorded else plan.start_from
            checkpoint = load_run(plan.out, base=moved)
    except OtherBaseError as error:
        run = f"{plan.resume_command()} --start-from {quote(error.base)}"
        raise CheckpointError(error.problem, error.allowed, run) from None
    state = checkpoint.training
    if moved is None or state is None or state.base_sha256 is None:  # of an older format, whose base is not checked
        return checkpoint
    return replace(checkpoint, base=moved, training=replace(state, started_from=moved))


def _start_from(out: Path) -> str:
    return f"invoke train --start-from {quote(str(out))} --out DIR"


def checkpoint_to_resume(plan: TrainingPlan, corpus: Corpus) -> Checkpoint:
    """Load the checkpoint in a plan's folder, and check that it is of the planned run.

    Raises:
        CheckpointError: there is no sound checkpoint, or it has no training state.
        ConfigError: it is another run's; the message names every field that differs.
    """
    checkpoint = _on_its_base(plan)
    state = checkpoint.training
    if state is None or checkpoint.optimizer is None:
        problem = f"{plan.out} holds weights but no training state"
        raise CheckpointError(problem, "a folder that invoke train wrote", _start_from(plan.out))
    if plan.steps < state.step:
        problem = f"{plan.out} is at step {state.step:,}, and --steps asks for {plan.steps:,}"
        run = f"invoke sample --checkpoint {quote(str(plan.out))}"
        raise ConfigError(problem, f"{state.step:,} or more in the whole run", run)
    own = replace(plan.preset_entry.model, vocab_size=checkpoint.config.vocab_size)  # its tokenizer is checked later
    model = own if state.started_from is None else checkpoint.config
    train = plan.train_config(checkpoint.train, model)
    settings = (  # name, whether it is the same, in the checkpoint, in the plan
        ("preset", state.preset == plan.preset, state.preset, plan.preset),
        (  # by its hash: a file may have another name now
            "corpus",
            state.corpus_sha256 == corpus.sha256,
            f"{state.corpus} ({state.corpus_sha256[:12]})",
            f"{plan.corpus} ({corpus.sha256[:12]})",
        ),
        ("seed", state.seed == plan.seed, state.seed, plan.seed),
        (  # a scheduler's command repeats the start
            "start-from",
            plan.start_from in (None, state.started_from),
            state.started_from,
            plan.start_from,
        ),
        ("context", plan.context_length in (None, model.context_length), model.context_length, plan.context_length),
        ("engine", _arithmetic(state.engine) == _arithmetic(plan.engine), state.engine, plan.engine),
        *(  # of which the moments are
            (
                name.replace("_", "-"),
                getattr(checkpoint.train, name) == getattr(train, name),
                getattr(checkpoint.train, name) or "none",
                getattr(train, name) or "none",
            )
            for name in ("optimizer", "train_only", "lora")
        ),
        ("model", checkpoint.config == model, checkpoint.config, model),
    )
    if different := [f"{name} {saved} against {planned}" for name, same, saved, planned in settings if not same]:
        raise ConfigError(
            f"the checkpoint in {plan.out} is another run's: {', '.join(different)}",
            "the settings it was started with",
            "the same command with those settings, or another --out without --resume",
        )
    return checkpoint


def changed_settings(plan: TrainingPlan, train: TrainConfig, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Name each setting of a resumed run that differs from its checkpoint's, with both values."""
    state = checkpoint.training
    assert state is not None  # as checkpoint_to_resume checks
    options = {part.name: f"--{part.metadata.get('option', part.name)}".replace("_", "-") for part in fields(plan)}
    before = {"steps": state.planned_steps, "corpus": state.corpus, "engine": state.engine} | state.settings
    before |= asdict(checkpoint.train)
    now = vars(plan) | plan.stored_settings | asdict(train)
    return tuple(
        f"{options.get(name, name)} is {now[name]}, was {value} so far"
        for name, value in before.items()
        if name in now and now[name] != value
    )


def _arithmetic(variant: str) -> tuple[str, dict[str, Any]]:
    """Return a variant without the options that a resumed run may change."""
    name, options = parse_variant(variant)
    placement = ENGINES[name].placement
    return name, {key: value for key, value in options.items() if key not in placement}


def resumed_options(planned: str, reported: Mapping[str, Any]) -> dict[str, Any]:
    """Return the engine options of a resumed run: those of its first part, but with the plan's placement.

    Args:
        planned: the plan's variant.
        reported: the options that the first part's engine reported.
    """
    name, options = parse_variant(planned)
    placement = ENGINES[name].placement
    chosen = format_variant(name, {key: value for key, value in reported.items() if key not in placement})
    return {key: value for key, value in options.items() if key in placement} | parse_variant(chosen)[1]
