"""Adapters to external systems: shared values (`events`, `values`, `errors`), ports, providers, git and sandbox."""

from __future__ import annotations
