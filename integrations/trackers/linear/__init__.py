"""Linear as a tracker."""

from __future__ import annotations
