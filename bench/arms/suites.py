"""What is measured: suites as declared tables of arms, and the order in which their cells run.

An arm is one engine variant at one preset; a cell is one round of an arm, and one process. A suite says which arms,
how many rounds and how long a cell may take. It does not say how many steps: those are the protocol's, always.

Rounds of one preset alternate direction (A B, B A, A B, …), so that a machine that drifts slows both alike.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from bench.arms.kernel_parts import KERNELS_VARIANT
from bench.arms.registry import GENERATORS, REFERENCE, ROOFLINE_VARIANTS
from bench.arms.variants import check_variant, engine_name, kind_of
from bench.records.rows import Kind
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.presets import PRESETS, get_preset

DEFAULT_CORPUS = "shakespeare"


@dataclass(frozen=True)
class Arm:
    """One engine variant at one preset.

    Attributes:
        variant: an engine, or a variant such as ``vectorized[threads=1]``.
        preset: name of the preset.
        limit_seconds: what a process may take; then it is killed and its row says ``timeout``.
        rounds: processes of this arm.
    """

    variant: str
    preset: str
    limit_seconds: float
    rounds: int


@dataclass(frozen=True)
class Cell:
    """One round of an arm: one process, one row of ``runs``."""

    variant: str
    preset: str
    round: int
    limit_seconds: float
    generates: bool = False

    @property
    def kind(self) -> Kind:
        """What its step times are, as in the column ``kind``: of a suite that generates, a step is one whole text."""
        return "generation" if self.generates else kind_of(self.variant)

    @property
    def engine(self) -> str:
        """The engine without its options."""
        return engine_name(self.variant)

    @property
    def arm(self) -> tuple[str, str]:
        """Variant and preset, what the rounds share."""
        return self.variant, self.preset

    def id_in(self, run_id: str) -> str:
        """The cell's name in a run."""
        return f"{run_id}/{self.variant}/{self.preset}/{self.round}"


