"""The program behind ``invoke`` and ``tinygpt``: Invoke's, with a parser that has one-line errors.

    words ─► read_words ─► calls: a task and its typed options each ─► Invoke runs them

Invoke's own parser says "No idea what '--lr' is!" and takes an option without a value as empty.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

from invoke import Argument, Collection, Exit, ParseError, Program
from invoke.parser import Parser, ParserContext

from tinygpt import __version__
from tinygpt.errors import ConfigError, did_you_mean, unknown_name
from tinygpt.terminal.command_name import PROGRAM, program_name
from tinygpt.terminal.options import Option
from tinygpt.terminal.tasks import OptionsTask, one_line_errors

_HELP = ("--help", "-h")
# Option of other programs → the option here, and a reason, if the task has that option.
_FOREIGN_OPTIONS = MappingProxyType(
    dict.fromkeys(("lr", "max-lr"), ("learning-rate", ""))
    | dict.fromkeys(("epochs", "epoch"), ("steps", "a run has so many updates, or so many --minutes; "))
    | dict.fromkeys(("iters", "max-iters", "max-steps", "updates"), ("steps", ""))
    | dict.fromkeys(
        ("layers", "n-layers", "heads", "n-heads", "width", "d-model", "context", "context-length", "block-size"),
        ("preset", "the preset decides the model's shape, as in 'small[n_layers=4,d_model=96]'; "),
    )
    | dict.fromkeys(("device", "gpu", "cuda"), ("engine", "the engine decides where it runs, jax on a GPU; "))
    | {"model": ("preset", "")}
    | dict.fromkeys(("dataset", "data"), ("corpus", ""))
    | dict.fromkeys(("n-tokens", "length", "max-tokens"), ("max-new-tokens", ""))
    | dict.fromkeys(("stop", "stop-string"), ("stop-strings", ""))
    | dict.fromkeys(("num-return-sequences", "n"), ("count", ""))
    | dict.fromkeys(("eval-interval",), ("eval-every", ""))
)


class Call(NamedTuple):
    """A task's name and its typed options: key → text, True for a flag, or a list of texts if it may be repeated."""

    task: str
    given: dict[str, Any]


class TaskHelp(ParserContext):
    """The options of a task for ``--help``: Invoke's own context calls every value a STRING."""

    def __init__(self, task: OptionsTask) -> None:
        super().__init__(name=task.name)
        self._lines = sorted(option.help_line for option in task.options)

    def help_tuples(self) -> list[tuple[str, str | None]]:
        """Return each option's line."""
        return [*self._lines]


class TaskProgram(Program):
    """A program that offers a collection of :class:`OptionsTask`."""

    def __init__(self, tasks: Collection) -> None:
        name = program_name()
        scripts = ["invoke", "inv"] if name == "invoke" else [PROGRAM]
        super().__init__(name=PROGRAM, binary=name, binary_names=scripts, version=__version__, namespace=tasks)

    def core_args(self) -> list[Argument]:
        """Return the options before a task's name; ``invoke`` has already read those for finding tasks.py."""
        return [*super().core_args(), *(self.task_args() if self.binary == "invoke" else ())]

    def parse_core(self, argv: list[str] | None) -> None:
        """Read the options before a task's name."""
        with _core_errors():
            super().parse_core(argv)
            if isinstance(self.args.list.value, str):  # Invoke would look for a group of tasks
                raise ParseError(f"--list takes no value {self.args.list.value!r}")

    def update_config(self, merge: bool = True) -> None:
        """Apply these options."""
        with _core_errors():
            super().update_config(merge)

    def parse_tasks(self) -> None:
        """Read the words after the core options."""
        help_option, words = self.args.help, [*self.core.unparsed]
        with one_line_errors():
            if isinstance(help_option.value, str):
                about = str(find_task(deque([help_option.value, *words]), self.collection).name)
            else:
                self.tasks, about = read_words(words, self.collection)  # type: ignore[assignment]
        if about:
            help_option.value, self.parser = about, Parser(contexts=[TaskHelp(self.collection[about])])

    def parse_cleanup(self) -> None:
        """Answer ``--help``, ``--list`` and completion; the reader may close the pipe early."""
        with _core_errors():
            super().parse_cleanup()


