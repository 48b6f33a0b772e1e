"""A bounded buffer for a command's output. Called by `child` for every chunk read."""

from __future__ import annotations

import hashlib


class Output:
    """Keeps the first `head` and the last `tail` bytes, and the SHA-256 and length of all input."""

    def __init__(self, head: int, tail: int) -> None:
        self._head_size, self._tail_size = head, tail
        self._head, self._tail = bytearray(), bytearray()
        self._hash = hashlib.sha256()
        self.length = 0

    def feed(self, chunk: bytes) -> None:
        """Append the next chunk of output."""
        self._hash.update(chunk)
        self.length += len(chunk)
        room = self._head_size - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if len(self._tail) > 2 * self._tail_size:
            self._drop_middle()

    def _drop_middle(self) -> None:
        del self._tail[: max(0, len(self._tail) - self._tail_size)]

    @property
    def truncated(self) -> bool:
        """Whether the middle was dropped."""
        return self.length > self._head_size + self._tail_size

    @property
    def digest(self) -> str:
        """SHA-256 of all input, in hex."""
        return self._hash.hexdigest()

    def read(self) -> bytes:
        """Head and tail, separated by a line that gives the number of bytes cut."""
        self._drop_middle()
        if not self.truncated:
            return bytes(self._head + self._tail)
        cut = self.length - len(self._head) - len(self._tail)
        return bytes(self._head) + b"\n[... %d bytes cut ...]\n" % cut + bytes(self._tail)
