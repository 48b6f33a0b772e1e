"""Commands for the operator: check, status, rebuild, dead letters."""

from __future__ import annotations
