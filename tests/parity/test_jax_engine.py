"""Engine jax against the others: gradients, losses, updates, texts; and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest

from bench.measuring.generation import Weights, generation_weights
from tests import ROOT
from tests.parity.jax_meshes import MESHES
from tests.parity.jax_process import CORPUS, plan
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.engines import create_engine
from tinygpt.engines.jax import engine as jax_engine
from tinygpt.engines.jax.engine import find_devices
from tinygpt.engines.jax.mesh import MeshShape, check_mesh, parse_mesh
from tinygpt.engines.jax.model import HALVED_FROM
from tinygpt.engines.jax.settings import compiler_options
from tinygpt.errors import CapacityError, ConfigError
from tinygpt.generation.decoding import generate
from tinygpt.generation.jax_generator import generate_texts
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.training.events import EvaluationRecord
from tinygpt.training.session import run_session
from tinygpt.training.trainer import StepRecord

MODEL = ModelConfig(n_layers=2, d_model=24, n_heads=3, context_length=16)
TRAIN = TrainConfig(batch_size=4, learning_rate=3e-3)
TOKENS = np.frombuffer(CORPUS.train, np.uint8)


def batches(count: int, rows: int = TRAIN.batch_size) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of the first steps, (count, B, T) each."""
    sampler = BatchSampler(TOKENS, rows, MODEL.context_length, seed=1)
    drawn = [sampler.batch(step) for step in range(count)]
    return np.stack([batch.inputs for batch in drawn]), np.stack([batch.targets for batch in drawn])


def largest_difference(ours: dict, theirs: dict) -> float:
    """Over all arrays, relative to each array's largest number."""
    assert set(ours) == set(theirs)
    return max(np.abs(ours[name] - value).max() / np.abs(value).max() for name, value in theirs.items())


@pytest.mark.parametrize("options", ["", ",layers=scanned", ",layers=scanned,remat=yes"])
def test_gradients_are_those_of_the_hand_derived_backward(options):
    (inputs,), (targets,) = batches(1)
    loss, gradients = create_engine(f"jax[device=cpu{options}]", MODEL, TRAIN, 2).loss_and_gradients(inputs, targets)
    expected_loss, expected = create_engine("vectorized", MODEL, TRAIN, 2).loss_and_gradients(inputs, targets)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert largest_difference(gradients, expected) < 1e-4


def test_a_long_context_attends_in_halves_and_gives_the_same_gradients():
    model = ModelConfig(n_layers=1, d_model=16, n_heads=2, context_length=HALVED_FROM)
    batch = BatchSampler(TOKENS, 2, model.context_length, seed=1).batch(0)
    ours, theirs = (create_engine(name, model, TRAIN, 2) for name in ("jax[device=cpu]", "vectorized"))
    _, gradients = ours.loss_and_gradients(batch.inputs, batch.targets)
    _, expected = theirs.loss_and_gradients(batch.inputs, batch.targets)
    assert largest_difference(gradients, expected) < 1e-4
    # No product makes all scores at once.
    assert (
        f"{HALVED_FROM}x{HALVED_FROM}"
        not in ours._gradients.lower(ours._state.weights, batch.inputs, batch.targets).as_text()
    )


def test_fifty_steps_in_five_dispatches_stay_within_a_tenth_of_a_percent():
    inputs, targets = batches(50)
    engine, reference = (create_engine(name, MODEL, TRAIN, 2) for name in ("jax[device=cpu]", "vectorized"))
    ours = [
        result
        for first in range(0, 50, 10)
        for result in engine.train_steps(inputs[first : first + 10], targets[first : first + 10])
    ]
    theirs = [reference.train_step(*batch) for batch in zip(inputs, targets, strict=True)]
    assert theirs[-1].loss < 0.8 * theirs[0].loss, "nothing was learned"
    assert [result.loss for result in ours] == pytest.approx([result.loss for result in theirs], rel=1e-3)
    assert [result.grad_norm for result in ours] == pytest.approx([result.grad_norm for result in theirs], rel=1e-2)
    # And its state continues elsewhere.
    reference.load_state_dict(engine.state_dict())
    reference.load_optimizer_state(engine.optimizer_state())
    assert reference.optimizer_state().step == 50
    assert np.abs(engine.logits(inputs[0]) - reference.logits(inputs[0])).max() < 1e-4
    assert engine.loss(inputs[0], targets[0]) == pytest.approx(reference.loss(inputs[0], targets[0]), rel=1e-5)


