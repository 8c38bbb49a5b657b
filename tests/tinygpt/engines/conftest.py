from __future__ import annotations

import pytest


@pytest.fixture
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many cores as any test has threads, so that the engine does not warn of too few."""
    monkeypatch.setattr("tinygpt.engines.vectorized.engine.available_cores", lambda: 64)
