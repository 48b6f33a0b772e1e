"""Acceptance criteria: parsed from ticket text, agreed, amended. Pure."""

from __future__ import annotations
