"""GitHub as a code host."""

from __future__ import annotations
