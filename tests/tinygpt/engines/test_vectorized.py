"""Parts of the fast engine: each equals its plain twin, and the workers end and leak nothing."""

import faulthandler
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import psutil
import pytest

from tinygpt import layers
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import create_engine
from tinygpt.engines.compiled.memory import workspace_numbers
from tinygpt.engines.compiled.workspace import make_workspace
from tinygpt.engines.vectorized.arena import Arena
from tinygpt.engines.vectorized.attention import Attention, query_blocks
from tinygpt.engines.vectorized.calibration import choose_kernels
from tinygpt.engines.vectorized.layout import Layout
from tinygpt.engines.vectorized.mailbox import Mailbox, private_zeros, row_slices
from tinygpt.engines.vectorized.memory import predicted_bytes, shard_numbers
from tinygpt.engines.vectorized.phases import VectorizedPhases
from tinygpt.engines.vectorized.projection import FoldedProjection, NormNames, PlainProjection
from tinygpt.engines.vectorized.shard import Shard
from tinygpt.engines.vectorized.slab import Slab
from tinygpt.engines.vectorized.team import ProcessTeam
from tinygpt.errors import CapacityError, ConfigError, WorkerError
from tinygpt.presets import PRESETS

MODEL = ModelConfig(n_layers=2, d_model=16, n_heads=2, context_length=12)
TRAIN = TrainConfig(batch_size=4)


def batch(seed=0, rows=4, length=12):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (rows, length)), rng.integers(0, 256, (rows, length))


# ---- attention -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 7, 64, 128, 130, 200, 256])
@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_blocked_attention_is_attention(length, scale):
    model = ModelConfig(1, 12, 3, length)
    rng = np.random.default_rng(0)
    qkv = rng.standard_normal((2 * length, 36), np.float32) * np.float32(scale)
    dy = rng.standard_normal((2 * length, 12), np.float32)
    attention = Attention(model, 2, length, choose_kernels("numpy"), Slab())
    buffers = attention.buffers(Slab())
    buffers.qkv[...] = qkv
    buffers.qkv[:, :12] *= np.float32(0.5)  # 1/√C with C = 4
    mixed, dqkv = np.empty((2 * length, 13), np.float32), np.empty((2 * length, 36), np.float32)
    attention.forward(buffers, mixed)
    expected, cache = layers.attention(qkv.reshape(2, length, 36).astype(np.float64), 3)
    np.testing.assert_allclose(mixed[:, :12], expected.reshape(-1, 12), atol=2e-5 * scale)

    attention.backward(buffers, mixed, dy, dqkv)
    dqkv[:, :12] *= np.float32(0.5)
    wanted = layers.attention_backward(dy.reshape(2, length, 12).astype(np.float64), cache).reshape(-1, 36)
    np.testing.assert_allclose(dqkv, wanted, atol=2e-5 * scale * max(1.0, np.abs(wanted).max()))


