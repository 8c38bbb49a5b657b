"""``gpt.py``: short, alone, and equal to engine ``numpy`` in weights, losses, gradients, updates and texts."""

import ast
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests import ROOT
from tests.tinygpt.test_layers import numerical_gradient
from tinygpt import create_engine, load_corpus
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.generation.decoding import generate
from tinygpt.learn import gpt
from tinygpt.params import initial_parameters
from tinygpt.schedule import learning_rate_at

FILE = ROOT / "tinygpt/learn/gpt.py"
SMALL = gpt.Config(n_layers=2, d_model=24, n_heads=3, context_length=10, batch_size=3, n_steps=200)


def shape_of(c):
    return ModelConfig(c.n_layers, c.d_model, c.n_heads, c.context_length, c.vocab_size)


def engine_of(c, seed=0):
    schedule = {"warmup_steps": c.n_steps // 10, "decay_steps": c.n_steps, "decay_to": 0.1}
    train = TrainConfig(c.batch_size, c.learning_rate, **schedule)
    return create_engine("numpy", shape_of(c), train, seed=seed)


def zeros(w):
    return {name: np.zeros_like(weight) for name, weight in w.items()}


def loss_and_gradients(w, c, inputs, targets):
    dw = zeros(w)
    z, back = gpt.model(w, dw, c, inputs)
    loss, dz = gpt.cross_entropy(z, targets)
    back(dz)
    return loss, dw


def spread_weights(c, seed=5):
    """Weights in double precision with no zeros or ones among them, large enough that everything matters."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0.3, 0.4, value.shape) for name, value in gpt.initial_weights(c, 0).items()}


# ---- the file ----------------------------------------------------------------------------------------------


def test_the_file_has_at_most_200_lines():
    assert len(FILE.read_text(encoding="utf-8").splitlines()) <= 200


def test_the_file_needs_numpy_alone():
    tree = ast.parse(FILE.read_text(encoding="utf-8"))
    named = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert {name.split(".")[0] for name in named} <= sys.stdlib_module_names | {"numpy"}


# ---- equal to the engine -----------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [SMALL, gpt.Config(), replace(SMALL, n_layers=3, n_heads=1)])
def test_the_first_weights_are_those_of_every_engine(c):
    ours, theirs = gpt.initial_weights(c, seed=7), initial_parameters(shape_of(c), seed=7)
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)
        assert ours[name].dtype == np.float32


def test_loss_and_every_gradient_are_those_of_the_engine():
    w = {name: value.astype(np.float32) for name, value in spread_weights(SMALL).items()}
    engine = engine_of(SMALL)
    engine.load_state_dict(w)
    rng = np.random.default_rng(1)
    inputs, targets = rng.integers(0, 256, (2, SMALL.batch_size, SMALL.context_length))
    loss, dw = loss_and_gradients(w, SMALL, inputs, targets)
    expected_loss, expected = engine.loss_and_gradients(inputs, targets)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    for name, value in expected.items():
        largest = np.abs(value).max()
        np.testing.assert_allclose(dw[name], value, rtol=1e-4, atol=1e-5 * largest, err_msg=name)
    np.testing.assert_allclose(gpt.model(w, {}, SMALL, inputs)[0], engine.logits(inputs), rtol=1e-4, atol=1e-4)


def test_two_hundred_steps_train_to_the_losses_and_weights_of_the_engine():
    corpus = load_corpus("stories")
    sampler = BatchSampler(corpus.train_tokens, SMALL.batch_size, SMALL.context_length, seed=0)
    w, engine = gpt.initial_weights(SMALL, seed=0), engine_of(SMALL)
    m1, m2 = zeros(w), zeros(w)
    losses, norms = [], []
    for step in range(SMALL.n_steps):
        batch = sampler.batch(step)
        loss, dw = loss_and_gradients(w, SMALL, batch.inputs, batch.targets)
        gpt.adamw(w, dw, m1, m2, SMALL, step)
        result = engine.train_step(batch.inputs, batch.targets, learning_rate_at(engine.train, step))
        norms.append(result.grad_norm)
        losses.append((loss, result.loss))
        if step == 9:
            for name, value in engine.state_dict().items():
                np.testing.assert_allclose(w[name], value, rtol=1e-3, atol=1e-4, err_msg=name)
            state = engine.optimizer_state()
            for name, value in state.first_moment.items():
                np.testing.assert_allclose(m1[name], value, rtol=1e-3, atol=1e-6, err_msg=name)
                np.testing.assert_allclose(m2[name], state.second_moment[name], rtol=1e-3, atol=1e-7, err_msg=name)
    ours, theirs = np.array(losses).T
    assert min(norms) < 1 < max(norms), "clipped steps and others"
    assert ours[-20:].mean() < ours[0] - 2
    np.testing.assert_allclose(ours, theirs, rtol=1e-3)


@pytest.mark.parametrize(("temperature", "top_k"), [(0.0, 256), (0.8, 40), (1.0, 256), (1.7, 1)])
def test_a_text_is_the_one_that_the_package_generates(temperature, top_k):
    w = {name: value.astype(np.float32) for name, value in spread_weights(SMALL).items()}
    engine = engine_of(SMALL)
    engine.load_state_dict(w)
    n = 3 * SMALL.context_length  # the window is full twice
    ours = [*gpt.generate(w, SMALL, b"Once", n, temperature, top_k, seed=3)]
    assert ours == [*generate(engine, b"Once", n, temperature, top_k, seed=3)]
    assert top_k == 1 or temperature == 0 or len(set(ours)) > 3


# ---- its gradients by themselves ---------------------------------------------------------------------------


def test_every_gradient_by_finite_differences():
    c = gpt.Config(n_layers=2, d_model=4, n_heads=2, context_length=5, vocab_size=6)
    w = spread_weights(c)
    inputs, targets = np.array([[1, 3, 3, 0], [5, 1, 2, 2]]), np.array([[3, 3, 0, 4], [1, 2, 2, 5]])
    _, dw = loss_and_gradients(w, c, inputs, targets)
    for name, weight in w.items():
        numerical = numerical_gradient(lambda: gpt.cross_entropy(gpt.model(w, {}, c, inputs)[0], targets)[0], weight)
        np.testing.assert_allclose(dw[name], numerical, rtol=1e-5, atol=1e-8, err_msg=name)


def test_a_probability_that_rounds_to_0_has_a_loss():
    loss, dz = gpt.cross_entropy(np.array([[[0.0, 2000.0]]]), np.array([[0]]))
    assert loss == 2000
    np.testing.assert_array_equal(dz, [[[-1, 1]]])


# ---- the command -------------------------------------------------------------------------------------------


@pytest.fixture
def alone(tmp_path):
    """Run a copy of the file in an empty folder, where no package of ours can be imported."""
    shutil.copy(FILE, tmp_path / "gpt.py")

    def run(*arguments):
        command = [sys.executable, "-I", "gpt.py", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")

    return run


def test_the_copied_file_trains_on_a_text_and_writes(alone, tmp_path):
    corpus = load_corpus("stories")
    (tmp_path / "my.txt").write_bytes(corpus.train_tokens[:20_000].tobytes())
    done = alone("my.txt", "3")
    assert done.returncode == 0, done.stderr
    first, last, text = done.stdout.split("\n", maxsplit=2)
    c = gpt.Config(n_steps=3)
    sampler = BatchSampler(corpus.train_tokens[:20_000], c.batch_size, c.context_length, seed=0)
    engine = engine_of(c)
    losses = []
    for step in range(3):
        batch = sampler.batch(step)
        losses.append(engine.train_step(batch.inputs, batch.targets, learning_rate_at(engine.train, step)).loss)
    for step, line in ((0, first), (2, last)):
        printed = re.fullmatch(rf"step {step}: (\d\.\d{{3}}) nats per byte", line)
        assert printed, line
        assert float(printed[1]) == pytest.approx(losses[step], abs=0.002)
    assert len(text) > 200
    assert not any(sign < " " and sign not in "\n\t" for sign in text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "run: python gpt.py TEXT"),
        (("short.txt", "many"), "run: python gpt.py TEXT"),
        (("short.txt", "1", "more"), "run: python gpt.py TEXT"),
        (("--steps", "1"), "run: python gpt.py TEXT"),
        (("no.txt",), "no.txt cannot be read: No such file"),
        ((".",), ". cannot be read: Is a directory"),
        (("short.txt",), "short.txt has 5 bytes, STEPS = 2000; needed: 65 and 1 or more"),
        (("long.txt", "0"), "long.txt has 100 bytes, STEPS = 0; needed: 65 and 1 or more"),
        (("long.txt", "-5"), "long.txt has 100 bytes, STEPS = -5; needed: 65 and 1 or more"),
    ],
)
def test_bad_input_gets_one_line(alone, tmp_path, arguments, message):
    (tmp_path / "short.txt").write_text("short")
    (tmp_path / "long.txt").write_text(100 * "a")
    done = alone(*arguments)
    assert done.returncode != 0
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
    assert not done.stdout


def test_help_is_the_command_and_no_error(alone):
    done = alone("--help")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("run: python gpt.py TEXT [STEPS]")


@pytest.mark.parametrize("ending", ["interrupt", "closed pipe"])
def test_it_ends_without_a_traceback_when_the_reader_leaves(tmp_path, ending):
    (tmp_path / "my.txt").write_text(100 * "a text ")
    process = subprocess.Popen(
        [sys.executable, "-I", FILE, "my.txt", "20"], cwd=tmp_path, stdout=-1, stderr=-1, text=True
    )
    assert process.stdout.readline().startswith("step 0: ")
    if ending == "interrupt":
        process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait(timeout=20) in (-signal.SIGINT, -signal.SIGPIPE)
    assert process.stderr.read() == ""
