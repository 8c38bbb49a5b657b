"""The start of a run from a trained model: its weights, a context of one's own, and settings to train it further."""

from __future__ import annotations

from dataclasses import replace
from shlex import quote

from tinygpt.checkpoints.checkpoint import Checkpoint, as_checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.errors import ConfigError
from tinygpt.gallery.sources import load_source, source_shape
from tinygpt.lora import parse_lora
from tinygpt.recipes import RECIPES
from tinygpt.training.plan import TrainingPlan

RECIPE = "finetune"
"""The recipe of a run that starts from weights and names none."""


def starting_weights(plan: TrainingPlan) -> Checkpoint | None:
    """Load the model that a new run starts from, if the plan names one, with the settings to train it with.

    A context of the plan keeps the first rows of the position table, and as many tokens in a batch. An adapter is
    trained further if the plan has LoRA of its shape, and folded in without LoRA.

    Raises:
        CheckpointError: there is no such model, or its files are damaged, or it has no tokenizer.
        MissingDependencyError: it is a model of the hub, and the extra ``hub`` is not installed.
        ConfigError: the context is longer than the model's, or the plan has LoRA and no base, or another adapter.
    """
    if plan.start_from is None:
        if plan.lora is not None:
            run = "invoke train --start-from DIR with the same options"
            raise ConfigError("--lora without --start-from", "a base, whose weights stay as they are", run)
        return None
    found = _to_adapt(plan, as_checkpoint(load_source(plan.start_from)))
    model, train = _planned(plan, found.config, found.train)
    return replace(found.with_context(model.context_length), train=train)


def _to_adapt(plan: TrainingPlan, found: Checkpoint) -> Checkpoint:
    """Return a model as the plan goes on with it: the base of a new adapter, an adapter and its base, or whole."""
    if plan.lora is None:
        return found if found.adapter is None else found.folded()
    if found.adapter is None:
        return replace(found, base=plan.start_from)
    lora = parse_lora(plan.lora)
    if found.train.adapter != lora:
        problem = f"{plan.start_from} is an adapter with {found.train.lora}, and --lora asks for {lora}"
        run = f"invoke merge --adapter {quote(str(plan.start_from))} --out BASE, then --start-from BASE"
        raise ConfigError(problem, "its own shape, or a base without an adapter", run)
    return found


def starting_shape(plan: TrainingPlan) -> tuple[ModelConfig, TrainConfig]:
    """Return the shape and settings of :func:`starting_weights` without reading weights; errors are the same."""
    return _planned(plan, *source_shape(str(plan.start_from)))


def _planned(plan: TrainingPlan, model: ModelConfig, train: TrainConfig) -> tuple[ModelConfig, TrainConfig]:
    context, longest = plan.context_length or model.context_length, model.context_length
    if context > longest:
        problem = f"--context is {context:,}, and {plan.title} has {longest:,} positions"
        raise ConfigError(problem, f"1 to {longest:,}", f"the same command with --context {longest}")
    base = TrainConfig(max(1, train.batch_size * longest // context))
    model = replace(model, context_length=context)
    return model, base if plan.recipe else RECIPES[RECIPE].apply(base, model, plan.steps)
