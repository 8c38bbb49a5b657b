"""The program behind ``invoke`` and ``tinygpt``: Invoke's, with a parser that answers a slip with one line.

    words ─► read_words ─► (task, what was typed for its options), one after the other ─► Invoke runs them

Invoke's own parser says "No idea what '--lr' is!" and takes an option without a value for an empty one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, NamedTuple

from invoke import Argument, Collection, Program
from invoke.parser import Parser

from tinygpt import __version__
from tinygpt.errors import ConfigError, did_you_mean, unknown_name
from tinygpt.terminal.command_name import PROGRAM, program_name
from tinygpt.terminal.options import Option
from tinygpt.terminal.tasks import OptionsTask, one_line_errors

_HELP = ("--help", "-h")
# Option of other programs → what it is here, and why, where the task has that option.
_ELSEWHERE = MappingProxyType(
    dict.fromkeys(("lr", "max-lr"), ("learning-rate", ""))
    | dict.fromkeys(("epochs", "epoch"), ("steps", "a run has so many updates, or so many --minutes; "))
    | dict.fromkeys(("iters", "max-iters", "max-steps", "updates"), ("steps", ""))
    | dict.fromkeys(
        ("layers", "n-layers", "heads", "n-heads", "width", "d-model", "context", "context-length", "block-size"),
        ("preset", "the preset decides the model's shape; "),
    )
    | dict.fromkeys(("device", "gpu", "cuda"), ("engine", "the engine decides where it runs, jax on a GPU; "))
    | {"model": ("preset", "")}
    | dict.fromkeys(("dataset", "data"), ("corpus", ""))
    | dict.fromkeys(("n-tokens", "length", "max-tokens", "max-new-tokens"), ("tokens", ""))
)


class Call(NamedTuple):
    """A task to run, in the form that Invoke's executor takes.

    Attributes:
        task: its name.
        given: an option's key → text, True for a flag, or a list of texts for what may be repeated.
    """

    task: str
    given: dict[str, Any]


class TaskProgram(Program):
    """A program that offers a collection of :class:`OptionsTask`."""

    def __init__(self, tasks: Collection) -> None:
        name = program_name()
        scripts = ["invoke", "inv"] if name == "invoke" else [PROGRAM]
        super().__init__(name=PROGRAM, binary=name, binary_names=scripts, version=__version__, namespace=tasks)

    def core_args(self) -> list[Argument]:
        """The options before a task's name; those with which ``invoke`` finds tasks.py are read already."""
        return [*super().core_args(), *(self.task_args() if self.binary == "invoke" else ())]

    def parse_tasks(self) -> None:
        """Read what follows the core options."""
        asked, words = self.args.help, [*self.core.unparsed]
        with one_line_errors():
            if isinstance(asked.value, str):
                about = str(find_task(deque([asked.value, *words]), self.collection).name)
            else:
                self.tasks, about = read_words(words, self.collection)  # type: ignore[assignment]
        if about:
            asked.value, self.parser = about, Parser(contexts=self.collection.to_contexts())

    def parse_cleanup(self) -> None:
        """Answer ``--help``, ``--list`` and completion; a reader may close the pipe early."""
        with one_line_errors():
            super().parse_cleanup()


def read_words(words: Iterable[str], tasks: Collection) -> tuple[list[Call], str]:
    """Read tasks and their options.

    Args:
        words: of the command line, after the program's own options.
        tasks: all that there are.

    Returns:
        the calls in their order, and the name of the task that ``--help`` was typed after; empty without it.

    Raises:
        ConfigError: a word is neither a task, an option nor a value, or a value is missing.
    """
    left, calls = deque(words), []
    while left:
        task = find_task(left, tasks)
        given: dict[str, Any] = {}
        while left and (_places(task, given) or left[0] not in tasks.tasks):
            if left[0] in _HELP:
                return [], str(task.name)
            option, value = _take(task, given, left)
            if option.repeated:
                given.setdefault(option.key, []).append(value)
            elif option.key in given:
                raise ConfigError(f"{option.label} is given twice", "one value", f"invoke --help {task.name}")
            else:
                given[option.key] = value
        if missing := _places(task, given):
            names = " and ".join(option.label for option in missing)
            raise ConfigError(f"{task.name} was not given {names}", run=f"invoke --help {task.name}")
        calls.append(Call(str(task.name), given))
    return calls, ""


def find_task(words: deque[str], tasks: Collection) -> OptionsTask:
    """Take a task's name, of one word or two, from the front of the words.

    Raises:
        ConfigError: there is no such task.
    """
    name = words.popleft()
    if words and f"{name} {words[0]}" in tasks.tasks:
        name = f"{name} {words.popleft()}"
    if name not in tasks.tasks:
        raise unknown_name("task", name, sorted(tasks.task_names), "invoke --list")
    return tasks.tasks[name]


def _places(task: OptionsTask, given: dict[str, Any]) -> list[Option]:
    """Required options that have no value yet: the next words fill them in this order."""
    return [option for option in task.options if option.required and option.key not in given]


def _take(task: OptionsTask, given: dict[str, Any], words: deque[str]) -> tuple[Option, str | bool]:
    """Take an option with its value from the front of the words."""
    word = words.popleft()
    options = {f"--{option.name}": option for option in task.options}
    run = f"invoke --help {task.name}"
    if not word.startswith("-"):
        if places := _places(task, given):
            return places[0], word
        hint = next((f" (did you mean '--{option.name} {word}'?)" for option in task.options if not option.is_flag), "")
        raise ConfigError(f"{task.name} has no place for {word!r}{hint}", run=run)
    name, equals, value = word.partition("=")
    option = options.get(name)
    if option is None:
        instead, why = _ELSEWHERE.get(name.lstrip("-").replace("_", "-"), ("", ""))
        known = f"--{instead}" in options
        hint = f" ({why}did you mean '--{instead}'?)" if known else did_you_mean(name.replace("_", "-"), options)
        raise ConfigError(f"{task.name} has no option {name!r}{hint}", run=run)
    if option.is_flag:
        if equals:
            raise ConfigError(f"{name} has the value {value!r}", f"{name} alone", run)
        return option, True
    if not equals:
        if not words or words[0].partition("=")[0] in options:
            raise ConfigError(f"{name} has no value", option.reader.allowed, run)
        value = words.popleft()
    return option, value
