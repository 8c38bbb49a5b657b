"""git, run from a program: its answer, or one line on why there is none."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tinygpt.errors import TinyGPTError

_ANSWER_SECONDS = 30.0
_COMMAND = re.compile(r"[a-z]+(-[a-z]+)*")
_REASON = re.compile(r"fatal|error|!| !")


class GitError(TinyGPTError):
    """git is missing, took too long or refused; its last words are the message."""


def run_git(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, timeout: float | None = None
) -> str:
    """Run git in a folder and return what it prints, without white space at the ends.

    Raises:
        GitError: it cannot be run, refused, or took longer than ``timeout`` seconds.
    """
    command = next(word for word in arguments if _COMMAND.fullmatch(word))
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
    except OSError as error:
        raise GitError(f"git cannot be run: {error.strerror}", "a checkout, and git") from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git {command} took longer than {timeout:g} s") from error
    if done.returncode:
        words = (done.stderr.strip() or "it gave no reason").splitlines()
        reason = next((line for line in words if _REASON.match(line)), words[-1])
        raise GitError(f"git {command}: {reason.strip()}")
    return done.stdout.strip()


def ask_git(folder: Path, *arguments: str) -> str | None:
    """Return what git answers about a folder, or None when there is no answer."""
    try:
        return run_git(folder, *arguments, timeout=_ANSWER_SECONDS)
    except GitError:
        return None
