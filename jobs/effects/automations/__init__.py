"""Performers of the commands of a repository's automations."""

from __future__ import annotations