def test_accumulated_batches_make_the_step_of_the_whole():
    (inputs,), (targets,) = batches(1, rows=8)
    whole = create_engine("jax[device=cpu]", MODEL, TrainConfig(batch_size=8), 2).train_step(inputs, targets)
    train = TrainConfig(batch_size=4, accumulation=2)
    parts = create_engine("jax[device=cpu]", MODEL, train, 2).train_step(inputs, targets)
    assert (parts.loss, parts.grad_norm) == pytest.approx((whole.loss, whole.grad_norm), rel=1e-5)


def test_dropout_is_drawn_from_the_seed_and_left_out_of_reading():
    (inputs,), (targets,) = batches(1)
    losses = {}
    for rate, seeds in ((0.0, {"none": 2}), (0.3, {"some": 2, "again": 2, "other": 3})):
        engine = create_engine("jax[device=cpu]", MODEL, replace(TRAIN, dropout=rate), 2)
        start = engine.state_dict(), engine.optimizer_state()
        for name, engine.seed in seeds.items():
            engine.load_state_dict(start[0])
            engine.load_optimizer_state(start[1])
            before = engine.loss(inputs, targets)
            losses[name] = engine.train_step(inputs, targets).loss
            assert (losses[name] == pytest.approx(before, abs=1e-5)) == (rate == 0.0)
    assert losses["some"] == losses["again"] != losses["other"]


def test_bfloat16_is_close_and_is_not_float32():
    (inputs,), (targets,) = batches(1)
    half, single = (
        create_engine(f"jax[device=cpu,precision={name}]", MODEL, TRAIN, 2).loss_and_gradients(inputs, targets)[1]
        for name in ("bfloat16", "float32")
    )
    assert 1e-4 < largest_difference(half, single) < 0.1


# ---- several devices ---------------------------------------------------------------------------------------


def test_meshes_of_eight_simulated_devices_repeat_one_devices_losses():
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    command = [sys.executable, "-m", "tests.parity.jax_meshes"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=300)
    found = json.loads(done.stdout)
    one = found[MESHES[0]]
    for mesh, devices, parts in (("data8", 8, 1), ("data2-fsdp4", 8, 4)):
        assert (found[mesh]["devices"], found[mesh]["parts"]) == (devices, parts)
        for name in ("losses", "norms", "after"):
            assert found[mesh][name] == pytest.approx(one[name], rel=1e-5)


@pytest.mark.parametrize(
    ("mesh", "devices", "batch", "said"),
    [
        ("data=3", 8, 12, r"a mesh of 3 \(data3\) does not divide 8 devices; allowed: 1, 2, 4, 8 devices"),
        ("data=2,fsdp=4", 8, 12, r"\(data2-fsdp4\) does not divide a batch of 12; allowed: 1, 2, 3, 4, 6, 12 devices"),
        ("model=2", 8, 8, "unknown axis of a mesh 'model'"),
        ("data=2,data=4", 8, 8, "twice"),
        ("data=0", 8, 8, "mesh 'data=0'"),
        ("two", 8, 8, "mesh 'two'"),
    ],
)
def test_a_mesh_that_does_not_fit_is_refused(mesh, devices, batch, said):
    with pytest.raises(ConfigError, match=said):
        check_mesh(parse_mesh(mesh), devices, batch)


def test_a_mesh_of_several_processes_leaves_no_device_out():
    with pytest.raises(ConfigError, match="leaves devices of 2 processes out; allowed: all 4"):
        check_mesh(MeshShape(2), 4, 8, n_processes=2)
    assert parse_mesh("data=2,fsdp=4") == parse_mesh("data2-fsdp4") == MeshShape(2, 4)


