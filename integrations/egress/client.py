"""Asks the machine's egress proxy for network access of one command. Called by `jobs.roles`."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

from integrations.egress.policy import EgressPolicy, EgressReport
from integrations.egress.server import CONTROL
from integrations.errors import Rejected, Unavailable
from integrations.sandbox.identity import hand_over

_TIMEOUT = 10.0  # seconds
_LONGEST_COMMAND = 500  # characters in the log
Control = tuple[socket.socket, BufferedReader]


@dataclass(frozen=True)
class Gateway:
    """Network access for one command; thread-safe. `socket` is for `Environment.network`."""

    socket: Path
    _control: Control = field(repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def blocked(self) -> dict[str, int]:
        """Connections to hosts that the policy does not name, by host. Raises `Unavailable`."""
        return dict(self.report().blocked)

    def report(self) -> EgressReport:
        """All connections that were not made. Raises `Unavailable` when the proxy has ended."""
        with self._lock:
            answer = _ask(self._control, {})
        return EgressReport(answer["blocked"], tuple(answer["problems"]))


@contextmanager
def open_gateway(folder: Path, policy: EgressPolicy) -> Iterator[Gateway]:
    """A gateway with this policy for the duration of the context. `folder` is the proxy's.

    It ends with this process, too. Raises `Unavailable` while the egress proxy does not run."""
    with _connect(folder) as connection, connection.makefile("rb") as reader:
        control = connection, reader
        fields = asdict(policy) | {"command": policy.command[:_LONGEST_COMMAND]}
        answer = _ask(control, fields)
        path = folder / answer["socket"]
        hand_over(path)
        yield Gateway(path, control)


def _connect(folder: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_TIMEOUT)
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            connection.connect(f"/proc/self/fd/{fd}/{CONTROL}")  # the path itself can be too long for an address
        finally:
            os.close(fd)
    except OSError as error:
        connection.close()
        reason = error.strerror or type(error).__name__
        raise Unavailable(
            f"there is no network for the command because the egress proxy does not run ({reason}): "
            "start `python -m jobs egress` on this machine"
        ) from error
    return connection


def _ask(control: Control, request: Mapping[str, object]) -> dict[str, Any]:
    connection, reader = control
    try:
        connection.sendall(json.dumps(request).encode() + b"\n")
        line = reader.readline()
    except OSError as error:
        raise Unavailable(f"the egress proxy does not respond ({type(error).__name__})") from error
    if not line:
        raise Unavailable("the egress proxy has ended")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise (Unavailable if answer["retry"] else Rejected)(answer["error"])
    return answer
