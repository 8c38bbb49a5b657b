"""Any vocabulary: GPT-2's 50,257 tokens in every engine, with the scores of a few rows at a time."""

import numpy as np
import pytest

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import create_engine
from tinygpt.engines.vectorized.mailbox import Mailbox
from tinygpt.errors import ConfigError

MODEL = ModelConfig(n_layers=1, d_model=8, n_heads=2, context_length=12, vocab_size=50_257)
TRAIN = TrainConfig(batch_size=5, learning_rate=1e-2)
FAST = [
    "vectorized[kernels=numpy,threads=1]",
    "vectorized[kernels=numpy,threads=2,team=threads]",
    "vectorized[kernels=numpy,threads=2,team=processes]",
    "compiled[threads=1]",
    "compiled[threads=2,team=threads]",
    "compiled[threads=2,team=processes]",
]


@pytest.fixture(autouse=True)
def blocks_of_seven_rows(monkeypatch):
    monkeypatch.setattr("tinygpt.score_blocks.MOST_SCORES", 7 * MODEL.vocab_size)


def batch(seed, rows=5):
    """Ids of 16 bits, as a token file has them, beyond those of a byte and those of a signed number."""
    tokens = np.random.default_rng(seed).integers(0, MODEL.vocab_size, (rows, 13)).astype(np.uint16)
    tokens[:, 3], tokens[:, 5], tokens[0, 7] = 50_256, 40_000, 0
    return tokens[:, :-1], tokens[:, 1:]


@pytest.fixture(scope="module")
def reference():
    """The answers of the plain engine in one block."""
    engine = create_engine("numpy", MODEL, TRAIN, seed=1)
    inputs, targets = batch(0)
    answers = engine.logits(inputs), engine.token_losses(inputs, targets), engine.loss_and_gradients(inputs, targets)
    steps = [engine.train_step(*batch(step)) for step in range(3)]
    return *answers, steps, engine.state_dict()


@pytest.mark.parametrize("variant", ["numpy", *FAST])
def test_every_engine_computes_the_same(variant, reference):
    logits, token_losses, (loss, gradients), steps, end = reference
    engine = create_engine(variant, MODEL, TRAIN, seed=1)
    inputs, targets = batch(0)
    np.testing.assert_allclose(engine.logits(inputs), logits, atol=1e-6)
    np.testing.assert_allclose(engine.token_losses(inputs, targets), token_losses, rtol=1e-6)
    found, own = engine.loss_and_gradients(inputs, targets)
    assert found == pytest.approx(loss, rel=1e-6)
    for name, gradient in own.items():
        np.testing.assert_allclose(gradient, gradients[name], atol=1e-5 * np.abs(gradients[name]).max(), err_msg=name)
    for step, expected in enumerate(steps):
        result = engine.train_step(*batch(step))
        assert (result.loss, result.grad_norm) == pytest.approx((expected.loss, expected.grad_norm), rel=1e-5)
    for name, value in engine.parameters().items():
        if not name.endswith("c_attn.bias"):  # the keys' gradient is 0, and AdamW scales its rounding error up
            np.testing.assert_allclose(value, end[name], atol=2e-3, err_msg=name)


@pytest.mark.parametrize("variant", FAST[:4:3])
def test_large_scores_do_not_overflow(variant):
    # Below 80, where bytes need no maximum subtracted; the sum of so many is beyond float32.
    engine, plain = (create_engine(name, MODEL, TRAIN, seed=1) for name in (variant, "numpy"))
    state = engine.state_dict()
    state["ln_f.weight"][:], state["ln_f.bias"][:] = 0.0, 1.0
    state["wte.weight"][:] = 79.0 / MODEL.d_model
    state["wte.weight"][:7] = -79.0 / MODEL.d_model
    inputs, targets = batch(0)
    answers = []
    for each in (engine, plain):
        each.load_state_dict(state)
        answers.append((each.token_losses(inputs, targets), *each.loss_and_gradients(inputs, targets)))
    (losses, loss, gradients), (expected_losses, expected_loss, expected) = answers
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    largest = np.abs(expected["wte.weight"]).max()
    np.testing.assert_allclose(gradients["wte.weight"], expected["wte.weight"], atol=1e-5 * largest)


@pytest.mark.parametrize("variant", ["vectorized[kernels=numpy]", "compiled"])
def test_a_resumed_run_repeats_itself_to_the_bit(variant):
    whole = create_engine(variant, MODEL, TRAIN, seed=1, threads=2)
    expected = [whole.train_step(*batch(step)) for step in range(4)]
    first = create_engine(variant, MODEL, TRAIN, seed=1, threads=2)
    steps = [first.train_step(*batch(step)) for step in range(2)]
    rest = create_engine(variant, MODEL, TRAIN, seed=1, threads=2, weights=first.state_dict())
    rest.load_optimizer_state(first.optimizer_state())
    assert steps + [rest.train_step(*batch(step)) for step in range(2, 4)] == expected


@pytest.mark.parametrize("variant", ["numpy", *FAST[:4:3]])
def test_an_id_out_of_range_is_one_clear_line(variant):
    engine = create_engine(variant, MODEL, TRAIN)
    inputs, targets = batch(0)
    targets[1, -1] = MODEL.vocab_size
    with pytest.raises(ConfigError, match=r"^targets hold tokens from 0 to 50257; allowed: 0 to 50256$"):
        engine.train_step(inputs, targets)


def test_a_mailbox_has_room_for_the_scores_of_a_row_per_worker():
    box = Mailbox(rows=64, length=12, vocab_size=MODEL.vocab_size, workers=2)
    assert (box.capacity, box.scored) == (64 * 12, 2 * 12)
    engine = create_engine("vectorized[kernels=numpy,threads=2]", MODEL, TRAIN, seed=1)
    plain = create_engine("numpy", MODEL, TRAIN, seed=1)
    inputs, _ = batch(0, rows=11)
    np.testing.assert_allclose(engine.logits(inputs), plain.logits(inputs), atol=1e-6)
