"""Presets: the ladder, micro to behemoth, which suites measure, and further shapes; one row per model.

``small[n_layers=4,d_model=160]`` is a preset with a shape of one's own. Its heads keep the preset's width, as those of
GPT-2's sizes do, unless ``n_heads`` is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType

from tinygpt.brackets import Bracketed, with_options
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.errors import ConfigError
from tinygpt.table import Table


@dataclass(frozen=True)
class Preset:
    """A named model shape with its batch for training and measuring."""

    name: str
    model: ModelConfig
    train: TrainConfig

    @property
    def tokens_per_step(self) -> int:
        """B·T, the number of tokens in one training step."""
        return self.train.batch_size * self.model.context_length


# name: layers, d_model, heads, context, batch
_LADDER = {
    # of the "microgpt" programs, one file of plain Python each; theirs differ in vocabulary, norm and activation
    "micro": (1, 16, 4, 16, 1),
    "tiny": (2, 48, 3, 32, 16),
    "small": (3, 96, 3, 64, 16),
    "medium": (4, 128, 4, 96, 16),
    "large": (6, 192, 6, 128, 12),
    "xl": (8, 256, 8, 128, 8),
    "huge": (12, 256, 8, 256, 8),
    "massive": (14, 384, 12, 256, 4),
    "mega": (14, 384, 12, 512, 2),
    "behemoth": (24, 1280, 20, 512, 1),
}

LADDER = Table(
    "preset",
    {
        name: Preset(name, ModelConfig(layers, d_model, heads, context), TrainConfig(batch_size=batch))
        for name, (layers, d_model, heads, context, batch) in _LADDER.items()
    },
)
"""Name → preset, from the smallest to the largest; suites measure these."""

SHAPE_OPTIONS: Mapping[str, type] = MappingProxyType(
    dict.fromkeys(("n_layers", "d_model", "n_heads", "context_length", "batch_size"), int)
)
"""Options of a preset in brackets, as in ``ModelConfig`` and ``TrainConfig``."""


class PresetTable(Table[Preset]):
    """Presets by name, and by name with options in brackets.

    Raises:
        ConfigError: a name, an option or its value is not allowed, or the heads do not divide the width.
    """

    def __getitem__(self, name: str) -> Preset:
        if not (isinstance(name, str) and "[" in name):
            return super().__getitem__(name)
        base, options = self._shapes.parse(name)
        return _with_shape(self[base], options)

    def __contains__(self, name: object) -> bool:
        if not (isinstance(name, str) and "[" in name):
            return super().__contains__(name)
        with suppress(ConfigError):
            return bool(self[name])
        return False

    def _options_of(self, name: str) -> Mapping[str, type]:
        super().__getitem__(name)
        return SHAPE_OPTIONS

    @property
    def _shapes(self) -> Bracketed:
        return Bracketed("preset", "'small' or 'small[n_layers=4]'", self._options_of)


def _with_shape(base: Preset, options: Mapping[str, int]) -> Preset:
    """Change a preset; its name has the options that make a difference, in the order of their table."""
    width, of_head = options.get("d_model", base.model.d_model), base.model.head_dim
    if width % of_head and "n_heads" not in options:
        problem = f"d_model is {width}, and the heads of preset {base.name!r} are {of_head} wide"
        raise ConfigError(problem, f"a multiple of {of_head}, or with n_heads that divide it")
    own = {name: getattr(base.model, name, base.train.batch_size) for name in SHAPE_OPTIONS}
    own["n_heads"] = width // of_head
    shape = {**own, **options}
    train = replace(base.train, batch_size=shape.pop("batch_size"))
    changes = {name: options[name] for name in own if options.get(name, own[name]) != own[name]}
    return Preset(with_options(base.name, changes), replace(base.model, **shape), train)


PRESETS = PresetTable(
    "preset",
    {
        **LADDER,
        # nanoGPT's recipe for a CPU (its README), with bytes for characters
        "nanogpt": Preset("nanogpt", ModelConfig(4, 128, 4, 64), TrainConfig(batch_size=12)),
        # medium with a longer context, for runs of several minutes: as many bytes a step, each predicted from more
        "medium256": Preset("medium256", ModelConfig(4, 128, 4, 256), TrainConfig(batch_size=6)),
        # the smallest GPT-2 (Radford et al. 2019), with its vocabulary for measurements; a run's is its tokenizer's.
        # A rate for fine-tuning: at 3e-4, sums in another order lead to other losses within the measured steps.
        "gpt2": Preset(
            "gpt2", ModelConfig(12, 768, 12, 1024, vocab_size=50_257), TrainConfig(batch_size=4, learning_rate=5e-5)
        ),
    },
)
"""Name → preset: the ladder, and further shapes for training and comparisons."""
