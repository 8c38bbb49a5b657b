"""The step by hand: each number against the layers of the package, engine ``numpy`` and finite differences."""

import numpy as np
import pytest

from tests.tinygpt.test_layers import numerical_gradient
from tinygpt import create_engine, layers
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.learn import by_hand
from tinygpt.learn.by_hand import ADAMW, EPS, PARAMETERS, SGD_RATE, forward, numbers, tokens, weights, written
from tinygpt.learn.by_hand_steps import BACKWARD, FORWARD, STEPS


@pytest.fixture(scope="module")
def n():
    return numbers()


def names_of_parameters():
    return {long: name for name, (long, _) in PARAMETERS.items()}


# ---- against engine numpy ----------------------------------------------------------------------------------


def widened(name, value):
    """A parameter with F = 8: six hidden numbers more, whose weights are 0, so that they change nothing."""
    pads = {"mlp.c_fc.weight": ((0, 0), (0, 6)), "mlp.c_fc.bias": ((0, 6),), "mlp.c_proj.weight": ((0, 6), (0, 0))}
    return np.pad(value, pads.get(name.removeprefix("h.0."), ((0, 0),) * value.ndim))


@pytest.fixture
def engine():
    model = ModelConfig(1, 2, 1, 3, vocab_size=3, layer_norm_eps=EPS)
    made = create_engine("numpy", model, TrainConfig(batch_size=1, learning_rate=ADAMW.learning_rate), seed=0)
    made.load_state_dict({name: widened(name, value).astype(np.float32) for name, value in weights().items()})
    return made


def test_the_step_is_that_of_the_engine(engine, n):
    inputs, targets = tokens()
    loss, gradients = engine.loss_and_gradients(inputs, targets)
    assert loss == pytest.approx(float(n["loss"]), rel=1e-6)
    np.testing.assert_allclose(engine.logits(inputs)[0], n["z"], atol=1e-6)
    np.testing.assert_allclose(engine.attention_weights(inputs)[0][0, 0], n["A"], atol=1e-6)
    for long, name in names_of_parameters().items():
        np.testing.assert_allclose(gradients[long], widened(long, n[f"d{name}"]), atol=1e-6, err_msg=name)


def test_the_updates_are_those_of_the_engine(engine, n):
    inputs, targets = tokens()
    result = engine.train_step(inputs, targets)
    assert result.grad_norm == pytest.approx(float(n["norm"]), rel=1e-6)
    state, moments = engine.state_dict(), engine.optimizer_state()
    for long, name in names_of_parameters().items():
        new = n[f"{name}_adamw"].copy()
        if name == "b_qkv":  # the keys' gradient is 0, and AdamW enlarges its rounding errors
            np.testing.assert_allclose(n["db_qkv"][2:4], 0, atol=1e-15)
            new[2:4] = state[long][2:4]
        np.testing.assert_allclose(state[long], widened(long, new), atol=1e-5, err_msg=name)
        np.testing.assert_allclose(moments.first_moment[long], widened(long, n[f"m1_{name}"]), atol=1e-7)
        np.testing.assert_allclose(moments.second_moment[long], widened(long, n[f"m2_{name}"]), atol=1e-7)
        np.testing.assert_allclose(n[f"{name}_sgd"], n[name] - SGD_RATE * n[f"d{name}"])
    assert engine.loss_and_gradients(inputs, targets)[0] == pytest.approx(float(n["loss_adamw"]), abs=1e-5)
    assert max(n["loss_sgd"], n["loss_adamw"]) < n["loss"] - 0.5


# ---- each number -------------------------------------------------------------------------------------------


def test_every_gradient_of_a_parameter_by_finite_differences(n):
    w = weights()
    for long, name in names_of_parameters().items():
        numerical = numerical_gradient(lambda: float(forward(w, {})[0]["loss"]), w[long])
        np.testing.assert_allclose(n[f"d{name}"], numerical, atol=1e-8, err_msg=name)


