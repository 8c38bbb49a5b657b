"""LoRA (Hu et al. 2021): a low-rank addition to frozen matrices, which alone is trained.

    y = x W + b + (α / r) (x A) B        x (N, I), W (I, O), A (I, r), B (r, O)

A starts uniform within ± 1/√I, as PEFT's does (Kaiming with a = √5), and B with zeros: the first step is the base's.
``tinygpt/layers.py`` has the forward and backward, ``docs/derivations/lora.md`` derives them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from tinygpt.arguments import check_fields, number, whole_number
from tinygpt.errors import ConfigError, unknown_name

Arrays = dict[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]

MODULES = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")  # a block's linear layers, in data-flow order
_GROUPS = MappingProxyType({"attn": MODULES[:2], "mlp": MODULES[2:]})
_PLACES = MappingProxyType({**_GROUPS, **{module: (module,) for module in MODULES}})
_STREAM = 0x10A  # separates the adapter's numbers from other uses of the same seed
EXAMPLE = "--lora rank=8,alpha=16,on=attn+mlp"


@dataclass(frozen=True)
class Lora:
    """The shape of an adapter.

    Attributes:
        rank: r, the columns of A and rows of B.
        alpha: α; the addition is multiplied by α / r.
        on: the linear layers with an adapter, in every block: names of ``MODULES``.

    Raises:
        ConfigError: a field is outside its range.
    """

    rank: int = 8
    alpha: float = 16.0
    on: tuple[str, ...] = MODULES

    def __post_init__(self) -> None:
        check_fields(self, whole_number, "rank", least=1)
        check_fields(self, number, "alpha", above=True)
        if not self.on or set(self.on) - {*MODULES}:
            raise ConfigError(f"an adapter is on {', '.join(self.on) or 'nothing'}", ", ".join(_PLACES), EXAMPLE)
        object.__setattr__(self, "on", tuple(module for module in MODULES if module in self.on))

    @property
    def scale(self) -> float:
        """α / r."""
        return self.alpha / self.rank

    def __str__(self) -> str:
        places, rest = [], set(self.on)
        for place, modules in _PLACES.items():  # whole groups come first
            if rest.issuperset(modules):
                places.append(place)
                rest -= {*modules}
        return f"rank={self.rank},alpha={self.alpha:g},on={'+'.join(places)}"


def parse_lora(text: str) -> Lora:
    """Read the value of ``--lora``, such as ``rank=8,alpha=16,on=attn+mlp``; ``str`` of the result is its plain form.

    Raises:
        ConfigError: a setting is unknown, given twice, or outside its range.
    """
    values: dict[str, Any] = {}
    for item in filter(None, text.split(",")):
        key, _, value = (part.strip() for part in item.partition("="))
        if key not in _SETTINGS:
            raise unknown_name("setting of --lora:", key, _SETTINGS, EXAMPLE)
        if key in values:
            raise ConfigError(f"--lora gives {key} twice", "one value", EXAMPLE)
        allowed, read = _SETTINGS[key]
        try:
            values[key] = read(value)
        except ValueError:
            raise ConfigError(f"{key} of --lora is {value!r}", allowed, EXAMPLE) from None
    if values.pop("dropout", 0.0):
        raise ConfigError("dropout of --lora is not 0", "0; --dropout acts on the residual stream", EXAMPLE)
    try:
        return Lora(**values)
    except ConfigError as error:
        raise ConfigError(f"--lora {text}: {error.problem}", error.allowed, error.run or EXAMPLE) from None


def _modules(text: str) -> tuple[str, ...]:
    """Return the linear layers in a text such as ``attn+mlp.c_fc``."""
    modules: tuple[str, ...] = ()
    for place in map(str.strip, text.split("+")):
        if place in ("wte", "wpe", "lm_head", "head"):
            problem = f"on={place}: the embedding is also the output head, and an adapter would untie them"
            raise ConfigError(problem, ", ".join(_PLACES), "--train-only wte")
        if place not in _PLACES:
            raise unknown_name("layer in on= of --lora:", place, _PLACES, EXAMPLE)
        modules += _PLACES[place]
    return modules


# Name of a setting → its values in errors, and the function that reads one.
_SETTINGS: Mapping[str, tuple[str, Callable[[str], Any]]] = MappingProxyType(
    {
        "rank": ("a whole number, 1 or more", int),
        "alpha": ("a number above 0", float),
        "on": ("names joined by +", _modules),
        "dropout": ("0", float),
    }
)


def adapter_names(weight: str) -> tuple[str, str]:
    """Return the names of A and B for a weight: ``h.0.attn.c_attn.weight`` → ``….lora_A`` and ``….lora_B``."""
    module = weight.removesuffix(".weight")
    return f"{module}.lora_A", f"{module}.lora_B"


def adapted_weights(shapes: Shapes, lora: Lora) -> list[str]:
    """List the weights of a model that get an adapter, in data-flow order."""
    ends = tuple(f".{module}.weight" for module in lora.on)
    return [name for name in shapes if name.startswith("h.") and name.endswith(ends)]


def adapter_shapes(shapes: Shapes, lora: Lora) -> dict[str, tuple[int, ...]]:
    """Return name → shape of an adapter's arrays in data-flow order, for a model with these parameters.

    Raises:
        ConfigError: its rank is above that of a matrix, and would add numbers but nothing that they can express.
    """
    adapter: dict[str, tuple[int, ...]] = {}
    for name in adapted_weights(shapes, lora):
        inputs, outputs = shapes[name]
        if lora.rank > min(inputs, outputs):
            problem = f"an adapter of rank {lora.rank:,} on {name.removesuffix('.weight')}, {inputs:,} × {outputs:,}"
            raise ConfigError(problem, f"a rank of 1 to {min(inputs, outputs):,}", EXAMPLE)
        a, b = adapter_names(name)
        adapter |= {a: (inputs, lora.rank), b: (lora.rank, outputs)}
    return adapter


def initial_adapter(shapes: Shapes, lora: Lora, seed: int) -> Arrays:
    """Draw an adapter's starting values, which are the same for every engine."""
    rng = np.random.default_rng([seed, _STREAM])
    adapter: Arrays = {}
    for name, shape in adapter_shapes(shapes, lora).items():
        if name.endswith("lora_A"):
            bound = 1.0 / math.sqrt(shape[0])
            adapter[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
        else:
            adapter[name] = np.zeros(shape, np.float32)
    return adapter


def merged(weights: Mapping[str, np.ndarray], adapter: Mapping[str, np.ndarray], scale: float) -> Arrays:
    """Return the weights with an adapter folded in, W + (α / r) A B; arrays without one are the given ones."""
    folded = dict(weights)
    for name in weights:
        a, b = adapter_names(name)
        if a in adapter:
            folded[name] = weights[name] + np.float32(scale) * (adapter[a] @ adapter[b])
    return folded
