"""What is kept of a command's output while it runs. Called by `child` for every piece read; memory stays bounded."""

from __future__ import annotations

import hashlib


class Output:
    """Keeps the first `head` and the last `tail` bytes of what it is fed, and SHA-256 and length of all of it."""

    def __init__(self, head: int, tail: int) -> None:
        self._head_size, self._tail_size = head, tail
        self._head, self._tail = bytearray(), bytearray()
        self._hash = hashlib.sha256()
        self.length = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece of output."""
        self._hash.update(piece)
        self.length += len(piece)
        room = self._head_size - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        if len(self._tail) > 2 * self._tail_size:
            self._drop_middle()

    def _drop_middle(self) -> None:
        del self._tail[: max(0, len(self._tail) - self._tail_size)]

    @property
    def truncated(self) -> bool:
        """Whether something in the middle is gone."""
        return self.length > self._head_size + self._tail_size

    @property
    def digest(self) -> str:
        """SHA-256 of everything fed, in hex."""
        return self._hash.hexdigest()

    def text(self) -> bytes:
        """Head and tail, with a line between them that says how many bytes were cut."""
        self._drop_middle()
        if not self.truncated:
            return bytes(self._head + self._tail)
        cut = self.length - len(self._head) - len(self._tail)
        return bytes(self._head) + b"\n[... %d bytes cut ...]\n" % cut + bytes(self._tail)
