"""Extras of this package: what an installation may lack, and some engines or forms of kernels need."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from tinygpt.errors import MissingDependencyError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extra:
    """An extra.

    Attributes:
        name: as in ``pip install 'tinygpt[NAME]'``.
        needs: its module, without which nothing that needs the extra can be made.
    """

    name: str
    needs: str

    def is_installed(self) -> bool:
        """Return whether its module can be imported."""
        if find_spec(self.needs) is None:
            return False
        try:
            import_module(self.needs)
        except ImportError as error:  # a Python or NumPy that it does not know
            _log.warning(
                "what needs the extra %s is not used, because %s cannot be imported: %s", self.name, self.needs, error
            )
            return False
        return True

    def module(self, name: str, user: str) -> ModuleType:
        """Import a module of ours that needs the extra.

        Args:
            name: the module.
            user: what needs it, for the message.

        Raises:
            MissingDependencyError: the extra is not installed, or does not know this Python.
        """
        try:
            return import_module(name)
        except ImportError as error:
            problem = f"{user} needs {error.name}, which is not installed"
            if not isinstance(error, ModuleNotFoundError):
                problem = f"{user} needs {self.needs}, which cannot be imported: {error}"
            raise MissingDependencyError(problem, run=f"python -m pip install 'tinygpt[{self.name}]'") from error


FAST = Extra("fast", "numba")
JAX = Extra("jax", "jax")
