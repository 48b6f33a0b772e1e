"""Runs one command in a running sandbox and reads its output. Called by `session`, `shell` and `services`."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from integrations.sandbox.child import Job, open_memory_file
from integrations.sandbox.output import Output
from integrations.sandbox.running import RunningSandbox

_POLL_SECONDS = 0.05  # seconds; the delay until a timeout takes effect
_STOP_SECONDS = 0.2  # seconds between two calls of `stopped`, which can ask Redis
_CHUNK = 2**18
_PIPE_SIZE = 2**20  # bytes; the largest pipe that an ordinary user can have

Sinks = Mapping[int, Callable[[bytes], str]]
"""For each pipe a function that takes its chunks and returns a reason to kill the command, or ''."""


@dataclass(frozen=True)
class Command:
    """One command with its input and limits. stdout and stderr are one stream if `errors` is None; `max_bytes` limits
    stdout, `max_errors` stderr."""

    argv: Sequence[str]
    output: Output
    max_bytes: int
    timeout: float
    stopped: Callable[[], bool] = lambda: False
    errors: Output | None = None
    max_errors: int = 0
    stdin: bytes = b""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ending:
    """How a command ended. `reason` is why it was killed: 'timeout', 'stopped', a sentence about a limit, or empty.
    `exit_code` is None when the command was killed, and when it could not be started."""

    reason: str = ""
    exit_code: int | None = None


def run_command(running: RunningSandbox, command: Command) -> Ending:
    """Run the command until all its processes have ended; kills them at a limit."""
    with ExitStack() as stack:
        stdin = open_input(stack, command.stdin)
        reader, stdout = open_pipe(stack)
        sinks, stderr = {reader: make_sink(command.output, command.max_bytes)}, stdout
        with ExitStack() as inside:
            inside.callback(os.close, stdout)
            if command.errors is not None:
                reader, stderr = open_pipe(stack)
                inside.callback(os.close, stderr)
                sinks[reader] = make_sink(command.errors, command.max_errors)
            job = running.start_command(command.argv, command.variables, (stdin, stdout, stderr))
        stack.callback(job.close)
        with ending(running, job) as end:
            reason = read_until_end(job, sinks, time.monotonic() + command.timeout, command.stopped)
            if reason:
                end()
    return Ending(reason or (running.explain_refusal() if job.error else ""), job.exit_code)


def open_input(stack: ExitStack, content: bytes) -> int:
    """A file descriptor to read `content` from, until `stack` is closed."""
    if content:
        return stack.enter_context(open_memory_file(content))
    fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    stack.callback(os.close, fd)
    return fd


def open_pipe(stack: ExitStack) -> tuple[int, int]:
    """The ends of a pipe. The first is for reading: it does not block, and is closed with `stack`."""
    reader, writer = os.pipe()
    stack.callback(os.close, reader)
    os.set_blocking(reader, False)
    return reader, writer


def make_sink(output: Output, max_bytes: int) -> Callable[[bytes], str]:
    """A function that appends to `output`."""

    def feed(chunk: bytes) -> str:
        output.feed(chunk)
        over = output.length > max_bytes
        return f"the command was killed because it wrote more than {max_bytes} bytes" if over else ""

    return feed


@contextmanager
def ending(running: RunningSandbox, job: Job) -> Iterator[Callable[[], None]]:
    """Yields a function that kills the job, also after an error. A job that does not end takes its sandbox along."""

    def end() -> None:
        if not job.end():
            running.kill()

    try:
        yield end
    except BaseException:
        end()
        raise


def read_until_end(
    job: Job, sinks: Sinks, deadline: float, stopped: Callable[[], bool], done: int | None = None
) -> str:
    """Read until the job has ended, or `done` is readable. Returns why it must be killed: the reason of a sink,
    'timeout', 'stopped', or empty. `deadline` is in time.monotonic seconds."""
    with selectors.DefaultSelector() as selector:
        for file in (*sinks, job, *(() if done is None else (done,))):
            selector.register(file, selectors.EVENT_READ)
        next_stop = 0.0
        while True:
            ready = [key.fd for key, _ in selector.select(_POLL_SECONDS)]
            for fd in sinks.keys() & set(ready):
                if reason := _read_chunk(selector, fd, sinks[fd]):
                    return reason
            now = time.monotonic()
            if now >= next_stop:
                if stopped():
                    return _drain(selector, sinks) or "stopped"
                next_stop = now + _STOP_SECONDS
            if job.fileno() in ready:
                job.read_reply()
            if job.has_ended or done in ready:
                return _drain(selector, sinks)
            if now > deadline:
                return "timeout"


def _read_chunk(selector: selectors.BaseSelector, fd: int, sink: Callable[[bytes], str]) -> str:
    chunk = os.read(fd, _CHUNK)
    if not chunk:
        selector.unregister(fd)
    return sink(chunk) if chunk else ""


def _drain(selector: selectors.BaseSelector, sinks: Sinks) -> str:
    """Read the output that the command left in its pipes. A process that still lives can have them open too."""
    for fd in sinks.keys() & selector.get_map().keys():
        for _ in range(_PIPE_SIZE // _CHUNK):
            try:
                chunk = os.read(fd, _CHUNK)
            except BlockingIOError:
                break
            if not chunk:
                break
            if reason := sinks[fd](chunk):
                return reason
    return ""
