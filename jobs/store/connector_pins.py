"""The accepted tools of MCP servers in a file of LOOPLINE_HOME. After a loss of Redis they are read from it: the next
list of a server would count as its first one otherwise, and changed tools would be accepted unseen.

Written by the connectors process after each check, from Redis.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from integrations.connectors.servers import UnusableServers
from integrations.connectors.tools import TOOLS, McpTool
from jobs.config.places import PINS

Pins = Mapping[str, tuple[McpTool, ...]]


class PinFile:
    """The file in `home`."""

    def __init__(self, home: Path) -> None:
        self._file = home / PINS

    def read(self) -> Pins:
        """The accepted tools by server; none without a file. Raises `UnusableServers` for one that cannot be read."""
        try:
            given: Any = json.loads(self._file.read_text(encoding="utf-8"))
            return {str(name): TOOLS.from_builtins(tools) for name, tools in given.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            raise UnusableServers(
                f"The file {PINS} in LOOPLINE_HOME, which has the accepted tools of connectors, cannot be read "
                f"({type(error).__name__}); restore it from a backup, or remove it and look at the tools with loopline "
                "connectors list."
            ) from None

    def write(self, pins: Pins) -> None:
        """Replace the file if it differs, atomically."""
        text = json.dumps({name: TOOLS.to_builtins(tools) for name, tools in sorted(pins.items())}, indent=1)
        if self._file.exists() and self._file.read_text(encoding="utf-8") == text:
            return
        draft = self._file.with_name(f".{PINS}.{os.getpid()}.{threading.get_ident()}")
        try:
            with draft.open("w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(self._file)
        finally:
            draft.unlink(missing_ok=True)


def find_problems(home: Path) -> tuple[str, ...]:
    """The sentence about a file that cannot be read, for which the connectors process does not start."""
    try:
        PinFile(home).read()
    except UnusableServers as error:
        return error.sentences
    return ()
