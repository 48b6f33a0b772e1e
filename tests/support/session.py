"""Values that live as long as the test session, whichever folder's fixture asks for them first.

A fixture module is imported by the conftest.py of each folder that uses it, and pytest takes the copies for different
fixtures; a session-scoped fixture alone would start one server per folder.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

import pytest

Value = TypeVar("Value")


def enter_once(config: pytest.Config, key: pytest.StashKey[Value], manager: AbstractContextManager[Value]) -> Value:
    """The value of the first manager given under this key, which is left when the session ends."""
    if key not in config.stash:
        stack = ExitStack()
        config.stash[key] = stack.enter_context(manager)
        config.add_cleanup(stack.close)
    return config.stash[key]
