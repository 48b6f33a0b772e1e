"""A server that runs as a command in the sandbox: its process, and the transport over its standard streams.

The SDK's own stdio transport starts the command on the host and keeps lines of any length. Each session has a sandbox
with an empty work tree; it ends with the session, and with this process.
"""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from mcp.client._transport import TransportStreams
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from integrations.connectors.quota import LARGEST_MESSAGE, Flooded, Quota
from integrations.connectors.servers import McpServer
from integrations.egress.client import open_gateway
from integrations.egress.policy import EgressPolicy
from integrations.errors import IntegrationError, Unavailable
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Sandbox
from integrations.sandbox.environment import Environment
from integrations.sandbox.identity import hand_over_tree, open_to_sandbox
from integrations.sandbox.output import Output
from integrations.sandbox.running import RunningSandbox
from integrations.sandbox.streams import Command, Ending, ending, open_pipe, read_until_end

_KEPT = 2_000
"""Bytes that are kept from the begin and the end of a server's standard error."""
_START_SECONDS, _GRACE_SECONDS, _STOP_SECONDS = 40.0, 0.3, 15.0


@dataclass(frozen=True)
class Host:
    """The machine's part: `folder` is for the work trees, `egress` that of the egress proxy. `sandbox` raises
    `SandboxUnavailable`."""

    sandbox: Callable[[], Sandbox]
    folder: Path
    egress: Path


@dataclass
class ServerProcess:
    """One server in a sandbox. `stdin` and `stdout` are the host's ends of its streams; their reader closes them."""

    host: Host
    name: str
    server: McpServer
    secrets: Mapping[str, str] = field(repr=False)
    stdin: int = -1
    stdout: int = -1

    def __post_init__(self) -> None:
        self._errors = Output(_KEPT, _KEPT)
        self._stop, self._started = threading.Event(), threading.Event()
        self._failure: Exception | None = None
        self._reason = ""
        self._thread = threading.Thread(target=self._live, name=f"connector-{self.name}", daemon=True)

    def start(self) -> None:
        """Return once the command runs. Raises `Unavailable` and `SandboxUnavailable`. Blocks."""
        self._thread.start()
        if not self._started.wait(_START_SECONDS):
            self._stop.set()
            raise Unavailable(f"its sandbox did not start in {_START_SECONDS:.0f} s")
        if self._failure:
            raise self._failure

    def stop(self) -> None:
        """End all its processes. Blocks; idempotent. A server ends by itself when its input is closed."""
        if self._thread.is_alive():
            self._thread.join(_GRACE_SECONDS)
        self._stop.set()
        self._thread.join(_STOP_SECONDS)

    def explain_end(self) -> str:
        """Why it has ended, as a clause; empty while it runs."""
        if self._thread.is_alive():
            return ""
        last = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2][-300:]
        return f"{self._reason}{f': {last}' if last else ''}"

    def _live(self) -> None:
        folder = self.host.folder / f"{self.name}-{os.urandom(6).hex()}"
        try:
            with ExitStack() as stack:
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
                self._run(folder, stack)
        except (IntegrationError, OSError) as error:
            self._failure = error if isinstance(error, IntegrationError) else Unavailable(str(error))
            self._reason = str(error)
        finally:
            self._started.set()

    def _run(self, folder: Path, stack: ExitStack) -> None:
        network = None
        if self.server.network:
            policy = EgressPolicy(self.server.network, run="connectors", command=self.name)
            network = stack.enter_context(open_gateway(self.host.egress, policy)).socket
        workspace = create_workspace(folder)
        sandbox = self.host.sandbox().extend_read_only(tuple(map(Path, self.server.read_only)))
        session = stack.enter_context(sandbox.open(workspace, Environment(network=network)))
        variables = {**self.server.variables, **self.secrets}
        output = Output(0, 0)
        command = Command(self.server.command, output, 0, math.inf, self._stop.is_set, variables=variables)
        result = session.execute("run", command, lambda running: self._serve(running, command))
        self._reason = result.note or f"it ended with exit code {result.exit_code}"

    def _serve(self, running: RunningSandbox, command: Command) -> Ending:
        """Start the command, and wait until it ends or is stopped."""
        with ExitStack() as stack:
            errors, stderr = open_pipe(stack)
            stdin, self.stdin = os.pipe()
            self.stdout, stdout = os.pipe()
            try:
                job = running.start_command(command.argv, command.variables, (stdin, stdout, stderr))
            finally:
                for fd in (stdin, stdout, stderr):
                    os.close(fd)
            stack.callback(job.close)
            self._started.set()
            with ending(running, job) as end:
                if reason := read_until_end(job, {errors: self._keep}, math.inf, command.stopped):
                    end()
            return Ending(reason, job.exit_code)

    def _keep(self, chunk: bytes) -> str:
        self._errors.feed(chunk)
        return ""


