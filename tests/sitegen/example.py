"""A site to look at: the real pages over made-up results."""

from __future__ import annotations

import shutil
from pathlib import Path

from sitegen.build import BuiltSite, build_site
from tests.sitegen import rows

CHECKOUT = Path(__file__).parents[2]
HOSTILE = [("<script>document.title='hacked'</script>", "</pre><script>document.title='hacked'</script>\x00\u202e")]


def copy_checkout(target: Path) -> Path:
    """What a build reads, copied, so that no test writes into the checkout."""
    shutil.copytree(CHECKOUT / "docs", target / "docs")
    ignored = shutil.ignore_patterns("generated", "__pycache__")
    shutil.copytree(CHECKOUT / "site", target / "site", ignore=ignored)
    shutil.copy(CHECKOUT / "mkdocs.yml", target)
    return target


def build_example(root: Path) -> BuiltSite:
    """Build strictly: published and local rows, a failure on each machine, and samples that attack the page."""
    copy_checkout(root)
    parts = (
        rows.ladder("run-1"),
        rows.training("train-1", texts=HOSTILE),
        rows.stack(presets=("huge", "mega")),
        rows.kernels(),
    )
    rows.store(root / "results", *parts)
    other = rows.MACHINE | {"cpu": "Other 1 <img src=x onerror=\"document.title='hacked'\">", "cores": 8}
    rows.store(root / "results", rows.ladder("run-2", 0.5, machine=other), published=False)
    return build_site(root, Path("results"), Path("_site"))
