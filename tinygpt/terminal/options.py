"""What every task shares: its errors as one line, its options as numbers, and where the checkout is.

A task is a typed signature and a call into a library. Those that need one package only live in it
(``bench.terminal.commands``, ``sitegen.commands.commands``); ``tasks.py`` has the rest and collects them all.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from invoke import Exit

from tinygpt.errors import ConfigError, MissingDependencyError, StorageError, TinyGPTError
from tinygpt.terminal.command_name import as_called

# Module that an optional part imports → the extra that installs it.
EXTRA_OF = {
    "altair": "site",
    "hypothesis": "dev",
    "jax": "jax",
    "math_core": "site",
    "mkdocs": "site",
    "mypy": "dev",
    "pandas": "bench",
    "playwright": "dev",
    "pyarrow": "bench",
    "pydivsufsort": "evaluate",
    "pytest": "dev",
    "ruff": "dev",
    "scipy": "bench",
    "torch": "parity",
    "transformers": "parity",
    "vl_convert": "site",
}


def reports_errors(body: Callable[..., Any]) -> Callable[..., Any]:
    """Turn an error that is the user's to mend into its one line and an exit code other than 0."""

    @functools.wraps(body)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return body(*args, **kwargs)
        except TinyGPTError as error:
            raise Exit(as_called(f"error: {error}"), error.exit_code) from None
        except ModuleNotFoundError as error:
            name = (error.name or "").split(".")[0]
            if name not in EXTRA_OF:
                raise
            missing = missing_extra(name)
            raise Exit(f"error: {missing}", missing.exit_code) from None
        except BrokenPipeError:  # the reader has seen enough, as in `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise Exit(code=0) from None
        except OSError as error:
            storage = StorageError(
                f"{error.filename or 'a file'}: {error.strerror or error}", "files and folders that can be used"
            )
            raise Exit(f"error: {storage}", storage.exit_code) from None
        except KeyboardInterrupt:
            raise Exit("stopped", 130) from None

    return run


def missing_extra(module: str) -> MissingDependencyError:
    """The error that names the extra which brings a module."""
    return MissingDependencyError(
        f"this task needs {module}, which is not installed", run=f"python -m pip install 'tinygpt[{EXTRA_OF[module]}]'"
    )


def is_checkout(folder: Path) -> bool:
    """Whether a folder is this project's: somebody else's may have a mkdocs.yml too."""
    return (folder / "mkdocs.yml").is_file() and (folder / "site" / "sitegen").is_dir()


def checkout_or_here() -> Path:
    """The checkout around the current folder, as Invoke finds tasks.py from below; elsewhere the current folder."""
    here = Path.cwd()
    return next(filter(is_checkout, (here, *here.parents)), here)


def checkout() -> Path:
    """The checkout: tasks that build or test it make sense nowhere else."""
    root = checkout_or_here()
    if not is_checkout(root):
        raise ConfigError(
            f"there is no TinyGPT checkout in or above {root.name!r}", "the project's own folder", "cd to the checkout"
        )
    return root


def results_folder() -> Path:
    """The results folder, as short as it can be written from here."""
    return Path(os.path.relpath(checkout_or_here() / "results"))


def whole_number(option: str, text: str) -> int:
    """An option's whole number. Options come as text: Invoke's own conversion answers a slip with a traceback."""
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"--{option} is {text!r}", "a whole number", "invoke --help TASK") from None


def real_number(option: str, text: str) -> float:
    """An option's number."""
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"--{option} is {text!r}", "a number", "invoke --help TASK") from None
