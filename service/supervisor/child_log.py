"""The log file of one child process, limited in size. Written by the supervisor from the child's output."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import IO

from jobs.runtime.logging import OutageLog

LARGEST = 5 * 1024 * 1024


class ChildLog:
    """Appends to `<folder>/<name>.log`; at 5 MiB the file is rotated to `<name>.log.1`.

    Every line is also written to `echo`, if given, with the name as prefix. Never raises `OSError`: output that cannot
    be written is dropped, and the file continues when it can be written again."""

    def __init__(self, folder: Path, name: str, echo: IO[str] | None = None, largest: int = LARGEST) -> None:
        self.path = folder / f"{name}.log"
        self._name = name
        self._echo = echo
        self._largest = largest
        self._unfinished = b""
        self._last: deque[str] = deque(maxlen=20)
        self._file: IO[bytes] | None = None
        self._dropped = 0
        self._outage = OutageLog(file=self.path.name)

    def write(self, data: bytes) -> None:
        """Append output of the child; a line can arrive in several chunks."""
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        for line in lines:
            self._last.append(line.decode("utf-8", "replace"))
            if self._echo:
                with suppress(OSError, ValueError):  # a full disk, a closed pipe
                    self._echo.write(f"{self._name} | {self._last[-1]}\n")
                    self._echo.flush()
        try:
            self._append(data)
        except OSError as error:
            self._dropped += len(data)
            self.close()
            self._outage.error("log file cannot be written, will retry", error)
        else:
            self._outage.info("log file is written again")

    def last_lines(self) -> str:
        """Return the last lines, which usually contain the reason for the exit."""
        return "\n".join(filter(None, [*self._last, self._unfinished.decode("utf-8", "replace")]))

    def close(self) -> None:
        """Close the file."""
        if self._file:
            with suppress(OSError):
                self._file.close()
        self._file = None

    def _append(self, data: bytes) -> None:
        file = self._open()
        if self._dropped:
            _write_all(file, b"\n[%d bytes were dropped]\n" % self._dropped)
            self._dropped = 0
        _write_all(file, data)
        if file.tell() > self._largest:
            self.close()
            self.path.replace(self.path.with_suffix(".log.1"))

    def _open(self) -> IO[bytes]:
        """The file, opened again when it was deleted."""
        if self._file and not os.fstat(self._file.fileno()).st_nlink:
            self.close()
        if not self._file:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        return self._file


def _write_all(file: IO[bytes], data: bytes) -> None:
    """Write all of it: on a full disk the first write stores a part, and the next one raises."""
    while data:
        data = data[file.write(data) :]
