"""One module per role of a run; `slice` is what they share."""

from __future__ import annotations
