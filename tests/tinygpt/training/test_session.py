"""Sessions: the order of events, exact resumption, clean stops, and refusals without loss."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests import ROOT
from tests.tinygpt.small_checkpoint import edit_state
from tinygpt.checkpoints import checkpoint as checkpoint_module
from tinygpt.checkpoints.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tinygpt.checkpoints.layout import BEST, KEPT, OPTIMIZER, STATE, WEIGHTS
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.corpora import Corpus
from tinygpt.data import BatchSampler, evaluation_batches
from tinygpt.engines import create_engine
from tinygpt.engines.numpy import NumpyEngine
from tinygpt.engines.vectorized.engine import default_team
from tinygpt.errors import CheckpointError, ConfigError, CorpusError, DivergedError, StorageError
from tinygpt.generation.decoding import generate_text
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.presets import PRESETS, Preset
from tinygpt.runs.status import read_status, report_status
from tinygpt.system.staging import SAVED, SAVING
from tinygpt.system.stopping import StopRequest
from tinygpt.training.events import CheckpointRecord, EvaluationRecord, Event, SampleRecord, StartRecord, StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.session import run_session
from tinygpt.training.trainer import StepRecord

SENTENCES = "The fox saw a hen. The hen saw the fox. Off she went, over the wall and home again.\n"
CORPUS = Corpus("fables", (SENTENCES * 40).encode(), (SENTENCES[::-1] * 10).encode(), "public domain", "written here")
SAMPLING = SamplingSettings(12, temperature=0.8, top_k=40)


def plan(out: Path, **changes: object) -> TrainingPlan:
    base = TrainingPlan(
        out, preset="tiny", corpus="fables", engine="numpy", steps=6, seed=3, eval_batches=2, sampling=SAMPLING
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def losses(events: list[Event]) -> list[float]:
    return [event.loss for event in events if isinstance(event, StepRecord)]


def only(events: list[Event], kind: type) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    out = tmp_path_factory.mktemp("whole") / "run"
    return out, list(run_session(plan(out, eval_every=2, sample_every=3, checkpoint_every=4), CORPUS))


# ---- the stream ----------------------------------------------------------------------------------------------


def test_events_come_in_order(uninterrupted: tuple[Path, list[Event]]) -> None:
    out, events = uninterrupted
    assert [(type(event).__name__, getattr(event, "step", None)) for event in events] == [
        ("StartRecord", None),
        ("StepRecord", 1),
        ("CheckpointRecord", 1),
        ("StepRecord", 2),
        ("EvaluationRecord", 2),
        ("CheckpointRecord", 2),
        ("StepRecord", 3),
        ("SampleRecord", 3),
        ("StepRecord", 4),
        ("EvaluationRecord", 4),
        ("CheckpointRecord", 4),
        ("CheckpointRecord", 4),
        ("StepRecord", 5),
        ("StepRecord", 6),
        ("EvaluationRecord", 6),
        ("CheckpointRecord", 6),
        ("SampleRecord", 6),
        ("CheckpointRecord", 6),
        ("StopRecord", 6),
    ]
    start, stop = events[0], events[-1]
    assert isinstance(start, StartRecord) and isinstance(stop, StopRecord)
    assert (start.n_parameters, start.first_step, start.corpus_sha256) == (70_464, 0, CORPUS.sha256)
    assert (stop.reason, stop.signal, stop.exit_code) == ("finished", None, 0)
    saved = [event for event in events if isinstance(event, CheckpointRecord)]
    assert [event.step for event in saved if event.verified] == [1]
    assert [event.step for event in saved if event.best] == [2, 4, 6]  # the loss fell every time
    assert all(event.path == (out / "checkpoints" / "best" if event.best else out) for event in saved)


def test_the_session_trains_as_the_engine_would_alone(uninterrupted: tuple[Path, list[Event]]) -> None:
    out, events = uninterrupted
    preset = PRESETS["tiny"]
    engine = create_engine("numpy", preset.model, preset.train, 3)
    sampler = BatchSampler(CORPUS.train_tokens, 16, 32, 3)
    expected = [engine.train_step(b.inputs, b.targets).loss for b in (sampler.batch(step) for step in range(6))]
    assert losses(events) == expected
    for name, array in engine.state_dict().items():
        np.testing.assert_array_equal(load_checkpoint(out).weights[name], array)


def test_evaluations_are_of_the_held_out_text(uninterrupted: tuple[Path, list[Event]]) -> None:
    out, events = uninterrupted
    last = only(events, EvaluationRecord)[-1]
    assert isinstance(last, EvaluationRecord)
    engine = create_engine("numpy", PRESETS["tiny"].model, PRESETS["tiny"].train, 0)
    engine.load_state_dict(load_checkpoint(out).weights)
    batches = evaluation_batches(CORPUS.held_out_tokens, 16, 32, 2)
    rows = [len(batch.inputs) for batch in batches]
    expected = np.average([engine.loss(batch.inputs, batch.targets) for batch in batches], weights=rows)
    assert last.held_out_loss == pytest.approx(float(expected), rel=1e-12)
    assert last.train_loss == pytest.approx(np.mean(losses(events)))


def test_samples_are_generated_from_the_weights(uninterrupted: tuple[Path, list[Event]]) -> None:
    out, events = uninterrupted
    last = only(events, SampleRecord)[-1]
    assert isinstance(last, SampleRecord)
    assert last.text == generate_text(load_checkpoint(out), "", 12, temperature=0.8, top_k=40, seed=0)
    assert (last.n_tokens, last.temperature, last.top_k, last.seed) == (12, 0.8, 40, 0)
    assert last.tokens_per_second > 0 and last.first_token_seconds > 0
    assert last.held_out_loss == only(events, EvaluationRecord)[-1].held_out_loss  # type: ignore[attr-defined]


def test_the_checkpoint_holds_where_the_run_stands(uninterrupted: tuple[Path, list[Event]]) -> None:
    out, events = uninterrupted
    state = load_checkpoint(out).training
    assert state is not None
    evaluations = {event.step: event.held_out_loss for event in events if isinstance(event, EvaluationRecord)}
    best = min(evaluations, key=evaluations.__getitem__)
    assert (state.step, state.seed, state.preset, state.corpus, state.engine) == (6, 3, "tiny", "fables", "numpy")
    assert (state.corpus_sha256, state.planned_steps) == (CORPUS.sha256, 6)
    assert (state.best_step, state.best_held_out_loss) == (best, evaluations[best])
    assert list(state.recent_losses) == losses(events)
    assert state.elapsed_seconds > 0


def test_checkpoints_follow_the_clock_too(tmp_path: Path) -> None:
    events = list(
        run_session(plan(tmp_path / "run", steps=4, eval_every=9, sample_every=9, checkpoint_seconds=1e-9), CORPUS)
    )
    saved = [event.step for event in events if isinstance(event, CheckpointRecord) and not event.best]
    assert saved == [1, 2, 3, 4]


def test_a_learning_rate_replaces_the_presets(tmp_path: Path) -> None:
    events = list(run_session(plan(tmp_path / "run", steps=2, learning_rate=0.01), CORPUS))
    assert {event.learning_rate for event in only(events, StepRecord)} == {0.01}  # type: ignore[attr-defined]
    assert load_checkpoint(tmp_path / "run").train.learning_rate == 0.01


# ---- resuming ------------------------------------------------------------------------------------------------


def stop_after(session: Iterator[Event], stop: StopRequest, step: int) -> list[Event]:
    events = []
    for event in session:
        events.append(event)
        if isinstance(event, StepRecord) and event.step == step:
            stop.request()
    return events


@pytest.mark.parametrize("step", [1, 3, 4])
def test_a_resumed_run_repeats_the_uninterrupted_one_to_the_bit(
    uninterrupted: tuple[Path, list[Event]], tmp_path: Path, step: int
) -> None:
    whole_out, whole = uninterrupted
    wanted = plan(tmp_path / "run", eval_every=2, sample_every=3, checkpoint_every=4)
    stop = StopRequest()
    first = stop_after(run_session(wanted, CORPUS, stop=stop), stop, step)
    assert isinstance(first[-1], StopRecord)
    assert (first[-1].reason, first[-1].step, first[-1].exit_code) == ("interrupted", step, 0)
    second = list(run_session(wanted, CORPUS, resume=True))
    start = second[0]
    assert isinstance(start, StartRecord) and start.first_step == step
    assert losses(first) + losses(second) == losses(whole)
    # What the first part was stopped before it could do, the second does first.
    assert [(e.step, e.train_loss, e.held_out_loss) for e in first + second if isinstance(e, EvaluationRecord)] == [
        (e.step, e.train_loss, e.held_out_loss) for e in whole if isinstance(e, EvaluationRecord)
    ]
    assert [e.text for e in first + second if isinstance(e, SampleRecord)] == [
        e.text for e in whole if isinstance(e, SampleRecord)
    ]
    for name in (WEIGHTS, OPTIMIZER, "checkpoints/best/model.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (whole_out / name).read_bytes()


def test_a_run_in_double_precision_is_resumed_to_the_bit_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Preset("tiny", ModelConfig(1, 8, 2, 8), TrainConfig(batch_size=2))
    monkeypatch.setattr("tinygpt.training.plan.PRESETS", {"tiny": small})
    whole = list(run_session(plan(tmp_path / "whole", engine="python"), CORPUS))
    stop = StopRequest()
    wanted = plan(tmp_path / "run", engine="python")
    first = stop_after(run_session(wanted, CORPUS, stop=stop), stop, 3)
    second = list(run_session(wanted, CORPUS, resume=True))
    assert losses(first) + losses(second) == losses(whole)
    optimizer = load_checkpoint(tmp_path / "run").optimizer
    assert optimizer is not None and optimizer.weights is not None
    assert optimizer.weights["wte.weight"].dtype == np.float64


def test_a_resumed_run_keeps_the_kernels_that_were_calibrated(tmp_path: Path) -> None:
    wanted = plan(tmp_path / "run", steps=2, engine="vectorized[kernels=numexpr:gelu,threads=1]")
    list(run_session(replace(wanted, steps=1), CORPUS))
    # The same run under `auto`, as on a machine whose calibration would have another outcome.
    training = json.loads((tmp_path / "run" / STATE).read_text())["training"]
    edit_state(tmp_path / "run", training=training | {"engine": "vectorized"})
    start = next(iter(run_session(replace(wanted, engine="vectorized"), CORPUS, resume=True)))
    assert isinstance(start, StartRecord)
    assert start.engine_options == {"threads": 1, "kernels": "numexpr:gelu", "team": default_team()}


def test_a_finished_run_can_be_made_longer(tmp_path: Path) -> None:
    list(run_session(plan(tmp_path / "run", steps=2), CORPUS))
    nothing_left = list(run_session(plan(tmp_path / "run", steps=2), CORPUS, resume=True))
    assert [type(event) for event in nothing_left] == [StartRecord, StopRecord]
    longer = list(run_session(plan(tmp_path / "run", steps=4), CORPUS, resume=True))
    whole = list(run_session(plan(tmp_path / "whole", steps=4), CORPUS))
    assert losses(longer) == losses(whole)[2:]


def test_a_resumed_run_keeps_its_learning_rate_by_default(tmp_path: Path) -> None:
    list(run_session(plan(tmp_path / "run", steps=1, learning_rate=0.01), CORPUS))
    kept = list(run_session(plan(tmp_path / "run", steps=2), CORPUS, resume=True))
    changed = list(run_session(plan(tmp_path / "run", steps=3, learning_rate=0.002), CORPUS, resume=True))
    assert [event.learning_rate for event in only(kept + changed, StepRecord)] == [0.01, 0.002]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "corpus", "expected"),
    [
        ({"preset": "small"}, CORPUS, ["preset tiny against small", "model"]),
        ({"seed": 4}, CORPUS, ["seed 3 against 4"]),
        ({"engine": "vectorized"}, CORPUS, ["engine numpy against vectorized"]),
        ({"corpus": "tales"}, replace(CORPUS, train=CORPUS.train + b"!"), ["corpus fables (", "against tales ("]),
        ({"seed": 5, "engine": "python"}, CORPUS, ["seed 3 against 5", "engine numpy against python"]),
    ],
)
def test_another_runs_checkpoint_is_refused_with_every_field(
    uninterrupted: tuple[Path, list[Event]], changes: dict[str, object], corpus: Corpus, expected: list[str]
) -> None:
    out, _ = uninterrupted
    before = (out / STATE).read_bytes()
    with pytest.raises(ConfigError, match="another run's") as caught:
        list(run_session(plan(out, **changes), corpus, resume=True))
    assert all(part in str(caught.value) for part in expected)
    assert (out / STATE).read_bytes() == before


def test_the_same_text_under_another_name_is_the_same_run(uninterrupted: tuple[Path, list[Event]]) -> None:
    out, _ = uninterrupted
    events = list(run_session(plan(out, corpus="file:moved.txt"), CORPUS, resume=True))
    assert isinstance(events[-1], StopRecord)


def test_resuming_nothing_or_bare_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        list(run_session(plan(tmp_path / "none"), CORPUS, resume=True))
    weights = create_engine("numpy", PRESETS["tiny"].model, PRESETS["tiny"].train).state_dict()
    save_checkpoint(tmp_path / "bare", Checkpoint(PRESETS["tiny"].model, PRESETS["tiny"].train, weights))
    with pytest.raises(CheckpointError, match="no training state"):
        list(run_session(plan(tmp_path / "bare"), CORPUS, resume=True))


# ---- refusals and failures -----------------------------------------------------------------------------------


def test_a_new_run_does_not_replace_an_old_one(uninterrupted: tuple[Path, list[Event]]) -> None:
    out, _ = uninterrupted
    with pytest.raises(ConfigError, match=r"already holds a checkpoint.*--resume"):
        list(run_session(plan(out), CORPUS))
    assert load_checkpoint(out).training is not None


def test_a_new_run_refuses_a_folder_with_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match="holds files but no checkpoint"):
        list(run_session(plan(tmp_path), CORPUS))
    with pytest.raises(StorageError, match="is a file"):
        list(run_session(plan(tmp_path / "thesis.tex"), CORPUS))
    (tmp_path / "empty").mkdir()
    assert isinstance(list(run_session(plan(tmp_path / "empty", steps=1), CORPUS))[-1], StopRecord)


def test_a_text_that_is_too_short_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for corpus in (replace(CORPUS, train=b"short"), replace(CORPUS, held_out=b"short")):
        with pytest.raises(CorpusError, match="5 bytes"):
            list(run_session(plan(tmp_path / "run"), corpus))
    assert not (tmp_path / "run").exists()


def test_divergence_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"step \d+: loss .*learning rate"):
        list(run_session(plan(tmp_path / "run", steps=50, learning_rate=1e18), CORPUS))
    assert load_checkpoint(tmp_path / "run").training is not None


def test_an_export_that_does_not_read_back_stops_the_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
        half = {name: array.astype(np.float16).astype(np.float32) for name, array in tensors.items()}
        original(path, half, metadata)

    original = checkpoint_module.write_tensors
    monkeypatch.setattr(checkpoint_module, "write_tensors", lossy)
    seen = []
    with pytest.raises(CheckpointError, match=r"read back with another weight 'wte\.weight'"):
        for event in run_session(plan(tmp_path / "run"), CORPUS):
            seen.append(type(event))  # noqa: PERF401 - what came before the error is the point
    assert seen == [StartRecord, StepRecord]


def test_a_full_disk_in_the_middle_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = run_session(plan(tmp_path / "run", checkpoint_every=3), CORPUS)
    with pytest.raises(StorageError, match="No space left"):
        for event in session:
            if isinstance(event, CheckpointRecord):

                def full(_descriptor: int) -> None:
                    raise OSError(28, "No space left on device")

                monkeypatch.setattr(os, "fsync", full)
    monkeypatch.undo()
    state = load_checkpoint(tmp_path / "run").training
    assert state is not None and state.step == 1


def test_a_closed_stream_saves_the_run(tmp_path: Path) -> None:
    session = run_session(plan(tmp_path / "run"), CORPUS)
    for event in session:
        if isinstance(event, StepRecord) and event.step == 4:
            break
    session.close()  # type: ignore[attr-defined]
    state = load_checkpoint(tmp_path / "run").training
    assert state is not None and state.step == 4


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": 1.5}, "steps is 1.5"),
        ({"seed": -1}, "seed is -1"),
        ({"eval_every": 0}, "eval_every is 0"),
        ({"sample_every": -2}, "sample_every is -2"),
        ({"checkpoint_every": 0}, "checkpoint_every is 0"),
        ({"checkpoint_seconds": 0.0}, "checkpoint_seconds is 0.0"),
        ({"preset": "smal"}, "did you mean 'small'"),
        ({"engine": "nump"}, "did you mean 'numpy'"),
        ({"engine": "vectorized[threds=2]"}, "did you mean 'threads'"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"prompt": "x" * 33}, "33 bytes"),
        ({"out": Path()}, "out is '.'"),
    ],
)
def test_invalid_plans_are_refused_when_made(changes: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigError, match="allowed: ") as caught:
        plan(**({"out": Path("run")} | changes))  # type: ignore[arg-type]
    assert expected in str(caught.value)


# ---- signals -------------------------------------------------------------------------------------------------


def test_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopRequest() as stop:
        assert signal.getsignal(signal.SIGINT) != before[0]
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        assert stop.requested and stop.signal is signal.SIGTERM and not stop.abandoned
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        assert stop.abandoned
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from dataclasses import replace
from tests.tinygpt.training.test_session import CORPUS, plan
from tinygpt.training.events import StopRecord
from tinygpt.system.staging import SAVED, SAVING
from tinygpt.training.session import run_session
from tinygpt.training.trainer import StepRecord
out, steps, wait_at = Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
for event in run_session(plan(out, steps=steps, eval_every=1000, sample_every=1000), CORPUS, resume=out.exists()):
    if isinstance(event, StepRecord):
        print(json.dumps([event.step, event.loss]), flush=True)
        if event.step == wait_at:
            sys.stdin.read()
    if isinstance(event, StopRecord):
        print(json.dumps([event.reason, event.signal, event.step]), flush=True)
        sys.exit(event.exit_code)
"""


