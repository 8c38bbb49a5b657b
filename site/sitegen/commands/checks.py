"""The tasks that check the project: test, browser, parity, lint, types, and checks, which runs all of them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass

from tinygpt.terminal.checkout import checkout
from tinygpt.terminal.options import option
from tinygpt.terminal.tasks import missing_extra, task

_PROGRAMS = ("zizmor",)  # tools that are not Python modules
# Two processes, because many tests wait for processes of their own; the tests of a file share fixtures. The order is
# that of tests/conftest.py.
_TWO_AT_A_TIME = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")


def _tool(name: str, *arguments: str) -> int:
    """Run a tool of the extras in the project's folder; return its exit code."""
    if name in _PROGRAMS:
        program = shutil.which(name, path=sysconfig.get_path("scripts"))
    else:
        program = sys.executable if importlib.util.find_spec(name) else None
        arguments = ("-m", name, *arguments)
    if program is None:
        raise missing_extra(name)
    return subprocess.run([program, *arguments], cwd=checkout(), check=False).returncode


def _check(*tools: Sequence[str]) -> int:
    """Run the tools of a check until one fails; return its exit code."""
    for tool in tools:
        if code := _tool(*tool):
            return code
    return 0


@dataclass(frozen=True, kw_only=True)
class TestOptions:
    """Options of test."""

    only: str = option("", "a folder or file of tests")


@task(needs="dev")
def test(options: TestOptions) -> int:
    """Run the tests that need neither a network, a browser nor PyTorch."""
    if options.only:
        return _check(["pytest", options.only])
    code = _check(["pytest", "tests", *_TWO_AT_A_TIME, "--ignore=tests/browser", "--ignore=tests/parity"])
    if not code:
        print("Two more suites need other programs: `invoke browser` (Chromium) and `invoke parity` (PyTorch).")
    return code


@dataclass(frozen=True, kw_only=True)
class BrowserOptions:
    """Options of browser."""

    every_page: bool = option(False, "visit every page, not only one of each kind: ten minutes")


@task(needs="dev")
def browser(options: BrowserOptions) -> int:
    """Build the site and test it in Chromium."""
    if options.every_page:
        os.environ["TINYGPT_EVERY_PAGE"] = "yes"
    return _check(["pytest", "tests/browser"])


@task(needs="parity")
def parity() -> int:
    """Compare with PyTorch, transformers and JAX, live."""
    for module in ("torch", "transformers", "jax", "peft"):
        __import__(module)
    return _check(["pytest", "tests/parity", *_TWO_AT_A_TIME])


@dataclass(frozen=True, kw_only=True)
class LintOptions:
    """Options of lint."""

    fix: bool = option(False, "fix what can be fixed")


@task(needs="dev")
def lint(options: LintOptions) -> int:
    """Check style, formatting, options in the pages and the workflows' permissions."""
    fix, check = (["--fix"], []) if options.fix else ([], ["--check"])
    return _check(
        ["ruff", "check", *fix, "."],
        ["ruff", "format", *check, "."],
        ["sitegen.commands.plain_documents", *fix],
        ["zizmor", "--offline", "--quiet", "--pedantic", ".github"],
        # Without shellcheck and pyflakes, so that the result does not depend on what is installed.
        ["jactionlint", "--strict-exit", "--shellcheck=", "--pyflakes="],
    )


@task(needs="dev")
def types() -> int:
    """Check types."""
    return _check(["mypy"])


@task(needs="dev")
def checks() -> int:
    """Run test, lint, types, browser and parity."""
    codes = {name: _tool("invoke", name) for name in ("test", "lint", "types", "browser", "parity")}
    for name, code in codes.items():
        print(f"{name}: {'failed' if code else 'passed'}")
    return int(any(codes.values()))