def create_workspace(folder: Path) -> Workspace:
    """An empty work tree without a repository."""
    workspace = Workspace(folder / "run", folder / "base", folder / "objects", "", "")
    folder.mkdir(parents=True)
    open_to_sandbox(folder.parent)
    for path in (workspace.lower, workspace.objects, *workspace.writable_folders, workspace.scratch):
        path.mkdir(parents=True)
    for path in workspace.writable_folders:
        hand_over_tree(path)
    return workspace


@asynccontextmanager
async def open_stdio(
    process: ServerProcess, quota: Quota, on_end: Callable[[], None]
) -> AsyncGenerator[TransportStreams, None]:
    """The transport of a server in the sandbox: starts it, and ends it with the context. `on_end` is called when the
    server closes its output or exceeds the quota."""
    loop = asyncio.get_running_loop()
    try:
        await asyncio.to_thread(process.start)
        reader = asyncio.StreamReader(limit=LARGEST_MESSAGE)
        reading, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(process.stdout, "rb", 0)
        )
        writing, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, os.fdopen(process.stdin, "wb", 0)
        )
        writer = asyncio.StreamWriter(writing, protocol, None, loop)
        to_session, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        sent, from_session = anyio.create_memory_object_stream[SessionMessage](0)
        try:
            async with anyio.create_task_group() as tasks, to_session, received, sent, from_session:
                tasks.start_soon(_read_messages, reader, to_session, quota, on_end)
                tasks.start_soon(_write_messages, writer, from_session)
                try:
                    yield received, sent
                finally:
                    tasks.cancel_scope.cancel()
        finally:
            for transport, end in ((reading, reading.close), (writing, writing.abort)):
                if not transport.is_closing():
                    end()
    finally:
        with anyio.CancelScope(shield=True):
            await asyncio.to_thread(process.stop)


async def _read_messages(
    reader: asyncio.StreamReader,
    to_session: anyio.abc.ObjectSendStream[SessionMessage | Exception],
    quota: Quota,
    on_end: Callable[[], None],
) -> None:
    async with to_session:
        while line := await _read_line(reader, quota):
            try:
                message = SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
            except ValueError:  # such as a log line
                continue
            try:
                await to_session.send(message)
            except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                return
    on_end()


async def _read_line(reader: asyncio.StreamReader, quota: Quota) -> bytes:
    """Empty at the end, and after more than the quota."""
    try:
        line = await reader.readuntil(b"\n")
        quota.count_bytes(len(line))
    except (asyncio.IncompleteReadError, Flooded):
        return b""
    except asyncio.LimitOverrunError:
        quota.problem = f"it sent a message of more than {LARGEST_MESSAGE >> 20} MB"
        return b""
    return line


async def _write_messages(
    writer: asyncio.StreamWriter, from_session: anyio.abc.ObjectReceiveStream[SessionMessage]
) -> None:
    async with from_session:
        async for message in from_session:
            writer.write(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
            try:
                await writer.drain()
            except OSError:  # the server has ended, which the reader reports
                return
