from __future__ import annotations

import pytest

from bench.arms.suites import SUITES, select_suite
from bench.arms.token_ways import TOKEN_BASELINE, TOKEN_VARIANTS, TOKEN_WAYS
from bench.measuring import peer_preparation as preparation
from bench.measuring.event_log import EventLog
from bench.measuring.probe import Probe
from bench.measuring.runner import RunOptions, run_suite
from bench.measuring.token_products import TokenPass
from bench.measuring.worker import run_token
from bench.records.protocol import token_protocol
from bench.records.store import read_table
from tinygpt.config import ModelConfig
from tinygpt.errors import ConfigError, DivergedError
from tinygpt.generation.inference import folding

MODEL = ModelConfig(n_layers=2, d_model=24, n_heads=3, context_length=7)


@pytest.mark.parametrize(
    ("name", "streamed"),
    [("float32", False), ("float32", True), ("float32,compiled", True), ("int8,compiled", True), ("int8,tiles", True)],
)  # the others are in tests/parity/test_peers.py
def test_a_pass_has_the_right_results_again_and_again(name, streamed, monkeypatch):
    monkeypatch.setattr(folding, "STREAMED_BYTES", 0 if streamed else 1 << 40)
    way = TOKEN_WAYS[name]
    token = TokenPass(MODEL, way, seed=1)
    assert len(token.rows) == len(token.weights.matrices) == 4 * MODEL.n_layers + 1
    assert token.weights.arena.itemsize == (1 if name.startswith("int8") else 4)
    for _ in range(2):
        token.run()
        assert token.largest_error() <= way.tolerance


def test_a_wrong_result_is_seen_and_fails_the_cell(tmp_path, monkeypatch):
    token = TokenPass(MODEL, TOKEN_WAYS["float32"])
    *others, last = token._calls
    monkeypatch.setattr(token, "_calls", [*others, lambda: last() * 1.01])
    assert token.largest_error() == pytest.approx(0.01, rel=0.01)
    monkeypatch.setattr(TokenPass, "largest_error", lambda _: 0.5)
    task = {
        "variant": "token[float32]", "protocol": token_protocol("micro", "squares", "ab" * 32, 0, 1).canonical_json,
    }  # fmt: skip
    with pytest.raises(DivergedError, match=r"off by 0.5 of its matrix's largest, allowed 0.0001"):
        run_token(task, EventLog(tmp_path / "events"), Probe(1))


def test_a_token_is_a_row_without_losses_and_a_missing_library_a_refused_one(
    results_root, corpus, console, tmp_path, monkeypatch
):
    def version(package):
        raise preparation.PackageNotFoundError

    monkeypatch.setattr(preparation, "version", version)
    names = ["token[float32]", "token[int8,numkong]"]
    suite = select_suite("token", ["tiny"], names, rounds=1)
    assert [(cell.variant, cell.kind, cell.engine) for cell in suite.cells] == [
        (name, "token", "token") for name in names
    ]
    run_suite(suite, results_root, corpus, console=console, options=RunOptions(lock_file=tmp_path / "lock"))
    runs, steps = (read_table(name, results_root) for name in ("runs", "steps"))
    assert runs[["kind", "status", "tokens_per_step"]].values.tolist() == [["token", "ok", 1], ["token", "refused", 1]]
    assert runs["error_tail"].tolist()[1] == "numkong is not installed; run: pip install -e '.[peers]'"
    assert runs["threads"].tolist()[0] == 1
    assert len(steps) == 18 and steps["loss"].isna().all()


def test_the_suite_has_every_way_and_names_an_unknown_one():
    suite = SUITES["token"]
    assert {arm.variant for arm in suite.arms} == {*TOKEN_VARIANTS} and TOKEN_BASELINE in TOKEN_VARIANTS
    assert {(arm.preset, arm.rounds) for arm in suite.arms} == {("mega", 6), ("gpt2", 6), ("behemoth", 2)}
    with pytest.raises(ConfigError, match=r"unknown way 'token\[int7\]' \(did you mean"):
        select_suite("token", [], ["token[int7]"])
    with pytest.raises(ConfigError, match="unknown engine 'token'"):
        select_suite("quick", ["tiny"], ["token[float32]"])
