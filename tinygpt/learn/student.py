"""A student's functions: loaded from a folder, called so that every way to fail has a hint.

sitting_3.py ─► Student ─► call("layer_norm", x, gain, bias) ─► what it returned, or Wrong, or NotBegun
"""

from __future__ import annotations

import ast
import copy
import importlib
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tinygpt.learn.hints import NotBegun, Unusable, Wrong

MODULE = "sitting_{}"
_SHAPES = re.compile(r"could not be broadcast .*?\(([\d,]*)\) \(([\d,]*)\)")


class TimeIsUp(BaseException):
    """The time limit of an exercise has passed."""


@dataclass(frozen=True)
class Student:
    """The functions of one sitting.

    Attributes:
        module: the student's file, imported.
        folder: its folder.
    """

    module: ModuleType
    folder: Path

    def call(self, name: str, *arguments: Any, returns: str = "") -> Any:
        """Call a function with copies of the arguments.

        Args:
            name: the function.
            arguments: arrays, numbers, or dictionaries of arrays.
            returns: names of the results, between commas, if there are several.

        Raises:
            NotBegun: it is the stub.
            Wrong: it raises, changes an argument, or returns another number of values.
        """
        function = getattr(self.module, name, None)
        if not callable(function):
            raise Wrong(f"{self.module.__name__}.py has no function {name}")
        given = copy.deepcopy(arguments)
        with self._failures(name):
            result = function(*given)
        for before, after, label in zip(arguments, given, _parameters(function), strict=False):
            if not _same(before, after):
                raise Wrong(f"{name} changes its argument `{label}` in place: make a new array")
        names = returns.split(", ") if returns else []
        if result is None:
            raise Wrong(f"{name} returns nothing: is a `return` missing?")
        if len(names) > 1 and (not isinstance(result, (tuple, list)) or len(result) != len(names)):
            count = f"{len(result)} values" if isinstance(result, (tuple, list)) else "1 value"
            raise Wrong(f"{name} returns {count}, expected {len(names)}: {returns}")
        return result

    @contextmanager
    def counted(self, name: str) -> Iterator[list[None]]:
        """Yield a list that gets an entry for each call of a function."""
        function = getattr(self.module, name)
        calls: list[None] = []

        def counting(*arguments: Any, **options: Any) -> Any:
            calls.append(None)
            return function(*arguments, **options)

        setattr(self.module, name, counting)
        try:
            yield calls
        finally:
            setattr(self.module, name, function)

    @contextmanager
    def _failures(self, name: str) -> Iterator[None]:
        """Turn what the student's code raises into a hint with the student's own line."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except NotImplementedError as error:
            place = self._own_frame(error)
            if place is not None and place.name == name and Path(place.filename).stem == self.module.__name__:
                raise NotBegun from None
            other = place.name if place is not None else "another function"
            sitting = f" of {Path(place.filename).name}" if place is not None else ""
            raise Wrong(f"{name} needs {other}{sitting}, which is not written yet") from None
        except TimeIsUp as error:
            raise Wrong(f"{self._where(error)}still running after the time limit: does every loop end?") from None
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except Wrong as wrong:  # of a function that the check has passed to the student's
            raise Wrong(f"{self._where(wrong)}{wrong}") from None
        except BaseException as error:  # SystemExit too: the student's code may call exit()
            problem = " ".join(str(error).split())
            raise Wrong(f"{self._where(error)}{type(error).__name__}: {problem}{_lost_axis(problem)}") from None

    def _where(self, error: BaseException) -> str:
        place = self._own_frame(error)
        return f"{Path(place.filename).name}, line {place.lineno}: " if place is not None else ""

    def _own_frame(self, error: BaseException) -> traceback.FrameSummary | None:
        """Return the innermost frame in a file of the student's."""
        frames = traceback.extract_tb(error.__traceback__)
        return next((frame for frame in reversed(frames) if Path(frame.filename).parent == self.folder), None)


def load_student(folder: Path, sitting: int) -> Student:
    """Import a student's file; earlier imports of it are forgotten.

    Raises:
        Unusable: it is not Python, or fails while it is imported.
    """
    folder, name = folder.resolve(), MODULE.format(sitting)
    forget_students()
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    student = Student(ModuleType(name), folder)
    try:
        with student._failures(name):
            return Student(importlib.import_module(name), folder)
    except Wrong as wrong:
        raise Unusable(_syntax(folder, wrong)) from None
    finally:
        sys.path.remove(str(folder))


def forget_students() -> None:
    """Remove the students' modules from Python's table of modules."""
    for name in [name for name in sys.modules if name.startswith(MODULE.format(""))]:
        del sys.modules[name]


def is_stub(folder: Path, sitting: int, name: str, stub: str) -> bool:
    """Return whether a function has the same code as in the stub's text, whatever its comments."""
    try:
        mine = _functions((folder / f"{MODULE.format(sitting)}.py").read_bytes())
    except OSError:
        return False
    return name in mine and mine[name] == _functions(stub).get(name)


def _functions(text: str | bytes) -> dict[str, str]:
    """Return name → code of the functions of a Python text, without docstrings; empty if it is not Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            found[node.name] = "\n".join(map(ast.dump, body))
    return found


def _syntax(folder: Path, wrong: Wrong) -> str:
    """Return a hint with the line of a syntax error, which has no frame of its own."""
    for path in sorted(folder.glob(MODULE.format("*") + ".py")):
        try:
            compile(path.read_bytes(), path, "exec")
        except OSError as error:
            return f"{path.name} cannot be read: {error.strerror}"
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            return (
                f"{path.name}{f', line {line}' if line else ''}: {type(error).__name__}: {getattr(error, 'msg', error)}"
            )
    return str(wrong)


def _lost_axis(problem: str) -> str:
    """Explain two shapes that do not fit, if the second lacks an axis of the first: a sum or a mean has removed it."""
    if found := _SHAPES.search(problem):
        first, second = ([int(size) for size in shape.split(",") if size] for shape in found.groups())
        longer, shorter = sorted((first, second), key=len, reverse=True)
        if len(longer) > 1 and any(longer[:axis] + longer[axis + 1 :] == shorter for axis in range(len(longer))):
            return ": a sum, mean or max has removed an axis; keepdims=True keeps it, with size 1"
    return ""


def _parameters(function: Any) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    return code.co_varnames[: code.co_argcount] if code is not None else ()


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, np.ndarray):
        has_nan = before.dtype.kind in "fc"
        return isinstance(after, np.ndarray) and np.array_equal(before, after, equal_nan=has_nan)
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_same(before[key], after[key]) for key in before)
    if isinstance(before, (tuple, list)):
        return len(before) == len(after) and all(map(_same, before, after))
    return True
