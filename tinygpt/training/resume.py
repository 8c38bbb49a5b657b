"""Before a run: a new one starts in a folder of its own, a resumed one goes on with what is its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tinygpt.checkpoints.checkpoint import Checkpoint, has_checkpoint, load_checkpoint
from tinygpt.checkpoints.gpt2_config import from_gpt2_config
from tinygpt.checkpoints.layout import CONFIG, STATE
from tinygpt.checkpoints.retention import kept_checkpoints
from tinygpt.checkpoints.training_state import TrainingState
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.corpora import Corpus
from tinygpt.engines import format_variant, get_engine, parse_variant
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.generation.decoding import prompt_tokens
from tinygpt.system.files import finished_name
from tinygpt.system.folder_lock import LOCK
from tinygpt.system.json_records import read_json, record_from_json
from tinygpt.system.staging import SAVED, SAVING, current_files
from tinygpt.training.plan import TrainingPlan

# What a run that ended before its first checkpoint leaves in its folder, and what a new volume has.
RUN_FILES = frozenset({"status.json", "train.log", "recorded.json", LOCK, SAVING, SAVED, "lost+found"})


def require_free_folder(plan: TrainingPlan) -> None:
    """Refuse to start a new run where there is anything that it could replace.

    Raises:
        ConfigError: the folder holds a checkpoint, or files of another kind.
    """
    out = plan.out
    if has_checkpoint(out):
        raise ConfigError(
            f"{out} already holds a checkpoint", "a new folder, or --resume to go on", plan.resume_command()
        )
    if out.is_dir() and any(finished_name(path.name) not in RUN_FILES for path in out.iterdir()):
        raise ConfigError(
            f"{out} holds files but no checkpoint", "a new or empty folder", "invoke train --out DIR with another DIR"
        )


def starting_weights(plan: TrainingPlan) -> Checkpoint | None:
    """The model that a new run is told to begin with, if it is told of one.

    Raises:
        CheckpointError: the folder holds no whole checkpoint of a byte vocabulary.
        ConfigError: the plan's prompt is longer than that model's context.
    """
    if plan.start_from is None:
        return None
    checkpoint = load_checkpoint(plan.start_from)
    prompt_tokens(plan.prompt, checkpoint.model.context_length)
    return checkpoint


def shape_and_settings(plan: TrainingPlan, resume: bool = False) -> tuple[ModelConfig, TrainConfig]:
    """Model and settings of the run that a command asks for, told before any weight is read.

    A folder that cannot be read counts as none: what is wrong with it, the session says.

    Args:
        plan: what is asked for.
        resume: whether it goes on from a checkpoint, whose settings stay unless the plan has others.
    """
    model, base = plan.preset_entry.model, plan.preset_entry.train
    source = plan.out if resume else plan.start_from
    if source is not None:
        files = current_files(source, (CONFIG, STATE))
        with suppress(CheckpointError, KeyError):
            model = from_gpt2_config(read_json(files[CONFIG]), str(source / CONFIG))
            if resume:
                state = read_json(files[STATE])
                base = record_from_json(TrainConfig, state.get("train"), "train", str(source / STATE), defaults=True)
    return model, plan.train_config(base)


def resumed_settings(out: Path) -> dict[str, Any]:
    """The settings of the run in a folder: field of the plan → value; of an older format, those that it has.

    Raises:
        CheckpointError: there is no checkpoint to go on from, or its state cannot be understood.
    """
    path = current_files(out, [STATE]).get(STATE)
    if path is None:
        raise no_checkpoint(out)
    found = read_json(path).get("training")
    state = record_from_json(TrainingState, found, "training", str(out / STATE), defaults=True)
    own = {"preset": state.preset, "corpus": state.corpus, "engine": state.engine, "seed": state.seed}
    return own | {"steps": state.planned_steps} | state.settings


def no_checkpoint(out: Path) -> CheckpointError:
    """The error of a run that should go on from where there is nothing."""
    what = "holds no checkpoint to go on from" if out.is_dir() else "is no folder, so there is nothing to go on from"
    return CheckpointError(
        f"{out} {what}", "a folder that invoke train wrote", "the same command with --auto-resume, which then starts"
    )


def newest_whole(directory: Path) -> tuple[int, Path] | None:
    """Step and folder of the newest kept checkpoint that a run could go on from."""
    for step, path in kept_checkpoints(directory).items():
        try:
            checkpoint = load_checkpoint(path)
        except CheckpointError:
            continue
        if checkpoint.training is not None and checkpoint.optimizer is not None:
            return step, path
    return None


def checkpoint_to_resume(plan: TrainingPlan, corpus: Corpus) -> Checkpoint:
    """The run to go on with, if it is the planned one.

    Raises:
        CheckpointError: there is none, or it holds no training state.
        ConfigError: it is another run's; every field that differs is named.
    """
    try:
        checkpoint = load_checkpoint(plan.out)
    except CheckpointError as error:
        if (whole := newest_whole(plan.out)) is None:
            raise
        raise CheckpointError(
            error.problem, f"a whole checkpoint, as {whole[1]} is", f"invoke restore {plan.out}, then --resume"
        ) from None
    state = checkpoint.training
    if state is None or checkpoint.optimizer is None:
        raise CheckpointError(
            f"{plan.out} holds weights but no training state",
            "a folder that invoke train wrote",
            "invoke train --out DIR",
        )
    if plan.steps < state.step:
        raise ConfigError(
            f"{plan.out} is at step {state.step:,}, and --steps asks for {plan.steps:,}",
            f"{state.step:,} or more in the whole run",
            f"invoke sample --checkpoint {plan.out}",
        )
    planned = {
        "preset": plan.preset,
        "corpus": f"{plan.corpus} ({corpus.sha256[:12]})",
        "seed": plan.seed,
        "engine": _arithmetic(plan.engine),
        "model": plan.preset_entry.model if state.started_from is None else checkpoint.model,
    }
    found = {
        "preset": state.preset,
        # The text counts, not the name it goes by: a file may have moved.
        "corpus": planned["corpus"]
        if state.corpus_sha256 == corpus.sha256
        else f"{state.corpus} ({state.corpus_sha256[:12]})",
        "seed": state.seed,
        "engine": _arithmetic(state.engine),
        "model": checkpoint.model,
    }
    different = [name for name in planned if planned[name] != found[name]]
    if different:
        shown = {"engine": (state.engine, plan.engine)}
        problem = ", ".join(
            "{} {} against {}".format(name, *shown.get(name, (found[name], planned[name]))) for name in different
        )
        raise ConfigError(
            f"the checkpoint in {plan.out} is another run's: {problem}",
            "the settings it was started with",
            "the same command with those settings, or another --out without --resume",
        )
    return checkpoint


def _arithmetic(variant: str) -> tuple[str, dict[str, Any]]:
    """A variant without the options that a resumed run may change."""
    name, options = parse_variant(variant)
    placement = get_engine(name).placement
    return name, {key: value for key, value in options.items() if key not in placement}


def resumed_options(planned: str, reported: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a resumed run's engine: what its first part chose, placed as planned now.

    Args:
        planned: the plan's variant.
        reported: the options that the first part's engine said it had.
    """
    name, asked = parse_variant(planned)
    placement = get_engine(name).placement
    chosen = format_variant(name, {key: value for key, value in reported.items() if key not in placement})
    return {key: value for key, value in asked.items() if key in placement} | parse_variant(chosen)[1]
