"""Programs that run inside the sandbox. The product starts them from their text and does not import them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_FOLDER = Path(__file__).parent
_SYSTEM = (Path("/usr/local"), Path("/usr"))


def read_program(name: str) -> str:
    """The text of a program in this folder; empty when there is none of that name."""
    path = _FOLDER / f"{name}.py"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def build_python_command(read_only: Sequence[Path], *arguments: str) -> tuple[str, ...]:
    """The command that runs a program inside; stdin is its text if `arguments` begin with "-".

    `read_only` are the host folders at their own path. The interpreter's path is absolute, because PATH can begin with
    folders of the repository. -I and -S: it reads no variable and imports nothing but the standard library."""
    candidates = (prefix / "bin" / "python3" for prefix in (*read_only, *_SYSTEM))
    python = next((path for path in candidates if path.exists()), _SYSTEM[-1] / "bin" / "python3")
    return (str(python), "-I", "-S", *arguments)
