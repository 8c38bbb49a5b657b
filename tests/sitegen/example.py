"""A site to look at: the real pages over made-up results that attack whoever shows them."""

from __future__ import annotations

import shutil
from pathlib import Path

from sitegen.build.site import BuiltSite, build_site
from sitegen.embedding.pins import pin_figure
from sitegen.text.addresses import Addresses
from tests import ROOT
from tests.sitegen import example_rows as rows

# Each does something that a test can see when it is taken for code. The last is what bytes that are no UTF-8 decode to.
SCRIPT = "<script>window.hacked=true;document.title='hacked'</script>"
CLOSING = "</script></pre></style>--><img src=x onerror=window.hacked=true>"
QUOTES = "\"'><svg onload=window.hacked=true> {{ 7*7 }} [a](javascript:window.hacked=true)"
CONTROLS = "\x00\x07\x1b[31m\x7f\x85 \u202eteg\u2066\u2029"
INVALID = b"\xff\xfe\xc3( done".decode("utf-8", errors="replace")

HOSTILE = [(f"{SCRIPT}{QUOTES}", f"{CLOSING}{CONTROLS}{INVALID}")]


def copy_checkout(target: Path) -> Path:
    """Copy the inputs of a build, so that no test writes into the checkout."""
    shutil.copytree(ROOT / "docs", target / "docs")
    ignored = shutil.ignore_patterns("generated", "embed", "__pycache__")
    shutil.copytree(ROOT / "site", target / "site", ignore=ignored)
    shutil.copy(ROOT / "mkdocs.yml", target)
    return target


def link_project(target: Path) -> None:
    """The rest of the checkout, where outcomes point at its files."""
    for name in ("tinygpt", "bench", "tests", "tasks.py", "README.md", "pyproject.toml"):
        (target / name).symlink_to(ROOT / name)
    (target / "results").mkdir(exist_ok=True)
    (target / "results/README.md").symlink_to(ROOT / "results/README.md")


def store_example(results: Path) -> Path:
    """Published and local rows, failures on both machines, and text that attacks wherever a row holds text."""
    failed = {"status": "crashed", "error_tail": f"{CLOSING}{QUOTES}", "command": f"invoke bench {SCRIPT}"}
    parts = (
        rows.ladder("run-1"),
        rows.training("train-1", texts=HOSTILE, corpus=f"corpus {CLOSING}", command=f"invoke train {CONTROLS}"),
        rows.stack(presets=("huge", "mega")),
        rows.kernels(),
        rows.shaped(),
        rows.training("shape-2", rows.SHAPE, texts=()),
        rows.cell("numpy", "behemoth", 0.0, "hostile-1", **failed),
        rows.joined(
            rows.cell("numpy", "tiny", 8.0, "hostile-2"), rows.cell(f"peer[{CLOSING}]", "tiny", 5.0, "hostile-2")
        ),
    )
    rows.store(results, *parts)
    other = rows.MACHINE | {"cpu": f"Other 1 {CLOSING}{QUOTES}", "cores": 8}
    rows.store(results, rows.ladder("run-2", 0.5, machine=other), published=False)
    return results


ADDRESSES = Addresses("https://example.org/tinygpt/", "https://github.com/example/tinygpt")


def build_example(root: Path, addresses: Addresses = ADDRESSES) -> BuiltSite:
    """Build strictly, with one figure pinned."""
    copy_checkout(root)
    link_project(root)
    pin_figure(root, store_example(root / "results"), "speedup")
    return build_site(root, Path("results"), Path("_site"), addresses)
