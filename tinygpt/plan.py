"""What a training run is asked to do: one frozen record, checked before anything is loaded or computed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path

from tinygpt.config import TrainConfig
from tinygpt.engines import DEFAULT_ENGINE, parse_variant
from tinygpt.errors import ConfigError
from tinygpt.generate import prompt_tokens
from tinygpt.presets import Preset, get_preset
from tinygpt.sampling import SamplingSettings


@dataclass(frozen=True)
class TrainingPlan:
    """A training run.

    Attributes:
        out: folder of the checkpoint.
        preset: model and batch, by name.
        corpus: the text's name, for records; the text itself is handed to the session.
        engine: engine or variant, such as ``vectorized[threads=1]``.
        steps: updates in the whole run, parts before a resume included.
        seed: of the starting weights and the batches.
        learning_rate: instead of the preset's; a resumed run keeps its own unless one is given.
        eval_every: steps between evaluations on the held-out text; a tenth of the run when None.
        eval_batches: batches of held-out text per evaluation, the same ones every time.
        sample_every: steps between samples; a tenth of the run when None.
        prompt: what the samples continue; empty starts from a line break.
        sampling: how samples are drawn, with the same random choices every time.
        checkpoint_every: steps between checkpoints; by the clock alone when None.
        checkpoint_seconds: seconds between checkpoints at most.

    Raises:
        ConfigError: an unknown preset or engine, a number outside its range, or a prompt longer than the context.
    """

    out: Path
    preset: str = "small"
    corpus: str = "shakespeare"
    engine: str = DEFAULT_ENGINE
    steps: int = 1000
    seed: int = 0
    learning_rate: float | None = None
    eval_every: int | None = None
    eval_batches: int = 8
    sample_every: int | None = None
    prompt: str = ""
    sampling: SamplingSettings = field(default_factory=lambda: SamplingSettings(160, temperature=0.8, top_k=40))
    checkpoint_every: int | None = None
    checkpoint_seconds: float = 120.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", Path(self.out))
        for name, least in (("steps", 1), ("seed", 0), ("eval_batches", 1)):
            self._require_whole(name, getattr(self, name), least)
        for name in ("eval_every", "sample_every", "checkpoint_every"):
            if getattr(self, name) is not None:
                self._require_whole(name, getattr(self, name), 1)
        if not self.checkpoint_seconds > 0:
            raise ConfigError(f"checkpoint_seconds is {self.checkpoint_seconds!r}", "a number above 0")
        if str(self.out) in ("", "."):
            raise ConfigError(f"out is {str(self.out)!r}", "a folder of its own for the run", "invoke train --out DIR")
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
    def evaluation_interval(self) -> int:
        """Steps between evaluations."""
        return self.eval_every or max(1, self.steps // 10)

    @property
    def sample_interval(self) -> int:
        """Steps between samples."""
        return self.sample_every or max(1, self.steps // 10)

    def train_config(self, base: TrainConfig) -> TrainConfig:
        """Batch and optimiser settings: a base, with this plan's learning rate over it if it names one."""
        return base if self.learning_rate is None else replace(base, learning_rate=self.learning_rate)

    def resume_command(self) -> str:
        """The command that goes on from this run's checkpoint."""
        parts = {
            "--preset": self.preset,
            "--corpus": self.corpus,
            "--engine": self.engine,
            "--steps": str(self.steps),
            "--seed": str(self.seed),
            "--out": str(self.out),
        }
        return " ".join(["invoke train", *(f"{key} {shlex.quote(value)}" for key, value in parts.items()), "--resume"])
