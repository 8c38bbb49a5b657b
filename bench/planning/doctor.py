"""What this machine has, what is not at its best, and the command that mends it.

Every check is a function that returns findings; a finding is ``ok``, a ``note`` (it works, and could work better),
``missing`` (an optional part that is not installed) or ``broken`` (training itself does not work). Only the last makes
``invoke doctor`` fail. Nothing that it says names a host, a user or a folder.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil

from bench.planning.memory import predicted_session_bytes
from bench.records.machine import Machine, busy_cores, fresh_machine
from bench.records.protocol import sha256_text
from tinygpt.engines import CPU_ENGINES, create_engine
from tinygpt.errors import TinyGPTError
from tinygpt.presets import PRESETS
from tinygpt.system.memory import Memory, available_memory
from tinygpt.system.threads import available_cores
from tinygpt.terminal.quantities import gibibytes

OK, NOTE, MISSING, BROKEN = "ok", "note", "missing", "broken"


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    Attributes:
        subject: what was looked at, a word or two.
        state: ``ok``, ``note``, ``missing`` or ``broken``.
        text: what was found.
        mend: the command that mends it; empty where there is nothing to mend.
    """

    subject: str
    state: str
    text: str
    mend: str = ""


@dataclass(frozen=True)
class Need:
    """What one preset takes.

    Attributes:
        preset: which.
        bytes_by_engine: engine → predicted peak of a training run.
    """

    preset: str
    bytes_by_engine: dict[str, int]


@dataclass(frozen=True)
class Diagnosis:
    """Everything that ``invoke doctor`` found.

    Attributes:
        machine: the fingerprint that measurements carry.
        memory: what a new process can have.
        needs: by preset.
        findings: in the order of the checks.
    """

    machine: Machine
    memory: Memory
    needs: tuple[Need, ...]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """1 if something that training needs is broken, else 0."""
        return int(any(finding.state == BROKEN for finding in self.findings))


def diagnose(results_root: Path) -> Diagnosis:
    """Look at everything; takes a second or two."""
    # A new process sees the machine as workers do: libraries and thread limits of this one are its own.
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
    return Diagnosis(machine, memory, tuple(memory_needs()), tuple(findings))


def memory_needs() -> Iterable[Need]:
    """Predicted peak of ``invoke train`` for every preset, and every engine that computes on the processor."""
    for name, entry in PRESETS.items():
        yield Need(name, {engine: predicted_session_bytes(engine, entry.model, entry.train) for engine in CPU_ENGINES})


# ---- what training needs ---------------------------------------------------------------------------------

_CORE = ("numpy", "numexpr", "safetensors", "rich", "psutil", "threadpoolctl", "invoke")


def check_core(modules: Iterable[str] = _CORE) -> list[Finding]:
    """Whether the core's packages can be imported at all."""
    findings = []
    for name in modules:
        try:
            __import__(name)
        except Exception as error:  # a half-installed package may raise anything
            problem = f"cannot be imported: {type(error).__name__}: {' '.join(str(error).split())[:120]}"
            findings.append(Finding(name, BROKEN, problem, f"python -m pip install --force-reinstall {name}"))
    return findings or [Finding("packages", OK, "the core's packages are installed")]


def check_engines(engines: Iterable[str] = ("numpy", "vectorized")) -> list[Finding]:
    """Whether engines take a training step and agree: an untrained model's loss is near ln 256."""
    preset = PRESETS["tiny"]
    shape = (preset.train.batch_size, preset.model.context_length)
    tokens = np.random.default_rng(0).integers(0, preset.model.vocab_size, (2, *shape))
    losses: dict[str, float] = {}
    findings = []
    for name in engines:
        try:
            losses[name] = create_engine(name, preset.model, preset.train, seed=0).train_step(*tokens).loss
        except Exception as error:  # whatever an engine trips over here, it would trip over in training
            text = f"takes no step: {type(error).__name__}: {' '.join(str(error).split())[:120]}"
            findings.append(Finding(name, BROKEN, text, "invoke test --only tests/tinygpt/engines/test_engines.py"))
    wrong = [name for name, loss in losses.items() if not abs(loss - math.log(preset.model.vocab_size)) < 0.2]
    if wrong or (losses and max(losses.values()) - min(losses.values()) > 1e-2):
        told = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
        findings.append(
            Finding("arithmetic", BROKEN, f"losses of an untrained model should be near 5.55: {told}", "invoke test")
        )
    return findings or [Finding("engines", OK, f"{' and '.join(losses)} take a step and agree on the loss")]


# ---- speed -----------------------------------------------------------------------------------------------

