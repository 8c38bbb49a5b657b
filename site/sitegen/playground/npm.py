"""npm: packages pinned by a committed lock, and scripts that use them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from sitegen.text.errors import SiteError
from tinygpt.errors import MissingDependencyError

_LOCK = "package-lock.json"
_STAMP = "installed-lock.json"


def install_packages(sources: Path, folder: Path) -> Path:
    """Install the packages of a lock unless they are installed already; return their folder.

    Args:
        sources: holds ``package.json`` and ``package-lock.json``.
        folder: to install into; created if it does not exist.

    Raises:
        MissingDependencyError: npm is not installed.
        SiteError: npm could not install the packages.
    """
    lock = (sources / _LOCK).read_bytes()
    stamp = folder / _STAMP
    if not stamp.exists() or stamp.read_bytes() != lock:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", _LOCK):
            shutil.copy(sources / name, folder)
        # Install scripts would download more than the packages.
        run_npm(folder, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        stamp.write_bytes(lock)
    return folder / "node_modules"


def run_npm(folder: Path, *arguments: str) -> None:
    """Run npm in a folder.

    Raises:
        MissingDependencyError: npm is not installed.
        SiteError: it failed.
    """
    npm = find_program("npm", "apt-get install nodejs npm")
    done = subprocess.run([npm, *arguments], cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise SiteError(
            f"npm {arguments[0]} failed: {' '.join(lines[:3])[:400]}",
            "a network for the first time, and sources that compile",
        )


def find_program(name: str, install: str) -> str:
    """Return the path of a program.

    Raises:
        MissingDependencyError: it is not installed; the message names the command ``install``.
    """
    found = shutil.which(name)
    if found is None:
        raise MissingDependencyError(f"this task needs {name}, which is not installed", run=install)
    return found