@pytest.mark.parametrize("length", [1, 63, 64, 127, 128, 512])
def test_query_blocks_cover_the_context_once(length):
    blocks = query_blocks(length)
    assert [query for start, stop in blocks for query in range(start, stop)] == list(range(length))
    assert len(blocks) == max(1, length // 64)


# ---- a norm with its projection --------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["plain", "folded"])
@pytest.mark.parametrize(
    "names", [NormNames("h.0.ln_1", "h.0.attn.c_attn", 16, 0.25), NormNames("h.1.ln_2", "h.1.mlp.c_fc")]
)
def test_a_norm_and_its_projection_match_their_plain_twins(form, names):
    rng = np.random.default_rng(0)
    arena = Arena(MODEL, 1, private_zeros)
    arena.flat_parameters[:] = rng.standard_normal(arena.size)
    p = {name: value.astype(np.float64) for name, value in arena.parameters.items()}
    pair = PlainProjection(names, arena) if form == "plain" else FoldedProjection(names, arena, private_zeros)
    pair.refresh()
    n, width = 10, p[f"{names.projection}.bias"].size
    x, dy = rng.standard_normal((n, 16)), rng.standard_normal((n, width))
    gain, weight = p[f"{names.norm}.weight"], p[f"{names.projection}.weight"]
    normed, (x_hat, r) = layers.layer_norm(x, gain, p[f"{names.norm}.bias"], 1e-5)
    column_scale = np.where(np.arange(width) < names.scaled, names.scale, 1.0)
    expected = layers.linear(normed, weight, p[f"{names.projection}.bias"]) * column_scale

    hat = np.ones((n, 17), np.float32)
    hat[:, :16] = x_hat
    room, out, g = np.ones((n, 17), np.float32), np.empty((n, width), np.float32), np.empty((n, 16), np.float32)
    pair.forward(hat, room, out)
    np.testing.assert_allclose(out, expected, atol=2e-5)

    pair.backward(dy.astype(np.float32), hat, room, 0, g, np.full((16, 1), 1 / 16, np.float32))
    pair.finish()
    dnormed, dweight, dbias = layers.linear_backward(dy * column_scale, normed, weight)
    _, dgain, dnorm_bias = layers.layer_norm_backward(dnormed, gain, (x_hat, r))
    grads = arena.gradients[0]
    for name, wanted in (
        (f"{names.projection}.weight", dweight),
        (f"{names.projection}.bias", dbias),
        (f"{names.norm}.weight", dgain),
        (f"{names.norm}.bias", dnorm_bias),
    ):
        np.testing.assert_allclose(grads[name], wanted, atol=2e-4)
    centred = dnormed * gain - (dnormed * gain).mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(g, centred, atol=5e-5)


# ---- the arena and its ranges ---------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_ranges_cover_the_arena_once_and_only_matrices_decay(workers):
    arena = Arena(MODEL, 1, private_zeros)
    touched, decayed = np.zeros(arena.size, int), np.zeros(arena.size, int)
    for worker in range(workers):
        for tile in arena.tiles(arena.worker_range(worker, workers)):
            touched[tile.range] += 1
            for part in tile.decayed:
                assert tile.range.start <= part.start < part.stop <= tile.range.stop
                decayed[part] += 1
    assert (touched == 1).all()
    for name, view in arena.views(decayed).items():
        assert (view == (view.ndim >= 2)).all(), name


# ---- teams -----------------------------------------------------------------------------------------------


FAST = ("vectorized[kernels=numpy]", "vectorized[kernels=numba]", "compiled")


@pytest.mark.parametrize("variant", FAST)
@pytest.mark.parametrize("rows", [4, 3, 1])
def test_threads_and_processes_give_the_same_bits(rows, variant, many_cores):
    results = []
    for team in ("threads", "processes"):
        engine = create_engine(variant, MODEL, TRAIN, seed=1, threads=3, team=team)
        steps = [engine.train_step(*batch(step)) for step in range(3)]
        loss, gradients = engine.loss_and_gradients(*batch(9, rows))
        results.append((steps, loss, gradients, engine.logits(batch(9, rows)[0]), engine.state_dict()))
    (steps, loss, gradients, logits, state), other = results
    assert steps == other[0]
    assert loss == other[1]
    assert all((gradients[name] == other[2][name]).all() for name in gradients)
    assert (logits == other[3]).all()
    assert all((state[name] == other[4][name]).all() for name in state)


@pytest.mark.parametrize("variant", FAST)
@pytest.mark.parametrize("team", ["threads", "processes"])
def test_a_batch_larger_than_the_configured_one_works(team, variant):
    engine = create_engine(variant, MODEL, TRAIN, seed=1, threads=2, team=team)
    reference = create_engine("numpy", MODEL, TRAIN, seed=1)
    engine.train_step(*batch(1))
    reference.train_step(*batch(1))
    inputs, targets = batch(2, rows=11)
    expected, wanted = reference.loss_and_gradients(inputs, targets)
    loss, gradients = engine.loss_and_gradients(inputs, targets)
    assert loss == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradients["wte.weight"], wanted["wte.weight"], atol=1e-6)
    np.testing.assert_allclose(engine.logits(inputs), reference.logits(inputs), atol=1e-5)


