from __future__ import annotations

import numpy as np
import pytest

from bench.arms.variants import kind_of
from bench.records.protocol import sha256_text
from bench.records.rows import Rows
from bench.records.store import write_tables
from bench.statistics.cells import cell_summary
from bench.statistics.compare import INCONCLUSIVE, KINDS, NOT_MEASURED, SLOWER, compare_stored
from bench.statistics.controls import Record
from bench.statistics.noise import Floor, cell_verdict, floor_from, noise_floors, ratio_verdict
from bench.statistics.ratios import Ratio
from bench.terminal.show import print_comparison
from tests.bench.rows import MACHINE, frames, probe_rows, run_row, step_rows
from tinygpt.errors import ConfigError, ResultsError


def write(root, run_id, times, commit="c" * 40, probe=None, **changes):
    """Six rounds of each variant: {(variant, preset): milliseconds}, each round a little slower than the last."""
    runs, steps, probes = [], [], []
    for (variant, preset), milliseconds in times.items():
        for number in range(6):
            kind = kind_of(variant)
            run = run_row(run_id, variant, preset, number, rounds=6, commit=commit, kind=kind, **changes)
            runs.append(run)
            steps += step_rows(run, [milliseconds / 1e3 * (1 + 0.002 * number)] * 15)
            probes += probe_rows(run, [probe] * 7) if probe else []
    write_tables(root, run_id, Rows(runs, steps, probes=probes))


CONTROL = {("torch", "tiny"): 8.0, ("torch-compile", "tiny"): 6.0, ("roofline[whole]", "tiny"): 4.0}
BEFORE = {("vectorized", "tiny"): 10.0, ("vectorized", "small"): 20.0}


def hours(root, weathers, after=10.0, last="run-z"):
    """Runs with unchanged controls, each in conditions of its own; vectorized takes ``after`` in the last of them."""
    for number, weather in enumerate(weathers):
        run_id = last if number == len(weathers) - 1 else f"run-{number}"
        ours = {("vectorized", "tiny"): after if run_id == last else 10.0}
        write(root, run_id, {cell: time * weather for cell, time in (CONTROL | ours).items()})


WEATHERS = (1.0, 1.2, 0.9, 1.3)


@pytest.mark.parametrize(
    ("after", "outcome", "code"),
    [(8.0, "faster", 0), (10.0, "not slower", 0), (10.3, "not slower", 0), (12.0, "slower", SLOWER)],
)
def test_runs_are_compared_beside_unchanged_controls(results_root, console, after, outcome, code):
    hours(results_root, WEATHERS, after)
    comparison = compare_stored(results_root, "run-0", "run-z")
    (point,) = comparison.points  # the controls are no question
    assert point.after_seconds == pytest.approx(1.3 * after / 1e3 * 1.005)  # what the clock said
    assert point.finding.speedup == pytest.approx(10.0 / after, rel=0.01)  # what the code says
    assert (point.finding.outcome, comparison.exit_code) == (outcome, code)
    assert point.finding.basis == "beside roofline[whole], torch, torch-compile"
    assert point.finding.confidence == pytest.approx(0.90)
    print_comparison(comparison, console)
    text = console.file.getvalue()
    assert "run-0 → run-z" in text
    assert "(90%)" in text
    assert ("Slower: vectorized at tiny." in text) == (code == SLOWER)


def test_the_probe_is_a_control_too(results_root):
    for number, weather in enumerate(WEATHERS):
        times = {("torch", "tiny"): 8.0, ("roofline[whole]", "tiny"): 4.0, ("vectorized", "tiny"): 10.0}
        slower = {cell: time * weather for cell, time in times.items()}
        write(results_root, f"run-{number}", slower, probe=0.003 * weather)
    (point,) = compare_stored(results_root, "run-0", "run-3").points
    assert point.finding.basis == "beside probe, roofline[whole], torch"
    assert point.finding.outcome == "not slower"


def test_runs_without_a_control_are_described_and_raise_no_alarm(results_root, console):
    write(results_root, "run-a", BEFORE)
    write(results_root, "run-b", BEFORE | {("vectorized", "tiny"): 30.0})
    comparison = compare_stored(results_root, "run-a", "run-b")
    assert {point.finding.outcome for point in comparison.points} == {"not comparable"}
    assert comparison.exit_code == 0
    print_comparison(comparison, console)
    assert "no unchanged code was measured beside it" in console.file.getvalue()


def test_an_unknown_spread_between_runs_is_no_evidence(results_root):
    only_one = {("torch", "tiny"): 8.0, ("torch-compile", "tiny"): 6.0}
    write(results_root, "run-a", BEFORE | only_one)
    write(results_root, "run-b", BEFORE | {("vectorized", "tiny"): 30.0} | only_one)
    tiny, _ = compare_stored(results_root, "run-a", "run-b").points
    assert "too few sessions with unchanged code" in tiny.finding.basis
    assert tiny.finding.outcome == "not comparable"


