"""Structured answers of the roles: the schema the model sees and the check of its form. Pure."""

from __future__ import annotations
