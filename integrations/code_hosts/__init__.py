"""Empty on purpose: base, members and registry are three files, so that no import goes round in a circle."""

from __future__ import annotations
