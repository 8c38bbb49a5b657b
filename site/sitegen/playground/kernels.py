"""The playground's kernels, compiled by AssemblyScript: site/playground/kernels.ts and kernels/ → two .wasm files.

``kernels.wasm`` needs SIMD, ``kernels-relaxed.wasm`` also fused multiply-add; a browser loads the better one it knows.
Both are committed, so that building the site needs no npm. Versions of the toolchain are pinned by package-lock.json,
and the compiler writes the same bytes every time: a test compiles again and compares.
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
    """Compile the kernels; the toolchain is installed first unless it is there already.

    Args:
        root: the checkout.

    Returns:
        name → contents of every file in ``COMPILED``.

    Raises:
        MissingDependencyError: npm is not installed.
        SiteError: the toolchain cannot be installed, or the source does not compile.
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
