"""The requirements of a worker: a peer's package, a compiler, the MKL override; an engine's extra.

MKL calls its own function ``mkl_serv_intel_cpu_true`` to learn whether the processor is Intel's, and on AMD processors
with AVX-512 uses AVX2 only. A preloaded library that defines the same symbol overrides it. That is unsupported, but an
expert would do it, so it is measured as a separate peer. The library is compiled into the run's temporary folder.
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
from bench.arms.labels import read_label
from bench.arms.registry import MKL, PEERS, ROOFLINE, Peer, installed_as
from bench.arms.token_ways import TOKEN_VARIANTS, TokenWay
from bench.arms.variants import engine_name, variant_options
from bench.records.machine import cpu_model
from tinygpt.engines import ENGINES, extras_of
from tinygpt.engines.extras import JAX
from tinygpt.errors import TinyGPTError

OVERRIDE_SOURCE = """\
/* MKL calls this before it chooses its kernels. */
int mkl_serv_intel_cpu_true(void) { return 1; }
"""
_LIBRARY = "mkl_override.so"


class UnpreparedError(TinyGPTError):
    """A worker lacks a part that its variant names."""


@dataclass(frozen=True)
class Preparation:
    """Additional environment variables for a worker, or the reason why it cannot start, in one line."""

    environment: Mapping[str, str] = field(default_factory=dict)
    refusal: str | None = None


def prepare(variant: str, folder: Path) -> Preparation:
    """Prepare the worker of a variant; the run's folder keeps the files that are built for it."""
    if variant in TOKEN_VARIANTS:
        return Preparation(refusal=_missing_of_way(TOKEN_VARIANTS[variant]))
    peer = _peer(variant)
    if peer is None:
        return _prepare_engine(variant)
    problem = _missing_package(peer.package, peer.version)
    if problem is None and peer.compiles and find_compiler("CXX", "c++", "g++", "clang++") is None:
        problem = "torch.compile needs a C++ compiler, but none was found: install g++ or set CXX"
    if problem is not None:
        return Preparation(refusal=problem)
    # Compiled once for all rounds of the run.
    environment = dict(peer.environment)
    if peer.compiles:
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "inductor")
    if peer.package == "jax":
        environment["JAX_PLATFORMS"] = "cpu"
    if not _needs_override(peer):
        return Preparation(environment)
    library, problem = build_override(folder)
    if library is None:
        return Preparation(refusal=problem)
    if any(character.isspace() or character == ":" for character in str(library)):
        # The loader would split the variable there and skip the library.
        return Preparation(refusal=f"LD_PRELOAD cannot hold {str(library)!r}; set TMPDIR to a path without : or spaces")
    preloaded = os.pathsep.join(filter(None, [str(library), os.environ.get("LD_PRELOAD", "")]))
    return Preparation(environment | {"LD_PRELOAD": preloaded})


def _peer(variant: str) -> Peer | None:
    """Return the peer whose worker a variant needs; the roofline's MKL is that of a tuned PyTorch."""
    if engine_name(variant) == ROOFLINE and MKL in variant_options(variant).split(","):
        return PEERS["torch-tuned"]
    return PEERS.get(variant)


def _needs_override(peer: Peer) -> bool:
    return peer.overridden and not (peer.environment and _no_override())


def _prepare_engine(variant: str) -> Preparation:
    """Prepare an engine of this project or any other class."""
    extras = extras_of(installed_as(read_label(variant).variant)) if engine_name(variant) in ENGINES else []
    for extra in extras:
        try:
            version(extra.needs)
        except PackageNotFoundError:
            return Preparation(refusal=f"{extra.needs} is not installed; run: pip install -e '.[{extra.name}]'")
    # On the processor JAX must see nothing else, as for the peer in JAX.
    return Preparation({"JAX_PLATFORMS": "cpu"} if JAX in extras and not on_accelerator(variant) else {})


def _no_override() -> str:
    """Return why MKL needs no override on this machine or cannot have one; nothing if it is useful."""
    if sys.platform != "linux":
        return "the MKL override is a preloaded library, which needs Linux"
    if "AMD" not in cpu_model().upper():
        return f"the MKL override is for AMD processors; MKL chooses for itself on {cpu_model()}"
    return ""


def build_override(folder: Path) -> tuple[Path | None, str]:
    """Compile the MKL override; return its path, or None and the reason in one line."""
    if reason := _no_override():
        return None, reason
    library = folder / _LIBRARY
    if library.exists():
        return library, ""
    compiler = find_compiler("CC", "cc", "gcc", "clang")
    if compiler is None:
        return None, "the MKL override needs a C compiler, but none was found: install gcc or set CC"
    source = folder / "mkl_override.c"
    source.write_text(OVERRIDE_SOURCE, encoding="ascii")
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return None, f"the MKL override does not compile: {last}"
    return library, ""


def require_override(variant: str, maps: Path = Path("/proc/self/maps")) -> None:
    """Check in the worker that a peer with the MKL override has it loaded; ``maps`` lists the mapped files.

    Raises:
        UnpreparedError: it is not loaded. The loader skips what it cannot load, and MKL would run without it.
    """
    peer = _peer(variant)
    if peer is not None and _needs_override(peer) and f"/{_LIBRARY}\n" not in maps.read_text(encoding="utf-8"):
        raise UnpreparedError(f"the MKL override is not loaded: LD_PRELOAD is {os.environ.get('LD_PRELOAD', '')!r}")


def find_compiler(variable: str, *names: str) -> str | None:
    """Return a compiler's path: the environment variable's if it is set, else the first name on the search path."""
    chosen = os.environ.get(variable)
    return next(filter(None, map(shutil.which, [chosen] if chosen else names)), None)


def _missing_of_way(way: TokenWay) -> str | None:
    return _missing_package(way.package, way.version, way.extra) if way.package else None


def _missing_package(package: str, wanted: str, extra: str = "peers") -> str | None:
    install = f"run: pip install -e '.[{extra}]'"
    try:
        found = version(package)
    except PackageNotFoundError:
        return f"{package} is not installed; {install}"
    # Ignore local parts such as +cpu. A short version such as 5 includes all that begin with it; an empty one is any.
    if not wanted or f"{found.partition('+')[0]}.".startswith(f"{wanted}."):
        return None
    return f"{package} {found} is installed, but this version measures {wanted}; {install}"
