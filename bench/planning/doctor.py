"""Checks of this machine and this installation, with the command that fixes each problem.

Every check is a function that returns findings. A finding is ``ok``, a ``note`` (it works but could work better),
``missing`` (an optional part is not installed) or ``broken`` (training does not work). Only ``broken`` makes
``invoke doctor`` fail. No finding names a host, a user or a folder.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from bench.arms.registry import PEERS
from bench.planning.memory import predicted_session_bytes
from bench.records.machine import Machine, busy_cores, fresh_machine
from bench.records.protocol import sha256_text
from tinygpt.engines import CPU_ENGINES, create_engine
from tinygpt.errors import TinyGPTError
from tinygpt.presets import LADDER
from tinygpt.system.memory import Memory, available_memory
from tinygpt.system.threads import available_cores
from tinygpt.terminal.quantities import gibibytes

OK, NOTE, MISSING, BROKEN = "ok", "note", "missing", "broken"


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes:
        state: ``ok``, ``note``, ``missing`` or ``broken``.
        fix: the command that fixes the problem; empty without a problem or a command.
    """

    subject: str
    state: str
    text: str
    fix: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """The results of all checks.

    Attributes:
        needs: preset → engine → predicted peak of a training run, bytes.
        findings: in the order of the checks.
    """

    machine: Machine
    memory: Memory
    needs: dict[str, dict[str, int]]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """1 if something that training needs is broken, else 0."""
        return int(any(finding.state == BROKEN for finding in self.findings))


def diagnose(results_root: Path) -> Diagnosis:
    """Run every check, which takes a second or two."""
    # A new process sees the machine as workers do, without this process's libraries and thread limits.
    machine = Machine(**json.loads(fresh_machine()))
    memory = available_memory()
    findings = [
        *check_core(),
        *check_engines(),
        *check_kernel(machine, os.environ),
        *check_threads(machine, os.environ),
        *check_load(busy_cores()),
        *check_memory(memory, psutil.swap_memory().used),
        *check_folders(results_root),
        *check_parts(),
        *check_tools(shutil.which),
        *check_record(results_root, sha256_text(machine.canonical_json)),
    ]
    return Diagnosis(machine, memory, memory_needs(), tuple(findings))


def memory_needs() -> dict[str, dict[str, int]]:
    """Predict the peak bytes of ``invoke train``: preset → CPU engine → bytes."""
    return {
        name: {engine: predicted_session_bytes(engine, entry.model, entry.train) for engine in CPU_ENGINES}
        for name, entry in LADDER.items()
    }


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"


# ---- requirements of training -----------------------------------------------------------------------------

_CORE = ("numpy", "numexpr", "safetensors", "rich", "psutil", "threadpoolctl", "invoke")


def check_core(modules: Iterable[str] = _CORE) -> list[Finding]:
    """Import the core's packages."""
    findings = []
    for name in modules:
        try:
            __import__(name)
        except Exception as error:  # a half-installed package may raise anything
            text = f"cannot be imported: {_one_line(error)}"
            findings.append(Finding(name, BROKEN, text, f"python -m pip install --force-reinstall {name}"))
    return findings or [Finding("packages", OK, "the core's packages are installed")]


def check_engines(engines: Iterable[str] = ("numpy", "vectorized")) -> list[Finding]:
    """Take a training step with each engine; the losses must agree and be near ln 256, as of an untrained model."""
    preset = LADDER["tiny"]
    shape = (preset.train.batch_size, preset.model.context_length)
    tokens = np.random.default_rng(0).integers(0, preset.model.vocab_size, (2, *shape))
    losses: dict[str, float] = {}
    findings = []
    for name in engines:
        try:
            losses[name] = create_engine(name, preset.model, preset.train, seed=0).train_step(*tokens).loss
        except Exception as error:  # the same error would end a training run
            text = f"cannot take a step: {_one_line(error)}"
            findings.append(Finding(name, BROKEN, text, "invoke test --only tests/tinygpt/engines/test_engines.py"))
    wrong = [name for name, loss in losses.items() if not abs(loss - math.log(preset.model.vocab_size)) < 0.2]
    if wrong or (losses and max(losses.values()) - min(losses.values()) > 1e-2):
        listed = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
        text = f"losses of an untrained model should be near 5.55: {listed}"
        findings.append(Finding("arithmetic", BROKEN, text, "invoke test"))
    return findings or [Finding("engines", OK, f"{' and '.join(losses)} take a step and agree on the loss")]


# ---- speed -----------------------------------------------------------------------------------------------

