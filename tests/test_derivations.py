"""The pages under docs/derivations/ name what exists, and their figures follow from the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import ROOT
from tinygpt.engines.vectorized.attention import query_blocks
from tinygpt.engines.vectorized.kernels import TILE
from tinygpt.presets import PRESETS

PAGES = sorted((ROOT / "docs/derivations").glob("*.md"))
CODE = "\n".join(path.read_text() for folder in ("tinygpt", "tests") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    for path in re.findall(r"`((?:tinygpt|bench|tests|site)/[\w/.]*)`", text):
        assert (ROOT / path).exists(), path
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if len(cells) != 2 or " in `" not in cells[1]:
            continue
        names, _, path = cells[1].rpartition(" in ")
        source = (ROOT / path.strip("`")).read_text()
        for name in re.findall(r"`([\w.]+)`", names):
            assert re.search(rf"\b(def|class) {name.rpartition('.')[2]}\b", source), f"{name} in {path}"


def test_layer_pages_name_the_test_that_checks_them() -> None:
    for name in ("embedding", "layer_norm", "linear", "attention", "gelu", "cross_entropy", "adamw", "parallel"):
        text = (ROOT / f"docs/derivations/{name}.md").read_text()
        tests = re.findall(r"`(test_\w+)`", text)
        assert tests, name
        for test in tests:
            assert f"def {test}(" in CODE, test


def test_the_table_of_blocks_is_what_the_engine_does() -> None:
    rows = re.findall(
        r'^\| (\d+) \| (\d+) \| {{ derived\("(\d+) %"\) }} \|$',
        (ROOT / "docs/derivations/attention.md").read_text(),
        re.M,
    )
    assert len(rows) == 4
    for context, count, percent in rows:
        blocks = query_blocks(int(context))
        assert len(blocks) == int(count)
        part = sum((stop - start) * stop for start, stop in blocks) / int(context) ** 2
        assert abs(100 * part - int(percent)) <= 0.5


def test_figures_of_the_configuration_are_those_of_the_code() -> None:
    pages = {page.stem: page.read_text() for page in PAGES}
    for name in ("index", "gelu", "attention", "adamw"):
        assert f"{TILE:,} numbers" in pages[name], name
    medium, behemoth = PRESETS["medium"], PRESETS["behemoth"]
    assert rf"N = {medium.train.batch_size} \cdot {medium.model.context_length} =" in pages["layer_norm"]
    assert rf"${behemoth.train.batch_size} \cdot {behemoth.model.context_length}$ positions" in pages["layer_norm"]
    assert f"width of {behemoth.model.d_model}" in pages["layer_norm"]
