"""Interpreters that run this project's code: modules of the same names elsewhere do not get in their way.

``python -m`` and ``python -c`` look into the current folder first, where another project may have its own ``bench``. So
a child is started with ``-P`` and finds this project's folder first. The current folder comes last, after the
libraries: an engine of the user's own may be there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def python_command(*arguments: str) -> list[str]:
    """The command of a child: ``-m``, a module and so on."""
    return [sys.executable, "-P", *arguments]


def append_current_folder_to_path() -> None:
    """Find modules of the current folder, where nothing else has their names."""
    sys.path.append(str(Path.cwd()))


def python_environment(tree: Path | None = None) -> dict[str, str]:
    """The environment of a child.

    Args:
        tree: a folder whose packages are used instead of this project's.
    """
    folders = [str(tree or PROJECT), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, folders))}
