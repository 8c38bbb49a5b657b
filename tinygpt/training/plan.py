"""The plan of a training run: a frozen dataclass, validated before anything is loaded or computed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from tinygpt.arguments import check_fields, folder, number, whole_number
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.corpora import absolute_name
from tinygpt.engines import DEFAULT_ENGINE, parse_variant, resolve_variant
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.gallery.sources import absolute_source
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.presets import PRESETS, Preset
from tinygpt.recipes import RECIPES, SCHEDULES, preset_learning_rate, schedule_settings
from tinygpt.tokenizers import BYTES, absolute_tokenizer, as_text, expected_vocab_size, text_bytes


def _is_round(step: int) -> bool:
    """Return whether a step is 1, 10, 30, 100, 300, …: about evenly spread over a log axis."""
    digits = str(step)
    return step == 1 or (step >= 10 and digits[0] in "13" and not digits[1:].strip("0"))


def _tenth(steps: int) -> int:
    """Return a tenth of a run, rounded up, so that the last of ten intervals ends with the run."""
    return -(-steps // 10)


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Settings of a training run except its length, shared by the plan and the options of ``invoke train``.

    A resumed run keeps its own settings unless a recipe, or an option between it and the clipping, is given.

    Attributes:
        preset: tiny, small, medium, large, xl, huge, massive, mega, behemoth, nanogpt, medium256 or gpt2, with options
            for another shape as in ``small[n_layers=4,d_model=160]``: n_layers, d_model, n_heads, context_length,
            batch_size.
        corpus: shakespeare, kjv, python, stories, tinyshakespeare, file:PATH or hf:OWNER/NAME.
        tokenizer: bytes, bpe:2048 (trained on the corpus), gpt2, or the path of a tokenizer.json; bytes by default, and
            with --start-from that of the weights.
        engine: python, numpy, vectorized, compiled or jax, with options as in ``vectorized[threads=1]``; auto for the
            fastest that this machine has.
        seed: seed of the starting weights and the batches.
        recipe: constant (the reference's, which every measurement uses), warmup, cosine, stable, muon, nanogpt or
            finetune; by default the preset's own settings, and with --start-from finetune.
        learning_rate: a rate instead of the recipe's; auto for the one that fits the model's width.
        batch_size: sequences in a batch, instead of the preset's or, with --start-from, the model's.
        context_length: tokens in a sequence with --start-from; the model's own by default, and at most that.
        accumulation: batches whose gradients make one update.
        warmup_steps: updates over which the learning rate rises, instead of the recipe's.
        schedule: constant, cosine (to a tenth) or stable (constant for half of the run, then to 0); by default the
            recipe's.
        dropout: share of the numbers that dropout sets to 0; off by default.
        weight_decay: decay of matrices and embeddings, instead of the recipe's.
        betas: decays of the two moments, as in 0.9,0.95, instead of the recipe's.
        grad_clip: largest norm of a gradient, instead of 1.
        train_only: modules to train, the others stay as they are: wte, wpe, ln_f, a layer or several as in h.10-11, or
            a part of them as in h.*.attn; comma-separated.
        lora: train an adapter of low rank instead of the weights, such as rank=8,alpha=16,on=attn+mlp; on= also takes
            attn.c_attn, attn.c_proj, mlp.c_fc and mlp.c_proj; needs --start-from.
        eval_every: updates between evaluations on the held-out text; a tenth of the run when omitted.
        checkpoint_every: updates between checkpoints, besides those by time.
        patience: stop after this many evaluations without a lower held-out loss; by default never.
        prompt: prompt of the samples; a line break if empty.
        keep: number of earlier checkpoints that stay in the folder.
        start_from: a model to train further, in the place of a preset: a folder, ours or a GPT-2 of transformers, a
            gallery model, or one of the hub such as gpt2. It brings its shape, weights, batch and tokenizer.
        corpus_file: your own copy of the corpus tinyshakespeare.
        record: write the run's steps and samples to results/local/; needs the extra ``bench``.
        track: write the run's course for another tool too, tensorboard or trackio; needs the extra ``track``.
        gentle: give way to everything else on this machine.
    """

    preset: str = "small"
    corpus: str = "shakespeare"
    tokenizer: str | None = None
    engine: str = DEFAULT_ENGINE
    seed: int = 0
    recipe: str | None = None
    learning_rate: float | Literal["auto"] | None = None
    batch_size: int | None = field(default=None, metadata={"option": "batch"})
    context_length: int | None = field(default=None, metadata={"option": "context"})
    accumulation: int | None = field(default=None, metadata={"option": "accumulate"})
    warmup_steps: int | None = field(default=None, metadata={"option": "warmup"})
    schedule: str | None = None
    dropout: float | None = None
    weight_decay: float | None = None
    betas: tuple[float, ...] | None = None
    grad_clip: float | None = None
    train_only: str | None = None
    lora: str | None = None
    eval_every: int | None = None
    checkpoint_every: int | None = None
    patience: int | None = None
    prompt: str = field(default="", metadata={"may_be_empty": True})
    keep: int = 2
    start_from: str | None = None
    corpus_file: Path | None = None
    record: bool = False
    track: Literal["tensorboard", "trackio"] | None = None
    gentle: bool = False


