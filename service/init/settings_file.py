"""Writes variables into a `.env` file: keeps comments, order and existing values, quotes where needed, mode 600."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]*")
_HEAD = "# Settings of Loopline; `loopline doctor` checks them, `loopline settings` explains all of them.\n"


def quote(value: str) -> str:
    """Return the value as `.env` and a shell read it alike. A single quote cannot be quoted for both."""
    if _PLAIN.fullmatch(value):
        return value
    if "'" in value or "\n" in value:
        raise ValueError("it is a text with a quote or a line break; set it by hand")
    return f"'{value}'"


def merge(text: str, values: Mapping[str, str]) -> str:
    """Return the file with these variables. A line that sets one, or has it empty or as a comment of an example, is
    replaced in its place; new variables come last. Pure."""
    lines, rest = text.splitlines(), dict(values)
    for number, line in enumerate(lines):
        name = line.removeprefix("export ").partition("=")[0].strip()
        if name in rest and "=" in line:
            lines[number] = f"{name}={quote(rest.pop(name))}"
    lines += [f"{name}={quote(value)}" for name, value in rest.items()]
    return "".join(f"{line}\n" for line in lines) if text else _HEAD + "".join(f"{line}\n" for line in lines)


def write_settings(path: Path, values: Mapping[str, str]) -> None:
    """Merge the values into the file, complete or not at all. Raises `OSError`."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    write_private(path, merge(text, values))


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read. Raises `OSError`."""
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
