"""Events recovered by polling, and loops rebuilt from the board after Redis was lost."""

from __future__ import annotations
