"""The log file of one child process, limited in size. Written by the supervisor from the child's output."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import IO

LARGEST = 5 * 1024 * 1024


class ChildLog:
    """Appends to `<folder>/<name>.log`; at 5 MiB the file is rotated to `<name>.log.1`.

    Every line is also written to `echo`, if given, with the name as prefix."""

    def __init__(self, folder: Path, name: str, echo: IO[str] | None = None, largest: int = LARGEST) -> None:
        self.path = folder / f"{name}.log"
        self._name = name
        self._echo = echo
        self._largest = largest
        self._unfinished = b""
        self._last: deque[str] = deque(maxlen=20)
        self._file = self.path.open("ab")

    def write(self, data: bytes) -> None:
        """Append output of the child; a line can arrive in several chunks."""
        self._file.write(data)
        self._file.flush()
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        for line in lines:
            self._last.append(line.decode("utf-8", "replace"))
            if self._echo:
                self._echo.write(f"{self._name} | {self._last[-1]}\n")
                self._echo.flush()
        if self._file.tell() > self._largest:
            self._file.close()
            self.path.replace(self.path.with_suffix(".log.1"))
            self._file = self.path.open("ab")

    def last_lines(self) -> str:
        """Return the last lines, which usually contain the reason for the exit."""
        return "\n".join(filter(None, [*self._last, self._unfinished.decode("utf-8", "replace")]))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
