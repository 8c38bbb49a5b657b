"""Runs that train a part: an adapter or some layers, from a folder, stopped, resumed, folded in."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Typed
from tests.tinygpt.training.small_runs import CORPUS, losses, plan
from tests.tinygpt.training.test_resume import stop_after
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import ADAPTER, OPTIMIZER, STATE, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.params import initial_parameters
from tinygpt.presets import PRESETS
from tinygpt.schedule import optimizer_text
from tinygpt.system.stopping import StopRequest
from tinygpt.training.events import StopRecord
from tinygpt.training.session import run_session

MODEL, TRAIN = PRESETS["tiny"].model, PRESETS["tiny"].train
LORA = "rank=4,alpha=8,on=attn+mlp"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights = initial_parameters(MODEL, 1)
    return save_checkpoint(tmp_path_factory.mktemp("base") / "model", Checkpoint(MODEL, TRAIN, weights))


@pytest.mark.parametrize(
    ("changes", "stored"),
    [({"lora": LORA, "dropout": 0.1}, ADAPTER), ({"train_only": "h.1,ln_f", "dropout": 0.1}, WEIGHTS)],
    ids=["lora", "layers"],
)
def test_a_resumed_run_repeats_the_uninterrupted_one_to_the_bit(
    base: Path, tmp_path: Path, changes: dict[str, object], stored: str
) -> None:
    settings = {"start_from": str(base), "eval_every": 2, "steps": 5, **changes}
    whole = list(run_session(plan(tmp_path / "whole", **settings), CORPUS))
    wanted, stop = plan(tmp_path / "run", **settings), StopRequest()
    first = stop_after(run_session(wanted, CORPUS, stop=stop), stop, 3)
    second = list(run_session(wanted, CORPUS, resume=True))
    assert losses(first) + losses(second) == losses(whole)
    for name in (stored, OPTIMIZER, f"checkpoints/best/{stored}"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    # Of what is frozen there is nothing: no moments, and with an adapter no weights.
    loaded, start = load_checkpoint(tmp_path / "run"), initial_parameters(MODEL, 1)
    assert loaded.optimizer is not None
    if "lora" in changes:
        assert not (tmp_path / "run" / WEIGHTS).exists()
        assert len(loaded.optimizer.first_moment) == 2 * 4 * MODEL.n_layers
    else:
        assert {name.partition(".")[0] for name in loaded.optimizer.first_moment} == {"h", "ln_f"}
    np.testing.assert_array_equal(loaded.weights["h.0.attn.c_attn.weight"], start["h.0.attn.c_attn.weight"])


def test_another_shape_of_adapter_is_another_run(base: Path, tmp_path: Path) -> None:
    list(run_session(plan(tmp_path / "run", start_from=str(base), lora=LORA, steps=1), CORPUS))
    with pytest.raises(ConfigError, match=re.escape(f"another run's: lora {LORA} against rank=2,alpha=8,on=attn")):
        changed = plan(tmp_path / "run", start_from=str(base), lora="rank=2,alpha=8,on=attn", steps=2)
        list(run_session(changed, CORPUS, resume=True))
    kept = list(run_session(plan(tmp_path / "run", steps=2), CORPUS, resume=True))
    assert isinstance(kept[-1], StopRecord) and kept[-1].step == 2


def test_a_run_from_an_adapter_goes_on_with_it_or_folds_it_in(base: Path, tmp_path: Path) -> None:
    list(run_session(plan(tmp_path / "first", start_from=str(base), lora=LORA, steps=2), CORPUS))
    first = load_checkpoint(tmp_path / "first")
    list(run_session(plan(tmp_path / "further", start_from=str(tmp_path / "first"), lora=LORA, steps=1), CORPUS))
    further = load_checkpoint(tmp_path / "further")
    assert further.base == str(base) and first.adapter is not None and further.adapter is not None
    name = "h.0.mlp.c_fc.lora_B"
    assert 0 < np.abs(further.adapter[name] - first.adapter[name]).max() < np.abs(further.adapter[name]).max()
    list(run_session(plan(tmp_path / "whole", start_from=str(tmp_path / "first"), steps=1, learning_rate=1e-9), CORPUS))
    whole = load_checkpoint(tmp_path / "whole")
    assert whole.adapter is None
    for name, array in first.state_dict().items():
        np.testing.assert_allclose(whole.weights[name], array, atol=1e-6)
    with pytest.raises(ConfigError, match=re.escape(f"is an adapter with {LORA}, and --lora asks for rank=1")):
        list(run_session(plan(tmp_path / "other", start_from=str(tmp_path / "first"), lora="rank=1"), CORPUS))


def test_an_adapter_needs_a_base(tmp_path: Path, base: Path) -> None:
    with pytest.raises(ConfigError, match="--lora without --start-from"):
        list(run_session(plan(tmp_path / "run", lora=LORA), CORPUS))
    moved = tmp_path / "moved"
    save_checkpoint(moved, load_checkpoint(base))
    list(run_session(plan(tmp_path / "run", start_from=str(moved), lora=LORA, steps=1), CORPUS))
    moved.rename(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match=f"the base of the adapter .*, {moved}, is not here"):
        list(run_session(plan(tmp_path / "run", lora=LORA, steps=2), CORPUS, resume=True))


def test_a_run_whose_base_was_trained_further_goes_on_from_its_kept_checkpoint(base: Path, tmp_path: Path) -> None:
    own, run = tmp_path / "own", tmp_path / "run"
    list(run_session(plan(own, steps=1), CORPUS))
    list(run_session(plan(run, start_from=str(own), lora=LORA, steps=1), CORPUS))
    list(run_session(plan(own, steps=2), CORPUS, resume=True))
    kept = own / "checkpoints/step-00000001"
    for start in (None, str(own), str(base)):  # as it was typed, and another one
        with pytest.raises(CheckpointError) as error:
            list(run_session(plan(run, start_from=start, steps=2), CORPUS, resume=True))
        assert str(error.value).endswith(f"run: invoke train --resume --out {run} --start-from {kept}")
    for start, steps in ((str(kept), 2), (None, 3)):
        assert len(losses(list(run_session(plan(run, start_from=start, steps=steps), CORPUS, resume=True)))) == 1
        loaded = load_checkpoint(run)
        assert loaded.base == str(kept) and loaded.training is not None and loaded.training.started_from == str(kept)


def test_what_is_trained_is_part_of_the_recorded_settings() -> None:
    assert optimizer_text(TrainConfig(1)) == "AdamW"
    assert optimizer_text(TrainConfig(1, lora="rank=2")) == "AdamW; LoRA rank=2,alpha=16,on=attn+mlp"
    assert optimizer_text(TrainConfig(1, train_only="ln_f")) == "AdamW; training ln_f only"


def test_sample_and_merge_take_an_adapter(base: Path, tmp_path: Path, typed: Typed) -> None:
    run, merged = tmp_path / "run", tmp_path / "merged"
    list(run_session(plan(run, start_from=str(base), lora=LORA, steps=2, learning_rate=0.1), CORPUS))
    same = ("--tokens", "20", "--temperature", "0", "--prompt", "The fox")
    texts = [
        typed("sample", *map(str, words), *same).stdout.splitlines()[0]
        for words in (
            ("--checkpoint", run), ("--adapter", run), ("--checkpoint", base, "--adapter", run), ("--checkpoint", base)
        )
    ]  # fmt: skip
    assert texts[0] == texts[1] == texts[2] != texts[3]
    assert "folded in" in typed("merge", "--adapter", str(run), "--out", str(merged)).stdout
    assert typed("sample", "--checkpoint", str(merged), *same).stdout.splitlines()[0] == texts[0]
    assert not (merged / STATE).exists() or load_checkpoint(merged).training is None
    part = ("--train-only", "h.1,ln_f", "--preset", "tiny", "--corpus", "stories", "--engine", "numpy", "--steps", "1")
    assert "finished step 1" in typed("train", *part, "--out", str(tmp_path / "part")).stdout
    for words, error in (
        (("merge", "--adapter", run, "--out", merged), "already holds a checkpoint"),
        (("merge", "--adapter", base, "--out", tmp_path / "new"), f"run: invoke sample --checkpoint {base}, which"),
        (("sample", "--adapter", tmp_path / "none"), "there is no folder"),
        (("train", "--lora", "rank=0", "--start-from", base), "rank is 0"),
        (("train", "--train-only", "h.9", "--preset", "tiny", "--corpus", "stories"), "the model has no 'h.9'"),
    ):
        failed = typed(*map(str, words))
        assert failed.returncode == 2 and error in failed.stderr and failed.stderr.count("\n") == 1, failed.stderr
