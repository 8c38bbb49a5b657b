"""Rounds that the probe marks are measured again, after the planned ones and by a runner that looks at nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.arms.suites import Arm, Suite
from bench.measuring import runner
from bench.measuring.run_plan import RunOptions
from bench.measuring.runner import resume_run, run_suite
from bench.records.store import read_tables
from bench.statistics.cells import cell_summary

ARMS = ("numpy", "numpy#2")
SUITE = Suite("standard", "", 4, tuple(Arm(variant, "tiny", 60.0, 4) for variant in ARMS))
PLANNED = [1.0, 1.0, 1.3, 1.3, 1.2, 1.2, 1.5, 1.5]  # two cells a round: rounds 2 to 4 are marked


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, corpus):
    """The end of one real cell."""
    folder, ends = tmp_path_factory.mktemp("cell"), []
    with pytest.MonkeyPatch.context() as patch:
        run_worker = runner.run_worker
        patch.setattr(runner, "run_worker", lambda *arguments: ends.append(run_worker(*arguments)) or ends[0])
        one = Suite("quick", "", 1, (Arm("numpy", "tiny", 60.0, 1),))
        run_suite(one, folder, corpus, options=RunOptions(lock_file=folder / "lock"))
    return ends[0]


@pytest.fixture
def measure(outcome, corpus, console, results_root, tmp_path, monkeypatch):
    def measure(slowdowns, resume=False):
        """Run or resume the suite; the probes of its cells in turn are as much slower, and None is Ctrl-C."""
        left = iter(slowdowns)

        def run_worker(_task, _folder, _limit, on_event, *_more):
            if (slowdown := next(left)) is None:
                raise KeyboardInterrupt
            times = {"product_seconds": 0.002 * slowdown, "copy_seconds": 0.001 * slowdown}
            events = tuple(event | times if event["event"] == "probe" else event for event in outcome.events)
            for event in events:
                on_event(event)
            return replace(outcome, events=events)

        monkeypatch.setattr(runner, "run_worker", run_worker)
        options = RunOptions(lock_file=tmp_path / "lock")
        if resume:
            return resume_run("last", results_root, corpus, console, options)
        return run_suite(SUITE, results_root, corpus, console=console, options=options)

    return measure


def test_the_most_disturbed_half_of_the_rounds_is_measured_once_more(measure, results_root, console):
    summary = measure([*PLANNED, 1.4, 1.4, 1.0, 1.0])
    runs, steps = read_tables(results_root, ("runs", "steps"))
    again = runs[runs["replaces"].notna()]
    assert len(runs) == 12 and runs["replaces"].head(8).isna().all()
    assert again[["variant", "round", "replaces"]].to_numpy().tolist() == [
        ["numpy", 4, 1], ["numpy#2", 4, 1], ["numpy#2", 5, 3], ["numpy", 5, 3],
    ]  # fmt: skip
    assert (summary.n_planned, summary.counts, summary.exit_code) == (12, {"ok": 12}, 0)
    for cell in cell_summary(runs, steps):
        assert sorted(cell.round_times) == [0, 2, 4, 5], "a round that is as disturbed as before counts as well"
    printed = console.file.getvalue()
    assert "Rounds that the probe marks are measured again, at most half of them." in printed
    assert "Measured again, all arms of each: round tiny 2 (1.30×), tiny 4 (1.50×). The probe took more than" in printed
    assert "9/12  numpy tiny round 5, again 2  ok" in printed
    assert not list(results_root.rglob("plan-*.json"))


def test_a_calm_run_measures_nothing_again(measure, console):
    assert measure([1.0, 1.0, 1.1, 1.1] * 2).n_planned == 8
    assert "Measured again" not in console.file.getvalue()


def test_a_resumed_run_measures_the_same_rounds_again(measure, results_root, console):
    stopped = measure([*PLANNED, 1.0, 1.0, 0.5, None])
    runs, steps = read_tables(results_root, ("runs", "steps"))
    assert stopped.exit_code == 130 and len(runs) == 11
    assert {3} <= cell_summary(runs, steps)[0].round_times.keys(), "round 6 has one arm only and does not count"
    summary = measure([1.0], resume=True)
    runs, _ = read_tables(results_root, ("runs", "steps"))
    assert summary.n_planned == len(runs) == 12
    assert runs["replaces"].dropna().tolist() == [1, 1, 3, 3]
    assert "12/12  numpy tiny round 6, again 4  ok" in console.file.getvalue()
