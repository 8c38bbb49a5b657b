"""Every engine is the same model: it equals PyTorch's committed answers and the reference engine, and it learns."""

import ast
import functools
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.reference import REFERENCE_FILE, REFERENCE_MODEL, REFERENCE_TRAIN, reference_batches
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.engines import CPU_ENGINES, create_engine, format_variant, parse_variant, with_mesh
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.presets import PRESETS
from tinygpt.training.resume import resumed_options

VARIANTS = [
    "python",
    "numpy",
    "vectorized[kernels=numpy,threads=1]",
    "vectorized[kernels=numpy,threads=2]",
    "vectorized[kernels=numexpr,threads=2]",
    "vectorized[kernels=exp,threads=1]",
    "vectorized[kernels=numba,threads=2]",
    "vectorized[kernels=numpy,threads=8]",  # more threads than rows
    "compiled[threads=1]",
    "compiled[threads=2]",
    "compiled[threads=2,team=processes]",
    "compiled[threads=8]",
]
FAST = ("vectorized", "compiled")


@pytest.fixture(scope="module")
def reference():
    return load_file(REFERENCE_FILE)


def part(reference, prefix):
    return {name.removeprefix(prefix): value for name, value in reference.items() if name.startswith(prefix)}


def assert_close(actual, expected, tolerance):
    """Return the largest difference, relative to the largest magnitude of the expected array."""
    scale = np.abs(expected).max() + 1e-12
    assert np.abs(actual - expected).max() / scale < tolerance


@pytest.mark.parametrize("variant", VARIANTS)
def test_pytorch_parity(variant, reference, many_cores):
    engine = create_engine(variant, REFERENCE_MODEL, REFERENCE_TRAIN)
    engine.load_state_dict(part(reference, "start."))
    batches = reference_batches()

    assert_close(engine.logits(batches[0].inputs), reference["logits"], 1e-5)
    assert engine.loss(batches[0].inputs, batches[0].targets) == pytest.approx(float(reference["loss"][0]), rel=1e-6)
    loss, gradients = engine.loss_and_gradients(batches[0].inputs, batches[0].targets)
    assert loss == pytest.approx(float(reference["loss"][0]), rel=1e-6)
    expected = part(reference, "gradient.")
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        assert gradient.shape == expected[name].shape, name
        assert_close(gradient, expected[name], 2e-5)

    for step, batch in enumerate(batches):
        result = engine.train_step(batch.inputs, batch.targets)
        assert result.loss == pytest.approx(reference["step_losses"][step], rel=1e-4)
        assert result.grad_norm == pytest.approx(reference["step_norms"][step], rel=1e-3)
    assert engine.optimizer_state().step == len(batches)
    for name, value in engine.parameters().items():
        trained = slice(None)
        if name.endswith("c_attn.bias"):
            # A bias on the keys shifts all scores of a row equally, so its true gradient is 0: AdamW scales its
            # rounding error up to full steps, in PyTorch as here. The other two thirds must agree.
            d = REFERENCE_MODEL.d_model
            trained = np.r_[0:d, 2 * d : 3 * d]
        assert_close(value[trained], reference[f"end.{name}"][trained], 1e-3)


@pytest.mark.parametrize("scale", [1.0, 2000.0], ids=["scores near 0", "scores beyond an exponential"])
@pytest.mark.parametrize("variant", [variant for variant in VARIANTS if variant != "python"])
def test_a_tokens_loss_is_that_of_its_logits(variant, scale, many_cores):
    engine = create_engine(variant, REFERENCE_MODEL, REFERENCE_TRAIN)
    engine.load_state_dict({name: scale * value for name, value in engine.state_dict().items()})
    batch = reference_batches()[0]
    inputs, targets = (np.tile(tokens, (3, 1)) for tokens in (batch.inputs, batch.targets))  # more rows than a batch
    logits = engine.logits(inputs).astype(np.float64)
    chosen = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    losses = engine.token_losses(inputs, targets)
    assert losses.dtype == np.float64
    np.testing.assert_allclose(losses, np.logaddexp.reduce(logits, axis=-1) - chosen, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("variant", "preset"),
    [
        ("python", None),
        *((engine, preset) for engine in FAST for preset in ("tiny", "small")),
        ("compiled[team=processes]", "tiny"),
        ("vectorized[kernels=numba]", "tiny"),
    ],
)
def test_fifty_steps_stay_within_a_tenth_of_a_percent_of_the_reference(variant, preset):
    for loss, expected in zip(fifty_losses(variant, preset), fifty_losses("numpy", preset), strict=True):
        assert abs(loss / expected - 1.0) < 1e-3