def start(out: Path, steps: int, wait_at: int = 0) -> subprocess.Popen[str]:
    """A run, new or resumed, that takes no step after ``wait_at`` before its input is closed."""
    command = [sys.executable, "-c", PROGRAM, str(ROOT), str(out), str(steps), str(wait_at)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)


def read(process: subprocess.Popen[str], until_step: int) -> list[list[object]]:
    assert process.stdout is not None
    lines = []
    while not lines or lines[-1][0] != until_step:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        lines.append(json.loads(line))
    return lines


def finish(process: subprocess.Popen[str]) -> list[list[object]]:
    out, error = process.communicate(timeout=60)
    assert not error, error
    return [json.loads(line) for line in out.splitlines()]


def test_a_run_stopped_by_signals_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    """Ctrl-C, then SIGTERM, then kill -9, each in a separate process; the losses are those of an uninterrupted run."""
    steps = 24
    whole = [
        [event.step, event.loss]
        for event in run_session(plan(tmp_path / "whole", steps=steps), CORPUS)
        if isinstance(event, StepRecord)
    ]
    out = tmp_path / "run"
    lines: list[list[object]] = []
    for number, until in ((signal.SIGINT, 3), (signal.SIGTERM, 10)):
        process = start(out, steps, wait_at=until + 4)
        lines += read(process, until)
        process.send_signal(number)
        *rest, last = finish(process)
        lines += rest
        assert process.returncode == 128 + number
        assert last == ["interrupted", number.name, lines[-1][0]]
        assert lines[-1][0] in range(until, until + 5)
    saved = load_checkpoint(out).training
    assert saved is not None and saved.step == lines[-1][0]
    process = start(out, steps, wait_at=saved.step + 4)
    read(process, saved.step + 2)
    process.kill()
    process.communicate()
    process = start(out, steps)  # from the last checkpoint, which kill -9 did not touch
    *rest, last = finish(process)
    assert last == ["finished", None, steps]
    assert lines + rest == whole
    assert (out / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_a_second_ctrl_c_abandons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = plan(tmp_path / "run", steps=10, eval_every=9)
    session = run_session(wanted, CORPUS)
    with pytest.raises(KeyboardInterrupt):
        for event in session:
            if isinstance(event, StepRecord) and event.step == 3:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)
    session.close()  # type: ignore[attr-defined]
    state = load_checkpoint(tmp_path / "run").training
    assert state is not None and state.step == 1  # the verified first one; nothing newer was saved
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_save_that_was_killed_is_finished_by_the_next_run(tmp_path, monkeypatch):
    out = tmp_path / "run"
    list(run_session(plan(out, steps=4), CORPUS))
    if (child := os.fork()) == 0:
        replace = Path.replace

        def killed(path, target):  # between the two sets of files
            return os._exit(9) if target.parent == out else replace(path, target)

        monkeypatch.setattr(Path, "replace", killed)
        list(run_session(plan(out, steps=5, checkpoint_every=5), CORPUS, resume=True))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert (out / SAVED).is_dir()
    assert load_checkpoint(out).training.step == 5
    list(run_session(plan(out, steps=8), CORPUS, resume=True))
    assert load_checkpoint(out).training.step == 8
    assert not (out / SAVED).exists()