@dataclass(frozen=True)
class Suite:
    """A table of arms.

    Attributes:
        name: as in ``--suite``.
        summary: one line for listings.
        rounds: planned for every arm but slow ones; part of the protocol.
        arms: by preset, in the order of the first round.
        generates: whether the arms write texts instead of training.
    """

    name: str
    summary: str
    rounds: int
    arms: tuple[Arm, ...]
    generates: bool = False

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell in running order: presets one after another, their rounds interleaved across variants."""
        cells: list[Cell] = []
        for preset in dict.fromkeys(arm.preset for arm in self.arms):
            arms = [arm for arm in self.arms if arm.preset == preset]
            for number in range(max(arm.rounds for arm in arms)):
                direction = arms if number % 2 == 0 else arms[::-1]
                cells += [
                    Cell(arm.variant, preset, number, arm.limit_seconds, self.generates)
                    for arm in direction
                    if number < arm.rounds
                ]
        return tuple(cells)


def _suite(
    name: str,
    summary: str,
    rounds: int,
    limits: Mapping[str, Mapping[str, float]],
    slow: Iterable[str],
    rounds_at: Mapping[str, int] = MappingProxyType({}),
    generates: bool = False,
) -> Suite:
    """Turn {variant: {preset: limit in seconds}} into arms.

    Variants in ``slow`` get a single round, and presets in ``rounds_at`` as many as it says.
    """
    arms = [
        Arm(variant, preset, by_preset[preset], 1 if variant in slow else rounds_at.get(preset, rounds))
        for preset in PRESETS
        for variant, by_preset in limits.items()
        if preset in by_preset
    ]
    return Suite(name, summary, rounds, tuple(arms), generates)


# Limits in seconds. A cell of NumPy takes a small part of its limit on two idle cores; on busy ones it may take many
# times as long, and still has to end by itself. Plain Python gets too little beyond tiny on purpose: the timeout is the
# finding, and nobody should wait ten minutes for it. `full` lets it end at small.
_QUICK = {"tiny": 30.0, "small": 60.0, "medium": 90.0}
_STANDARD = {"tiny": 60.0, "small": 60.0, "medium": 90.0, "large": 180.0, "xl": 240.0}
_FULL = _STANDARD | {"huge": 600.0, "massive": 900.0, "mega": 900.0, "behemoth": 3600.0}

# The same engine once more (bench.arms.labels): how far apart the two come out is the noise floor.
_NOISE = {preset: _STANDARD[preset] for preset in ("small", "medium")}

# Rivals take about as long as NumPy does or less; compiling a model before its first step comes on top.
_RIVALS = {preset: limit + 240.0 for preset, limit in _FULL.items()}
_UNCOMPILED = ("torch", "torch-mkl-avx512")
_TRAINED = ("torch", "torch-compile", "torch-mkl-avx512", "torch-compile-mkl-avx512", "jax-textbook")
# A process of the largest presets takes minutes.
_FEWER = {"huge": 2, "massive": 2, "mega": 2, "behemoth": 1}
_STACK = {preset: _STANDARD[preset] for preset in ("tiny", "small", "medium", "large")}
_GENERATION = {"small": 120.0, "xl": 240.0, "huge": 360.0}

SUITES = MappingProxyType(
    {
        suite.name: suite
        for suite in (
            _suite(
                "quick",
                "three engines, tiny to medium, one round: about two minutes on two cores",
                1,
                {"numpy": _QUICK, "vectorized": _QUICK, "python": {"tiny": 180.0, "small": 10.0, "medium": 10.0}},
                slow=(),
            ),
            _suite(
                "standard",
                "three engines and PyTorch, tiny to xl, six interleaved rounds (plain Python one, with ten seconds "
                "beyond tiny): under a quarter of an hour",
                6,
                {"numpy": _STANDARD, "vectorized": _STANDARD, "vectorized#2": _NOISE}
                | dict.fromkeys(_UNCOMPILED, _STANDARD)
                | {"python": dict.fromkeys(_STANDARD, 10.0) | {"tiny": 180.0}},
                slow=("python",),
            ),
            _suite(
                "full",
                "every preset, every engine, every rival and the matrix products alone: six interleaved rounds up to "
                "xl, two up to mega, one of behemoth (plain Python one): two hours",
                6,
                {"numpy": _FULL, "vectorized": _FULL, "vectorized#2": _NOISE}
                | dict.fromkeys(ROOFLINE_VARIANTS, _FULL)
                | dict.fromkeys(_TRAINED, _RIVALS)
                # At tiny and small plain Python ends within these; beyond, a few steps or none.
                | {"python": dict.fromkeys(_FULL, 120.0) | {"tiny": 300.0, "small": 1200.0}},
                slow=("python",),
                rounds_at=_FEWER,
            ),
            _suite(
                "peers",
                "the vectorized engine against PyTorch, JAX and the matrix products alone, tiny to behemoth: the "
                "rounds of full; an hour or two (--presets narrows it)",
                6,
                {"numpy": _FULL, "vectorized": _FULL}
                | dict.fromkeys(ROOFLINE_VARIANTS, _FULL)
                | dict.fromkeys(_TRAINED, _RIVALS),
                slow=(REFERENCE,),
                rounds_at=_FEWER,
            ),
            _suite(
                "generation",
                "256 greedy tokens with a key-value cache, by this project's engines, PyTorch, JAX and transformers; "
                "six interleaved rounds at small, xl and huge: half an hour or less",
                6,
                dict.fromkeys(GENERATORS, _GENERATION),
                slow=(),
                generates=True,
            ),
            _suite(
                "variants",
                "what each idea buys: numpy, then vectorized on one thread, with threads and with processes, tiny to "
                "large, six interleaved rounds (plain Python one, at tiny): ten minutes",
                6,
                {"numpy": _STACK, "python": {"tiny": 300.0}}
                | dict.fromkeys(("vectorized[threads=1]", "vectorized[team=threads]", "vectorized"), _STACK),
                slow=("python",),
            ),
            _suite(
                "kernels",
                "the parts of a vectorized step, and every fused kernel in NumPy's form and NumExpr's, tiny to xl: "
                "three rounds, five minutes",
                3,
                {KERNELS_VARIANT: _STANDARD},
                slow=(),
            ),
        )
    }
)
DEFAULT_SUITE = "quick"


def get_suite(name: str) -> Suite:
    """Look a suite up by name.

    Raises:
        ConfigError: there is no such suite; the message suggests the nearest name.
    """
    if name not in SUITES:
        raise unknown_name("suite", name, SUITES, f"invoke bench --suite {DEFAULT_SUITE}")
    return SUITES[name]


def select_suite(suite: str, presets: Sequence[str] = (), engines: Sequence[str] = ()) -> Suite:
    """A suite narrowed to some presets and engines, or reaching beyond it to those that it does not list.

    Args:
        suite: name of the suite, which gives rounds and limits.
        presets: the suite's when empty.
        engines: engines or variants; the suite's when empty.

    Returns:
        the selection, with the reference engine at every preset (one round, if it was not asked for). Generation
        needs none: a worker replays its texts through the reference itself. Nor does a look at the parts of a step,
        whose losses are compared with those of the same steps left alone.

    Raises:
        ConfigError: a suite, preset, engine or option is unknown.
    """
    base = get_suite(suite)
    for name in presets:
        get_preset(name)
    asked = {*presets} or {arm.preset for arm in base.arms}
    variants = list(dict.fromkeys(_check(base, name) for name in engines))
    arms: list[Arm] = []
    for preset in (name for name in PRESETS if name in asked):
        if variants:
            chosen = [_arm(base, variant, preset) for variant in variants]
        else:
            declared = [arm for arm in base.arms if arm.preset == preset]
            chosen = declared or [
                _arm(base, variant, preset) for variant in dict.fromkeys(a.variant for a in base.arms)
            ]
        trained = not base.generates and any(arm.variant != KERNELS_VARIANT for arm in chosen)
        if trained and REFERENCE not in (arm.variant for arm in chosen):
            chosen.insert(0, replace(_arm(base, REFERENCE, preset), rounds=1))
        # The reference goes first, so that every other cell can be judged as it ends.
        arms += sorted(chosen, key=lambda arm: arm.variant != REFERENCE)
    if not arms:
        raise ConfigError("nothing is selected", "at least one preset and engine", "invoke bench --suite quick")
    return replace(base, arms=tuple(arms))


def _check(suite: Suite, name: str) -> str:
    """A variant without spaces, if the suite can measure it."""
    if not suite.generates:
        return check_variant(name)
    if name not in GENERATORS:
        raise unknown_name("generator", name, GENERATORS, f"invoke bench --suite {suite.name}")
    return name


def _arm(suite: Suite, variant: str, preset: str) -> Arm:
    """Limit and rounds for a variant: its own, its engine's, or the reference's.

    The suite's own where it has them, else those of a suite that reaches further.
    """
    if suite.generates:
        return Arm(variant, preset, _GENERATION.get(preset, _FULL["mega"]), suite.rounds)
    for name in (variant, engine_name(variant), REFERENCE):
        for source in (suite, SUITES["full"], SUITES["peers"]):
            for arm in source.arms:
                if arm.preset == preset and arm.variant == name:
                    # One round for what is declared slow there, the suite's own number for everything else.
                    return Arm(variant, preset, arm.limit_seconds, min(arm.rounds, suite.rounds))
    raise ConfigError(f"suite full has no arm for preset {preset!r}", ", ".join(PRESETS))


def repeat_command(suite: str, cell: Cell, corpus: str, seed: int) -> str:
    """The command that measures a cell's arm again, with the reference beside it."""
    words = ["invoke", "bench", "--suite", suite, "--presets", cell.preset, "--engines", cell.variant]
    if corpus != DEFAULT_CORPUS:
        words += ["--corpus", corpus]
    if seed:
        words += ["--seed", str(seed)]
    return shlex.join(words)
