"""Every sentence that people read on tickets and pull requests: one function per message, snapshot-tested. Pure."""

from __future__ import annotations
