from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import pytest

from sitegen.build.freshness import STAMP, fingerprint, up_to_date, write_stamp
from sitegen.text.addresses import find_addresses
from tests import ROOT


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (
        "docs/index.md",
        "results/published/runs-1.parquet",
        "site/sitegen/a.py",
        "tasks.py",
        "_site/index.html",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as it was")
    return tmp_path


def inputs(root: Path) -> str:
    return fingerprint(root, root / "results", astuple(find_addresses(root)))


def built(root: Path) -> bool:
    return up_to_date(root, root / "_site", inputs(root))


def write(name: str) -> Callable[[Path, pytest.MonkeyPatch], None]:
    def change(root: Path, _: pytest.MonkeyPatch) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("another text")

    return change


def another_address(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("SITE_URL", "https://elsewhere.example/")


CHANGES: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {
    "a page": write("docs/index.md"),
    "a new page": write("docs/new.md"),
    "a result": write("results/published/runs-1.parquet"),
    "a local result": write("results/local/runs-2.parquet"),
    "code": write("site/sitegen/a.py"),
    "a built page, by hand": write("_site/index.html"),
    "a page that was not built": write("_site/extra.html"),
    "the address": another_address,
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_is_noticed(case: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SITE_URL", raising=False)
    assert not built(root)
    write_stamp(root, root / "_site", inputs(root))
    assert built(root)
    CHANGES[case](root, monkeypatch)
    assert not built(root)


def test_what_a_build_itself_writes_changes_nothing(root: Path) -> None:
    write_stamp(root, root / "_site", inputs(root))
    for name in (
        "site/theme/embed/speedup/speedup.csv",
        "site/theme/assets/generated/palette.css",
        ".site/cache/a.svg",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("generated")
    assert built(root)


def test_another_folder_is_built_and_a_broken_stamp_counts_as_none(root: Path) -> None:
    write_stamp(root, root / "_site", inputs(root))
    assert not up_to_date(root, root / "other", inputs(root))
    (root / STAMP).write_bytes(b"cut \xff")
    assert not built(root)


def test_looking_loads_none_of_the_sites_libraries() -> None:
    code = (
        "import sys, sitegen.build.freshness\n"
        "assert not {'pandas', 'altair', 'mkdocs', 'numpy'} & {name.split('.')[0] for name in sys.modules}"
    )
    site = ROOT / "site"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(site)})
