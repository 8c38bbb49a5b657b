"""A hub in a folder in the place of the real one's client."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tinygpt.hub_double import HubDouble


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubDouble:
    """The double, in use."""
    double = HubDouble(tmp_path / "hub", tmp_path / "hub-cache")
    monkeypatch.setattr("tinygpt.system.hub._client", lambda _repository: double)
    return double
