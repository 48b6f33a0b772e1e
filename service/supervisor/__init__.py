"""`loopline up`: starts, watches and stops the processes."""

from __future__ import annotations
