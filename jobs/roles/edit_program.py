"""The program that views, edits and searches files inside the sandbox: one JSON request on stdin, one JSON answer out.

`jobs.roles.tools` runs the text of this file as `python3 -I -c SOURCE`; the product does not import it. It uses the
standard library only, stays inside of its root, and does not trust the size or content of files.
Request: {"root", "limit", "command": view | create | str_replace | insert | search, ...}. Answer: {"ok", "text"}.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_FILE = 4_000_000
MAX_LINE = 300
SKIPPED = {".git", "node_modules", "__pycache__", ".venv", ".mypy_cache"}
LIST_DEPTH = 2


class Refused(Exception):
    """The request is invalid; the text has the reason and a fix."""


def _resolve_path(request: dict[str, Any], must_exist: bool = True) -> Path:
    """The real path, inside the root and outside of .git."""
    root, named = Path(request["root"]).resolve(), _read_argument(request, "path", ".") or "."
    path = (root / named).resolve()
    if path != root and root not in path.parents:
        raise Refused(f"{named} is outside of {root}: use a path inside of it.")
    if path.relative_to(root).parts[:1] == (".git",):
        raise Refused(f"{named} belongs to git: use git commands instead.")
    if must_exist and not path.exists():
        raise Refused(f"{named} does not exist: view the folder to see what does.")
    return path


def _read_text(path: Path) -> str:
    """The file's text; line ends and bytes that are not UTF-8 are preserved."""
    if not path.is_file():
        raise Refused(f"{path} is {'a folder' if path.is_dir() else 'not a regular file'}: name a file.")
    size = path.stat().st_size
    if size > MAX_FILE:
        raise Refused(f"{path} has {size} bytes, more than {MAX_FILE}: use bash (head, tail, grep, sed).")
    data = path.read_bytes()
    if b"\0" in data[:8192]:
        raise Refused(f"{path} is a binary file of {size} bytes: use bash (file, xxd) to look at it.")
    return data.decode("utf-8", "surrogateescape")