def test_every_number_by_the_layers_of_the_package(n):
    u, targets = (ids[0] for ids in tokens())
    e, got = n["E"], {}
    got["x0"] = e[u] + n["P"]
    got["y1"], norm_1 = layers.layer_norm(got["x0"], n["g_1"], n["b_1"], EPS)
    qkv = layers.linear(got["y1"], n["W_qkv"], n["b_qkv"])
    got["q"], got["k"], got["v"] = np.split(qkv, 3, axis=-1)
    mixed, (*_, shares) = layers.attention(qkv[None], 1)
    got["y2"], got["A"] = mixed[0], shares[0, 0]
    got["y3"] = layers.linear(got["y2"], n["W_o"], n["b_o"])
    got["x1"] = got["x0"] + got["y3"]
    got["y4"], norm_2 = layers.layer_norm(got["x1"], n["g_2"], n["b_2"], EPS)
    got["y5"] = layers.linear(got["y4"], n["W_up"], n["b_up"])
    got["y6"], tanh = layers.gelu(got["y5"])
    got["y7"] = layers.linear(got["y6"], n["W_down"], n["b_down"])
    got["x2"] = got["x1"] + got["y7"]
    got["y8"], norm_f = layers.layer_norm(got["x2"], n["g_f"], n["b_f"], EPS)
    got["z"] = got["y8"] @ e.T
    loss, got["p"] = layers.cross_entropy(got["z"], targets)
    got |= {"loss": np.array(loss), "dloss": np.array(1.0), "u": u[:, None], "w": targets[:, None]}
    got["p_target"] = got["p"][np.arange(3), targets][:, None]
    for name, (x_hat, r), x in (("1", norm_1, "x0"), ("2", norm_2, "x1"), ("f", norm_f, "x2")):
        got |= {f"x_hat_{name}": x_hat, f"r_{name}": r, f"mu_{name}": got[x].mean(axis=-1, keepdims=True)}

    got["dz"] = layers.cross_entropy_backward(got["p"], targets)
    got["dy8"], got["dE_head"] = got["dz"] @ e, got["dz"].T @ got["y8"]
    got["dx2"], got["dg_f"], got["db_f"] = layers.layer_norm_backward(got["dy8"], n["g_f"], norm_f)
    got["dy7"] = got["dx2"]
    got["dy6"], got["dW_down"], got["db_down"] = layers.linear_backward(got["dy7"], got["y6"], n["W_down"])
    got["dy5"] = layers.gelu_backward(got["dy6"], got["y5"], tanh)
    got["slope"] = got["dy5"] / got["dy6"]
    got["dy4"], got["dW_up"], got["db_up"] = layers.linear_backward(got["dy5"], got["y4"], n["W_up"])
    got["branch_2"], got["dg_2"], got["db_2"] = layers.layer_norm_backward(got["dy4"], n["g_2"], norm_2)
    got["dx1"] = got["dy3"] = got["dx2"] + got["branch_2"]
    got["dy2"], got["dW_o"], got["db_o"] = layers.linear_backward(got["dy3"], got["y2"], n["W_o"])
    dqkv = layers.attention_backward(got["dy2"][None], layers.attention(qkv[None], 1)[1])[0]
    got["dq"], got["dk"], got["dv"] = np.split(dqkv, 3, axis=-1)
    got["dy1"], got["dW_qkv"], got["db_qkv"] = layers.linear_backward(dqkv, got["y1"], n["W_qkv"])
    got["branch_1"], got["dg_1"], got["db_1"] = layers.layer_norm_backward(got["dy1"], n["g_1"], norm_1)
    got["dx0"] = got["dP"] = got["dx1"] + got["branch_1"]
    got["dE_rows"] = layers.embed_backward(got["dx0"][None], u[None], e, n["P"])[0]
    got["dE"] = got["dE_head"] + got["dE_rows"]
    for name, dy in (("1", "dy1"), ("2", "dy4"), ("f", "dy8")):
        got[f"dx_hat_{name}"] = got[dy] * n[f"g_{name}"]
    # Scores and their gradients are inside layers.attention: from what it returns.
    got["dA"] = got["dy2"] @ got["v"].T
    jacobians = np.einsum("ts,sr->tsr", got["A"], np.eye(3)) - np.einsum("ts,tr->tsr", got["A"], got["A"])
    got["dS"] = np.einsum("tr,trs->ts", got["dA"], jacobians)
    np.testing.assert_allclose(got["dS"] @ got["k"] / np.sqrt(2), got["dq"], atol=1e-12)
    got["dp"] = -np.eye(3)[targets] / (3 * got["p"])
    with np.errstate(divide="ignore"):
        logarithms = np.log(got["A"])
    np.testing.assert_allclose(np.exp(n["S"] - np.log(np.exp(n["S"]).sum(axis=1, keepdims=True))), got["A"])
    assert (np.isinf(n["S"]) == np.isinf(logarithms)).all()

    shown = {name for step in (*FORWARD, *BACKWARD) for name in step.shown} - PARAMETERS.keys()
    assert shown - got.keys() == {"S"}
    for name, value in got.items():
        np.testing.assert_allclose(n[name], value, atol=1e-12, err_msg=name)


# ---- the steps ---------------------------------------------------------------------------------------------


def test_the_way_back_visits_every_node_in_reverse(n):
    assert [step.node for step in BACKWARD] == [step.node for step in reversed(FORWARD)]
    assert {name for step in STEPS for name in step.shown} <= n.keys()
    for name in PARAMETERS:  # used on the way there, and given a gradient on the way back
        assert any(name in step.shown for step in FORWARD), name
        assert any(f"d{name}" in step.shown for step in BACKWARD), name


def test_numbers_are_written_with_few_decimals_if_they_are_exact():
    assert written(np.array([[0.5, -1], [0, 2]])) == [["0.5", "−1.0"], ["0.0", "2.0"]]
    assert written(np.array([1 / 3, -np.inf, -1e-9])) == [["0.3333", "−∞", "0.0000"]]
    assert written(np.array(0.00123)) == [["0.001230"]]
    assert written(np.array(-1e-18)) == [["0"]]


def test_the_command_prints_every_step(capsys):
    by_hand.main()
    printed = capsys.readouterr().out
    for number, step in enumerate(STEPS, 1):
        assert f"\n{number}. {step.way}: {step.title}\n" in printed
