from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from bench.arms import suites
from bench.arms.landmarks import LANDMARKS
from bench.arms.registry import PEERS, REFERENCE
from bench.arms.suites import SUITES, Arm, Cell, Suite, repeat_command, select_suite
from bench.arms.variants import check_variant, engine_name, make_engine
from bench.records.git import ask_git, run_git
from tests import ROOT
from tests.bench.faulty_engines import Raising
from tinygpt.engines import CPU_ENGINES
from tinygpt.engines.extras import FAST
from tinygpt.errors import ConfigError
from tinygpt.params import initial_parameters
from tinygpt.presets import LADDER


def test_rounds_are_interleaved_and_alternate_direction():
    suite = Suite("x", "", 3, (Arm("a", "tiny", 1, 3), Arm("b", "tiny", 1, 3), Arm("c", "tiny", 1, 1)))
    assert [(cell.variant, cell.round) for cell in suite.cells] == [
        ("a", 0), ("b", 0), ("c", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2),
    ]  # fmt: skip


def test_a_round_that_is_measured_again_has_the_arms_of_the_one_that_it_replaces():
    suite = Suite("x", "", 3, (Arm("a", "tiny", 1, 3), Arm("b", "tiny", 1, 3), Arm("c", "tiny", 1, 1)))
    assert [(cell.variant, cell.round, cell.replaces) for cell in suite.cells_of_round("tiny", 3, 0)] == [
        ("c", 3, 0), ("b", 3, 0), ("a", 3, 0),
    ]  # fmt: skip
    assert [cell.variant for cell in suite.cells_of_round("tiny", 4, 1)] == ["a", "b"]


def test_declared_suites():
    quick = {(arm.variant, arm.preset) for arm in SUITES["quick"].arms}
    fast = {
        (engine, preset)
        for engine in ("numpy", "vectorized", "compiled")
        for preset in ("micro", "tiny", "small", "medium")
    }
    assert quick == fast | {("python", "micro")}, "plain Python gets a point in seconds"
    assert SUITES["standard"].rounds == SUITES["full"].rounds == 6
    standard, full = ({(arm.variant, arm.preset) for arm in SUITES[name].arms} for name in ("standard", "full"))
    assert {variant for variant, _ in standard} >= {*CPU_ENGINES, "torch", "torch-mkl-avx512"}
    assert full >= {
        (variant, preset)
        for variant in (*CPU_ENGINES, *(name for name, peer in PEERS.items() if peer.trainer))
        for preset in LADDER
    }
    assert {arm.preset for arm in SUITES["full"].arms if arm.variant == "python"} == set(LADDER)
    for suite in (suite for name, suite in SUITES.items() if not suite.generates and name not in ("kernels", "token")):
        for preset in {arm.preset for arm in suite.arms}:
            first = next(cell for cell in suite.cells if cell.preset == preset)
            assert first.variant == REFERENCE, "every other cell is judged by the reference's losses"


def test_selection_narrows_and_brings_the_reference():
    suite = select_suite("standard", ["small"], ["vectorized[threads=1]"])
    assert [(arm.variant, arm.rounds) for arm in suite.arms] == [("numpy", 1), ("vectorized[threads=1]", 6)]
    assert {arm.preset for arm in suite.arms} == {"small"}


def test_a_look_at_the_parts_of_a_step_needs_no_reference():
    suite = select_suite("kernels", ["small", "huge"])
    assert [(cell.variant, cell.preset, cell.kind) for cell in suite.cells if not cell.round] == [
        ("kernels", "small", "kernels"), ("kernels", "huge", "kernels"),
    ]  # fmt: skip
    beside_an_engine = select_suite("quick", ["tiny"], ["kernels", "vectorized"])
    assert beside_an_engine.arms[0].variant == REFERENCE


def test_selection_reaches_beyond_the_suite():
    suite = select_suite("quick", ["huge"], ["vectorized", "my.module:Engine"])
    assert [arm.variant for arm in suite.arms] == ["numpy", "vectorized", "my.module:Engine"]
    assert {arm.limit_seconds for arm in suite.arms} == {600.0}
    everything = select_suite("quick")
    assert {(a.variant, a.preset) for a in everything.arms} == {(a.variant, a.preset) for a in SUITES["quick"].arms}


def test_an_engine_that_is_not_installed_is_left_out_unless_it_is_named(monkeypatch, caplog):
    lacks = {"compiled": FAST, "vectorized[kernels=numba]": FAST, "compiled[threads=1]": FAST}
    monkeypatch.setattr(suites, "missing_extra", lacks.get)
    assert "compiled" in {arm.variant for arm in SUITES["quick"].arms}
    assert "compiled" not in {arm.variant for arm in select_suite("quick").arms}
    assert "not measured without the extra fast: compiled" in caplog.text
    assert {*lacks} & {arm.variant for arm in select_suite("variants").arms} == set()
    assert "compiled" in {arm.variant for arm in select_suite("quick", engines=["compiled"]).arms}


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(("quik",), "'quick'"), (("quick", ["smal"]), "'small'"), (("quick", [], ["nunpy"]), "'numpy'"),
     (("quick", [], ["vectorized[threds=1]"]), "'threads'")],
)  # fmt: skip
def test_wrong_names_get_the_nearest(arguments, hint):
    with pytest.raises(ConfigError, match=f"did you mean {hint}"):
        select_suite(*arguments)


