"""A task: a function that takes a dataclass of options (see ``tinygpt.terminal.options``).

    @task(needs="bench")
    def compare(options: CompareOptions) -> int:  # the exit code; None for 0

An error that the user can fix is printed as one line.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, get_type_hints

from invoke import Argument, Context, Exit, Task

from tinygpt.errors import ConfigError, CorpusError, MissingDependencyError, StorageError, TinyGPTError
from tinygpt.terminal.command_name import as_called
from tinygpt.terminal.options import Option, options_of, read_options
from tinygpt.terminal.output import drop_output
from tinygpt.terminal.visible import visible_text

_READER_GONE = 141  # 128 + SIGPIPE
_LONGEST = 2000  # characters in an error's line

_MODULES = {
    "bench": "pandas pyarrow scipy",
    "dev": "hypothesis jactionlint mypy playwright pytest ruff zizmor",
    "evaluate": "pydivsufsort",
    "export": "gguf onnx onnxruntime",
    "jax": "jax",
    "parity": "torch transformers",
    "site": "altair math_core mkdocs vl_convert",
    "track": "tensorboard trackio",
}
# Optional module → the extra that installs it.
EXTRA_OF = MappingProxyType({module: extra for extra, modules in _MODULES.items() for module in modules.split()})


class OptionsTask(Task[Callable[..., None]]):
    """An Invoke task whose options are the fields of the dataclass that its function receives.

    Args:
        function: takes the dataclass or nothing; returns the exit code, or None for 0.
        needs: the extra that the task requires, if any.
        aliases: other names, of one word or two.
    """

    def __init__(self, function: Callable[..., int | None], needs: str, aliases: Sequence[str]) -> None:
        name, summary = function.__name__.replace("_", "-"), inspect.getdoc(function) or ""
        self.needs = needs

        @functools.wraps(function)
        def body(_: Context, **given: Any) -> None:
            with one_line_errors(needs, f"invoke --help {name}"):
                code = function(*(read_options(kind, name, given) for kind in _received(function)))
            if code:
                raise Exit(code=code)

        super().__init__(body, name=name, aliases=aliases, positional=())
        self.__doc__ = f"{summary.removesuffix('.')} (needs the extra `{needs}`)." if needs else summary

    @functools.cached_property
    def options(self) -> tuple[Option, ...]:
        """The options, derived from the dataclass at first use: most tasks are only listed."""
        return tuple(option for kind in _received(self.body) for option in options_of(kind))

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:  # noqa: ARG002
        """Return the options in Invoke's form, for completion."""
        return [
            Argument(
                names=option.names,
                attr_name=option.key if "-" in option.name else None,
                kind=bool if option.is_flag else list if option.repeated else str,
                positional=option.required,
            )
            for option in self.options
        ]


def _received(function: Callable[..., object]) -> list[type]:
    """Return a list with the dataclass that a task's function takes, or an empty one."""
    return [kind for name, kind in get_type_hints(function).items() if name != "return"]


def task(*, needs: str = "", aliases: Sequence[str] = ()) -> Callable[[Callable[..., int | None]], OptionsTask]:
    """Turn a function into an :class:`OptionsTask`."""
    return functools.partial(OptionsTask, needs=needs, aliases=aliases)


@contextmanager
def one_line_errors(needs: str = "", run: str = "") -> Iterator[None]:
    """Turn an error that the user can fix into its one line and its exit code.

    Args:
        needs: the extra that the block requires; by default derived from a missing module.
        run: the next command after a wrong setting whose error names none.
    """
    try:
        yield
    except TinyGPTError as error:
        hint = f"; run: {run}" if run and isinstance(error, ConfigError | CorpusError) and not error.run else ""
        raise Exit(_one_line(as_called(f"error: {error}{hint}")), error.exit_code) from None
    except ModuleNotFoundError as error:
        module = (error.name or "").split(".")[0]
        if module not in EXTRA_OF:
            raise
        missing = missing_extra(module, needs)
        raise Exit(f"error: {missing}", missing.exit_code) from None
    except BrokenPipeError:  # the exit code that shells give a program without a reader
        drop_output()
        raise Exit(code=_READER_GONE) from None
    except OSError as error:
        name, allowed = error.filename, "a file or folder that this system can open"
        if name is None:  # an error of a file has a name
            drop_output()
            name, allowed, run = "the output", "an output that can be written", "the same command with another output"
        problem = f"{name}: {error.strerror or error}"
        storage = StorageError(problem, allowed, run or "the same command with another path")
        raise Exit(_one_line(as_called(f"error: {storage}")), storage.exit_code) from None
    except KeyboardInterrupt:
        raise Exit("stopped", 130) from None


def _one_line(text: str) -> str:
    """Make an error's line safe for a terminal, and of readable length."""
    shown = visible_text(text, keep="")
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST // 2]} … {shown[-_LONGEST // 2 :]}"


def missing_extra(module: str, extra: str = "") -> MissingDependencyError:
    """Build the error that names the extra which installs a module."""
    return MissingDependencyError(
        f"this task needs {module}, which is not installed",
        run=f"python -m pip install 'tinygpt[{extra or EXTRA_OF[module]}]'",
    )
