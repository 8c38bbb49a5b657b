from __future__ import annotations

import pytest

from sitegen.build.site import BuiltSite
from tests.sitegen.example import build_example


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltSite:
    """The real pages over made-up results, built once."""
    return build_example(tmp_path_factory.mktemp("checkout"))
