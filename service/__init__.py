"""The door: verified HTTP in, durable events out; pages, health and the command line. It knows the jobs."""

from __future__ import annotations
