"""Before a run: a new one starts in a folder of its own, a resumed one goes on with what is its own."""

from __future__ import annotations

from tinygpt.checkpoint import Checkpoint, has_checkpoint, load_checkpoint
from tinygpt.corpora import Corpus
from tinygpt.engines import parse_variant
from tinygpt.errors import CheckpointError, ConfigError, StorageError
from tinygpt.plan import TrainingPlan


def require_free_folder(plan: TrainingPlan) -> None:
    """Refuse to start a new run where there is anything that it could replace.

    Raises:
        ConfigError: the folder holds a checkpoint, or files of another kind.
        StorageError: it is not a folder.
    """
    out = plan.out
    if has_checkpoint(out):
        raise ConfigError(
            f"{out} already holds a checkpoint", "a new folder, or --resume to go on", plan.resume_command()
        )
    if out.exists() and not out.is_dir():
        raise StorageError(f"{out} is a file", "a folder", "invoke train --out DIR with another DIR")
    if out.is_dir() and any(out.iterdir()):
        raise ConfigError(
            f"{out} holds files but no checkpoint", "a new or empty folder", "invoke train --out DIR with another DIR"
        )


def checkpoint_to_resume(plan: TrainingPlan, corpus: Corpus) -> Checkpoint:
    """The run to go on with, if it is the planned one.

    Raises:
        CheckpointError: there is none, or it holds no training state.
        ConfigError: it is another run's; every field that differs is named.
    """
    checkpoint = load_checkpoint(plan.out)
    state = checkpoint.training
    if state is None or checkpoint.optimizer is None:
        raise CheckpointError(
            f"{plan.out} holds weights but no training state",
            "a folder that invoke train wrote",
            "invoke train --out DIR",
        )
    planned = {
        "preset": plan.preset,
        "corpus": f"{plan.corpus} ({corpus.sha256[:12]})",
        "seed": plan.seed,
        "engine": parse_variant(plan.engine),
        "model": plan.preset_entry.model,
    }
    found = {
        "preset": state.preset,
        # The text counts, not the name it goes by: a file may have moved.
        "corpus": planned["corpus"]
        if state.corpus_sha256 == corpus.sha256
        else f"{state.corpus} ({state.corpus_sha256[:12]})",
        "seed": state.seed,
        "engine": parse_variant(state.engine),
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
