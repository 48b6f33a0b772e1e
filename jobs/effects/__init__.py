"""The edge of a decision: read the outside world before it (`gather`), act on it after it (`perform`)."""

from __future__ import annotations
