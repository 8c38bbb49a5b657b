"""Several processes of engine ``jax``, and the errors of its runtime."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np
from jax.experimental import multihost_utils

from tinygpt.engines.jax.memory import too_large
from tinygpt.engines.processes import Processes
from tinygpt.errors import WorkerError

# After a broken connection, the time in which the thread of hosts.py may name the lost process.
_GRACE_SECONDS = 5.0


class JaxProcesses(Processes):
    """The processes of ``jax.distributed``, or this one alone."""

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process; the answer is the same in all."""
        if self.count == 1:
            return flag
        with runtime_errors():
            return bool(np.any(multihost_utils.process_allgather(np.array([flag]))))


@contextmanager
def runtime_errors() -> Iterator[None]:
    """Turn errors of the runtime into errors that name the next command.

    Raises:
        CapacityError: a device ran out of memory.
        WorkerError: another process is gone.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        first_line = str(error).splitlines()[0]
        if "RESOURCE_EXHAUSTED" in first_line:
            raise too_large(f"a device ran out of memory: {first_line}") from error
        if jax.process_count() == 1:
            raise
        # The thread that watches the other processes knows more, and ends this one with a better message.
        time.sleep(_GRACE_SECONDS)
        raise WorkerError(
            f"the connection between {jax.process_count()} processes broke: {first_line}",
            "all processes of a job alive",
            "the same command on every host with --resume: the newest checkpoint is complete",
        ) from error
