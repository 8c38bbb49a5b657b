"""Runs with other tokens than bytes: trained, resumed, sampled and compared per byte."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.tinygpt.training.small_runs import CORPUS, losses, only, plan
from tinygpt.checkpoints.layout import CONFIG, TOKENIZER, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.tokenizer_files import VOCABULARY_SHA256
from tinygpt.checkpoints.trainable import load_engine
from tinygpt.corpora.token_files import corpus_tokens
from tinygpt.data import evaluation_batches
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.evaluation.loss import scoring_engine, text_loss
from tinygpt.generation.decoding import generate, generate_batch, generate_text
from tinygpt.tokenizers import vocabulary_note
from tinygpt.tokenizers.training import train_bpe
from tinygpt.training.events import EvaluationRecord, SampleRecord, StartRecord
from tinygpt.training.session import run_session

NAME = "bpe:280"
BPE_280 = train_bpe(NAME, 280, CORPUS.train)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("bpe") / "run"
    return out, list(run_session(plan(out, tokenizer=NAME), CORPUS))


def test_a_run_learns_its_tokens_and_reports_per_byte(trained):
    out, events = trained
    start, (sample, *_), evaluations = events[0], only(events, SampleRecord), only(events, EvaluationRecord)
    assert isinstance(start, StartRecord) and start.tokenizer.vocab_size == 280
    assert losses(events)[0] == pytest.approx(math.log(280) / start.bytes_per_token, rel=0.05)
    checkpoint = load_checkpoint(out)
    assert checkpoint.config.vocab_size == 280 and checkpoint.tokenizer.name == NAME
    tokens = corpus_tokens(CORPUS, checkpoint.tokenizer)
    engine = load_engine(checkpoint, "numpy")
    batches = evaluation_batches(tokens.held_out, 16, 32, 2)
    nats = sum(engine.token_losses(batch.inputs, batch.targets).sum() for batch in batches)
    n_bytes = sum(len(checkpoint.tokenizer.decode_bytes(batch.targets.ravel())) for batch in batches)
    assert evaluations[-1].held_out_loss == pytest.approx(nats / n_bytes, rel=1e-6)
    assert sample.n_tokens == 12


def test_a_resumed_run_equals_an_uninterrupted_one(trained, tmp_path):
    _, events = trained
    out = tmp_path / "run"
    first = list(run_session(plan(out, tokenizer=NAME, steps=3), CORPUS))
    second = list(run_session(plan(out, tokenizer=NAME), CORPUS, resume=True))
    assert losses(first) + losses(second) == losses(events)


def test_another_tokenizer_than_that_of_the_weights_is_refused(trained, tmp_path):
    out, _ = trained
    with pytest.raises(ConfigError, match=r"'bpe:270' is not that of the weights, 'bpe:280' of 280 tokens; allowed"):
        list(run_session(plan(out, tokenizer="bpe:270"), CORPUS, resume=True))
    with pytest.raises(ConfigError, match=r"'bytes' is not that of the weights"):
        list(run_session(plan(tmp_path / "new", tokenizer="bytes", start_from=out), CORPUS))
    other = replace(CORPUS, train=CORPUS.held_out, held_out=CORPUS.train)  # whose pairs make another bpe:280
    with pytest.raises(ConfigError, match="'bpe:280' is not that of the weights"):
        list(run_session(plan(tmp_path / "new", tokenizer=NAME, start_from=out), other))
    events = list(run_session(plan(tmp_path / "new", start_from=out), other))
    assert events[0].tokenizer.hash == load_checkpoint(out).tokenizer.hash


def test_a_text_with_too_few_pairs_is_said_once_with_what_is_recorded(tmp_path):
    run = plan(tmp_path / "run", tokenizer="bpe:4000", steps=1)
    start, *_ = run_session(run, CORPUS)
    size = start.tokenizer.vocab_size
    assert 280 < size < 4000 and f"bpe:4000 has only {size} tokens here" in start.warning
    assert load_checkpoint(tmp_path / "run").config.vocab_size == size
    again = next(iter(run_session(replace(run, steps=2), CORPUS, resume=True)))
    assert f"has only {size} tokens" in again.warning
    assert vocabulary_note(BPE_280) is None


def test_a_tokenizer_in_the_place_of_the_models_own_is_noticed(trained, tmp_path):
    folder = tmp_path / "bare"
    folder.mkdir()
    for name in (CONFIG, TOKENIZER, WEIGHTS):
        shutil.copyfile(trained[0] / name, folder / name)
    content = load_checkpoint(folder).tokenizer.content
    (folder / TOKENIZER).write_text(json.dumps({**content, "version": "1.1"}))  # written again by another program
    assert load_checkpoint(folder).tokenizer.hash != BPE_280.hash
    other = train_bpe(NAME, 280, CORPUS.held_out)
    (folder / TOKENIZER).write_text(json.dumps(other.content))
    with pytest.raises(CheckpointError, match=r"bare has other tokens than those that config\.json records; allowed"):
        load_checkpoint(folder)
    config = json.loads((folder / CONFIG).read_text())
    del config[VOCABULARY_SHA256]
    (folder / CONFIG).write_text(json.dumps(config))
    assert load_checkpoint(folder).tokenizer.hash == other.hash


def test_a_prompt_is_counted_in_the_models_tokens(trained, tmp_path):
    long = "The fox saw a hen. " * 3  # of more bytes than the context has tokens, and of fewer tokens
    for times, noted in ((1, False), (9, True)):
        run = plan(tmp_path / str(times), tokenizer=NAME, prompt=long * times, steps=1)
        start, *_ = run_session(run, CORPUS)
        assert (" tokens, and the model sees the last 32 of them" in start.warning) is noted


def test_text_is_generated_in_its_tokens(trained):
    checkpoint = load_checkpoint(trained[0])
    tokens = list(generate(checkpoint, "The fox", 40, seed=2))
    assert max(tokens) >= 256
    assert generate_text(checkpoint, "The fox", 40, seed=2) == checkpoint.tokenizer.decode(tokens)
    columns = np.array(list(generate_batch(checkpoint, ["The hen", "The fox"], 40, seed=1)))
    assert columns[:, 1].tolist() == tokens
    with pytest.raises(ConfigError, match="top_k is 281; allowed: a whole number from 1 to 280"):
        next(generate(checkpoint, "The", 1, top_k=281))


def test_the_loss_of_a_text_is_per_byte(trained):
    checkpoint = load_checkpoint(trained[0])
    engine, tokens = scoring_engine(checkpoint, "numpy"), checkpoint.tokenizer.encode(CORPUS.held_out[:500])
    inputs, targets = tokens[None, :32].astype(np.int64), tokens[None, 1:33].astype(np.int64)
    nats = engine.token_losses(inputs, targets).sum()
    expected = nats / len(checkpoint.tokenizer.decode_bytes(targets[0]))
    assert text_loss(engine, tokens[:33]) == pytest.approx(expected, rel=1e-6)


def test_weights_without_their_tokenizer_are_refused(trained, tmp_path):
    folder = tmp_path / "foreign"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((trained[0] / name).read_bytes())
    with pytest.raises(CheckpointError, match=r"holds no tokenizer\.json, and its vocab_size is 280; allowed: a"):
        load_checkpoint(folder)
    content = json.loads((trained[0] / "tokenizer.json").read_text())
    content["model"]["vocab"] = dict(list(content["model"]["vocab"].items())[:270])
    content["model"]["merges"] = []
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=r"tokenizer\.json has 270 tokens and the weights 280"):
        load_checkpoint(folder)
