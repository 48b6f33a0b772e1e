"""Anthropic's Messages API as an agent runner."""

from __future__ import annotations
