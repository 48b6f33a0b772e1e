"""What a provider must offer: one module per port, with the values that cross it."""

from __future__ import annotations