# Options that a run's folder stores besides the engine, the text, and the batch and optimiser settings.
_STORED_SETTINGS = (
    "tokenizer", "minutes", "eval_every", "checkpoint_every", "patience", "prompt", "keep", "corpus_file", "record",
    "track", "gentle",
)  # fmt: skip
# Options that change a preset's own settings.
_DEPARTURES = (
    "tokenizer", "recipe", "learning_rate", "batch_size", "context_length", "accumulation", "warmup_steps", "schedule",
    "dropout", "weight_decay", "betas", "grad_clip", "train_only", "lora", "patience", "start_from",
)  # fmt: skip


@dataclass(frozen=True)
class TrainingPlan(TrainingSettings):
    """A training run.

    Attributes:
        out: folder of the checkpoint.
        steps: number of updates in the whole run, including those before a resume; of a run by the clock, an estimate.
        minutes: wall time of the whole run, over all its parts, instead of its steps.
        seconds_before: time that this command spent before the session, which counts.
        eval_batches: batches of held-out text per evaluation, always the same ones.
        sample_every: steps between samples; None for a tenth of the run.
        early_samples: write samples also after 1, 10, 30, 100, … steps.
        sampling: settings of the samples, with the same random choices every time.
        checkpoint_seconds: the longest time between checkpoints.

    Raises:
        ConfigError: an unknown preset or engine, or a number outside its range.
    """

    out: Path
    steps: int = 1000
    minutes: float | None = field(default=None, kw_only=True)
    seconds_before: float = field(default=0.0, kw_only=True)
    eval_batches: int = 8
    sample_every: int | None = None
    early_samples: bool = False
    sampling: SamplingSettings = field(default_factory=lambda: SamplingSettings(160, temperature=0.8, top_k=40))
    checkpoint_seconds: float = 120.0

    @classmethod
    def of(cls, options: object, **more: Any) -> TrainingPlan:
        """Make the plan of a run with the settings among these options; ``more`` adds or replaces fields."""
        names = {part.name for part in fields(TrainingSettings)} & vars(options).keys()
        return cls(**{name: getattr(options, name) for name in names} | more)

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", folder("out", self.out))
        if self.corpus_file is not None:
            object.__setattr__(self, "corpus_file", Path(self.corpus_file).absolute())
        if self.start_from is not None:
            object.__setattr__(self, "start_from", absolute_source(self.start_from))
        if self.context_length is not None:
            check_fields(self, whole_number, "context_length", least=1)
            if self.start_from is None:
                shape = f"--preset '{self.preset}[context_length={self.context_length}]'"
                raise ConfigError("--context without --start-from", "the preset's own", f"invoke train {shape}")
        # A run may be resumed and evaluated from other folders.
        object.__setattr__(self, "corpus", absolute_name(self.corpus))
        if self.tokenizer is not None:
            object.__setattr__(self, "tokenizer", absolute_tokenizer(self.tokenizer))
        every = [name for name in ("eval_every", "sample_every", "checkpoint_every") if getattr(self, name) is not None]
        check_fields(self, whole_number, "steps", "eval_batches", *every, least=1)
        check_fields(self, whole_number, "seed", "keep")
        check_fields(self, number, "checkpoint_seconds", above=True)
        if self.minutes is not None:
            check_fields(self, number, "minutes", above=True)
        if self.patience is not None:
            check_fields(self, whole_number, "patience", least=1)
        if self.schedule is not None and self.schedule not in SCHEDULES:
            raise unknown_name("schedule", self.schedule, SCHEDULES)
        parse_variant(self.engine)
        object.__setattr__(self, "engine", resolve_variant(self.engine))  # rows and checkpoints name the real one
        preset = PRESETS[self.preset]
        object.__setattr__(self, "preset", preset.name)
        self.train_config(preset.train)
        text_bytes(self.prompt)

    @property
    def preset_entry(self) -> Preset:
        """The preset's row."""
        return PRESETS[self.preset]

    @property
    def model(self) -> ModelConfig:
        """The preset's shape with the tokenizer's vocabulary, as far as its name says it."""
        return replace(self.preset_entry.model, vocab_size=expected_vocab_size(self.tokenizer or BYTES.name))

    @property
    def title(self) -> str:
        """The name of the model that is trained: the preset's, or that of the weights it starts from."""
        return self.preset if self.start_from is None else Path(self.start_from).name

    @property
    def shown_prompt(self) -> str:
        """The prompt as text for files: bytes that are not UTF-8 are U+FFFD."""
        return as_text(text_bytes(self.prompt))

    @property
    def evaluation_interval(self) -> int:
        """Steps between evaluations."""
        return self.eval_every or _tenth(self.steps)

    @property
    def sample_interval(self) -> int:
        """Steps between samples."""
        return self.sample_every or _tenth(self.steps)

    def samples_after(self, step: int) -> bool:
        """Return whether a sample is due after a step, apart from the last one."""
        return step % self.sample_interval == 0 or (self.early_samples and _is_round(step))

    def pauses_after(self, step: int) -> bool:
        """Return whether an evaluation, sample or checkpoint is due after a step, apart from time and the run's end."""
        saves = self.checkpoint_every is not None and step % self.checkpoint_every == 0
        return saves or step % self.evaluation_interval == 0 or self.samples_after(step)

    def train_config(self, base: TrainConfig, model: ModelConfig | None = None) -> TrainConfig:
        """Return batch and optimiser settings: a base, changed by this plan's recipe and then by its single settings.

        Args:
            base: the settings to change.
            model: the shape that a rate has to fit; by default the preset's.

        Raises:
            ConfigError: the recipe is unknown, or a setting is outside its range.
        """
        model = model or self.preset_entry.model
        if self.recipe is not None:
            base = RECIPES[self.recipe].apply(base, model, self.steps)
        names = (
            "learning_rate", "batch_size", "accumulation", "warmup_steps", "dropout", "weight_decay", "betas",
            "grad_clip", "train_only", "lora",
        )  # fmt: skip
        changes = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.learning_rate == "auto":
            changes["learning_rate"] = preset_learning_rate(model)
        if self.schedule is not None:
            changes |= schedule_settings(self.schedule, self.steps)
        return replace(base, **changes)

    def options_text(self) -> str:
        """Write the options of ``invoke train`` for these settings; empty for a preset's own."""
        words = []
        for part in fields(TrainingSettings):
            value = getattr(self, part.name)
            if part.name in _DEPARTURES and value is not None:
                option = part.metadata.get("option", part.name).replace("_", "-")
                texts = value if isinstance(value, tuple) else (value,)
                words += [f"--{option}", ",".join(text if isinstance(text, str) else repr(text) for text in texts)]
        return shlex.join(words)

    @property
    def stored_settings(self) -> dict[str, Any]:
        """Further options that a resumed run keeps, as JSON values."""
        values = {name: getattr(self, name) for name in _STORED_SETTINGS}
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}

    def resume_command(self) -> str:
        """Write the command that resumes this run; its folder has all other settings."""
        return f"invoke train --resume --out {shlex.quote(str(self.out))}"
