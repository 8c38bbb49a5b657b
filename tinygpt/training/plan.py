"""What a training run is asked to do: one frozen record, checked before anything is loaded or computed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from tinygpt.config import TrainConfig
from tinygpt.corpora import absolute_name
from tinygpt.data import Tokenizer
from tinygpt.engines import DEFAULT_ENGINE, parse_variant
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.generation.decoding import prompt_tokens
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.presets import Preset, get_preset
from tinygpt.recipes import get_recipe, preset_learning_rate


def _is_round(step: int) -> bool:
    """Whether a number is 1, or 1 or 3 times a power of ten from 10 on: about evenly spread over a log axis."""
    digits = str(step)
    return step == 1 or (step >= 10 and digits[0] in "13" and not digits[1:].strip("0"))


def _tenth(steps: int) -> int:
    """A tenth of a run, rounded up: the last of ten intervals ends with the run, not a step before."""
    return -(-steps // 10)


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What is trained, apart from how long: shared by the plan of a run and by the options of ``invoke train``.

    A resumed run keeps its own settings unless a recipe is given, or one of those after it up to the dropout.

    Attributes:
        preset: tiny, small, medium, large, xl, huge, massive, mega, behemoth, or nanogpt.
        corpus: shakespeare, kjv, python, stories, tinyshakespeare, file:PATH or hf:OWNER/NAME.
        engine: python, numpy, vectorized or jax, with options as in ``vectorized[threads=1]``.
        seed: of the starting weights and the batches.
        recipe: constant (the reference's, which every measurement uses), warmup, cosine or nanogpt; the preset's own
            settings when omitted.
        learning_rate: instead of the recipe's; auto for the one that suits the preset's width.
        batch_size: sequences in a batch, instead of the preset's.
        accumulation: batches whose gradients make one update.
        warmup_steps: updates over which the learning rate rises, instead of the recipe's.
        schedule: cosine for a rate that falls until the run's end, constant for one that stays; the recipe's when
            omitted.
        dropout: share of the numbers that dropout sets to 0; off when omitted.
        patience: stop after so many evaluations without a lower held-out loss; never when omitted.
        prompt: what the samples continue; a line break when empty.
        keep: checkpoints before the newest that stay in the folder.
        start_from: a checkpoint folder, ours or a GPT-2 of transformers with a byte vocabulary, to train further: its
            shape and weights are used instead of the preset's.
        corpus_file: the corpus tinyshakespeare as a file that you have.
        record: write the run's steps and samples to results/local/; needs the extra ``bench``.
        gentle: let everything else on this machine go first.
    """

    preset: str = "small"
    corpus: str = "shakespeare"
    engine: str = DEFAULT_ENGINE
    seed: int = 0
    recipe: str | None = None
    learning_rate: float | Literal["auto"] | None = None
    batch_size: int | None = field(default=None, metadata={"option": "batch"})
    accumulation: int | None = field(default=None, metadata={"option": "accumulate"})
    warmup_steps: int | None = field(default=None, metadata={"option": "warmup"})
    schedule: str | None = None
    dropout: float | None = None
    patience: int | None = None
    prompt: str = ""
    keep: int = 2
    start_from: Path | None = None
    corpus_file: Path | None = None
    record: bool = False
    gentle: bool = False


# What a run's folder keeps of its command besides its engine, text and batch and optimiser settings.
_KEPT_SETTINGS = ("patience", "prompt", "keep", "corpus_file", "record", "gentle")
# What a run may have beyond its preset.
_DEPARTURES = (
    "recipe", "learning_rate", "batch_size", "accumulation", "warmup_steps", "schedule", "dropout", "patience",
)  # fmt: skip


