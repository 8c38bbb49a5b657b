"""Posts of the devlog stay true: each pins the runs that it is about, and reads no other rows.

The front matter has ``runs: [id, id]``. The numbers, figures and tables of the post come from those runs alone, and
later measurements do not change them. A post that shows measurements without pinning runs fails the build.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sitegen.documents.pages import Page
from sitegen.rows.results import Results

POSTS_FOLDER = "posts"  # under the generated folder

Pin = tuple[str, ...]


def pin_of(page: Page) -> Pin:
    """The runs that a page pins in its front matter; empty for pages that show the newest rows."""
    return pin_of_meta(page.meta)


def pin_of_meta(meta: Mapping[str, Any]) -> Pin:
    """The same for front matter that was read already."""
    runs = meta.get("runs") or ()
    return (str(runs),) if isinstance(runs, str) else tuple(map(str, runs))


def pin_id(pin: Pin) -> str:
    """A short name for a set of runs; empty for none."""
    return hashlib.sha256("\n".join(sorted(pin)).encode()).hexdigest()[:8] if pin else ""


def check_posts(pages: Sequence[Page], results: Results) -> list[str]:
    """Find problems of the posts; each is one line naming post and line.

    A missing run is a problem only if other runs of the post are there. A build over a user's own results has none of
    the pinned runs, and the posts then say that their rows are missing.
    """
    known = set(results.runs["run_id"])
    problems = []
    for page in pages:
        if not page.is_post:
            continue
        pin, where = pin_of(page), f"docs/{page.uri}, line"
        if not page.meta.get("description"):
            problems.append(f"{where} 1: the post has no description, which the feed shows")
        if page.calls and not pin:
            call = page.calls[0]
            problems.append(
                f"{where} {call.line}: the post shows {call.kind}({call.name!r}) and pins no run; "
                "name the runs that it is about in its front matter: runs: [RUN_ID]"
            )
        if set(pin) & known:
            problems += [
                f"{where} {page.line_of(run)}: the run {run} is not among the results"
                for run in pin
                if run not in known
            ]
    return problems
