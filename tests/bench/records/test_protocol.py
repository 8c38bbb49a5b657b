from __future__ import annotations

import dataclasses
import json

import pytest

from bench.records.protocol import (
    benchmark_protocol,
    difference,
    protocol_from_json,
    reads_bytes,
    require_same,
    training_protocol,
)
from tinygpt.errors import ResultsError
from tinygpt.presets import PRESETS
from tinygpt.tokenizers import BYTES
from tinygpt.tokenizers.json_tokenizer import JsonTokenizer


def protocol(**changes):
    return dataclasses.replace(benchmark_protocol("tiny", "stories", "00" * 32, seed=0, rounds=6), **changes)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_benchmark_takes_three_and_fifteen_steps(preset):
    made = benchmark_protocol(preset, "stories", "00" * 32, seed=0, rounds=1)
    assert (made.warmup_steps, made.measured_steps, made.total_steps) == (3, 15, 18)
    assert made.batch_size == PRESETS[preset].train.batch_size
    assert made.learning_rate == PRESETS[preset].train.learning_rate


def test_hash_survives_json_and_is_stable():
    made = protocol()
    again = protocol_from_json(made.canonical_json)
    assert again == made
    assert again.hash == made.hash
    # Published rows carry this hash: a change of the record's meaning must come with a new version.
    assert made.hash == "15a2a586f874636378496b64cbfb4d36dcbbcc98709a5b9d8a5f1ff6b257f346"


@pytest.mark.parametrize(
    "change",
    [{"measured_steps": 5}, {"warmup_steps": 0}, {"corpus_sha256": "11" * 32}, {"seed": 1}, {"learning_rate": 3e-3},
     {"batch_size": 8}, {"rounds": 1}, {"dtype": "float64"}, {"betas": (0.9, 0.999)}],
)  # fmt: skip
def test_any_change_changes_the_hash(change):
    assert protocol(**change).hash != protocol().hash


def test_difference_names_exactly_the_fields():
    a, b = (json.loads(p.canonical_json) for p in (protocol(), protocol(measured_steps=5, seed=3)))
    assert difference(a, b) == [("measured_steps", 15, 5), ("seed", 0, 3)]
    assert difference(a, a) == []


def test_require_same_prints_the_difference():
    require_same("protocol", protocol().canonical_json, protocol().canonical_json)
    with pytest.raises(ResultsError, match="measured_steps 15 against 5"):
        require_same("protocol", protocol().canonical_json, protocol(measured_steps=5).canonical_json)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"preset":"tiny"}', "nonsense"])
def test_a_damaged_protocol_is_refused(text):
    with pytest.raises(ResultsError, match="cannot be read"):
        protocol_from_json(text)


def test_training_protocol_counts_every_step():
    made = training_protocol("small", PRESETS["small"].train, "stories", "00" * 32, seed=2, steps=500)
    assert (made.warmup_steps, made.measured_steps, made.seed) == (0, 500, 2)


def test_a_tokenizer_other_than_bytes_is_part_of_the_protocol():
    settings = ("tiny", PRESETS["tiny"].train, "stories", "00" * 32, 0, 10)
    plain, again = training_protocol(*settings), training_protocol(*settings, tokenizer=BYTES)
    assert plain == again and "tokenizer" not in plain.canonical_json  # as in rows that are older than tokenizers
    other = training_protocol(*settings, tokenizer=JsonTokenizer("other", {**BYTES.content, "normalizer": {}}))
    assert other.hash != plain.hash
    assert protocol_from_json(other.canonical_json) == other
    with pytest.raises(ResultsError, match=r"tokenizer_sha256 '.*' against '\(absent\)'"):
        require_same("protocol", other.canonical_json, plain.canonical_json)
    assert reads_bytes(json.loads(plain.canonical_json)) and not reads_bytes(json.loads(other.canonical_json))


def test_a_shape_of_ones_own_has_one_name_and_its_numbers_in_the_protocol():
    one, other = (
        benchmark_protocol(preset, "stories", "00" * 32, seed=0, rounds=1)
        for preset in ("tiny[d_model=64,n_layers=3]", "tiny[n_layers=3, d_model=64, n_heads=4]")
    )
    assert one.hash == other.hash and one.preset == "tiny[n_layers=3,d_model=64]"
    assert (one.n_layers, one.d_model, one.n_heads, one.context_length, one.batch_size) == (3, 64, 4, 32, 16)
    assert protocol_from_json(one.canonical_json) == one
