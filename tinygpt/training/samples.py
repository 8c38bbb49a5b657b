"""The text that a run writes between its steps."""

from __future__ import annotations

from tinygpt.engines import Engine
from tinygpt.generation.decoding import TimedGeneration, continue_prompt
from tinygpt.training.events import SampleRecord
from tinygpt.training.plan import TrainingPlan


def write_sample(
    engine: Engine, plan: TrainingPlan, step: int, train_loss: float, held_out_loss: float | None
) -> SampleRecord:
    """Continue the plan's prompt with the weights after a step; the losses are recorded beside the text."""
    tokens = TimedGeneration(continue_prompt(engine, plan.prompt, plan.sampling))
    text = "".join(engine.tokenizer.decode_stream(tokens))
    return SampleRecord(
        step=step,
        prompt=plan.shown_prompt,
        text=text,
        **plan.sampling.recorded,
        tokens_per_second=tokens.tokens_per_second,
        first_token_seconds=tokens.first_token_seconds,
        train_loss=train_loss,
        held_out_loss=held_out_loss,
    )
