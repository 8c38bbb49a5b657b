"""Where the checkout and its results are, seen from the current folder."""

from __future__ import annotations

import os
from pathlib import Path

from tinygpt.errors import ConfigError


def is_checkout(folder: Path) -> bool:
    """Whether a folder is this project's: another project's may have a mkdocs.yml too."""
    return (folder / "mkdocs.yml").is_file() and (folder / "site" / "sitegen").is_dir()


def checkout_or_here() -> Path:
    """The checkout around the current folder, as Invoke finds tasks.py from below; elsewhere the current folder."""
    here = Path.cwd()
    return next(filter(is_checkout, (here, *here.parents)), here)


def checkout() -> Path:
    """The checkout: tasks that build or test it make sense nowhere else.

    Raises:
        ConfigError: the current folder is not in one.
    """
    root = checkout_or_here()
    if not is_checkout(root):
        raise ConfigError(
            f"there is no TinyGPT checkout in or above {root.name!r}", "the project's own folder", "cd to the checkout"
        )
    return root


def results_folder() -> Path:
    """The results folder, as short as it can be written from here."""
    return Path(os.path.relpath(checkout_or_here() / "results"))
