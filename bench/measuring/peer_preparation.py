"""What a worker needs before it starts: a rival's package, a compiler, for MKL a library that is built here; an extra.

MKL picks the instruction set by asking a function of its own, ``mkl_serv_intel_cpu_true``, whether the processor is
Intel's; on AMD's it then stays with AVX2 even where AVX-512 is there. A library loaded earlier that defines the same
symbol answers in its place. That is unsupported, it is what an expert would do, and it is a row of its own.

The library is compiled into the run's temporary folder and disappears with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.arms.devices import on_accelerator
from bench.arms.registry import PEERS, Peer
from bench.arms.variants import engine_name
from bench.records.machine import cpu_model
from tinygpt.engines import ENGINES
from tinygpt.errors import TinyGPTError

OVERRIDE_SOURCE = """\
/* MKL asks this of itself before it chooses its kernels. */
int mkl_serv_intel_cpu_true(void) { return 1; }
"""
_LIBRARY = "mkl_override.so"
_INSTALL = "run: pip install -e '.[peers]'"


class UnpreparedError(TinyGPTError):
    """A worker without what its row says that it ran with."""


@dataclass(frozen=True)
class Preparation:
    """Whether a cell can start.

    Attributes:
        environment: variables to add to the worker's.
        refusal: why it cannot, in one line; None if it can.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    refusal: str | None = None


def prepare(variant: str, folder: Path) -> Preparation:
    """Get ready to measure a variant; what is no rival needs nothing but the extra of its engine, if it has one.

    Args:
        variant: as a benchmark names it.
        folder: the run's own; files that workers need are built here once and found again.
    """
    peer = PEERS.get(variant)
    if peer is None:
        return _prepare_engine(variant)
    problem = _missing_package(peer)
    if problem is None and peer.compiles and find_compiler("CXX", "c++", "g++", "clang++") is None:
        problem = "torch.compile needs a C++ compiler, and there is none: install g++ or set CXX"
    if problem is not None:
        return Preparation(refusal=problem)
    # Compiled once for all rounds, and gone with the run.
    environment = {"TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")} if peer.compiles else {}
    if peer.package == "jax":
        environment["JAX_PLATFORMS"] = "cpu"
    if not peer.overridden:
        return Preparation(environment)
    library, problem = build_override(folder)
    if library is None:
        return Preparation(refusal=problem)
    if any(character.isspace() or character == ":" for character in str(library)):
        # The loader splits the variable there, and goes on without the library.
        return Preparation(refusal=f"LD_PRELOAD cannot hold {str(library)!r}; set TMPDIR to a path without : or spaces")
    preloaded = os.pathsep.join(filter(None, [str(library), os.environ.get("LD_PRELOAD", "")]))
    return Preparation(environment | {"LD_PRELOAD": preloaded})


def _prepare_engine(variant: str) -> Preparation:
    """One of this project's engines, or somebody's own."""
    entry = ENGINES.get(engine_name(variant))
    if entry is None or entry.extra is None:
        return Preparation()
    try:
        version(entry.extra)
    except PackageNotFoundError:
        return Preparation(refusal=f"{entry.extra} is not installed; run: pip install -e '.[{entry.extra}]'")
    # On the processor it is left alone with it, as the rival in JAX is.
    return Preparation({} if on_accelerator(variant) else {"JAX_PLATFORMS": "cpu"})


def build_override(folder: Path) -> tuple[Path | None, str]:
    """Compile the library that overrides MKL's choice.

    Returns:
        its path, or None and the reason in one line.
    """
    if sys.platform != "linux":
        return None, "the MKL override is a preloaded library, which this needs Linux for"
    if "AMD" not in cpu_model().upper():
        return None, f"the MKL override is for AMD processors; MKL chooses for itself on {cpu_model()}"
    library = folder / _LIBRARY
    if library.exists():
        return library, ""
    compiler = find_compiler("CC", "cc", "gcc", "clang")
    if compiler is None:
        return None, "the MKL override needs a C compiler, and there is none: install gcc or set CC"
    source = folder / "mkl_override.c"
    source.write_text(OVERRIDE_SOURCE, encoding="ascii")
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return None, f"the MKL override does not compile: {last}"
    return library, ""


def require_override(variant: str, maps: Path = Path("/proc/self/maps")) -> None:
    """Make sure, in the worker, that a rival which runs with MKL overridden has the library loaded.

    Args:
        variant: as a benchmark names it.
        maps: what the system says is mapped into this process.

    Raises:
        UnpreparedError: it has not; the loader passes over what it cannot load, and MKL would run as it does without.
    """
    peer = PEERS.get(variant)
    if peer is not None and peer.overridden and f"/{_LIBRARY}\n" not in maps.read_text(encoding="utf-8"):
        raise UnpreparedError(f"the MKL override is not loaded: LD_PRELOAD is {os.environ.get('LD_PRELOAD', '')!r}")


def find_compiler(variable: str, *names: str) -> str | None:
    """A compiler's path: the environment variable's if it is set, else the first name on the search path."""
    chosen = os.environ.get(variable)
    return next(filter(None, map(shutil.which, [chosen] if chosen else names)), None)


def _missing_package(peer: Peer) -> str | None:
    try:
        found = version(peer.package)
    except PackageNotFoundError:
        return f"{peer.package} is not installed; {_INSTALL}"
    # Local parts, such as +cpu, say how it was built; a short version, such as 5, stands for all that begin with it.
    if f"{found.partition('+')[0]}.".startswith(f"{peer.version}."):
        return None
    return f"{peer.package} {found} is installed, {peer.version} is what this version measures; {_INSTALL}"
