"""The loss of a text file: every token once, with as much context as the stride gives it, in all units."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Typed
from tests.tinygpt.gpt2_folder import BPE, END, LAST, MODEL, weights, write_gpt2, write_pair
from tests.tinygpt.training.small_runs import SENTENCES
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.engines import Engine, create_engine
from tinygpt.errors import ConfigError
from tinygpt.evaluation.loss import scoring_engine, token_losses
from tinygpt.evaluation.perplexity import text_file_loss
from tinygpt.params import initial_parameters
from tinygpt.presets import PRESETS

TEXT = SENTENCES * 8
TOKENS = BPE.encode(TEXT)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return create_engine("numpy", MODEL, TrainConfig(1), weights=weights())


@pytest.mark.parametrize("stride", [1, 5, 12, 23, 24])
@pytest.mark.parametrize("size", [2, 3, 24, 25, 26, 49, 100])
def test_every_token_is_scored_once_with_the_context_of_its_window(engine: Engine, size: int, stride: int) -> None:
    tokens, expected = TOKENS[:size].astype(np.int64), {}
    for start in range(0, size - 1, stride):
        window = tokens[start : start + 25]
        scores = engine.token_losses(window[None, :-1], window[None, 1:])[0]
        for place, score in enumerate(scores, start + 1):
            expected.setdefault(place, score)  # the first window that has a token scores it
        if start + 24 >= size - 1:
            break
    seen: list[int] = []
    found = token_losses(engine, tokens, stride, seen.append)
    np.testing.assert_allclose(found, [expected[place] for place in range(1, size)], rtol=1e-5)
    assert seen[-1] == size - 1 and seen == sorted(seen)


def test_a_stride_beyond_the_context_is_refused(engine: Engine) -> None:
    for stride in (0, 25, -1):
        with pytest.raises(ConfigError, match=f"stride is {stride}; allowed: a whole number from 1 to 24"):
            token_losses(engine, TOKENS, stride)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_gpt2(tmp_path / "gpt2")
    (tmp_path / "mine.txt").write_text(TEXT)
    return tmp_path


def test_the_units_agree(files: Path, typed: Typed, engine: Engine) -> None:
    command = ("evaluate", "--checkpoint", "gpt2", "--text", "mine.txt", "--stride", "12")
    done = typed(*command, "--json")
    assert done.returncode == 0, done.stderr
    after_a_line_break = np.concatenate([BPE.encode("\n"), TOKENS])
    found, losses = json.loads(done.stdout), token_losses(engine, after_a_line_break, 12)
    assert found["n_tokens"] == len(TOKENS) == len(losses) and found["n_bytes"] == len(TEXT)
    assert found["nats"] == pytest.approx(losses.sum(), rel=1e-5)
    assert found["loss_per_byte"] == pytest.approx(losses.sum() / found["n_bytes"], rel=1e-5)
    assert found["bits_per_byte"] == pytest.approx(found["loss_per_byte"] / math.log(2))
    assert found["perplexity_per_token"] == pytest.approx(math.exp(losses.mean()), rel=1e-4)
    lines = typed(*command).stdout.splitlines()
    assert lines[0].startswith(
        f"mine.txt: {found['n_bytes']:,} bytes in {found['n_tokens']:,} tokens of tokenizer.json"
    )
    assert f"perplexity {found['perplexity_per_token']:.2f} a token" in lines[1]
    assert lines[2] == (
        "windows of 24 tokens, a new one after every 12: each token is predicted from the 13 to 24 tokens before it, "
        "or fewer at the beginning of the text; the first one from a line break"
    )


def test_every_tokenizer_is_scored_on_the_same_bytes(files: Path) -> None:
    bytes_alone = Checkpoint(PRESETS["tiny"].model, TrainConfig(1), initial_parameters(PRESETS["tiny"].model, 0))
    marked = load_checkpoint(write_pair(write_gpt2(files / "marked")))
    models = (bytes_alone, load_checkpoint(files / "gpt2"), marked)
    found = [text_file_loss(model, files / "mine.txt") for model in models]
    assert [loss.begins_after for loss in found] == ["\n", "\n", END]
    assert {loss.n_bytes for loss in found} == {len(TEXT)}
    tokens = np.array([LAST, *marked.tokenizer.encode(TEXT).tolist()])
    assert found[2].nats == pytest.approx(token_losses(scoring_engine(marked), tokens).sum(), rel=1e-6)
    (files / "short.txt").write_text("a")
    assert text_file_loss(bytes_alone, files / "short.txt").nats == pytest.approx(math.log(256), rel=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--text", "nothing.txt"], "there is no file 'nothing.txt'; allowed: a file with text in it; run: the same"),
        (["--text", "mine.txt", "--corpus", "kjv"], "--text with --corpus"),
        (["--stride", "4"], "--stride without --text"),
        (["--text", "mine.txt", "--stride", "25"], "stride is 25"),
    ],
)
def test_bad_input_is_one_line(files: Path, typed: Typed, options: list[str], message: str) -> None:
    done = typed("evaluate", "--checkpoint", "gpt2", *options)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1
