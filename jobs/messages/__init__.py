"""Messages for people, on tickets and pull requests: one function or constant each, snapshot-tested. Pure."""

from __future__ import annotations
