"""Programs that run inside the sandbox. The product starts them from their text and does not import them."""

from __future__ import annotations

from pathlib import Path


def read_program(name: str) -> str:
    """The text of a program in this folder; empty when there is none of that name."""
    path = Path(__file__).with_name(f"{name}.py")
    return path.read_text(encoding="utf-8") if path.is_file() else ""