def test_names_and_variants():
    assert engine_name("vectorized[threads=1]") == "vectorized"
    assert check_variant("vectorized[threads = 1]") == "vectorized[threads=1]"


def test_engines_outside_the_registry():
    preset = LADDER["tiny"]
    engine = make_engine("tests.bench.faulty_engines:Raising", preset.model, preset.train, 3)
    assert isinstance(engine, Raising)
    assert engine.seed == 3
    for name, value in initial_parameters(preset.model, 3).items():
        np.testing.assert_array_equal(engine.parameters()[name], value)
    for variant in ("no.such:Engine", "tests.bench.faulty_engines:Absent", "tests.bench.faulty_engines:NoEngine"):
        with pytest.raises(ConfigError):
            make_engine(variant, preset.model, preset.train, 0)


def test_repeat_command_is_quoted_and_complete():
    cell = Cell("vectorized[threads=1]", "small", 2, 10)
    command = repeat_command("quick", cell, "stories", 0, 1)
    assert command == "invoke bench --suite quick --presets small --engines 'vectorized[threads=1]' --corpus stories"
    assert "--corpus" not in repeat_command("quick", cell, "shakespeare", 0, 1)
    more = repeat_command("quick", cell, "shakespeare", 0, 6)
    assert more == "invoke bench --suite quick --presets small --engines 'vectorized[threads=1]' --rounds 6"


def test_rounds_can_be_chosen_for_every_suite_and_slow_arms_keep_one():
    for name in SUITES:
        suite = select_suite(name, rounds=9)
        assert suite.rounds == 9
        assert {arm.rounds for arm in suite.arms} <= {1, 9}
        assert {arm.variant for arm in suite.arms if arm.rounds == 1} == SUITES[name].slow
    large = select_suite("full", ["behemoth"], ["vectorized"], 6)
    assert [(arm.variant, arm.rounds) for arm in large.arms] == [("numpy", 1), ("vectorized", 6)]  # added as reference
    with pytest.raises(ConfigError, match="rounds is 0"):
        select_suite("quick", rounds=0)


def test_the_history_measures_every_landmark_beside_this_checkout_and_the_reference():
    history = SUITES["history"]
    variants = {arm.variant for arm in history.arms}
    assert variants == {"numpy", "vectorized", "vectorized#2", *(mark.variant for mark in LANDMARKS)}
    assert len({mark.commit for mark in LANDMARKS}) == len(LANDMARKS) >= 12
    assert [mark.day for mark in LANDMARKS] == sorted(mark.day for mark in LANDMARKS)
    one = select_suite("history", ["large"], [LANDMARKS[0].variant])
    assert [(arm.variant, arm.rounds) for arm in one.arms] == [("numpy", 1), (LANDMARKS[0].variant, 12)]
    with pytest.raises(ConfigError, match="has a commit"):
        select_suite("quick", ["tiny"], [LANDMARKS[0].variant])


def test_landmarks_are_commits_of_this_project_in_their_order():
    if ask_git(ROOT, "rev-parse", "--is-shallow-repository") != "false":
        pytest.skip("needs the project's history")
    days = run_git(ROOT, "log", "--no-walk=unsorted", "--format=%H %cs", *(mark.commit for mark in LANDMARKS))
    assert days.splitlines() == [f"{mark.commit} {mark.day}" for mark in LANDMARKS]
    for older, newer in pairwise([*(mark.commit for mark in LANDMARKS), "HEAD"]):
        run_git(ROOT, "merge-base", "--is-ancestor", older, newer)


@pytest.mark.parametrize(
    ("preset", "like"),
    [("small[n_layers=4,d_model=160]", "large"), ("nanogpt", "medium"), ("behemoth[n_layers=30]", "behemoth")],
)
def test_a_preset_beside_the_ladder_has_the_limits_of_the_next_one_on_it(preset, like):
    shaped, ladder = (select_suite("full", [name], ["vectorized", "python"]) for name in (preset, like))
    assert {arm.preset for arm in shaped.arms} == {preset}
    assert [replace(arm, preset=like) for arm in shaped.arms] == [*ladder.arms]
    both = select_suite("quick", ["small", "small[d_model=96, batch_size=2]"], ["vectorized"])
    assert {arm.preset for arm in both.arms} == {"small", "small[batch_size=2]"}
    assert "--presets 'small[batch_size=2]'" in repeat_command(
        "quick", Cell("numpy", "small[batch_size=2]", 0, 1), "x", 0, 1
    )