@functools.cache
def fifty_losses(variant, preset):
    # Engine python gets a model that is small enough for a test; the presets are for the fast engines.
    model = PRESETS[preset].model if preset else ModelConfig(2, 16, 2, 8, vocab_size=128)
    train = replace(PRESETS[preset].train, batch_size=4) if preset else TrainConfig(batch_size=2)
    tokens = np.frombuffer(Path(__file__).read_bytes(), np.uint8)
    sampler = BatchSampler(tokens, train.batch_size, model.context_length, seed=3)
    engine = create_engine(variant, model, train, seed=5)
    return [engine.train_step(batch.inputs, batch.targets).loss for batch in map(sampler.batch, range(50))]


@pytest.mark.parametrize("variant", CPU_ENGINES)
def test_overfits_one_batch(variant):
    model, train = ModelConfig(1, 16, 2, 8, vocab_size=128), TrainConfig(batch_size=2, learning_rate=1e-2)
    engine = create_engine(variant, model, train, seed=0)
    tokens = np.frombuffer(b"to be or not to be", np.uint8).astype(np.int64)
    inputs, targets = np.stack([tokens[:8], tokens[9:17]]), np.stack([tokens[1:9], tokens[10:18]])
    first = engine.train_step(inputs, targets).loss
    assert first == pytest.approx(np.log(128), rel=0.05)
    for _ in range(80):
        last = engine.train_step(inputs, targets).loss
    assert last < 0.1


@pytest.mark.parametrize("variant", CPU_ENGINES)
def test_weights_and_optimizer_state_move_between_engines(variant):
    model, train = ModelConfig(1, 8, 2, 6), TrainConfig(batch_size=2, learning_rate=1e-2)
    tokens = np.random.default_rng(0).integers(0, 256, 500).astype(np.uint8)
    sampler = BatchSampler(tokens, 2, 6, seed=1)
    first = create_engine(variant, model, train, seed=2)
    for step in range(3):
        batch = sampler.batch(step)
        first.train_step(batch.inputs, batch.targets)
    second = create_engine("numpy", model, train, seed=99)
    second.load_state_dict(first.state_dict())
    second.load_optimizer_state(first.optimizer_state())
    for step in range(3, 6):
        batch = sampler.batch(step)
        expected = first.train_step(batch.inputs, batch.targets)
        actual = second.train_step(batch.inputs, batch.targets)
        assert actual.loss == pytest.approx(expected.loss, rel=1e-5)


@pytest.mark.parametrize(
    "variant",
    ["vectorized[kernels=numpy]", "vectorized[kernels=numba]", "compiled", "compiled[team=processes]"],
)
def test_a_fast_engine_repeats_itself_to_the_bit(variant):
    preset = PRESETS["tiny"]
    tokens = np.random.default_rng(0).integers(0, 256, 5000).astype(np.uint8)
    sampler = BatchSampler(tokens, preset.train.batch_size, preset.model.context_length, seed=1)
    runs = []
    for _ in range(2):
        engine = create_engine(variant, preset.model, preset.train, seed=3, threads=2)
        runs.append([engine.train_step(b.inputs, b.targets).loss for b in map(sampler.batch, range(5))])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("variant", FAST)
def test_a_large_score_does_not_overflow_the_softmax(variant):
    model, train = ModelConfig(1, 8, 2, 6), TrainConfig(batch_size=2)
    inputs = np.random.default_rng(0).integers(0, 256, (2, 6))
    engines = [create_engine(name, model, train, seed=0) for name in ("numpy", variant)]
    state = engines[0].state_dict()
    state["h.0.attn.c_attn.weight"] *= 3000.0
    state["ln_f.weight"] *= 5000.0
    for engine in engines:
        engine.load_state_dict(state)
    expected, actual = (engine.loss_and_gradients(inputs, inputs[:, ::-1].copy()) for engine in engines)
    assert np.isfinite(expected[0])
    assert actual[0] == pytest.approx(expected[0], rel=1e-4)


def test_python_engine_imports_nothing_but_the_standard_library():
    tree = ast.parse(Path("tinygpt/engines/python.py").read_text())
    roots = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    roots |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert roots - {"tinygpt", "__future__"} <= sys.stdlib_module_names
    assert "numpy" not in roots


def test_no_autograd_outside_engine_jax():
    with_jax = {*Path("tinygpt/engines/jax").iterdir(), Path("tinygpt/generation/jax_generator.py")}
    for path in {*Path("tinygpt").rglob("*.py")} - with_jax:
        words = path.read_text()
        assert not any(f"import {name}" in words for name in ("torch", "jax", "autograd", "tensorflow")), path


