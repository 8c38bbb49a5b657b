"""From text to batches: the sampler's guarantees and refusals."""

import numpy as np
import pytest

from tinygpt.data import BatchSampler, evaluation_batches
from tinygpt.errors import CorpusError
from tinygpt.tokenizers import BYTES

STREAM = BYTES.encode(bytes(range(256)) * 4)


def test_targets_are_the_inputs_one_later():
    batch = BatchSampler(STREAM, batch_size=5, context_length=16, seed=3).batch(0)
    assert batch.inputs.shape == batch.targets.shape == (5, 16)
    assert batch.inputs.dtype == batch.targets.dtype == np.int64
    np.testing.assert_array_equal(batch.inputs[:, 1:], batch.targets[:, :-1])
    np.testing.assert_array_equal(batch.targets, (batch.inputs + 1) % 256)  # STREAM counts upwards


def test_a_batch_depends_on_seed_and_step_only():
    first = BatchSampler(STREAM, 4, 8, seed=1)
    later = BatchSampler(STREAM, 4, 8, seed=1)
    for step in range(5):
        first.batch(step)
    np.testing.assert_array_equal(first.batch(7).inputs, later.batch(7).inputs)
    assert (first.batch(7).inputs != first.batch(8).inputs).any()
    assert (first.batch(7).inputs != BatchSampler(STREAM, 4, 8, seed=2).batch(7).inputs).any()


def test_every_window_can_be_drawn_including_the_last():
    sampler = BatchSampler(BYTES.encode(b"abcdef"), batch_size=64, context_length=3, seed=0)
    assert {BYTES.decode(row) for row in sampler.batch(0).inputs} == {"abc", "bcd", "cde"}


def test_a_stream_of_one_window_is_enough_and_one_byte_less_is_not():
    assert BatchSampler(STREAM[:9], 2, 8, seed=0).batch(0).inputs.tolist() == [list(range(8))] * 2
    with pytest.raises(CorpusError, match="8 tokens; allowed: at least 9"):
        BatchSampler(STREAM[:8], 2, 8, seed=0)


def test_evaluation_reads_consecutive_windows_once():
    batches = evaluation_batches(STREAM[:42], batch_size=3, context_length=8)
    assert [batch.inputs.shape for batch in batches] == [(3, 8), (2, 8)]
    inputs = np.concatenate([batch.inputs for batch in batches]).ravel()
    targets = np.concatenate([batch.targets for batch in batches]).ravel()
    np.testing.assert_array_equal(inputs, STREAM[:40])
    np.testing.assert_array_equal(targets, STREAM[1:41])


def test_evaluation_limit_spreads_over_the_whole_stream():
    batches = evaluation_batches(STREAM, batch_size=2, context_length=8, limit=3)
    starts = np.concatenate([batch.inputs[:, 0] for batch in batches])
    assert len(batches) == 3
    assert starts.shape == (6,)
    np.testing.assert_array_equal(batches[-1].targets[-1], STREAM[1009:1017])  # the last whole window


def test_evaluation_refuses_a_stream_without_a_window():
    with pytest.raises(CorpusError, match="held-out text has 8 tokens; allowed: at least 9"):
        evaluation_batches(STREAM[:8], batch_size=1, context_length=8)


def test_batches_of_several_steps_are_the_batches_of_each_stacked():
    sampler = BatchSampler(STREAM, 4, 8, seed=1)
    several = sampler.batches(range(3, 6), slice(1, 3))
    assert several.inputs.shape == several.targets.shape == (3, 2, 8)
    for place, step in enumerate(range(3, 6)):
        alone = sampler.batch(step, slice(1, 3))
        np.testing.assert_array_equal(several.inputs[place], alone.inputs)
        np.testing.assert_array_equal(several.targets[place], alone.targets)
