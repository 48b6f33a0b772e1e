"""The egress proxy's process: opens a gateway for each agent process that asks, until that process's connection ends.

A client connects to the control socket, which only Loopline's user can open, and sends the policy of one command as a
line of JSON. The response names the gateway's socket. Each further line asks for the report. The end of the connection,
also by SIGKILL, closes the gateway with all its connections.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import resource
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import structlog

from integrations.egress.dial import Dialer
from integrations.egress.gateway import Gateway
from integrations.egress.policy import EgressLimits, EgressPolicy
from integrations.egress.request import LARGEST_HEAD
from integrations.errors import Rejected, Unavailable

CONTROL = "control.sock"
"""The control socket in the proxy's folder."""
LARGEST_POLICY = 2**17  # bytes
MOST_GATEWAYS = 500
_POLL_SECONDS, _POLICY_SECONDS = 0.2, 10.0
_log = structlog.get_logger(__name__)


def create_folder(folder: Path) -> None:
    """Create the proxy's folder: other users can pass through it, as the sandbox's processes can be another user's."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)


@contextmanager
def _open_folder(folder: Path) -> Iterator[Path]:
    """A short path to the folder, which this process has to itself: the address of a socket has at most 107 bytes."""
    create_folder(folder)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"another egress proxy serves {folder}: stop it") from None
        yield Path(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def serve(
    folder: Path, dialer: Dialer, limits: EgressLimits, stop: threading.Event, ready: Callable[[], None] = lambda: None
) -> None:
    """Serve until `stop` is set; `ready` is called once the control socket listens.

    Raises `Unavailable` while another process serves the folder."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    with _open_folder(folder) as short:
        for left in short.glob("*.sock"):
            left.unlink()
        asyncio.run(_Server(short, dialer, limits).serve(stop, ready))


class _Server:
    def __init__(self, folder: Path, dialer: Dialer, limits: EgressLimits) -> None:
        self._folder, self._dialer, self._limits = folder, dialer, limits
        self._clients: set[asyncio.Task[None]] = set()

    async def serve(self, stop: threading.Event, ready: Callable[[], None]) -> None:
        path = self._folder / CONTROL
        async with await asyncio.start_unix_server(self._accept, path, limit=LARGEST_POLICY):
            path.chmod(0o600)
            ready()
            while not stop.is_set():
                await asyncio.sleep(_POLL_SECONDS)
            for task in self._clients:
                task.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)
        path.unlink(missing_ok=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._handle_client(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _handle_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_POLICY_SECONDS):
                policy = _read_policy(await reader.readline())
            if len(self._clients) > MOST_GATEWAYS:
                raise Unavailable(f"the egress proxy has {MOST_GATEWAYS} gateways already")
            await self._run_gateway(policy, reader, writer)
        except (Rejected, Unavailable) as error:
            _send(writer, {"error": str(error), "retry": isinstance(error, Unavailable)})
        except (OSError, ValueError, TimeoutError) as error:
            _log.warning("egress gateway failed", reason=str(error) or type(error).__name__)
        finally:
            writer.close()

    async def _run_gateway(
        self, policy: EgressPolicy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        path = self._folder / f"{secrets.token_hex(8)}.sock"
        gateway = Gateway(policy, self._limits, self._dialer)
        listener = await asyncio.start_unix_server(gateway.accept, path, limit=LARGEST_HEAD)
        try:
            path.chmod(0o600)
            _send(writer, {"socket": path.name})
            while await reader.readline():
                _send(writer, asdict(gateway.report()))
        finally:
            listener.close()
            with suppress(OSError):
                path.unlink()
            await gateway.close()


def _send(writer: asyncio.StreamWriter, answer: object) -> None:
    writer.write(json.dumps(answer).encode() + b"\n")


def _read_policy(line: bytes) -> EgressPolicy:
    """Raises `Rejected` for anything but a policy."""
    try:
        fields = json.loads(line)
        texts = [*fields["hosts"], fields["run"], fields["command"]]
    except (ValueError, KeyError, TypeError):
        raise Rejected("the egress proxy got a request that is not a policy") from None
    if not all(isinstance(text, str) for text in texts):
        raise Rejected("the egress proxy got a policy with a value that is not text")
    return EgressPolicy(tuple(fields["hosts"]), fields["run"], fields["command"])