# Processor families that OpenBLAS has kernels for → the level of the x86-64 psABI that these make use of.
_KERNEL_LEVELS = {
    4: ("skylakex", "cooperlake", "sapphirerapids"),
    3: ("haswell", "zen", "excavator"),
    2: ("nehalem", "sandybridge", "bulldozer", "piledriver", "steamroller"),
    1: ("prescott", "core2", "penryn", "dunnington", "athlon", "opteron", "barcelona", "bobcat", "atom", "generic"),
}
_LEVEL_WORDS = {4: "AVX-512", 3: "AVX2", 2: "SSE4.2 or AVX", 1: "SSE"}
_BEST_KERNEL = {4: "SkylakeX", 3: "Haswell", 2: "Nehalem"}


def kernel_level(kernel: str | None) -> int | None:
    """The x86-64 level that a BLAS kernel makes use of, or None for one that is not known."""
    for level, names in _KERNEL_LEVELS.items():
        if kernel is not None and kernel.lower() in names:
            return level
    return None


def check_kernel(machine: Machine, environment: os._Environ[str] | dict[str, str]) -> list[Finding]:
    """Which BLAS kernel runs, and whether it is the best that this processor has."""
    running = f"{machine.blas} {machine.blas_version or ''}".strip()
    level = kernel_level(machine.blas_kernel)
    prefix, _, number = machine.arch_level.rpartition("v")
    findings = []
    if machine.blas_kernel is None or level is None or prefix != "x86-64-" or not number.isdigit():
        kernel = machine.blas_kernel or "unknown"
        findings.append(Finding("BLAS kernel", OK, f"{running}, kernel {kernel}, on {machine.arch_level}"))
    elif level >= int(number):
        text = f"{running}, kernel {machine.blas_kernel} ({_LEVEL_WORDS[level]}): the best this processor has"
        findings.append(Finding("BLAS kernel", OK, text))
    else:
        forced = environment.get("OPENBLAS_CORETYPE")
        best = int(number)
        why = f"OPENBLAS_CORETYPE={forced} forces it" if forced else "the library did not recognize the processor"
        text = (
            f"{running}, kernel {machine.blas_kernel} ({_LEVEL_WORDS[level]}), while the processor has "
            f"{_LEVEL_WORDS[best]}: {why}. Products may take twice as long"
        )
        mend = "unset OPENBLAS_CORETYPE" if forced else f"export OPENBLAS_CORETYPE={_BEST_KERNEL[best]}"
        findings.append(Finding("BLAS kernel", NOTE, text, mend))
    if environment.get("OPENBLAS_L2_SIZE"):
        text = "OPENBLAS_L2_SIZE replaces the size of the cache that the library would find"
        findings.append(Finding("BLAS cache", NOTE, text, "unset OPENBLAS_L2_SIZE"))
    return findings


_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS")


def check_threads(machine: Machine, environment: os._Environ[str] | dict[str, str]) -> list[Finding]:
    """Whether BLAS uses the cores that this process may use: no fewer, and no more than a quota grants."""
    cores, threads = machine.cores, machine.blas_threads
    granted = f", a quota of {machine.core_quota:g}" if machine.core_quota is not None else ""
    installed = os.cpu_count() or cores
    of = f" of {installed}" if installed > cores else ""
    have = f"{cores}{of} core{'' if cores == 1 and not of else 's'} may be used{granted}"
    capped = [name for name in _THREAD_VARIABLES if environment.get(name, "").isdigit()]
    fewer = [name for name in capped if int(environment[name]) < cores]
    if threads is not None and threads > cores:
        text = f"{have}, and BLAS would start {threads} threads, which then wait for each other"
        return [Finding("threads", NOTE, text, f"export OPENBLAS_NUM_THREADS={cores}")]
    if fewer or (threads is not None and threads < cores):
        text = f"{have}, BLAS uses {threads}" + (f" ({', '.join(fewer)} set)" if fewer else "")
        return [Finding("threads", NOTE, text, f"unset {' '.join(fewer)}" if fewer else "")]
    return [Finding("threads", OK, f"{have}, BLAS uses {threads if threads is not None else 'its own choice'}")]


def check_load(busy: float | None) -> list[Finding]:
    """Whether somebody else is using the cores."""
    if busy is None:
        return []
    cores = available_cores()
    text = f"{busy:.1f} of {cores} cores were busy over the last minute"
    return [
        Finding("load", NOTE if busy > 0.3 * cores else OK, text + (": measure later" if busy > 0.3 * cores else ""))
    ]


# ---- memory and disk -------------------------------------------------------------------------------------

_LITTLE_DISK = 2 * 2**30


