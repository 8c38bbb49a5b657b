"""The browser that audits, measurements and browser tests run in."""

from __future__ import annotations

import os
import shutil

from tinygpt.errors import MissingDependencyError

NAMES = ("chromium", "chromium-browser", "google-chrome")
VARIABLE = "TINYGPT_CHROMIUM"


def find_chromium(purpose: str) -> str:
    """Path of the browser: what ``TINYGPT_CHROMIUM`` says, else the first of its names on the search path.

    Args:
        purpose: who needs it, for the message.

    Raises:
        MissingDependencyError: there is none.
    """
    found = os.environ.get(VARIABLE) or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise MissingDependencyError(
            f"{purpose} needs a browser", f"{', '.join(NAMES)}, or {VARIABLE}=PATH", "apt-get install chromium"
        )
    return found