def test_differences_of_unchanged_code_widen_the_interval(results_root):
    for number, change in enumerate((1.0, 1.3, 0.8, 1.2)):
        moved = {("torch", "tiny"): 8.0 * change}
        write(results_root, f"run-{number}", {("vectorized", "tiny"): 10.0 + 2.0 * (number == 3)} | CONTROL | moved)
    (point,) = compare_stored(results_root, "run-0", "run-3").points
    assert point.finding.outcome == "inconclusive"
    assert compare_stored(results_root, "run-0", "run-3").exit_code == INCONCLUSIVE


def test_a_cell_of_few_rounds_is_itself_the_reason():
    cells = [
        (run_row(run_id, variant, number=n, kind=kind_of(variant)), [0.01] * 15)
        for run_id, rounds in (("run-a", 6), ("run-b", 2))
        for variant, count in (("torch", 6), ("vectorized", rounds))
        for n in range(count)
    ]
    summary = cell_summary(*frames(*cells), KINDS)
    evidence, reason = Record(summary, {}).controlled(*(cell for cell in summary if cell.variant == "vectorized"))
    assert evidence is None
    assert reason == "vectorized itself has fewer than six rounds in one of the runs"


def test_runs_that_agree_do_not_prove_that_runs_agree():
    """Three runs whose differences are no more than their rounds explain."""
    rng = np.random.default_rng(5)
    cells = []
    for run_id in ("run-a", "run-b", "run-c"):
        for variant in ("torch", "torch-compile", "roofline[whole]"):
            times = np.exp(rng.normal(0.0, 0.2, 12))
            cells += [
                (run_row(run_id, variant, number=n, kind=kind_of(variant)), [t] * 15) for n, t in enumerate(times)
            ]
    record = Record(cell_summary(*frames(*cells), KINDS), {})
    assert record.between_runs(cells[0][0].machine_hash) > 0
    assert (len(record.unchanged), record.n_sessions, {found.freedom for found in record.unchanged}) == (9, 3, {2})


def test_commits_are_compared_by_their_newest_clean_runs(results_root):
    write(results_root, "run-a", BEFORE, commit="a" * 40)
    write(results_root, "run-b", BEFORE | {("vectorized", "tiny"): 5.0}, commit="b" * 40)
    write(results_root, "run-c", BEFORE, commit="b" * 40, dirty=True)
    points = compare_stored(results_root, "aaaa", "bbbb").points
    assert points[0].finding.speedup == pytest.approx(2.0)
    with pytest.raises(ResultsError, match="'dddd' names no run, no commit"):
        compare_stored(results_root, "aaaa", "dddd")
    with pytest.raises(ResultsError, match="the same run"):
        compare_stored(results_root, "aaaa", "run-a")
    with pytest.raises(ResultsError, match="'nosuch' names no run"):
        compare_stored(results_root, "nosuch/vectorized", "nosuch/numpy")
    for threshold in (-1.0, 0.0, 5.0):
        with pytest.raises(ConfigError, match=r"threshold is .* allowed: a finite number from 0.001 to 1"):
            compare_stored(results_root, "aaaa", "bbbb", threshold)


def test_two_machines_are_compared_beside_code_that_ran_unchanged_on_both(results_root):
    other = MACHINE.replace("Some CPU", "Other CPU")
    for number, weather in enumerate(WEATHERS):
        times = {cell: time * weather for cell, time in (CONTROL | {("vectorized", "tiny"): 10.0}).items()}
        write(results_root, f"run-a{number}", times)
        twice = {cell: time * weather * 2 for cell, time in (CONTROL | {("vectorized", "tiny"): 8.0}).items()}
        write(results_root, f"run-b{number}", twice, machine=other)
    here, there = sha256_text(MACHINE), sha256_text(other)
    (point,) = compare_stored(results_root, here[:12], there).points
    assert point.after_seconds > point.before_seconds  # the other machine is slower
    assert point.finding.speedup == pytest.approx(10.0 / 8.0, rel=0.01)  # but less so than for unchanged code
    assert point.finding.outcome == "faster"
    with pytest.raises(ResultsError, match="different machines"):
        compare_stored(results_root, "run-a0", "run-b0")