def check_memory(memory: Memory, swap_used: int) -> list[Finding]:
    """How much memory there is, and whether the smallest preset fits into it."""
    smallest = min(next(iter(memory_needs())).bytes_by_engine.values())
    text = f"{gibibytes(memory.available)} available ({memory.limited_by})"
    if memory.available < smallest:
        need = f"{text}; the smallest preset takes {gibibytes(smallest)}"
        return [Finding("memory", BROKEN, need, "close other programs, or raise the limit")]
    if swap_used > 2**28:
        return [Finding("memory", NOTE, f"{text}; {gibibytes(swap_used)} of swap are in use: it is short")]
    return [Finding("memory", OK, text)]


def check_folders(results_root: Path) -> list[Finding]:
    """Whether checkpoints and rows can be written, and whether the disk has room."""
    here = Path.cwd()
    if not os.access(here, os.W_OK):
        return [Finding("folder", BROKEN, "the current folder cannot be written to", "cd to a folder of your own")]
    local = results_root / "local"
    existing = next(folder for folder in (local, *local.resolve().parents) if folder.exists())
    if not os.access(existing, os.W_OK):
        text = "the results folder cannot be written to: measurements would be lost"
        return [Finding("results", NOTE, text, f"chmod u+w {results_root.name}/local")]
    free = shutil.disk_usage(here).free
    if free < _LITTLE_DISK:
        return [Finding("disk", NOTE, f"{gibibytes(free)} free; a checkpoint of behemoth takes 5.3 GiB", "df -h .")]
    return [Finding("disk", OK, f"{gibibytes(free)} free")]


# ---- optional parts --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """An optional part: what it is for, the modules it imports, the extra that installs them."""

    purpose: str
    modules: tuple[str, ...]
    extra: str


_PARTS = (
    _Part("measuring", ("pandas", "pyarrow", "scipy"), "bench"),
    _Part("the site", ("mkdocs", "material", "mkdocs_macros", "altair", "vl_convert"), "site"),
    _Part("evaluations", ("pydivsufsort",), "evaluate"),
    _Part("engine jax", ("jax",), "jax"),
    _Part("tests", ("pytest", "xdist", "hypothesis", "ruff", "mypy"), "dev"),
    _Part("browser tests", ("playwright",), "dev"),
    _Part("corpora hf:…", ("datasets",), "hf"),
    _Part("parity tests", ("torch", "transformers", "jax"), "parity"),
    _Part("rivals", ("torch", "jax", "transformers"), "peers"),
)


def check_parts(parts: Iterable[_Part] = _PARTS) -> list[Finding]:
    """Which optional packages are installed; they are looked for, and not imported."""
    findings = []
    for part in parts:
        absent = [name for name in part.modules if find_spec(name) is None]
        if absent:
            text = f"{', '.join(absent)} not installed"
            findings.append(Finding(part.purpose, MISSING, text, f"python -m pip install 'tinygpt[{part.extra}]'"))
        else:
            findings.append(Finding(part.purpose, OK, ", ".join(part.modules)))
    return findings


@dataclass(frozen=True)
class _Tool:
    """A program: what for, its names, the variable that may point to it, the command that installs it."""

    purpose: str
    names: tuple[str, ...]
    variable: str
    mend: str


_TOOLS = (
    _Tool("Chromium, browser tests", ("chromium", "chromium-browser", "google-chrome"), "TINYGPT_CHROMIUM",
          "apt-get install chromium"),
    _Tool("C compiler, rivals", ("cc", "gcc", "clang"), "CC", "apt-get install gcc"),
    _Tool("C++ compiler, rivals", ("c++", "g++", "clang++"), "CXX", "apt-get install g++"),
    _Tool("npm, playground and audit", ("npm",), "", "apt-get install nodejs npm"),
    _Tool("Java, audit", ("java",), "", "apt-get install default-jre-headless"),
    _Tool("git, commit of a row", ("git",), "", "apt-get install git"),
)  # fmt: skip


def check_tools(which: Callable[[str], str | None]) -> list[Finding]:
    """Which programs are there."""
    findings = []
    for tool in _TOOLS:
        subject, _, purpose = tool.purpose.partition(", ")
        set_by = os.environ.get(tool.variable) if tool.variable else None
        found = set_by or next((name for name in tool.names if which(name)), None)
        if found:
            findings.append(Finding(subject, OK, f"for {purpose}"))
        else:
            findings.append(Finding(subject, MISSING, f"not found; needed for {purpose}", tool.mend))
    return findings


def check_record(results_root: Path, machine_hash: str) -> list[Finding]:
    """Whether this machine, as it is now, has been measured."""
    if any(find_spec(name) is None for name in ("pandas", "pyarrow", "scipy")):
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
