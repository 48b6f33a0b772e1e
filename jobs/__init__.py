"""The brain and the hands: `workflow` decides, `perform` acts, `advance_run` works, `sweep` repairs."""

from __future__ import annotations
