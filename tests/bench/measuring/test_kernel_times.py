from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from bench.arms.kernel_parts import DISPATCH, FORMS, PARTS, PLACES
from bench.arms.suites import Arm, select_suite
from bench.measuring import kernel_times
from bench.measuring.kernel_times import Stopwatch, form_times, require_same_losses, timed_parts, timed_steps
from bench.measuring.run_plan import RunOptions
from bench.measuring.runner import run_suite
from bench.records.store import read_table
from bench.statistics.kernel_shares import form_comparison, part_shares
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.engines import create_engine
from tinygpt.engines.vectorized import attention, forms, projection, shard
from tinygpt.engines.vectorized.forms import KERNELS, has_form
from tinygpt.engines.vectorized.phases import Phases
from tinygpt.errors import DivergedError

MODEL, TRAIN = ModelConfig(2, 32, 2, 32), TrainConfig(batch_size=8)
PART = {name: index for index, name in enumerate(PARTS)}


@pytest.fixture
def sampler(corpus):
    return BatchSampler(corpus.train_tokens, TRAIN.batch_size, MODEL.context_length, seed=0)


def plain_losses(sampler, count):
    engine = create_engine("vectorized", MODEL, TRAIN, seed=0)
    batches = [sampler.batch(step) for step in range(count)]
    return [engine.train_step(batch.inputs, batch.targets).loss for batch in batches]


def test_a_stopwatch_counts_every_moment_once(monkeypatch):
    now = 5.0

    def work(seconds):
        nonlocal now
        now += seconds

    def outer():
        work(0.25)
        timed_inner()
        work(1.0)

    monkeypatch.setattr(kernel_times, "time", SimpleNamespace(perf_counter=lambda: now))
    watch = Stopwatch()
    timed_inner = watch.timed(lambda: work(0.5), "product")
    watch.start()
    work(2.0)
    watch.timed(outer, "loss")()
    watch.switch(PART[DISPATCH])
    assert watch.seconds[PART["product"]] == 0.5
    assert watch.seconds[PART["loss"]] == 1.25
    assert sum(watch.seconds) == now - 5.0 == 3.75


def test_a_stopwatch_goes_on_after_an_error():
    watch = Stopwatch()

    def fail():
        raise ValueError

    with pytest.raises(ValueError):
        watch.timed(fail, "loss")()
    assert watch.part == PART[DISPATCH]


def test_sums_over_rows_are_no_products():
    watch = Stopwatch()
    matmul = watch.timed_product("product")
    matrix = np.ones((300, 300), np.float32)
    matmul(matrix, np.ones((300, 1), np.float32))
    matmul(np.ones(300, np.float32), matrix)
    assert watch.seconds[PART["product"]] == 0.0
    assert (matmul(matrix, matrix) == 300.0).all()
    assert watch.seconds[PART["product"]] > 0.0


def test_every_part_of_a_step_takes_time_and_together_they_leave_some(sampler):
    steps = timed_steps(MODEL, TRAIN, sampler, 4, seed=0)
    for step in steps[1:]:
        assert step.parts.shape[1] == len(PARTS)
        # The first worker has a share of all work; a second one may have no part of the optimiser's in a small model.
        assert (step.parts[0, : PART[DISPATCH]] > 0).all()
        assert (step.parts[:, : PART["optimiser"]] > 0).all()
        assert (step.parts.sum(axis=1) < step.seconds).all()
        assert (step.parts[:, PART[DISPATCH]] == 0).all()  # the rest is computed, not measured


def test_timing_the_parts_changes_no_loss(sampler):
    steps = timed_steps(MODEL, TRAIN, sampler, 3, seed=0)
    require_same_losses(plain_losses(sampler, 3), [step.loss for step in steps])
    with pytest.raises(DivergedError, match="step 2"):
        require_same_losses([1.0, 2.0], [1.0, np.nextafter(2.0, 3.0)])


def test_everything_has_its_own_name_back_afterwards():
    before = [vars(owner)[name] for owner, name, _ in kernel_times._FUNCTIONS]
    call = Phases.__call__
    with pytest.raises(RuntimeError), timed_parts(2):
        assert shard.Shard.embed is not before[0]
        assert shard.np.matmul is not np.matmul
        assert shard.np.exp is np.exp
        raise RuntimeError
    assert [vars(owner)[name] for owner, name, _ in kernel_times._FUNCTIONS] == before
    assert Phases.__call__ is call
    assert all(module.np is np for module in (shard, projection, attention))


def test_a_run_from_start_to_rows(results_root, corpus, console):
    suite = replace(select_suite("kernels", ["tiny"]), arms=(Arm("kernels", "tiny", 600.0, 1),))
    summary = run_suite(
        suite, results_root, corpus, console=console, options=RunOptions(lock_file=results_root / "lock")
    )
    assert summary.statuses == ("ok",), read_table("runs", results_root)["error_tail"].tolist()
    runs, steps, kernels = (read_table(name, results_root) for name in ("runs", "steps", "kernels"))
    run = runs.iloc[0]
    assert (run["kind"], run["variant"], run["steps_done"]) == ("kernels", "kernels", 18)
    assert run["resolved_variant"].startswith("vectorized[")
    assert len(steps) == (kernels["measure"] == "step").sum() == 18
    shares = part_shares(runs, steps, kernels)
    assert sum(part.share for part in shares) == pytest.approx(1.0)
    assert all(part.share > 0 for part in shares)
    assert {form.kernel for form in form_comparison(runs, kernels)} == {*KERNELS}


def test_every_kernel_is_timed_in_all_forms_and_places():
    timings = [*form_times(far_bytes=2 * 2**20)]
    counted = [timing for timing in timings if not timing.is_warmup]
    assert {(t.kernel, t.form, t.place) for t in counted} == {
        (kernel, form, place) for kernel in KERNELS for form in FORMS if has_form(kernel, form) for place in PLACES
    }
    assert all(0 < timing.seconds < 1 and timing.elements > 1000 for timing in timings)
    order = ["numpy", "exp", "numexpr", "numba"]
    assert [t.form for t in timings[:8]] == [*order, *order[::-1]]  # none always goes first
    assert tuple(FORMS) == forms.FORMS
