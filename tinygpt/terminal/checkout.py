"""The checkout around the current folder, and its results."""

from __future__ import annotations

import os
from pathlib import Path

from tinygpt.errors import ConfigError


def is_checkout(folder: Path) -> bool:
    """Return whether a folder is this project's checkout; another project may have a mkdocs.yml too."""
    return (folder / "mkdocs.yml").is_file() and (folder / "site" / "sitegen").is_dir()


def checkout_or_here() -> Path:
    """Return the checkout around the current folder, as Invoke finds tasks.py in a parent folder; else that folder."""
    here = Path.cwd()
    return next(filter(is_checkout, (here, *here.parents)), here)


def checkout() -> Path:
    """Return the checkout, for tasks that build or test it; raise a ConfigError outside one."""
    root = checkout_or_here()
    if not is_checkout(root):
        problem = f"there is no TinyGPT checkout in or above {root}"
        raise ConfigError(problem, "the project's own folder", "cd to the checkout")
    return root


def results_folder() -> Path:
    """Return the results folder, relative to the current folder."""
    return Path(os.path.relpath(checkout_or_here() / "results"))
