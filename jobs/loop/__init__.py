"""State of one loop and the values it is made of: stages, commands, repository policy, caps, board memory. Pure."""

from __future__ import annotations