# Levels of the x86-64 psABI, by the last character of their names (x86-64-v4): the instructions, the OpenBLAS kernel to
# force, and the processor families whose OpenBLAS kernels use these instructions.
_LEVELS = {
    "4": ("AVX-512", "SkylakeX", ("skylakex", "cooperlake", "sapphirerapids")),
    "3": ("AVX2", "Haswell", ("haswell", "zen", "excavator")),
    "2": ("SSE4.2 or AVX", "Nehalem", ("nehalem", "sandybridge", "bulldozer", "piledriver", "steamroller")),
    "1": ("SSE", "Prescott", ("prescott", "core2", "penryn", "dunnington", "athlon", "opteron", "barcelona", "bobcat",
                              "atom", "generic")),
}  # fmt: skip


def check_kernel(machine: Machine, environment: Mapping[str, str]) -> list[Finding]:
    """Compare the BLAS kernel in use with the best one for this processor."""
    text = f"{machine.blas} {machine.blas_version or ''}".strip() + f", kernel {machine.blas_kernel or 'unknown'}"
    kernel = (machine.blas_kernel or "").lower()
    level = next((level for level, (_, _, families) in _LEVELS.items() if kernel in families), None)
    prefix, best = machine.arch_level[:-1], machine.arch_level[-1:]
    findings = []
    if level is None or prefix != "x86-64-v" or best not in _LEVELS:
        findings.append(Finding("BLAS kernel", OK, f"{text}, on {machine.arch_level}"))
    elif level >= best:
        findings.append(Finding("BLAS kernel", OK, f"{text} ({_LEVELS[level][0]}): the best for this processor"))
    else:
        forced = environment.get("OPENBLAS_CORETYPE")
        reason = f"OPENBLAS_CORETYPE={forced} forces it" if forced else "the library did not recognize the processor"
        text += (
            f" ({_LEVELS[level][0]}), but the processor has {_LEVELS[best][0]}: {reason}. "
            "Matrix products may take twice as long"
        )
        fix = "unset OPENBLAS_CORETYPE" if forced else f"export OPENBLAS_CORETYPE={_LEVELS[best][1]}"
        findings.append(Finding("BLAS kernel", NOTE, text, fix))
    if environment.get("OPENBLAS_L2_SIZE"):
        text = "OPENBLAS_L2_SIZE overrides the cache size that the library detects"
        findings.append(Finding("BLAS cache", NOTE, text, "unset OPENBLAS_L2_SIZE"))
    return findings


_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS")


def check_threads(machine: Machine, environment: Mapping[str, str]) -> list[Finding]:
    """Compare the number of BLAS threads with the cores that this process may use, and with its quota."""
    cores, threads = machine.cores, machine.blas_threads
    quota = f", a quota of {machine.core_quota:g}" if machine.core_quota is not None else ""
    installed = os.cpu_count() or cores
    of = f" of {installed}" if installed > cores else ""
    text = f"{cores}{of} core{'' if cores == 1 and not of else 's'} may be used{quota}"
    limits = {name: environment[name] for name in _THREAD_VARIABLES if environment.get(name, "").isdigit()}
    fewer = [name for name, limit in limits.items() if int(limit) < cores]
    if threads is not None and threads > cores:
        text += f", but BLAS would start {threads} threads, which would wait for each other"
        return [Finding("threads", NOTE, text, f"export OPENBLAS_NUM_THREADS={cores}")]
    if fewer or (threads is not None and threads < cores):
        text += f", BLAS uses {threads}" + (f" ({', '.join(fewer)} set)" if fewer else "")
        return [Finding("threads", NOTE, text, f"unset {' '.join(fewer)}" if fewer else "")]
    return [Finding("threads", OK, f"{text}, BLAS uses {threads if threads is not None else 'a number of its own'}")]


def check_load(busy: float | None) -> list[Finding]:
    """Look for other load on the cores."""
    if busy is None:
        return []
    cores = available_cores()
    text = f"{busy:.1f} of {cores} cores were busy over the last minute"
    return [Finding("load", NOTE, f"{text}: measure later") if busy > 0.3 * cores else Finding("load", OK, text)]


# ---- memory and disk -------------------------------------------------------------------------------------

_LITTLE_DISK = 2 * 2**30  # bytes


def check_memory(memory: Memory, swap_used: int) -> list[Finding]:
    """Compare the available memory with the smallest preset's need, and look for swapping."""
    smallest = min(next(iter(memory_needs().values())).values())
    text = f"{gibibytes(memory.available)} available ({memory.limited_by})"
    if memory.available < smallest:
        text += f"; the smallest preset needs {gibibytes(smallest)}"
        return [Finding("memory", BROKEN, text, "close other programs, or raise the limit")]
    if swap_used > 2**28:
        return [Finding("memory", NOTE, f"{text}; {gibibytes(swap_used)} of swap are in use: memory is short")]
    return [Finding("memory", OK, text)]