# ---- what is refused before any time is spent ---------------------------------------------------------------


def test_without_an_accelerator_nothing_falls_back(monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda *kind: [type("Device", (), {"platform": "cpu"})()])
    with pytest.raises(ConfigError, match=r"no accelerator, only 1 CPU device; .*jax\[device=cpu\]"):
        find_devices("accelerator")
    with pytest.raises(ConfigError, match="unknown kind of device 'gpus'"):
        find_devices("gpus")


def test_too_little_memory_is_refused_with_the_bytes(monkeypatch):
    monkeypatch.setattr(jax_engine, "available_bytes", lambda device: 100_000)
    with pytest.raises(CapacityError, match=r"needs [\d,]{7,} bytes on each device, 100,000 are available"):
        create_engine("jax[device=cpu]", MODEL, TRAIN)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("precision=tf32", "precision tf32 on a CPU"),
        ("precision=float16", "unknown precision"),
        ("layers=looped", "unknown arrangement"),
        ("dispatch=0", "dispatch is 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        create_engine(f"jax[device=cpu,{options}]", MODEL, TRAIN)


# ---- sessions, checkpoints, texts --------------------------------------------------------------------------


def test_the_installed_compiler_knows_the_options_of_a_gpu():
    def compiled(options):
        return jax.jit(lambda x: x + 1, compiler_options=options).lower(1.0).compile()

    assert compiler_options("cpu") is None
    compiled(compiler_options("gpu"))
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_gpu_no_such_option"):
        compiled({"xla_gpu_no_such_option": "1"})


def test_a_session_takes_steps_together_and_its_checkpoint_reads_anywhere(tmp_path):
    together = plan(tmp_path / "a", seed=3, steps=11, engine="jax[device=cpu,dispatch=4]")
    events = list(run_session(replace(together, eval_every=5), CORPUS))
    alone = list(
        run_session(replace(plan(tmp_path / "b", seed=3, steps=11, engine="vectorized"), eval_every=5), CORPUS)
    )
    for kind, name in ((StepRecord, "loss"), (EvaluationRecord, "held_out_loss")):
        ours, theirs = ([e for e in each if isinstance(e, kind)] for each in (events, alone))
        assert [event.step for event in ours] == [event.step for event in theirs]
        assert [getattr(e, name) for e in ours] == pytest.approx([getattr(e, name) for e in theirs], rel=1e-4)
    # The run goes on in another arrangement: same numbers, another place.
    more = list(
        run_session(
            replace(together, steps=13, engine="jax[device=cpu,layers=scanned]", eval_every=5), CORPUS, resume=True
        )
    )
    assert [event.step for event in more if isinstance(event, StepRecord)] == [12, 13]
    checkpoint = load_checkpoint(tmp_path / "a")
    inputs = TOKENS[:64].reshape(2, 32).astype(np.int64)
    ours, theirs = (
        create_engine(name, checkpoint.config, checkpoint.train) for name in ("jax[device=cpu]", "vectorized")
    )
    for engine in (ours, theirs):
        engine.load_state_dict(checkpoint.weights)
    assert np.abs(ours.logits(inputs) - theirs.logits(inputs)).max() < 1e-4


@pytest.mark.parametrize(
    "choice",
    [
        {"temperature": 0.0},
        {"temperature": 0.8, "top_k": 5},
        {"top_p": 0.8, "repetition_penalty": 1.5},
        {"min_p": 0.05, "top_p": 0.9},
        {"temperature": 0.0, "repetition_penalty": 1.5, "stop_strings": [b"q"], "eos_token_id": 33},
    ],
)
def test_a_batch_of_texts_is_what_each_prompt_gets_alone(choice):
    model = Weights(MODEL, generation_weights(MODEL, seed=4))
    prompts = ["hello", "world", "a prompt of 16 b", ""]
    ours = generate_texts(model, prompts, SamplingSettings(40, seed=3, **choice), device="cpu")  # three windows
    theirs = [bytes(generate(model, prompt, 40, seed=3 + row, **choice)) for row, prompt in enumerate(prompts)]
    assert ours == theirs
