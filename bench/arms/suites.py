"""Suites: tables of arms, and the order in which their cells run.

An arm is one engine variant at one preset. A cell is one round of an arm, and one process. A suite has arms, rounds and
the cells' time limits; the number of steps belongs to the protocol alone.

Rounds of a preset alternate direction (A B, B A, A B, …), so that a drift of the machine slows all arms alike.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from bench.arms.kernel_parts import KERNELS_VARIANT
from bench.arms.labels import read_label
from bench.arms.landmarks import LANDMARKS
from bench.arms.registry import GENERATORS, OURS, PEERS, REFERENCE, ROOFLINE_VARIANTS, installed_as
from bench.arms.token_ways import TOKEN, TOKEN_VARIANTS
from bench.arms.variants import check_variant, engine_name, kind_of
from bench.records.grouping import grouped
from bench.records.rows import Kind
from tinygpt.engines import ENGINES, missing_extra
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.presets import LADDER, PRESETS

DEFAULT_CORPUS = "shakespeare"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arm:
    """One engine variant at one preset: its number of rounds, and the seconds after which a process is killed."""

    variant: str
    preset: str
    limit_seconds: float
    rounds: int


@dataclass(frozen=True)
class Cell:
    """One round of an arm: one process, one row of ``runs``.

    Attributes:
        replaces: the marked round that its round measures again; None in a planned round.
    """

    variant: str
    preset: str
    round: int
    limit_seconds: float
    generates: bool = False
    replaces: int | None = None

    @property
    def kind(self) -> Kind:
        """The column ``kind``; in a suite that generates, a step is one whole text."""
        return "generation" if self.generates else kind_of(self.variant)

    @property
    def engine(self) -> str:
        """The engine without its options."""
        return engine_name(self.variant)

    @property
    def arm(self) -> tuple[str, str]:
        """Variant and preset."""
        return self.variant, self.preset


@dataclass(frozen=True)
class Suite:
    """A table of arms.

    Attributes:
        rounds: planned for every arm that is not slow; part of the protocol.
        arms: in the order of the first round.
        generates: the arms generate texts instead of training.
    """

    name: str
    summary: str
    rounds: int
    arms: tuple[Arm, ...]
    generates: bool = False

    @property
    def slow(self) -> set[str]:
        """The variants that get a single round at every preset, where others get more."""
        return {arm.variant for arm in self.arms} - {arm.variant for arm in self.arms if arm.rounds == self.rounds}

    @property
    def has_commits(self) -> bool:
        """True if some arms are other commits' engines."""
        return any(read_label(arm.variant).revision for arm in self.arms)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells in running order: preset by preset, with rounds interleaved across variants."""
        rounds = {arm.preset: 0 for arm in self.arms}
        for arm in self.arms:
            rounds[arm.preset] = max(rounds[arm.preset], arm.rounds)
        return tuple(
            cell
            for preset, count in rounds.items()
            for number in range(count)
            for cell in self.cells_of_round(preset, number)
        )

    def cells_of_round(self, preset: str, number: int, replaces: int | None = None) -> list[Cell]:
        """The cells of a round in running order; one that measures another round again has the same arms."""
        planned = number if replaces is None else replaces
        arms = [arm for arm in self.arms if arm.preset == preset and planned < arm.rounds]
        return [
            Cell(arm.variant, preset, number, arm.limit_seconds, self.generates, replaces)
            for arm in (arms if number % 2 == 0 else arms[::-1])
        ]


def _suite(
    name: str,
    summary: str,
    rounds: int,
    limits: Mapping[str, Mapping[str, float]],
    slow: str = "",
    rounds_at: Mapping[str, int] = MappingProxyType({}),
    generates: bool = False,
) -> Suite:
    """Make a suite from {variant: {preset: limit in seconds}}; the slow variant gets a single round."""
    arms = [
        Arm(variant, preset, by_preset[preset], 1 if variant == slow else rounds_at.get(preset, rounds))
        for preset in PRESETS
        for variant, by_preset in limits.items()
        if preset in by_preset
    ]
    return Suite(name, summary, rounds, tuple(arms), generates)


# Limits in seconds. A cell of NumPy takes a small part of its limit on two idle cores. On busy cores it may take many
# times as long and must still end by itself. In `standard` plain Python gets too little time beyond tiny on purpose:
# the timeout is the result, and ten minutes would only delay it. In `full` it ends at small.
_QUICK = {"micro": 30.0, "tiny": 30.0, "small": 60.0, "medium": 90.0}
_PARTS = {"tiny": 60.0, "small": 60.0, "medium": 90.0, "large": 180.0, "xl": 240.0}
_STANDARD = {"micro": 60.0} | _PARTS
_FULL = _STANDARD | {"huge": 600.0, "massive": 900.0, "mega": 900.0, "behemoth": 3600.0}

# The A/A arm (bench.arms.labels): the distance of two equal engines is the noise floor.
_NOISE = {preset: _STANDARD[preset] for preset in ("small", "medium")}

# Peers take about as long as NumPy or less, after compiling a model.
_PEER_LIMITS = {preset: limit + 240.0 for preset, limit in _FULL.items()}
_TRAINED = tuple(name for name, peer in PEERS.items() if peer.trainer)
# A process of the largest presets takes minutes.
_FEWER = {"huge": 2, "massive": 2, "mega": 2, "behemoth": 1}
_STACK = {preset: _STANDARD[preset] for preset in ("tiny", "small", "medium", "large")}
_GENERATION = {"small": 120.0, "xl": 240.0, "huge": 360.0}
# Two thirds of the time is making the weights.
_TOKEN = {"mega": 120.0, "gpt2": 240.0, "behemoth": 600.0}

SUITES = MappingProxyType(
    {
        suite.name: suite
        for suite in (
            _suite(
                "quick",
                "four engines, micro to medium, one round (plain Python at micro alone): half a minute on two cores",
                1,
                {"numpy": _QUICK, "vectorized": _QUICK, "compiled": _QUICK, "python": {"micro": 60.0}},
            ),
            _suite(
                "standard",
                "four engines and PyTorch, micro to xl, six interleaved rounds (plain Python one, with ten seconds "
                "beyond tiny): under a quarter of an hour",
                6,
                {"numpy": _STANDARD, "vectorized": _STANDARD, "vectorized#2": _NOISE, "compiled": _STANDARD}
                | {name: _STANDARD for name in _TRAINED if PEERS[name].is_standard}
                | {"python": dict.fromkeys(_STANDARD, 10.0) | {"micro": 60.0, "tiny": 180.0}},
                slow="python",
            ),
            _suite(
                "full",
                "every preset, every engine, every peer and the matrix products alone: six interleaved rounds up to "
                "xl, two up to mega, one of behemoth (plain Python one): several hours",
                6,
                {"numpy": _FULL, "vectorized": _FULL, "vectorized#2": _NOISE, "compiled": _FULL}
                | dict.fromkeys(ROOFLINE_VARIANTS, _FULL)
                | dict.fromkeys(_TRAINED, _PEER_LIMITS)
                # At tiny and small plain Python ends within these; beyond, a few steps or none.
                | {"python": dict.fromkeys(_FULL, 120.0) | {"tiny": 300.0, "small": 1200.0}},
                slow="python",
                rounds_at=_FEWER,
            ),
            _suite(
                "peers",
                "the fast engines against PyTorch, JAX and the matrix products alone, micro to behemoth: the "
                "rounds of full; several hours (--presets narrows it)",
                6,
                {"numpy": _FULL, "vectorized": _FULL, "compiled": _FULL}
                | dict.fromkeys(ROOFLINE_VARIANTS, _FULL)
                | dict.fromkeys(_TRAINED, _PEER_LIMITS),
                slow=REFERENCE,
                rounds_at=_FEWER,
            ),
            _suite(
                "generation",
                "256 greedy tokens with a key-value cache, by this project's engines, PyTorch, JAX and transformers; "
                "six interleaved rounds at small, xl and huge: half an hour or less",
                6,
                dict.fromkeys(GENERATORS, _GENERATION),
                generates=True,
            ),
            _suite(
                TOKEN,
                "the products of one token alone, from weights in four bytes, two and one, multiplied in several ways "
                "on one thread; six interleaved rounds at mega and gpt2, two at behemoth: ten minutes",
                6,
                dict.fromkeys(TOKEN_VARIANTS, _TOKEN),
                rounds_at={"behemoth": 2},
            ),
            _suite(
                "variants",
                "the gain of each idea: numpy, vectorized on one thread, with threads, with processes and with "
                "compiled kernels, then compiled on one thread and on all, tiny to large, six interleaved rounds "
                "(plain Python one, at tiny): a quarter of an hour",
                6,
                {"numpy": _STACK, "python": {"tiny": 300.0}}
                | dict.fromkeys(("vectorized[threads=1]", "vectorized[team=threads]", "vectorized"), _STACK)
                | {"vectorized[kernels=numba]": _STACK}
                | dict.fromkeys(("compiled[threads=1]", "compiled"), _STACK),
                slow="python",
            ),
            _suite(
                "history",
                "the fast engine at landmarks of this project's history, at this checkout twice, and the reference, "
                "tiny to large, twelve interleaved rounds: half an hour",
                12,
                dict.fromkeys((REFERENCE, OURS, f"{OURS}#2", *(mark.variant for mark in LANDMARKS)), _STACK),
            ),
            _suite(
                "kernels",
                "the parts of a vectorized step, and every fused kernel in each of its forms, tiny to xl: "
                "three rounds, five minutes",
                3,
                {KERNELS_VARIANT: _PARTS},
            ),
        )
    }
)
DEFAULT_SUITE = "quick"
_NO_LOSSES: frozenset[Kind] = frozenset({"token", "kernels"})  # cells that the reference has nothing to compare with


def get_suite(name: str) -> Suite:
    """Return a suite by its name.

    Raises:
        ConfigError: there is no such suite; the message suggests the nearest name.
    """
    if name not in SUITES:
        raise unknown_name("suite", name, SUITES, f"invoke bench --suite {DEFAULT_SUITE}")
    return SUITES[name]


def select_suite(
    suite: str, presets: Sequence[str] = (), engines: Sequence[str] = (), rounds: int | None = None
) -> Suite:
    """Select presets and engines of a suite, or extend it to others; empty selections are the suite's own.

    The reference engine joins every preset (with one round, unless it is selected). Generation needs no reference arm,
    because a worker replays its texts through the reference. Neither do the parts of a step, whose losses are compared
    with those of the same steps without timers, nor a token's products, which their worker checks. Variants of a suite
    that this installation cannot make are left out, with a warning; one that is named stays, and ends as a row.

    Args:
        presets: the suite's when empty.
        engines: the suite's when empty.
        rounds: of every arm but those that get a single round because they are slow; the suite's when None.

    Raises:
        ConfigError: a suite, preset, engine or option is unknown, or there is no round.
    """
    base = get_suite(suite)
    if rounds is not None and rounds < 1:
        raise ConfigError(f"rounds is {rounds}", "1 or more", f"invoke bench --suite {suite}")
    wanted = {PRESETS[name].name for name in presets} or {arm.preset for arm in base.arms}
    variants = list(dict.fromkeys(_checked(base, name) for name in engines))
    if not variants:
        base = _with_usable_variants(base)
    arms: list[Arm] = []
    for preset in sorted(wanted, key=lambda name: PRESETS[name].model.n_parameters):
        declared = [arm for arm in base.arms if arm.preset == preset]
        chosen = declared
        if variants or not declared:
            names = variants or dict.fromkeys(arm.variant for arm in base.arms)
            chosen = [_arm(base, variant, preset) for variant in names]
        if rounds is not None:
            chosen = [arm if arm.variant in base.slow else replace(arm, rounds=rounds) for arm in chosen]
        trains = not base.generates and any(kind_of(arm.variant) not in _NO_LOSSES for arm in chosen)
        if trains and REFERENCE not in (arm.variant for arm in chosen):
            chosen = [replace(_arm(base, REFERENCE, preset), rounds=1), *chosen]
        # The reference comes first, so that every other cell can be compared with it as soon as it ends.
        arms += sorted(chosen, key=lambda arm: arm.variant != REFERENCE)
    if not arms:
        raise ConfigError("nothing is selected", "at least one preset and engine", "invoke bench --suite quick")
    return replace(base, rounds=base.rounds if rounds is None else rounds, arms=tuple(arms))


def _with_usable_variants(suite: Suite) -> Suite:
    variants = [name for name in dict.fromkeys(arm.variant for arm in suite.arms) if engine_name(name) in ENGINES]
    lacking = grouped(variants, lambda name: missing_extra(installed_as(read_label(name).variant)))
    for extra in filter(None, lacking):
        _log.warning("not measured without the extra %s: %s", extra.name, ", ".join(lacking[extra]))
    usable = {*lacking.get(None, ())}
    return replace(suite, arms=tuple(arm for arm in suite.arms if arm.variant in usable or arm.variant not in variants))


def _checked(suite: Suite, name: str) -> str:
    """Return a variant without spaces, if the suite can measure it."""
    if name in {arm.variant for arm in suite.arms}:
        return name
    own = GENERATORS if suite.generates else TOKEN_VARIANTS if suite.name == TOKEN else None
    if own is None:
        return check_variant(name)
    if name not in own:
        raise unknown_name("generator" if suite.generates else "way", name, own, f"invoke bench --suite {suite.name}")
    return name


def _arm(suite: Suite, variant: str, preset: str) -> Arm:
    """Make an arm with the limit of the variant, its engine or the reference, in this suite or a larger one."""
    like = _of_the_ladder(preset)
    if suite.generates:
        return Arm(variant, preset, _GENERATION.get(like, _FULL["mega"]), suite.rounds)
    for name in (variant, engine_name(variant), REFERENCE):
        for source in (suite, SUITES["full"], SUITES["peers"]):
            for arm in source.arms:
                if (arm.variant, arm.preset) == (name, like):
                    # One round for a slow variant, the suite's own number for all others.
                    return Arm(variant, preset, arm.limit_seconds, min(arm.rounds, suite.rounds))
    raise ConfigError(f"suite full has no arm for preset {preset!r}", ", ".join(LADDER))


def _of_the_ladder(preset: str) -> str:
    """Return the preset whose limits another shape has: the first of the ladder with at least as much work a step."""

    def work(name: str) -> int:
        return PRESETS[name].model.n_parameters * PRESETS[name].tokens_per_step

    return preset if preset in LADDER else next((name for name in LADDER if work(name) >= work(preset)), [*LADDER][-1])


def repeat_command(suite: str, cell: Cell, corpus: str, seed: int, rounds: int) -> str:
    """Return the command that measures a cell's arm again, together with the reference."""
    words = ["invoke", "bench", "--suite", suite, "--presets", cell.preset, "--engines", cell.variant]
    if suite in SUITES and rounds != SUITES[suite].rounds:
        words += ["--rounds", str(rounds)]
    if corpus != DEFAULT_CORPUS:
        words += ["--corpus", corpus]
    if seed:
        words += ["--seed", str(seed)]
    return shlex.join(words)
