"""Evaluation: each score against a plain computation, and the original's corpus of 863 bytes."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.corpora import Corpus
from tinygpt.corpora.textfile import split
from tinygpt.data import BatchSampler
from tinygpt.engines import create_engine
from tinygpt.errors import ConfigError, CorpusError, MissingDependencyError
from tinygpt.evaluation.loss import sample_loss, text_loss
from tinygpt.evaluation.overlap import TextIndex, self_matches
from tinygpt.evaluation.scores import EvaluationSettings, evaluate_model
from tinygpt.evaluation.words import KnownWords, whole_words, words_of
from tinygpt.generation.decoding import generate
from tinygpt.layers import softmax
from tinygpt.tokenizers import BYTES
from tinygpt.tokenizers.training import train_bpe

MODEL = ModelConfig(n_layers=1, d_model=16, n_heads=2, context_length=16)
STORY = (
    "Mira kept bees on the roof of the old bakery, and every morning she told them the news. When the baker's cat had "
    "kittens, the bees heard it first. When the river rose, they knew before the mayor. One autumn a boy named Tom "
    "climbed the stairs with a jar and a question: do bees mind the dark? Mira said that he should ask them himself. "
    "So he put his ear to the hive and waited. At last he smiled. They say that they keep the summer inside, he "
    "whispered, and the dark cannot find it. Mira laughed until the pigeons flew away. She filled the jar with honey "
    "the colour of evening and gave him the smallest of the hives, to carry home across the bridge. That winter it "
    "snowed for nine days. The town grew quiet, the bakery closed, and nobody saw a bee. But under a blanket in "
    "Tom's kitchen something hummed, and the boy told it the news each morning, as he had promised."
)[:863]


@pytest.fixture(scope="module")
def engine():
    return create_engine("numpy", MODEL, TrainConfig(batch_size=4), seed=1)


# ---- losses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 16, 17, 18, 100, 1025])
def test_every_byte_but_the_first_is_scored_once(engine, size):
    tokens = BYTES.encode((STORY * 2)[:size])
    losses = []
    for start in range(0, size - 1, 16):
        window = tokens[start : start + 17].astype(np.int64)
        p = softmax(engine.logits(window[None, :-1])[0].astype(np.float64))
        losses += [-math.log(p[i, target]) for i, target in enumerate(window[1:])]
    assert len(losses) == size - 1
    assert text_loss(engine, tokens) == pytest.approx(np.mean(losses), rel=1e-6)


def test_a_text_without_a_byte_to_predict_is_refused(engine):
    with pytest.raises(CorpusError, match="has 1 token;"):
        text_loss(engine, BYTES.encode("a"))


def test_a_sample_of_a_text_represents_all_of_it(engine):
    tokens = BYTES.encode(STORY * 20)
    assert sample_loss(engine, tokens, 4000) == pytest.approx(text_loss(engine, tokens), abs=0.02)
    assert sample_loss(engine, tokens, len(tokens)) == text_loss(engine, tokens)
    assert sample_loss(engine, tokens[:9], 100) == text_loss(engine, tokens[:9])


# ---- words ---------------------------------------------------------------------------------------------------


def test_words_are_runs_of_letters_with_apostrophes_inside():
    assert words_of("Don't stop: 'tis naïve_x2, O'er 3 hills'") == [
        "don't",
        "stop",
        "tis",
        "naïve",
        "x",
        "o'er",
        "hills",
    ]
    assert whole_words("the cat sa") == ["the", "cat"]
    assert whole_words("the cat sat.") == ["the", "cat", "sat"]
    assert whole_words("") == []


def test_words_pairs_and_triples_of_a_text_are_known():
    known = KnownWords(b"The cat sat on the mat. \xff Cats sat, the dog sat on the mat")
    assert {"the", "cat", "sat", "on", "mat", "cats", "dog"} == {*known.names} and "do" not in known
    words = ["the", "cat", "sat", "on", "the", "dog", "cow", "the", "the"]
    # Known: the cat, cat sat, sat on, on the, the dog. New: dog cow, cow the, the the.
    assert known.known_pairs(words) == (5, 8)
    # Triples of known pairs: the cat sat, cat sat on, sat on the, on the dog; the last is new.
    assert known.known_triples(words) == (3, 4)
    assert known.known_pairs(["the"]) == known.known_triples(["the", "cat"]) == known.known_triples([]) == (0, 0)
    assert KnownWords(b"").known_pairs(["a", "b"]) == (0, 1)


# ---- copies --------------------------------------------------------------------------------------------------


def test_matches_are_those_of_a_plain_search():
    text = STORY.encode()
    rng = np.random.default_rng(0)
    index = TextIndex(text)
    for _ in range(200):
        start, size = int(rng.integers(0, len(text))), int(rng.integers(1, 80))
        query = text[start : start + size] + bytes(rng.integers(97, 123, 3).tolist())
        expected = max(n for n in range(len(query) + 1) if query[:n] in text)
        assert index.longest_match(query) == expected


def test_matches_at_the_ends_of_a_text_of_few_letters():
    rng = np.random.default_rng(0)
    for _ in range(100):
        text, query = (bytes(rng.integers(97, 100, size).tolist()) for size in (20, int(rng.integers(1, 9))))
        expected = max(n for n in range(len(query) + 1) if query[:n] in text)
        assert TextIndex(text).longest_match(query) == expected, (text, query)


def test_covered_bytes_and_the_longest_copy():
    text = STORY.encode()
    copied = text[100:180]
    found = TextIndex(text).matches(b"\x00" * 60 + copied + b"\x00" * 60)
    assert found.longest == copied
    assert found.covered(50) == found.covered(80) == sum(byte != 32 for byte in copied)
    assert found.covered(81) == 0 and found.size == 120 + found.covered(50)
    assert TextIndex(text).matches(text[::-1]).covered(50) == 0
    assert TextIndex(text).matches(b"").covered(1) == 0


@pytest.mark.parametrize("size", [54, 49, 47, 45])
def test_short_copies_in_a_row_cover_everything_at_some_length(size):
    text = STORY.encode()
    stitched = b"".join(text[start : start + size] for start in (700, 13, 402, 250, 99, 600))
    found = TextIndex(text).matches(stitched)
    assert found.covered(30) == found.size and found.covered(100) == 0


def test_blanks_are_no_copied_text():
    training = (
        b"def first():\n" + b" " * 400 + b"\n" * 300 + b"return a sentence of more than fifty bytes, copied whole\n"
    )
    index = TextIndex(training)
    blank = index.matches(b" " * 200 + b"\n" * 200)
    assert (blank.covered(50), blank.size, blank.longest) == (0, 0, b"")
    copied = index.matches(b" " * 200 + b"return a sentence of more than fifty bytes, copied whole" + b"\n" * 200)
    assert copied.longest.strip() == b"return a sentence of more than fifty bytes, copied whole"
    assert copied.covered(50) == copied.size == 47


def test_a_long_copy_is_found_completely():
    text = bytes(np.random.default_rng(1).integers(0, 256, 5000).tolist())
    found = TextIndex(text).matches(text[500:4500])
    assert found.longest == text[500:4500] and found.covered(400) == found.size


def test_a_text_repeats_what_it_has_had_before():
    line = b"a line of forty bytes, give or take one."
    assert self_matches(line * 3, 30).covered(30) == 2 * 32  # without blanks
    assert self_matches(line + line[::-1], 30).covered(30) == 0
    assert self_matches(line[:20] * 2, 30).covered(30) == 0


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydivsufsort", None)
    with pytest.raises(MissingDependencyError, match=r"tinygpt\[evaluate\]"):
        TextIndex(b"text")


# ---- all of it -----------------------------------------------------------------------------------------------


def test_a_large_model_on_863_bytes_is_called_memorized():
    """The original's default corpus: the loss was 0.14, and the generated text was the corpus."""
    assert len(STORY) == 863
    parts = split(STORY.replace(". ", ".\n").encode())  # a text is begun after a line break
    corpus = Corpus("story", parts.train, parts.held_out, "MIT", "here")
    model, steps, rate = ModelConfig(n_layers=1, d_model=64, n_heads=4, context_length=48), 400, 5e-3
    engine = create_engine("vectorized[threads=1,kernels=numpy]", model, TrainConfig(batch_size=16), seed=0)
    sampler = BatchSampler(corpus.train_tokens, 16, 48, seed=0)
    for step in range(steps):
        batch = sampler.batch(step)
        engine.train_step(batch.inputs, batch.targets, rate * min(1.0, (step + 1) / 50) * (1.0 - step / steps))
    result = evaluate_model(engine, corpus, EvaluationSettings(4, 200, temperature=0.3), engine="vectorized[threads=1]")
    assert result.judgement.memorized
    assert result.train_loss < 0.6 < 3.0 < result.held_out_loss
    assert result.measures.shares["copied_50"].texts.share > 0.5
    assert result.measures.longest_bytes > 60
    assert any("bytes in copies of 50 and more" in reason for reason in result.judgement.reasons)


