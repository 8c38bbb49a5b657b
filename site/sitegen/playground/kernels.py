"""Compile the playground's kernels with AssemblyScript: site/playground/kernels.ts and kernels/ → two .wasm files.

``kernels.wasm`` needs SIMD, ``kernels-relaxed.wasm`` also fused multiply-add; a browser loads the better one that it
supports. Both are committed, so that building the site needs no npm. package-lock.json pins the compiler, whose output
has the same bytes every time: a test compiles again and compares.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from sitegen.playground.npm import install_packages, run_npm
from sitegen.playground.publish import SOURCES

TOOLCHAIN = Path(".site/npm")  # under the checkout; ignored by git
COMPILED = ("kernels.wasm", "kernels-relaxed.wasm")
_INPUTS = ("package.json", "kernels.ts", "kernels/*.ts")


def compile_kernels(root: Path) -> dict[str, bytes]:
    """Compile the kernels of a checkout to the files in ``COMPILED``; installs the compiler unless it is installed.

    Returns:
        File name → bytes.

    Raises:
        MissingDependencyError: npm is not installed.
        SiteError: the compiler cannot be installed, or the source does not compile.
    """
    folder = root / TOOLCHAIN
    install_packages(root / SOURCES, folder)
    for pattern in _INPUTS:
        for source in (root / SOURCES).glob(pattern):
            copy = folder / source.relative_to(root / SOURCES)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
    run_npm(folder, "run", "--silent", "build")
    return {name: (folder / name).read_bytes() for name in COMPILED}