@dataclass(frozen=True)
class TrainingPlan(TrainingSettings):
    """A training run.

    Attributes:
        out: folder of the checkpoint.
        steps: updates in the whole run, parts before a resume included.
        learning_rate: instead of the recipe's.
        eval_every: steps between evaluations on the held-out text; a tenth of the run when None.
        eval_batches: batches of held-out text per evaluation, the same ones every time.
        sample_every: steps between samples; a tenth of the run when None.
        early_samples: whether there are samples after 1, 10, 30, 100, … steps as well.
        sampling: how samples are drawn, with the same random choices every time.
        checkpoint_every: steps between checkpoints; by the clock alone when None.
        checkpoint_seconds: seconds between checkpoints at most.

    Raises:
        ConfigError: an unknown preset or engine, a number outside its range, or a prompt longer than the context.
    """

    out: Path
    steps: int = 1000
    learning_rate: float | None = field(default=None, kw_only=True)
    eval_every: int | None = None
    eval_batches: int = 8
    sample_every: int | None = None
    early_samples: bool = False
    sampling: SamplingSettings = field(default_factory=lambda: SamplingSettings(160, temperature=0.8, top_k=40))
    checkpoint_every: int | None = None
    checkpoint_seconds: float = 120.0

    @classmethod
    def of(cls, settings: TrainingSettings, **more: Any) -> TrainingPlan:
        """The plan of a run with these settings; ``more`` gives the fields that they lack, or replaces some."""
        values = {part.name: getattr(settings, part.name) for part in fields(TrainingSettings)} | more
        if values["learning_rate"] == "auto":
            values["learning_rate"] = preset_learning_rate(get_preset(values["preset"]).model)
        return cls(**values)

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", Path(self.out))
        for name in ("start_from", "corpus_file"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, Path(getattr(self, name)).absolute())
        # A run is resumed and evaluated from other folders, too.
        object.__setattr__(self, "corpus", absolute_name(self.corpus))
        for name, least in (("steps", 1), ("seed", 0), ("eval_batches", 1), ("keep", 0)):
            self._require_whole(name, getattr(self, name), least)
        for name in ("eval_every", "sample_every", "checkpoint_every", "patience"):
            if getattr(self, name) is not None:
                self._require_whole(name, getattr(self, name), 1)
        if not self.checkpoint_seconds > 0:
            raise ConfigError(f"checkpoint_seconds is {self.checkpoint_seconds!r}", "a number above 0")
        if str(self.out) in ("", "."):
            raise ConfigError(f"out is {str(self.out)!r}", "a folder of its own for the run", "invoke train --out DIR")
        if self.schedule not in (None, "constant", "cosine"):
            raise unknown_name("schedule", str(self.schedule), ("constant", "cosine"), "invoke train --recipe cosine")
        parse_variant(self.engine)
        preset = get_preset(self.preset)
        self.train_config(preset.train)
        prompt_tokens(self.prompt, preset.model.context_length)

    @staticmethod
    def _require_whole(name: str, value: object, least: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"{name} is {value!r}", f"a whole number, {least} or more", "invoke --help train")

    @property
    def preset_entry(self) -> Preset:
        """The preset's row."""
        return get_preset(self.preset)

    @property
    def shown_prompt(self) -> str:
        """The prompt as text that can be written to a file: its bytes that are not UTF-8 are U+FFFD."""
        return Tokenizer.decode(Tokenizer.encode(self.prompt))

    @property
    def evaluation_interval(self) -> int:
        """Steps between evaluations."""
        return self.eval_every or _tenth(self.steps)

    @property
    def sample_interval(self) -> int:
        """Steps between samples."""
        return self.sample_every or _tenth(self.steps)

    def samples_after(self, step: int) -> bool:
        """Whether a sample is due after so many steps, the last step of the run aside."""
        return step % self.sample_interval == 0 or (self.early_samples and _is_round(step))

    def pauses_after(self, step: int) -> bool:
        """Whether an evaluation, a sample or a checkpoint is due after so many steps, the clock and the end aside."""
        saves = self.checkpoint_every is not None and step % self.checkpoint_every == 0
        return saves or step % self.evaluation_interval == 0 or self.samples_after(step)

    def train_config(self, base: TrainConfig) -> TrainConfig:
        """Batch and optimiser settings: a base, this plan's recipe over it, and its single settings over that.

        Raises:
            ConfigError: the recipe is unknown, or a setting is outside its range.
        """
        if self.recipe is not None:
            base = get_recipe(self.recipe).apply(base, self.preset_entry.model, self.steps)
        names = ("learning_rate", "batch_size", "accumulation", "warmup_steps", "dropout")
        asked = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.schedule is not None:
            asked["decay_steps"] = self.steps if self.schedule == "cosine" else 0
        return replace(base, **asked)

    def options_text(self) -> str:
        """The options of ``invoke train`` that ask for these settings; empty for a preset's own."""
        words = []
        for part in fields(TrainingSettings):
            value = getattr(self, part.name)
            if part.name in _DEPARTURES and value is not None:
                option = part.metadata.get("option", part.name).replace("_", "-")
                words += [f"--{option}", value if isinstance(value, str) else repr(value)]
        return shlex.join(words)

    @property
    def kept_settings(self) -> dict[str, Any]:
        """What the command said and a resumed run goes on with, as values of JSON."""
        values = {name: getattr(self, name) for name in _KEPT_SETTINGS}
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}

    def resume_command(self) -> str:
        """The command that goes on from this run's checkpoint, whose folder has everything else."""
        return f"invoke train --resume --out {shlex.quote(str(self.out))}"