@pytest.mark.parametrize("variant", FAST)
def test_workers_end_with_their_engine(variant):
    engine = create_engine(variant, MODEL, TRAIN, threads=2, team="processes")
    assert engine.process_ids() == ()
    engine.train_step(*batch())
    (worker,) = engine.process_ids()
    assert psutil.Process(worker).ppid() == os.getpid()
    del engine
    assert not psutil.pid_exists(worker)


@pytest.mark.parametrize("variant", ["vectorized[kernels=numpy]", "compiled"])
@pytest.mark.parametrize(
    ("how", "kills", "error", "words"),
    [
        (signal.SIGKILL, 4, WorkerError, r"ended by signal 9 \(SIGKILL\)"),
        (signal.SIGKILL, 5, CapacityError, "killed a worker process of the engine for lack of memory"),
        (signal.SIGSEGV, 5, WorkerError, r"ended by signal 11 \(SIGSEGV\)"),
    ],
)
def test_a_lost_worker_is_a_one_line_error_and_the_engine_still_works(how, kills, error, words, variant, monkeypatch):
    serve = ProcessTeam._serve

    def serve_without_a_trace(*arguments):
        faulthandler.disable()  # pytest's, which the fork has inherited
        serve(*arguments)

    monkeypatch.setattr(ProcessTeam, "_serve", serve_without_a_trace)
    counts = iter([4])  # the kernel's counts: before the workers started, and later
    monkeypatch.setattr("tinygpt.engines.vectorized.team.out_of_memory_kills", lambda: next(counts, kills))
    engine = create_engine(variant, MODEL, TRAIN, threads=2, team="processes")
    twin = create_engine("numpy", MODEL, TRAIN)
    engine.train_step(*batch())
    twin.train_step(*batch())
    os.kill(engine.process_ids()[0], how)
    with pytest.raises(error, match=words) as caught:
        engine.train_step(*batch())
    assert "\n" not in str(caught.value)
    assert engine.train_step(*batch(1)).loss == pytest.approx(twin.train_step(*batch(1)).loss, rel=1e-5)


def test_after_an_update_that_lost_a_worker_weights_must_be_loaded(monkeypatch):
    update, parent = Arena.update, os.getpid()

    def lost(arena, *arguments):
        return update(arena, *arguments) if os.getpid() == parent else os._exit(7)

    monkeypatch.setattr(Arena, "update", lost)
    engine = create_engine("vectorized", MODEL, TRAIN, threads=2, kernels="numpy", team="processes")
    saved = engine.state_dict()
    with pytest.raises(WorkerError, match="ended with exit code 7"):
        engine.train_step(*batch())
    with pytest.raises(WorkerError, match="an earlier step of this engine was interrupted"):
        engine.train_step(*batch())
    monkeypatch.undo()
    engine.load_state_dict(saved)
    assert np.isfinite(engine.train_step(*batch()).loss)


@pytest.mark.parametrize("team", ["threads", "processes"])
def test_after_an_interrupt_no_worker_writes_any_more(team, monkeypatch):
    first, second = (create_engine("vectorized", MODEL, TRAIN, threads=2, kernels="numpy", team=team) for _ in range(2))
    first.train_step(*batch())
    second.train_step(*batch())
    weights, moments = first.state_dict(), first.optimizer_state()
    update = Arena.update

    def interrupted(arena, *arguments):
        if os.getpid() == parent and threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        time.sleep(0.1)
        update(arena, *arguments)

    parent = os.getpid()
    with monkeypatch.context() as patch:
        patch.setattr(Arena, "update", interrupted)
        first._team = None  # the next team is forked with the patch
        with pytest.raises(KeyboardInterrupt):
            first.train_step(*batch(1))
    first.load_state_dict(weights)
    first.load_optimizer_state(moments)
    for step in range(1, 4):
        assert first.train_step(*batch(step)) == second.train_step(*batch(step))


