"""The sandbox in which all commands on an agent's files run."""

from __future__ import annotations
