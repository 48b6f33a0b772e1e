"""The webhook payloads and error responses in tests/payloads/linear."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "payloads" / "linear"


def payload(name: str) -> bytes:
    """The body of a delivery; `name` without `.json`."""
    return (FOLDER / f"{name}.json").read_bytes()


def error_responses() -> dict[str, Any]:
    """Linear's error responses by case: status, headers and body."""
    found: dict[str, Any] = json.loads((FOLDER / "errors.json").read_text())
    return found