@pytest.mark.parametrize("variant", ["vectorized[kernels=numpy]", "compiled"])
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_workers_ignore_signals_to_the_group(stop, variant):
    engine = create_engine(variant, MODEL, TRAIN, threads=2, team="processes")
    before = engine.train_step(*batch())
    os.kill(engine.process_ids()[0], stop)
    time.sleep(0.05)
    assert np.isfinite(engine.train_step(*batch()).loss)
    assert np.isfinite(before.loss)


def test_workers_do_not_outlive_a_killed_parent():
    script = (
        "import numpy as np, time\n"
        "from tinygpt.config import ModelConfig, TrainConfig\n"
        "from tinygpt.engines import create_engine\n"
        "e = create_engine('vectorized', ModelConfig(1, 8, 2, 6), TrainConfig(batch_size=2), threads=2,"
        " kernels='numpy', team='processes')\n"
        "x = np.zeros((2, 6), int)\n"
        "e.train_step(x, x)\n"
        "print(e.process_ids()[0], flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    assert psutil.pid_exists(worker)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker is still there"
        time.sleep(0.02)


def test_more_threads_than_cores_warns_and_an_unknown_team_is_named():
    with pytest.warns(UserWarning, match="threads is 999"):
        create_engine("vectorized", MODEL, TRAIN, threads=999, kernels="numpy")
    with pytest.raises(ConfigError, match="did you mean 'threads'"):
        create_engine("vectorized[team=thread]", MODEL, TRAIN)


# ---- memory ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("team", ["threads", "processes"])
@pytest.mark.parametrize("variant", [*FAST, "vectorized[kernels=numexpr]"])
def test_steady_state_allocates_nothing_that_grows(team, variant):
    model, train = ModelConfig(2, 32, 2, 16), TrainConfig(batch_size=8)
    engine = create_engine(variant, model, train, threads=2, team=team)
    inputs, targets = batch(0, 8, 16)
    for _ in range(3):
        engine.train_step(inputs, targets)
    processes = [psutil.Process(), *(psutil.Process(helper) for helper in engine.process_ids())]
    tracemalloc.start()
    try:
        traced, resident = tracemalloc.get_traced_memory()[0], [p.memory_info().rss for p in processes]
        for _ in range(40):
            engine.train_step(inputs, targets)
        assert tracemalloc.get_traced_memory()[0] - traced < 400_000
        growth = [p.memory_info().rss - before for p, before in zip(processes, resident, strict=True)]
        assert max(growth[1:], default=0) < 400_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["tiny", "small", "large"])
def test_the_predicted_workspace_is_what_a_shard_takes(name):
    preset = PRESETS[name]
    layout = Layout.of(preset.model, preset.train, 2)
    box = Mailbox(preset.train.batch_size, preset.model.context_length, 256, 2)
    phases = VectorizedPhases(preset.model, preset.train, layout, box, private_zeros, choose_kernels("numpy"))
    for part in row_slices(preset.train.batch_size, layout.shards):
        rows, length = part.stop - part.start, preset.model.context_length
        shard = Shard(preset.model, phases.arena, phases.projections, rows, length, phases.kernels, 0)
        assert shard.slab.size == pytest.approx(shard_numbers(preset.model, rows, length), rel=0.02)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("name", ["tiny", "small", "large"])
def test_the_predicted_workspace_is_what_compiled_rows_take(name, dropout):
    preset = PRESETS[name]
    rows, length, slab = 3, preset.model.context_length, Slab()
    make_workspace(preset.model, Arena(preset.model, 1, private_zeros), rows, length, dropout > 0, slab)
    assert slab.size == pytest.approx(workspace_numbers(preset.model, rows, length, dropout > 0), rel=0.002)


def test_predicted_bytes_grow_with_everything_that_takes_memory():
    preset = PRESETS["medium"]
    two = predicted_bytes(preset.model, preset.train, 2)
    assert predicted_bytes(preset.model, preset.train, 4) > two
    assert predicted_bytes(preset.model, TrainConfig(batch_size=32), 2) > two
    assert two > 4 * 5 * preset.model.n_parameters