def test_an_engine_of_an_extra_is_listed_without_being_imported():
    text = "jax[mesh=data2-fsdp4,remat=yes,dispatch=8]"
    assert parse_variant(text) == ("jax", {"mesh": "data2-fsdp4", "remat": True, "dispatch": 8})
    assert format_variant(*parse_variant(text)) == text
    assert with_mesh("jax[dispatch=8]", "data=2, fsdp=4") == "jax[dispatch=8,mesh=data2-fsdp4]"
    with pytest.raises(ConfigError, match="engine 'vectorized' has no mesh"):
        with_mesh("vectorized", "data=2")
    with pytest.raises(ConfigError, match="option remat of engine 'jax' is 'maybe'"):
        parse_variant("jax[remat=maybe]")
    assert resumed_options("jax[mesh=data8]", {"mesh": "data2", "precision": "tf32", "remat": "no"}) == {
        "mesh": "data8",
        "precision": "tf32",
    }
    assert resumed_options("vectorized", {"threads": 2, "team": "threads"}) == {"threads": 2, "team": "threads"}


def test_variant_text():
    assert parse_variant("vectorized[threads=1,kernels=numexpr:adamw+gelu]") == (
        "vectorized",
        {"threads": 1, "kernels": "numexpr:adamw+gelu"},
    )
    assert parse_variant("numpy") == ("numpy", {})
    options = {"threads": 2, "kernels": "numexpr:adamw+gelu"}
    assert parse_variant(format_variant("vectorized", options)) == ("vectorized", options)
    assert format_variant("numpy", {}) == "numpy"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vectorised", "did you mean 'vectorized'"),
        ("vectorized[thread=1]", "did you mean 'threads'"),
        ("vectorized[threads=two]", "'two'"),
        ("vectorized[threads=0]", "threads is 0"),
        ("vectorized[kernels=fast]", "allowed: auto, fastest, numpy"),
        ("vectorized[kernels=numexpr:gelo]", "did you mean 'gelu'"),
        ("vectorized[threads=1", "closing bracket"),
    ],
)
def test_bad_variants_are_named(text, words):
    with pytest.raises(ConfigError) as caught:
        create_engine(text, ModelConfig(1, 8, 2, 6), TrainConfig(batch_size=2))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("variant", CPU_ENGINES)
@pytest.mark.parametrize(
    "inputs",
    [np.zeros((1, 7), int), np.zeros(4, int), np.full((1, 4), 256), np.full((1, 4), -1), np.zeros((1, 4))],
    ids=["too long", "one dimension", "above the vocabulary", "negative", "not integers"],
)
def test_token_arrays_that_cannot_be_read_are_refused(variant, inputs):
    engine = create_engine(variant, ModelConfig(1, 8, 2, 6), TrainConfig(batch_size=2))
    with pytest.raises(ConfigError, match="allowed:"):
        engine.logits(inputs)


def test_state_dict_of_another_model_is_refused_by_name():
    engine = create_engine("numpy", ModelConfig(1, 8, 2, 6), TrainConfig(batch_size=2))
    state = engine.state_dict()
    with pytest.raises(CheckpointError, match=r"'wpe.weight' has shape \(7, 8\).*\(6, 8\)"):
        engine.load_state_dict(state | {"wpe.weight": np.zeros((7, 8))})
    with pytest.raises(CheckpointError, match=r"'ln_f\.bias' is missing"):
        engine.load_state_dict({name: value for name, value in state.items() if name != "ln_f.bias"})
    with pytest.raises(CheckpointError, match=r"'h.1.ln_1.weight' is unknown"):
        engine.load_state_dict(state | {"h.1.ln_1.weight": np.zeros(8)})


@pytest.mark.parametrize("variant", CPU_ENGINES)
def test_an_engine_is_one_process_and_takes_one_step_by_default(variant):
    engine = create_engine(variant, ModelConfig(1, 8, 2, 6), TrainConfig(batch_size=2), seed=3)
    assert (engine.seed, engine.steps_per_dispatch, engine.process_ids()) == (3, 1, ())
    assert (engine.processes.count, engine.processes.rows) == (1, slice(None))
    assert [engine.processes.any(flag) for flag in (False, True)] == [False, True]


def test_an_engine_starts_with_given_weights():
    model, train = ModelConfig(1, 8, 2, 6), TrainConfig(batch_size=2)
    given = create_engine("numpy", model, train, seed=1).state_dict()
    engine = create_engine("vectorized", model, train, seed=2, weights=given, threads=1)
    assert engine.seed == 2
    for name, value in engine.parameters().items():
        np.testing.assert_array_equal(value, given[name])
    with pytest.raises(CheckpointError, match="is missing"):
        create_engine("numpy", model, train, weights={})
