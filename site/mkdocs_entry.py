"""Entry point of mkdocs-macros: makes the packages importable, then hands over to ``sitegen.build.macros``.

With an editable install nothing has to be done; in a checkout without one, ``mkdocs build`` works all the same.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def define_env(env: Any) -> None:
    """Register the site's macros (see ``sitegen.build.macros``)."""
    here = Path(__file__).resolve().parent
    missing = [
        str(folder) for package, folder in (("sitegen", here), ("tinygpt", here.parent)) if find_spec(package) is None
    ]
    sys.path[:0] = missing
    from sitegen.build.macros import define_env as define
    from sitegen.commands.program import namespace  # the last room: what the macros import does not know it

    define(env, namespace)
