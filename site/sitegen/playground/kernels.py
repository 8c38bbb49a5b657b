"""The playground's kernels, compiled by AssemblyScript: site/playground/kernels.ts and kernels/ → two .wasm files.

``kernels.wasm`` needs SIMD, ``kernels-relaxed.wasm`` also fused multiply-add; a browser loads the better one it knows.
Both are committed, so that building the site needs no npm. Versions of the toolchain are pinned by package-lock.json,
and the compiler writes the same bytes every time: a test compiles again and compares.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from sitegen.playground.publish import SOURCES
from sitegen.text.errors import SiteError

TOOLCHAIN = Path(".site/npm")  # under the checkout; ignored by git
COMPILED = ("kernels.wasm", "kernels-relaxed.wasm")
_INPUTS = ("package.json", "package-lock.json", "kernels.ts", "kernels/*.ts")
_STAMP = "installed-lock.json"


def compile_kernels(root: Path) -> dict[str, bytes]:
    """Compile the kernels; the toolchain is installed first unless it is there already.

    Args:
        root: the checkout.

    Returns:
        name → contents of every file in ``COMPILED``.

    Raises:
        SiteError: npm is missing, the toolchain cannot be installed, or the source does not compile.
    """
    folder = root / TOOLCHAIN
    for pattern in _INPUTS:
        for source in (root / SOURCES).glob(pattern):
            copy = folder / source.relative_to(root / SOURCES)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
    lock = (folder / "package-lock.json").read_bytes()
    stamp = folder / _STAMP
    if not stamp.exists() or stamp.read_bytes() != lock:
        _npm(folder, "ci", "--no-audit", "--no-fund")
        stamp.write_bytes(lock)
    _npm(folder, "run", "--silent", "build")
    return {name: (folder / name).read_bytes() for name in COMPILED}


def _npm(folder: Path, *arguments: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise SiteError("npm is not installed", "Node.js 18 or later with npm", "apt-get install nodejs npm")
    done = subprocess.run([npm, *arguments], cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise SiteError(
            f"npm {arguments[0]} failed: {' '.join(said[:3])[:400]}",
            "a network for the first time, and kernels that compile",
            "invoke playground",
        )
