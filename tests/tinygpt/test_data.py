"""From text to batches: the sampler's guarantees and refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygpt.data import BatchSampler, Tokenizer, evaluation_batches
from tinygpt.errors import CorpusError

STREAM = Tokenizer.encode(bytes(range(256)) * 4)


@given(st.binary(max_size=300))
def test_any_bytes_survive_the_round_trip(data):
    tokens = Tokenizer.encode(data)
    assert tokens.dtype == np.uint8
    assert Tokenizer.decode_bytes(tokens) == data


def test_text_is_utf8_and_broken_text_is_marked():
    assert Tokenizer.encode("é").tolist() == [0xC3, 0xA9]
    assert Tokenizer.decode(np.array([0xC3, 0xA9], np.int64)) == "é"
    assert Tokenizer.decode(np.array([0x41, 0xC3])) == "A\N{REPLACEMENT CHARACTER}"


@given(text=st.text())
def test_streamed_text_is_the_text_in_whole_characters(text):
    pieces = list(Tokenizer.decode_stream(text.encode()))
    assert "".join(pieces) == text
    assert all(len(piece) == 1 for piece in pieces)


@given(data=st.binary())
def test_streamed_bytes_are_always_valid_text(data):
    pieces = list(Tokenizer.decode_stream(data))
    assert "".join(pieces) == data.decode("utf-8", errors="replace") == Tokenizer.decode(np.frombuffer(data, np.uint8))
    "".join(pieces).encode("utf-8", errors="strict")


def test_text_comes_as_soon_as_a_character_is_whole():
    consumed = []

    def tokens():
        for token in "aé€".encode():
            consumed.append(token)
            yield token

    counts = [len(consumed) for _ in Tokenizer.decode_stream(tokens())]
    assert counts == [1, 3, 6]


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
    sampler = BatchSampler(Tokenizer.encode(b"abcdef"), batch_size=64, context_length=3, seed=0)
    assert {Tokenizer.decode(row) for row in sampler.batch(0).inputs} == {"abc", "bcd", "cde"}


def test_a_stream_of_one_window_is_enough_and_one_byte_less_is_not():
    assert BatchSampler(STREAM[:9], 2, 8, seed=0).batch(0).inputs.tolist() == [list(range(8))] * 2
    with pytest.raises(CorpusError, match="8 bytes; allowed: at least 9"):
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
    with pytest.raises(CorpusError, match="held-out text has 8 bytes; allowed: at least 9"):
        evaluation_batches(STREAM[:8], batch_size=1, context_length=8)


def test_batches_of_several_steps_are_the_batches_of_each_stacked():
    sampler = BatchSampler(STREAM, 4, 8, seed=1)
    several = sampler.batches(range(3, 6), slice(1, 3))
    assert several.inputs.shape == several.targets.shape == (3, 2, 8)
    for place, step in enumerate(range(3, 6)):
        alone = sampler.batch(step, slice(1, 3))
        np.testing.assert_array_equal(several.inputs[place], alone.inputs)
        np.testing.assert_array_equal(several.targets[place], alone.targets)