def test_a_held_out_loss_that_is_no_number_is_divergence(tmp_path, monkeypatch):
    """Weights can be finite and too large for a forward pass."""
    monkeypatch.setattr(NumpyEngine, "loss", lambda *_: float("nan"))
    events = report_status(run_session(plan(tmp_path / "run", steps=4, eval_every=2), CORPUS))
    with pytest.raises(
        DivergedError,
        match=r"the held-out loss is nan after step 2, with learning rate 0\.\d+; .*run: .*--learning-rate",
    ):
        list(events)
    status = read_status(tmp_path / "run")
    assert status.state == "failed" and "held-out loss is nan" in status.error
    assert load_checkpoint(tmp_path / "run").training.step == 1


@pytest.mark.parametrize("settings", [{"keep": 2, "eval_every": 100}, {"keep": 0, "eval_every": 1}])
def test_the_newest_step_is_saved_when_a_further_copy_is_refused(tmp_path: Path, settings: dict[str, int]) -> None:
    """The folder of kept checkpoints becomes a link during the run."""
    mine = tmp_path / "elsewhere" / "step-00000001"
    mine.mkdir(parents=True)
    (mine / STATE).write_text("mine")
    events = run_session(plan(tmp_path / "run", steps=3, checkpoint_every=3, **settings), CORPUS)
    with pytest.raises(StorageError, match="checkpoints is a link"):
        for event in events:
            if isinstance(event, CheckpointRecord) and event.step == 1 and not event.best:
                shutil.rmtree(tmp_path / "run" / KEPT, ignore_errors=True)
                (tmp_path / "run" / KEPT).symlink_to(tmp_path / "elsewhere")
                last = 1
            elif isinstance(event, StepRecord):
                last = event.step
    assert load_checkpoint(tmp_path / "run").step == last
    assert not (tmp_path / "run" / SAVING).exists()
    assert (mine / STATE).read_text() == "mine"


def test_a_rate_that_overflows_the_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"learning rate 1e\+308; .*--learning-rate 1e\+307"):
        list(run_session(plan(tmp_path / "run", learning_rate=1e308), CORPUS))


@pytest.mark.parametrize("name", [SAVING, SAVED, f"{KEPT}/step-5", f"{KEPT}/{BEST}"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_run_inside_another_run_s_own_folders_is_refused(tmp_path: Path, name: str, resume: bool) -> None:
    list(run_session(plan(tmp_path / "run", steps=1), CORPUS))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=r"is inside the run .*run, which replaces its files"):
        next(run_session(plan(tmp_path / "run" / name), CORPUS, resume=resume))
    assert sorted(tmp_path.rglob("*")) == before
    list(run_session(plan(tmp_path / "elsewhere" / name, steps=1), CORPUS))


@pytest.mark.parametrize("name", ["config.json", WEIGHTS])
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_user_s_own_files_are_no_checkpoint_to_resume(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "run" / name
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path)
    else:
        path.write_text('{"mine": 1}')
    with pytest.raises(ConfigError, match="holds files but no checkpoint of a run; allowed: a new or empty folder"):
        next(run_session(plan(tmp_path / "run"), CORPUS))
