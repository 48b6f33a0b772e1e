"""Code host providers, one package each."""

from __future__ import annotations
