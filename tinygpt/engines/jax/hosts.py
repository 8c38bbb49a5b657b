"""Several processes, on one host or many: how they meet, agree on what they do, and notice that one is gone.

    join ─► jax.distributed ─► agree: every process's configuration, compared field by field ─► watch

Process 0 is the one that writes. Every other one holds a connection to it; the system closes it when either end dies,
whatever ended it, and then the whole job ends at once. Without that, the others would wait in their next collective
for as long as the runtime's heartbeats allow. The newest checkpoint is whole in any case.
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
EXIT_CODE = 3  # of a process that ends because another one did
_RUN = "invoke train --engine jax --hosts ADDRESS:PORT --process 0/2"
_MEETING_SECONDS = 300
_TEXT_BYTES = 1 << 15
_GOODBYE = b"."


@dataclass(frozen=True)
class Meeting:
    """Where processes meet.

    Attributes:
        address: ``HOST:PORT`` of process 0; None to take everything from the cluster (Slurm, Open MPI, Kubernetes).
        index: of this process, from 0.
        count: of all processes.
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
        ConfigError: they are not of that form.
    """
    if hosts == AUTOMATIC:
        if process:
            raise ConfigError(f"--process {process} with --hosts auto", "neither index nor count: the cluster knows")
        return Meeting(None)
    if not re.fullmatch(r"[^\s:]+:\d{1,5}|\[[0-9A-Fa-f:]+\]:\d{1,5}", hosts):
        raise ConfigError(f"--hosts is {hosts!r}", "auto, or HOST:PORT of process 0", _RUN)
    found = re.fullmatch(r"(\d+)/(\d+)", process)
    if found is None or not int(found[1]) < int(found[2]):
        raise ConfigError(f"--process is {process!r}", "INDEX/COUNT, such as 0/2 and 1/2", _RUN)
    return Meeting(hosts, int(found[1]), int(found[2]))


def connect(meeting: Meeting, on_cpu: bool) -> None:
    """Meet the other processes; before any other use of JAX.

    Args:
        meeting: where.
        on_cpu: whether to compute on CPUs, which need Gloo to talk to each other.

    Raises:
        WorkerError: the others did not come.
    """
    if on_cpu:
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    place: dict[str, Any] = {}
    if meeting.address is not None:
        place = {
            "coordinator_address": meeting.address,
            "num_processes": meeting.count,
            "process_id": meeting.index,
        }
    try:
        jax.distributed.initialize(**place, initialization_timeout=_MEETING_SECONDS)
    except (RuntimeError, ValueError) as error:
        where = meeting.address or "the cluster's coordinator"
        raise WorkerError(
            f"process {meeting.index} of {meeting.count} could not meet the others at {where}: {error}",
            f"all processes started within {_MEETING_SECONDS} s, each with its own index",
            _RUN,
        ) from error


def require_agreement(configuration: Mapping[str, Any]) -> None:
    """Compare what every process is about to do, and with which version of JAX on which devices.

    Args:
        configuration: name → value of everything that has to be the same; values of JSON.

    Raises:
        ConfigError: in every process, naming each field that differs and who has what.
    """
    devices = f"{jax.local_device_count()} × {jax.local_devices()[0].device_kind}"
    mine = json.dumps({**configuration, "jax": jax.__version__, "devices": devices}, sort_keys=True).encode()
    if len(mine) > _TEXT_BYTES:
        raise ConfigError(f"a configuration of {len(mine)} bytes", f"{_TEXT_BYTES} at most")
    padded = np.frombuffer(mine.ljust(_TEXT_BYTES), np.uint8)
    gathered = np.asarray(multihost_utils.process_allgather(padded)).reshape(-1, _TEXT_BYTES)
    problems = disagreements([json.loads(row.tobytes()) for row in gathered])
    if problems:
        raise ConfigError(
            f"the processes disagree: {'; '.join(problems)}", "one configuration", "the same command on every host"
        )


def disagreements(configurations: list[dict[str, Any]]) -> list[str]:
    """Fields that differ from process 0's, in words."""
    first = configurations[0]
    return [
        f"{name} is {other.get(name)!r} in process {index}, {first.get(name)!r} in process 0"
        for index, other in enumerate(configurations[1:], 1)
        for name in sorted({*first, *other})
        if other.get(name) != first.get(name)
    ]


class Watch:
    """Ends this process when another one of the job is gone; a context, left quietly when all is done.

    Args:
        host: of process 0, as the others can reach it.
        checkpoint: where the newest one is, for the message.
    """

    def __init__(self, host: str, checkpoint: str) -> None:
        self._host = host
        self._checkpoint = checkpoint
        self._connections: list[socket.socket] = []
        self._leaving = False

    def __enter__(self) -> Watch:
        index, count = jax.process_index(), jax.process_count()
        listener = socket.create_server(("", 0)) if index == 0 else None
        # Everybody learns where process 0 listens. A host's name takes fewer bytes than this.
        text = f"{self._host} {listener.getsockname()[1]}" if listener else ""
        told = multihost_utils.broadcast_one_to_all(np.frombuffer(text.encode().ljust(512), np.uint8))
        host, port = np.asarray(told).tobytes().decode().split()
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
                # Only this direction: the other end may have its own goodbye to say.
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                continue  # it is gone already, which is what we are about to be

    def _follow(self, connection: socket.socket, index: int) -> None:
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a host that vanished says nothing
        self._connections.append(connection)
        threading.Thread(target=self._wait, args=(connection, index), daemon=True).start()

    def _wait(self, connection: socket.socket, index: int) -> None:
        try:
            said = connection.recv(1)
        except OSError:
            said = b""
        if said != _GOODBYE and not self._leaving:
            _end(
                EXIT_CODE,
                f"error: process {index} of {jax.process_count()} is gone, and the job ends with it; "
                f"allowed: all processes alive; run: the same command on every host with --resume, which goes on "
                f"from the newest checkpoint in {self._checkpoint}",
            )


@contextmanager
def job(meeting: Meeting, variant: str, checkpoint: str) -> Iterator[int]:
    """Meet the other processes and stay with them: a context that gives this process's index.

    An error ends the process at once, with its one line and its exit code: the runtime's own end would wait for
    processes that are ending because of it.

    Args:
        meeting: where.
        variant: of engine ``jax``.
        checkpoint: see :class:`Watch`.

    Raises:
        ConfigError: it is another engine's.
        WorkerError: the others did not come.
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
