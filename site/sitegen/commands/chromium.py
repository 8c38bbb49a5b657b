"""The browser of audits, measurements and browser tests."""

from __future__ import annotations

import os
import shutil

from tinygpt.errors import MissingDependencyError

NAMES = ("chromium", "chromium-browser", "google-chrome")
VARIABLE = "TINYGPT_CHROMIUM"


def find_chromium(purpose: str) -> str:
    """Return the browser's path: that in ``TINYGPT_CHROMIUM``, else the first of its names on the search path.

    Raises:
        MissingDependencyError: there is none; the message begins with ``purpose``.
    """
    found = os.environ.get(VARIABLE) or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise MissingDependencyError(
            f"{purpose} needs a browser", f"{', '.join(NAMES)}, or {VARIABLE}=PATH", "apt-get install chromium"
        )
    return found
