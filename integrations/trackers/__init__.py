"""Tracker providers, one package each. Empty to avoid import cycles with the registry."""

from __future__ import annotations
