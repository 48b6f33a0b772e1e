"""Where everything that touches an agent's files runs."""

from __future__ import annotations