def test_an_evaluation_is_the_same_every_time_and_survives_json(engine):
    corpus = Corpus("story", STORY.encode() * 4, STORY.upper().encode(), "MIT", "here")
    settings = EvaluationSettings(2, 60, temperature=0.5)
    first, second = (evaluate_model(engine, corpus, settings, engine="numpy") for _ in range(2))
    assert first == second
    values = json.loads(first.as_json())
    assert values["held_out_loss"] == first.held_out_loss
    assert values["held_out_loss_bits"] == pytest.approx(first.held_out_loss / math.log(2))
    assert values["gap"] == pytest.approx(first.held_out_loss - first.train_loss)
    assert values["judgement"]["grade"] == first.judgement.grade == "noise"
    assert values["ladder"][1]["order"] == 2
    assert (
        evaluate_model(engine, corpus, replace(settings, temperature=1.0), engine="numpy").judgement == first.judgement
    )
    for seed, text in enumerate(first.texts):
        tokens = list(generate(engine, "", 60, temperature=0.5, seed=seed))
        assert text == BYTES.decode(np.array(tokens))


def test_a_model_of_other_tokens_is_evaluated_per_byte():
    corpus = Corpus("story", STORY.encode() * 4, STORY.encode() * 2, "MIT", "here")
    bpe = train_bpe("bpe:300", 300, corpus.train)
    model = create_engine("numpy", replace(MODEL, vocab_size=bpe.vocab_size), TrainConfig(batch_size=4), seed=1)
    model.tokenizer = bpe
    result = evaluate_model(model, corpus, EvaluationSettings(2, 60), engine="numpy")
    tokens = bpe.encode(corpus.held_out)
    assert result.bytes_per_token == len(corpus.held_out) / len(tokens) > 1.5
    nats = sum(  # of every window of 16 tokens
        model.token_losses(tokens[None, i : i + 17][:, :-1].astype(int), tokens[None, i + 1 : i + 17].astype(int)).sum()
        for i in range(0, len(tokens) - 1, 16)
    )
    assert result.held_out_loss == pytest.approx(
        nats / (len(corpus.held_out) - len(bpe.decode_bytes(tokens[:1]))), rel=1e-6
    )
    assert result.held_out_loss_per_token == pytest.approx(math.log(300), rel=0.05)  # it has learnt nothing
    assert result.train_loss == pytest.approx(result.held_out_loss, rel=0.05)
    assert 0 < result.swaps.right < 1
    assert result.positions.context_bytes == round(16 * result.positions.bytes_per_token) > 24
    assert result.positions.losses[-1] == pytest.approx(result.held_out_loss, rel=0.1)


def test_the_settings_of_texts_are_checked():
    with pytest.raises(ConfigError, match="n_texts is 0"):
        EvaluationSettings(n_texts=0)
    with pytest.raises(ConfigError, match="temperature"):
        replace(EvaluationSettings(), temperature=-1.0)
