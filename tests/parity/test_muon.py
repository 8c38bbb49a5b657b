"""Muon in engine ``jax``, beside the reference engine."""

from __future__ import annotations

import pytest

from tests.tinygpt.test_muon import MODEL, TRAIN, agree_on_updates, batch
from tinygpt.engines import create_engine


def test_jax_agrees_on_muons_updates() -> None:
    agree_on_updates("jax[device=cpu]")


def test_scanned_layers_have_the_same_update() -> None:
    engines = [
        create_engine(f"jax[device=cpu,layers={layers}]", MODEL, TRAIN, seed=5) for layers in ("unrolled", "scanned")
    ]
    for step in range(2):
        first, second = (engine.train_step(*batch(step)) for engine in engines)
        assert first.loss == pytest.approx(second.loss, rel=1e-5)