@contextmanager
def _core_errors() -> Iterator[None]:
    """Turn what Invoke raises at its own options into one line; its reasons have no common base."""
    with one_line_errors():
        try:
            yield
        except (Exit, ImportError, OSError):
            raise
        except Exception as error:
            problem = f"an option before the task cannot be used ({error})"
            raise ConfigError(problem, "those of the program itself", "invoke --help") from None


def read_words(words: Iterable[str], tasks: Collection) -> tuple[list[Call], str]:
    """Read tasks and their options.

    Args:
        words: the words after the program's own options.
        tasks: all tasks.

    Returns:
        the calls in order, and the task before ``--help``; empty without it.

    Raises:
        ConfigError: a word is neither a task, an option nor a value, or a value is missing.
    """
    left, calls = deque(words), []
    while left:
        task = find_task(left, tasks)
        given: dict[str, Any] = {}
        while left and (_missing(task, given) or left[0] not in tasks.tasks):
            if left[0] in _HELP:
                return [], str(task.name)
            option, value = _take(task, given, left)
            if option.repeated:
                given.setdefault(option.key, []).append(value)
            elif option.key in given:
                raise ConfigError(f"{option.label} is given twice", "one value", f"invoke --help {task.name}")
            else:
                given[option.key] = value
        if missing := _missing(task, given):
            names = " and ".join(option.label for option in missing)
            kinds = (option.help if option.reader.allowed == "text" else option.reader.allowed for option in missing)
            raise ConfigError(f"{task.name} was not given {names}", " and ".join(kinds), f"invoke --help {task.name}")
        calls.append(Call(str(task.name), given))
    return calls, ""


def find_task(words: deque[str], tasks: Collection) -> OptionsTask:
    """Take a task's name, of one word or two, from the front of the words; raise a ConfigError if it is unknown."""
    name = words.popleft()
    if words and f"{name} {words[0]}" in tasks.tasks:
        name = f"{name} {words.popleft()}"
    if name not in tasks.tasks:
        raise unknown_name("task", name, sorted(tasks.task_names), "invoke --list")
    return tasks.tasks[name]


def _missing(task: OptionsTask, given: dict[str, Any]) -> list[Option]:
    """List the required options without a value; the next words fill them in this order."""
    return [option for option in task.options if option.required and option.key not in given]


def _leading(task: OptionsTask, given: dict[str, Any]) -> list[Option]:
    """List the options that need no name either, after those that are required."""
    return [option for option in task.options if option.leading and option.key not in given]


def _take(task: OptionsTask, given: dict[str, Any], words: deque[str]) -> tuple[Option, str | bool]:
    """Take an option with its value from the front of the words."""
    word = words.popleft()
    options = {f"--{name}": option for option in task.options for name in option.names}
    run = f"invoke --help {task.name}"
    if not word.startswith("-"):
        if nameless := [*_missing(task, given), *_leading(task, given)]:
            return nameless[0], word
        first = next((name for name, option in options.items() if not option.is_flag), "")
        is_free = first and options[first].key not in given and first not in words
        hint = f" (did you mean '{first} {word}'?)" if is_free else ""
        raise ConfigError(f"{task.name} takes no value {word!r}{hint}", run=run)
    name, equals, value = word.partition("=")
    option = options.get(name)
    if option is None:
        instead, why = _FOREIGN_OPTIONS.get(name.lstrip("-").replace("_", "-"), ("", ""))
        is_option = f"--{instead}" in options
        hint = f" ({why}did you mean '--{instead}'?)" if is_option else did_you_mean(name.replace("_", "-"), options)
        raise ConfigError(f"{task.name} has no option {name!r}{hint}", ", ".join(options) or "none", run)
    if option.is_flag:
        if equals:
            raise ConfigError(f"{name} has the value {value!r}", f"{name} alone", run)
        return option, True
    if not equals:
        if not words or words[0].partition("=")[0] in options:
            raise ConfigError(f"{name} has no value", option.reader.allowed, run)
        value = words.popleft()
    return option, value
