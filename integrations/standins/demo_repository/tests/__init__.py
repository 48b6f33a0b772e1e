"""Tests of tally."""

from __future__ import annotations