def test_two_variants_of_one_run_are_compared_by_their_rounds(results_root):
    one, two = "vectorized[threads=1]", "vectorized[threads=2]"
    write(results_root, "run-a", {(one, "tiny"): 10.0, (two, "tiny"): 6.0, (one, "small"): 20.0, (two, "small"): 11.0})
    write(results_root, "run-b", {(one, "tiny"): 10.0})
    for sides in ((one, two), (f"run-a/{one}", f"run-a/{two}")):
        comparison = compare_stored(results_root, *sides)
        assert [point.finding.outcome for point in comparison.points] == ["faster", "faster"]
        assert comparison.exit_code == 0
    back = compare_stored(results_root, two, one)
    assert back.points[0].finding.speedup == pytest.approx(0.6)
    assert back.exit_code == SLOWER
    for wrong in (("run-a/" + one, "run-b/" + one), (one, one)):
        with pytest.raises(ResultsError, match="no two variants of one run"):
            compare_stored(results_root, *wrong)


def test_cells_that_one_side_lacks_are_named_and_have_an_exit_code(results_root):
    write(results_root, "run-a", BEFORE)
    write(results_root, "run-b", {("vectorized", "tiny"): 10.0, ("numpy", "tiny"): 30.0})
    crashed = {"status": "crashed", "error_tail": "ended by SIGSEGV"}
    write(results_root, "run-c", BEFORE, **crashed)
    comparison = compare_stored(results_root, "run-a", "run-b")
    assert comparison.missing == (
        "numpy at tiny: not measured in run-a",
        "vectorized at small: not measured in run-b",
    )
    assert (len(comparison.points), comparison.exit_code) == (1, NOT_MEASURED)
    failed = compare_stored(results_root, "run-a", "run-c")
    assert failed.missing[0] == "vectorized at tiny: crashed in run-c"
    assert failed.exit_code == NOT_MEASURED


def test_other_protocols_and_machines_are_refused_field_by_field(results_root):
    write(results_root, "run-a", BEFORE)
    quick = run_row("run-q", "vectorized", rounds=1)
    write_tables(results_root, "run-q", Rows([quick], step_rows(quick, [0.01] * 15)))
    write(results_root, "run-m", BEFORE, machine=MACHINE.replace("Haswell", "SkylakeX"))
    with pytest.raises(ResultsError, match="different protocols: rounds 6 against 1"):
        compare_stored(results_root, "run-a", "run-q")
    with pytest.raises(ResultsError, match="different machines: blas_kernel 'Haswell' against 'SkylakeX'"):
        compare_stored(results_root, "run-a", "run-m")


# ---- verdicts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "speedup", "high", "rounds", "verdict"),
    [
        (1.9, 2.0, 2.05, 6, "stable"),
        (1.8, 2.0, 2.2, 6, "noisy"),
        (1.9, 2.0, 2.05, 5, "unresolved"),
        (0.9, 1.2, 1.3, 6, "unresolved"),
        (1.01, 1.02, 1.03, 6, "unresolved"),
        (0.94, 0.95, 0.96, 6, "stable"),
    ],
)
def test_verdicts_on_ratios(low, speedup, high, rounds, verdict):
    assert ratio_verdict(Ratio(speedup, low, high, (speedup,) * rounds), Floor(0.03, 18, 9, 0.1)) == verdict


def test_verdicts_on_cells_and_floors_by_run():
    def rounds(variant, medians, run_id="run-a"):
        return [(run_row(run_id, variant, number=n), [median] * 15) for n, median in enumerate(medians)]

    cells = [
        *rounds("numpy", [1.0, 1.01, 1.02, 1.03, 1.0, 1.0]),
        *rounds("vectorized", [1.0, 1.0, 1.0, 1.0, 1.0, 1.2]),
        *rounds("numpy#2", np.array([1.0, 1.01, 1.02, 1.03, 1.0, 1.0]) * 1.02),
        *rounds("vectorized[threads=1]", [1.0]),
    ]
    cells.append((run_row("run-a", "python", status="timeout", error_tail="limit"), []))
    summary = cell_summary(*frames(*cells))
    verdicts = {cell.variant: cell_verdict(cell) for cell in summary}
    assert verdicts == {
        "numpy": "stable", "numpy#2": "stable", "vectorized": "noisy", "vectorized[threads=1]": "unresolved",
        "python": "timeout",
    }  # fmt: skip
    floors = noise_floors(summary)
    (floor,) = floors.values()
    assert (floor.n_pairs, floor.n_sessions, floor.difference, floor.risk) == (1, 1, pytest.approx(0.02), 0.5)


def test_the_floor_is_the_largest_draw_until_there_are_nineteen_sessions():
    draws = [[0.01 * number, -0.005 * number] for number in range(1, 40)]
    three, nineteen, many = (floor_from(draws[:n]) for n in (3, 19, 39))
    assert (three.n_pairs, three.n_sessions) == (6, 3)
    assert (three.difference, three.risk) == (pytest.approx(np.expm1(0.03)), 0.25)
    assert (nineteen.difference, nineteen.risk) == (pytest.approx(np.expm1(0.19)), pytest.approx(0.05))
    assert (many.difference, many.risk) == (pytest.approx(np.expm1(0.38)), pytest.approx(0.05))
