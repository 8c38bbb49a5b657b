"""Several processes on one host or many: they connect, compare configurations, and detect a lost process.

    connect ─► jax.distributed ─► gather_configurations, which training/same_plan.py compares ─► Watch

Process 0 writes the files. Every other process has a connection to it, which the system closes when either end dies for
any reason; then the whole job ends at once. Otherwise the rest would wait in their next collective until the runtime's
heartbeat times out. The newest checkpoint is complete in any case.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils

from tinygpt.engines import parse_variant
from tinygpt.errors import ConfigError, TinyGPTError, WorkerError

AUTOMATIC = "auto"
EXIT_CODE = 3  # of a process that ends because another has ended
_RUN = "invoke train --engine jax --hosts ADDRESS:PORT --process 0/2"
_MEETING_SECONDS = 300
_TEXT_BYTES = 1 << 15
_GOODBYE = b"."


@dataclass(frozen=True)
class Meeting:
    """The address at which processes connect.

    Attributes:
        address: ``HOST:PORT`` of process 0; None if the cluster provides all (Slurm, Open MPI, Kubernetes).
        index: index of this process, from 0.
        count: number of processes.
    """

    address: str | None
    index: int = 0
    count: int = 1


def parse_meeting(hosts: str, process: str) -> Meeting:
    """Read ``--hosts`` and ``--process``.

    Args:
        hosts: ``auto``, or ``HOST:PORT`` of process 0.
        process: ``I/N``; empty with ``auto``.

    Raises:
        ConfigError: they have another form.
    """
    if hosts == AUTOMATIC:
        if process:
            raise ConfigError(f"--process {process} with --hosts auto", "neither index nor count: the cluster knows")
        return Meeting(None)
    if not re.fullmatch(r"[^\s:]+:\d{1,5}|\[[0-9A-Fa-f:]+\]:\d{1,5}", hosts):
        raise ConfigError(f"--hosts is {hosts!r}", "auto, or HOST:PORT of process 0", _RUN)
    match = re.fullmatch(r"(\d+)/(\d+)", process)
    if match is None or not int(match[1]) < int(match[2]):
        raise ConfigError(f"--process is {process!r}", "INDEX/COUNT, such as 0/2 and 1/2", _RUN)
    return Meeting(hosts, int(match[1]), int(match[2]))


def connect(meeting: Meeting, on_cpu: bool) -> None:
    """Connect to the other processes, before any other use of JAX. CPUs communicate through Gloo.

    Raises:
        WorkerError: the others did not connect in time.
    """
    if on_cpu:
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    index, count = (None, None) if meeting.address is None else (meeting.index, meeting.count)
    try:
        jax.distributed.initialize(meeting.address, count, index, initialization_timeout=_MEETING_SECONDS)
    except (RuntimeError, ValueError) as error:
        where = meeting.address or "the cluster's coordinator"
        raise WorkerError(
            f"process {meeting.index} of {meeting.count} could not connect to the others at {where}: {error}",
            f"all processes started within {_MEETING_SECONDS} s, each with its own index",
            _RUN,
        ) from error


def gather_configurations(configuration: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all processes' configurations (name → JSON value), each with its version of JAX and its devices.

    Raises:
        ConfigError: the configuration is too long to send.
    """
    devices = f"{jax.local_device_count()} × {jax.local_devices()[0].device_kind}"
    mine = json.dumps({**configuration, "jax": jax.__version__, "devices": devices}, sort_keys=True).encode()
    if len(mine) > _TEXT_BYTES:
        raise ConfigError(f"a configuration of {len(mine)} bytes", f"{_TEXT_BYTES} at most")
    padded = np.frombuffer(mine.ljust(_TEXT_BYTES), np.uint8)
    gathered = np.asarray(multihost_utils.process_allgather(padded)).reshape(-1, _TEXT_BYTES)
    return [json.loads(row.tobytes()) for row in gathered]


class Watch:
    """Context that ends this process when another process of the job is gone.

    Args:
        host: process 0's host, as the others can reach it.
        checkpoint: folder of the newest checkpoint, for the message.
    """

    def __init__(self, host: str, checkpoint: str) -> None:
        self._host = host
        self._checkpoint = checkpoint
        self._connections: list[socket.socket] = []
        self._leaving = False

    def __enter__(self) -> Watch:
        index, count = jax.process_index(), jax.process_count()
        listener = socket.create_server(("", 0)) if index == 0 else None
        # Process 0 sends all others the address at which it listens. A host's name takes fewer bytes than this.
        text = f"{self._host} {listener.getsockname()[1]}" if listener else ""
        address = multihost_utils.broadcast_one_to_all(np.frombuffer(text.encode().ljust(512), np.uint8))
        host, port = np.asarray(address).tobytes().decode().split()
        if listener is None:
            connection = socket.create_connection((host, int(port)), timeout=60)
            connection.sendall(index.to_bytes(4, "big"))
            self._follow(connection, 0)
        else:
            listener.settimeout(60)
            for _ in range(count - 1):
                connection, _address = listener.accept()
                self._follow(connection, int.from_bytes(_receive(connection, 4), "big"))
            listener.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving = True
        for connection in self._connections:
            try:
                if kind is None:
                    connection.sendall(_GOODBYE)
                # This direction only: the other end may still send its own goodbye.
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                continue  # the other process is already gone

    def _follow(self, connection: socket.socket, index: int) -> None:
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a host that vanished sends nothing
        self._connections.append(connection)
        threading.Thread(target=self._wait, args=(connection, index), daemon=True).start()

    def _wait(self, connection: socket.socket, index: int) -> None:
        try:
            message = connection.recv(1)
        except OSError:
            message = b""
        if message != _GOODBYE and not self._leaving:
            _end(
                EXIT_CODE,
                f"error: process {index} of {jax.process_count()} is gone, and the job ends with it; "
                f"allowed: all processes alive; run: the same command on every host with --resume, which continues "
                f"from the newest checkpoint in {self._checkpoint}",
            )


@contextmanager
def job(meeting: Meeting, variant: str, checkpoint: str) -> Iterator[int]:
    """Connect to the other processes for a block, which gets this process's index.

    An error in the block ends the process at once, with its one line and its exit code: the runtime's own shutdown
    would wait for processes that are ending because of it.

    Args:
        meeting: the address.
        variant: a variant of engine ``jax``.
        checkpoint: see :class:`Watch`.

    Raises:
        ConfigError: the variant is of another engine.
        WorkerError: the others did not connect in time.
    """
    name, options = parse_variant(variant)
    if name != "jax":
        raise ConfigError(f"--hosts with engine {name!r}", "the engine jax", _RUN)
    connect(meeting, on_cpu=options.get("device") == "cpu")
    host = meeting.address.rpartition(":")[0].strip("[]") if meeting.address else socket.gethostname()
    try:
        with Watch(host, checkpoint):
            yield jax.process_index()
    except TinyGPTError as error:
        _end(error.exit_code, f"error: {error}")
    except KeyboardInterrupt:
        _end(130, "stopped")
    except Exception:
        traceback.print_exc()
        _end(1, f"error: process {jax.process_index()} of {jax.process_count()} failed, as the lines above say")


def _end(code: int, message: str) -> NoReturn:
    print(message, file=sys.stderr, flush=True)
    os._exit(code)


def _receive(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := connection.recv(count - len(data))):
        data += more
    return data