def _write_text(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


def _split_lines(text: str) -> list[str]:
    """The lines as git and grep count them, without line ends."""
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def _number_lines(lines: list[str], first: int) -> str:
    return "\n".join(f"{number:6}\t{line}" for number, line in enumerate(lines, first))


def view(request: dict[str, Any]) -> str:
    path = _resolve_path(request)
    if path.is_dir():
        return "\n".join(_list_folder(path, LIST_DEPTH)) or "(empty folder)"
    lines = _split_lines(_read_text(path))
    first, last = _parse_range(request.get("view_range"), len(lines))
    return _cut_lines(lines[first - 1 : last], first, request["limit"]) if lines else "(empty file)"


def _parse_range(wanted: Any, count: int) -> tuple[int, int]:
    """First and last line, from 1; -1 means the end."""
    if not wanted:
        return 1, count
    if not (isinstance(wanted, list) and len(wanted) == 2 and all(type(number) is int for number in wanted)):
        raise Refused("view_range has to be two line numbers, [first, last]; last may be -1.")
    first, last = wanted[0], count if wanted[1] == -1 else wanted[1]
    if not 1 <= first <= max(1, count) or last < first:
        raise Refused(f"view_range {wanted} does not fit: the file has {count} lines.")
    return first, min(last, count)


def _cut_lines(lines: list[str], first: int, limit: int) -> str:
    """The lines that fit into `limit` characters, and the range of the rest."""
    shown: list[str] = []
    size = 0
    for line in lines:
        size += len(line) + 8
        if size > limit and shown:
            after, rest = first + len(shown), len(lines) - len(shown)
            return f"{_number_lines(shown, first)}\n[{rest} more lines: go on with view_range [{after}, -1]]"
        shown.append(line if len(line) <= limit else line[:limit] + "… [line cut]")
    return _number_lines(shown, first)


def _list_folder(folder: Path, depth: int, indent: str = "") -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.name in SKIPPED:
            continue
        is_folder = path.is_dir() and not path.is_symlink()
        yield f"{indent}{path.name}{'/' if is_folder else ''}"
        if is_folder and depth > 1:
            yield from _list_folder(path, depth - 1, indent + "  ")


def create(request: dict[str, Any]) -> str:
    path, text = _resolve_path(request, must_exist=False), _read_argument(request, "file_text")
    if path.is_dir():
        raise Refused(f"{path} is a folder: name a file.")
    existed = path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_text(path, text)
    return f"{'Replaced' if existed else 'Created'} {request['path']} ({len(_split_lines(text))} lines)."


def str_replace(request: dict[str, Any]) -> str:
    path, old, new = _resolve_path(request), _read_argument(request, "old_str"), _read_argument(request, "new_str", "")
    text = _read_text(path)
    if old not in text and "\r\n" in text:
        old, new = _to_crlf(old), _to_crlf(new)
    places = [] if not old else [found.start() for found in re.finditer(re.escape(old), text)]
    if not places:
        raise Refused(f"old_str does not occur in {request['path']}: view the file and copy the text exactly.")
    if len(places) > 1:
        lines = ", ".join(str(text.count("\n", 0, place) + 1) for place in places[:20])
        raise Refused(f"old_str occurs {len(places)} times, in lines {lines}: add lines around it to make it unique.")
    changed = text[: places[0]] + new + text[places[0] + len(old) :]
    _write_text(path, changed)
    return "Edited. Now it reads:\n" + _show_around(changed, text.count("\n", 0, places[0]), new.count("\n") + 1)


def insert(request: dict[str, Any]) -> str:
    path = _resolve_path(request)
    text, new = _read_text(path), _read_argument(request, "insert_text", request.get("new_str"))
    lines, after = _split_lines(text), request.get("insert_line")
    if not isinstance(after, int) or not 0 <= after <= len(lines):
        raise Refused(f"insert_line has to be a number from 0 to {len(lines)}, got {after}.")
    added = _split_lines(new) or [""]
    changed = "\n".join([*lines[:after], *added, *lines[after:]]) + "\n"
    _write_text(path, _to_crlf(changed) if "\r\n" in text else changed)
    return "Inserted. Now it reads:\n" + _show_around(changed, after, len(added))


def _to_crlf(text: str) -> str:
    return re.sub(r"\r?\n", "\r\n", text)


def _show_around(text: str, line: int, count: int) -> str:
    """`count` lines from `line` (from 0), and three on both sides, with numbers."""
    first = max(0, line - 3)
    return _number_lines([part[:MAX_LINE] for part in _split_lines(text)[first : line + min(count, 40) + 3]], first + 1)


def _read_argument(request: dict[str, Any], key: str, default: Any = None) -> str:
    value = request.get(key, default)
    if not isinstance(value, str) or "\0" in value:
        raise Refused(f"{key} has to be a string without NUL.")
    return value


def search(request: dict[str, Any]) -> str:
    try:
        pattern = re.compile(_read_argument(request, "pattern"))
    except re.error as error:
        raise Refused(f"pattern is not a regular expression: {error}.") from error
    most = request.get("max_results", 100)
    if not isinstance(most, int) or not 1 <= most <= 1000:
        raise Refused("max_results has to be a number from 1 to 1000.")
    found: list[str] = []
    for hit in _find_matches(
        pattern, _resolve_path({"root": request["root"]}), _resolve_path(request), _read_argument(request, "glob", "*")
    ):
        if len(found) == most:
            return "\n".join([*found, f"[more than {most} matches: narrow the pattern or the glob]"])
        found.append(hit)
    return "\n".join(found) or "No match."


def _find_matches(pattern: re.Pattern[str], root: Path, top: Path, glob: str) -> Iterator[str]:
    """All matching lines in `top`, or below it in files whose name or path fits `glob`, in a fixed order."""
    if top.is_file():
        yield from _find_matches_in(pattern, top, str(top.relative_to(root)))
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(set(folders) - SKIPPED)
        for path in (Path(folder, name) for name in sorted(names)):
            shown = str(path.relative_to(root))
            if fnmatch.fnmatch(path.name, glob) or fnmatch.fnmatch(shown, glob):
                yield from _find_matches_in(pattern, path, shown)


def _find_matches_in(pattern: re.Pattern[str], path: Path, shown: str) -> Iterator[str]:
    """The matching lines of one file; none of files that are binary, huge, links or unreadable."""
    try:
        text = "" if path.is_symlink() else _read_text(path)
    except (Refused, OSError):
        return
    for number, line in enumerate(_split_lines(text), 1):
        if pattern.search(line):
            yield f"{shown}:{number}: {line.strip()[:MAX_LINE]}"


COMMANDS = {"view": view, "create": create, "str_replace": str_replace, "insert": insert, "search": search}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run the request; refusals and file system errors are answers too."""
    try:
        command = _read_argument(request, "command")
        if command not in COMMANDS:
            raise Refused(f"command has to be one of {', '.join(COMMANDS)}, got {command!r}.")
        return {"ok": True, "text": _make_printable(COMMANDS[command](request))}
    except Refused as refused:
        return {"ok": False, "text": _make_printable(str(refused))}
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        return {"ok": False, "text": _make_printable(f"{error}")}


def _make_printable(text: str) -> str:
    """The text with a mark in the place of each byte that is not UTF-8."""
    return text.encode("utf-8", "replace").decode()


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
