"""Finite differences in float64 for every layer: f(x + h) − f(x − h) over 2 h against the hand-derived backward."""

import numpy as np
import pytest

from tinygpt import layers

H = 1e-6


def numerical_gradient(loss, x):
    """∂loss()/∂x by central differences, moving one element of x at a time."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + H
        above = loss()
        x[index] = kept - H
        below = loss()
        x[index] = kept
        gradient[index] = (above - below) / (2 * H)
    return gradient


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def assert_gradients(loss, pairs):
    for x, gradient in pairs:
        np.testing.assert_allclose(gradient, numerical_gradient(loss, x), rtol=1e-6, atol=1e-8)


def test_linear(rng):
    x, w, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 5)), rng.normal(size=5)
    dy = rng.normal(size=(2, 3, 5))
    dx, dw, db = layers.linear_backward(dy, x, w)
    assert_gradients(lambda: (layers.linear(x, w, b) * dy).sum(), [(x, dx), (w, dw), (b, db)])


def test_lora(rng):
    x, a, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 2)), rng.normal(size=(2, 5))
    dy = rng.normal(size=(2, 3, 5))
    dx, da, db = layers.lora_backward(dy, x, a, b, 1.7)
    assert_gradients(lambda: (layers.lora(x, a, b, 1.7) * dy).sum(), [(x, dx), (a, da), (b, db)])
    np.testing.assert_allclose(layers.lora(x, a, b, 1.7), x @ (1.7 * a @ b))


def test_layer_norm(rng):
    x, gain, bias = rng.normal(size=(2, 3, 6)), rng.normal(size=6), rng.normal(size=6)
    dy = rng.normal(size=x.shape)
    _, cache = layers.layer_norm(x, gain, bias, 1e-5)
    dx, dgain, dbias = layers.layer_norm_backward(dy, gain, cache)
    assert_gradients(
        lambda: (layers.layer_norm(x, gain, bias, 1e-5)[0] * dy).sum(), [(x, dx), (gain, dgain), (bias, dbias)]
    )


def test_gelu(rng):
    x = rng.normal(size=(4, 7)) * 2
    dy = rng.normal(size=x.shape)
    dx = layers.gelu_backward(dy, x, layers.gelu(x)[1])
    assert_gradients(lambda: (layers.gelu(x)[0] * dy).sum(), [(x, dx)])


def test_attention(rng):
    qkv = rng.normal(size=(2, 5, 12))
    dy = rng.normal(size=(2, 5, 4))
    dqkv = layers.attention_backward(dy, layers.attention(qkv, 2)[1])
    assert_gradients(lambda: (layers.attention(qkv, 2)[0] * dy).sum(), [(qkv, dqkv)])


def test_attention_does_not_look_ahead(rng):
    qkv = rng.normal(size=(1, 6, 12))
    before = layers.attention(qkv, 2)[0]
    qkv[0, 4:] += 1.0
    after = layers.attention(qkv, 2)[0]
    np.testing.assert_array_equal(before[0, :4], after[0, :4])
    assert not np.allclose(before[0, 4:], after[0, 4:])


def test_embedding_counts_a_repeated_token_every_time(rng):
    tokens = np.array([[1, 3, 1], [1, 0, 3]])
    table, positions = rng.normal(size=(4, 5)), rng.normal(size=(6, 5))
    dx = rng.normal(size=(2, 3, 5))
    dtable, dpositions = layers.embed_backward(dx, tokens, table, positions)
    assert_gradients(
        lambda: (layers.embed(tokens, table, positions) * dx).sum(), [(table, dtable), (positions, dpositions)]
    )
    assert not dtable[2].any()
    assert not dpositions[3:].any()


def test_cross_entropy(rng):
    logits = rng.normal(size=(2, 3, 7)) * 3
    targets = rng.integers(0, 7, size=(2, 3))
    dlogits = layers.cross_entropy_backward(layers.cross_entropy(logits, targets)[1], targets)
    assert_gradients(lambda: layers.cross_entropy(logits, targets)[0], [(logits, dlogits)])


def test_cross_entropy_of_equal_logits_is_the_log_of_the_vocabulary():
    loss, _ = layers.cross_entropy(np.zeros((1, 2, 256)), np.array([[0, 255]]))
    assert loss == pytest.approx(np.log(256))


@pytest.mark.parametrize("scores", [2 * 9 * 5, 2 * 9 * 2, 1], ids=["one block", "blocks and a rest", "a position each"])
def test_tied_head_in_blocks(rng, monkeypatch, scores):
    monkeypatch.setattr("tinygpt.score_blocks.MOST_SCORES", scores)
    x, table = rng.normal(size=(2, 5, 4)), rng.normal(size=(9, 4))
    targets = rng.integers(0, 9, size=(2, 5))
    loss, dx, dtable = layers.tied_head(x, table, targets)
    assert loss == pytest.approx(layers.cross_entropy(x @ table.T, targets)[0], rel=1e-12)
    assert loss == pytest.approx(layers.token_losses(x @ table.T, targets).mean(), rel=1e-12)
    assert_gradients(lambda: layers.tied_head(x, table, targets)[0], [(x, dx), (table, dtable)])
