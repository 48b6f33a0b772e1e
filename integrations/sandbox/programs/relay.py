"""Serves the egress proxy's socket on the sandbox's loopback, because clients take the address of a proxy, not a path.

Runs inside the sandbox with `python3 -I` of any version from 3.8 on, and imports nothing but the standard library.
Without arguments it prints `ready` and serves until its parent ends. With a command it serves until the command ends:
`python3 -I relay.py bash -c 'pip download six'`.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys

ADDRESS = ("127.0.0.1", 3128)
SOCKET = "/run/egress.sock"
_CHUNK = 65536
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        chunk = await reader.read(_CHUNK)
        if not chunk:
            break
        writer.write(chunk)
        await writer.drain()
    writer.write_eof()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy both directions until the proxy closes its one."""
    try:
        proxy_reader, proxy_writer = await asyncio.open_unix_connection(SOCKET)
    except OSError:
        writer.close()
        return
    sending = asyncio.ensure_future(_copy(reader, proxy_writer))
    try:
        await _copy(proxy_reader, writer)
    except OSError:
        pass  # one side has closed the connection
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
        proxy_writer.close()


async def _listen(ready: int) -> None:
    server = await asyncio.start_server(_serve, *ADDRESS, backlog=256)
    os.write(ready, b"ready\n")
    os.close(ready)
    async with server:
        await server.serve_forever()


def _serve_until_end_of(parent: int, ready: int) -> None:
    """Serve until the parent process ends. Writes `ready` to that file descriptor once the port is open."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() == parent:  # else it has ended already
        asyncio.run(_listen(ready))


def main(command: list[str]) -> None:
    """Serve beside the command, or alone."""
    if not command:
        _serve_until_end_of(os.getppid(), 1)
        return
    parent = os.getpid()
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1):
            os.dup2(null, stream)
        _serve_until_end_of(parent, writer)
        return
    os.close(writer)
    if os.read(reader, 16) != b"ready\n":
        sys.exit("the relay to the egress proxy did not start")
    os.close(reader)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
