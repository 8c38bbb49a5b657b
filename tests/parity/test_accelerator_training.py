"""The task accelerator-train with tokens of several bytes, on the processor in the accelerator's place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.records.store import read_table
from bench.statistics.training_parts import TOKENIZERS
from bench.training import accelerator_training
from bench.training.accelerator_training import train_on_accelerator, whole_held_out_loss
from bench.training.options import AcceleratorTrainingOptions
from tests.tinygpt.training.small_runs import CORPUS
from tinygpt.checkpoints.loading import load_checkpoint

ENGINE = "jax[device=cpu,dispatch=2]"


def test_a_run_has_its_tokens_and_losses_per_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(accelerator_training, "load_corpus", lambda _name, path: CORPUS)
    options = AcceleratorTrainingOptions(
        out=tmp_path, preset="tiny[context_length=16]", engine=ENGINE, tokenizer="bpe:280", recipe="muon", dropout=0.1,
        batch=4, minutes=0.0, evaluations=4, suite=TOKENIZERS, commit="a" * 40,
    )  # fmt: skip
    assert train_on_accelerator(options) == 0
    model = load_checkpoint(tmp_path / "best")
    assert (model.tokenizer.name, model.config.vocab_size) == ("bpe:280", 280)
    run = read_table("runs", tmp_path).iloc[0]
    assert (run["suite"], run["status"], run["commit"]) == (TOKENIZERS, "ok", "a" * 40)
    assert run["steps_done"] == 4
    assert json.loads(run["protocol"])["vocab_size"] == model.config.vocab_size
    found = whole_held_out_loss(tmp_path / "best", ENGINE, CORPUS)
    assert found == pytest.approx(whole_held_out_loss(tmp_path / "best", "numpy", CORPUS), rel=1e-5)
    assert 0.5 < found < 6.0
    assert f"{found:.4f} nats per byte over all held-out text" in capsys.readouterr().out
