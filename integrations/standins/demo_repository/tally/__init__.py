"""Splits shared expenses: who owes whom, to the cent."""

from __future__ import annotations