def check_folders(results_root: Path) -> list[Finding]:
    """Check that checkpoints and rows can be written, and that the disk has space."""
    here = Path.cwd()
    if not os.access(here, os.W_OK):
        return [Finding("folder", BROKEN, "the current folder is not writable", "cd to a folder of your own")]
    local = results_root / "local"
    existing = next(folder for folder in (local, *local.resolve().parents) if folder.exists())
    if not os.access(existing, os.W_OK):
        text = "the results folder is not writable: measurements would be lost"
        return [Finding("results", NOTE, text, f"chmod u+w {results_root.name}/local")]
    free = shutil.disk_usage(here).free
    if free < _LITTLE_DISK:
        return [Finding("disk", NOTE, f"{gibibytes(free)} free; a checkpoint of behemoth takes 5.3 GiB", "df -h .")]
    return [Finding("disk", OK, f"{gibibytes(free)} free")]


# ---- optional parts --------------------------------------------------------------------------------------


class _Part(NamedTuple):
    """An optional part, the modules that it imports, and the extra that installs them."""

    name: str
    modules: tuple[str, ...]
    extra: str


_MEASURING = _Part("measuring", ("pandas", "pyarrow", "scipy"), "bench")
_PARTS = (
    _MEASURING,
    _Part("the site", ("mkdocs", "material", "mkdocs_macros", "altair", "vl_convert"), "site"),
    _Part("evaluations", ("pydivsufsort",), "evaluate"),
    _Part("engine jax", ("jax",), "jax"),
    _Part("tests", ("pytest", "xdist", "hypothesis", "ruff", "mypy"), "dev"),
    _Part("browser tests", ("playwright",), "dev"),
    _Part("corpora hf:…", ("datasets",), "hf"),
    _Part("models of the hub", ("huggingface_hub", "tokenizers"), "hub"),
    _Part("parity tests", ("torch", "transformers", "jax"), "parity"),
    _Part("peers", tuple(dict.fromkeys(peer.package for peer in PEERS.values())), "peers"),
)


def check_parts(parts: Iterable[_Part] = _PARTS) -> list[Finding]:
    """Look for the optional packages, without importing them."""
    findings = []
    for part in parts:
        missing = [name for name in part.modules if find_spec(name) is None]
        if missing:
            text = f"{', '.join(missing)} not installed"
            findings.append(Finding(part.name, MISSING, text, f"python -m pip install 'tinygpt[{part.extra}]'"))
        else:
            findings.append(Finding(part.name, OK, ", ".join(part.modules)))
    return findings


class _Tool(NamedTuple):
    """A program, its commands, the variable that may point to it, its purpose, and the command that installs it."""

    name: str
    commands: tuple[str, ...]
    variable: str
    purpose: str
    fix: str


_TOOLS = (
    _Tool("Chromium", ("chromium", "chromium-browser", "google-chrome"), "TINYGPT_CHROMIUM", "browser tests",
          "apt-get install chromium"),
    _Tool("C compiler", ("cc", "gcc", "clang"), "CC", "peers", "apt-get install gcc"),
    _Tool("C++ compiler", ("c++", "g++", "clang++"), "CXX", "peers", "apt-get install g++"),
    _Tool("npm", ("npm",), "", "playground and audit", "apt-get install nodejs npm"),
    _Tool("Java", ("java",), "", "audit", "apt-get install default-jre-headless"),
    _Tool("git", ("git",), "", "commit of a row", "apt-get install git"),
)  # fmt: skip


def check_tools(which: Callable[[str], str | None]) -> list[Finding]:
    """Look for the programs that tests, peers and the site use."""
    findings = []
    for tool in _TOOLS:
        if os.environ.get(tool.variable) or any(map(which, tool.commands)):
            findings.append(Finding(tool.name, OK, f"for {tool.purpose}"))
        else:
            findings.append(Finding(tool.name, MISSING, f"not found; needed for {tool.purpose}", tool.fix))
    return findings


def check_record(results_root: Path, machine_hash: str) -> list[Finding]:
    """Look for measurements of this machine as it is now."""
    if any(find_spec(name) is None for name in _MEASURING.modules):
        return []
    from bench.records.store import read_table

    problems: list[TinyGPTError] = []
    runs = read_table("runs", results_root, problems)  # type: ignore[arg-type]
    findings = [Finding("results", NOTE, str(problem)) for problem in problems]
    cells = int(((runs["machine_hash"] == machine_hash) & (runs["kind"] == "bench")).sum())
    if cells:
        return [*findings, Finding("record", OK, f"{cells} cells of this machine are on record")]
    text = "this machine, with these libraries, has not been measured"
    return [*findings, Finding("record", NOTE, text, "invoke bench --suite quick")]
