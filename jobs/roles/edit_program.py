"""The program that views, edits and searches files inside the sandbox: one JSON request on stdin, one JSON answer out.

`tools` reads this file as text and runs it there as `python3 -I -c SOURCE`; nothing imports it in the product. It may
use the standard library only, must confine itself to the root it is given, and must not trust a file's size or content.
Request: {"root", "limit", "command": view | create | str_replace | insert | search, ...}. Answer: {"ok", "text"}.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MAX_FILE = 4_000_000
MAX_LINE = 300
SKIPPED = {".git", "node_modules", "__pycache__", ".venv", ".mypy_cache"}
LIST_DEPTH = 2


class Refused(Exception):
    """The request cannot be met; the text says why and what to do."""


def resolved(request: dict[str, Any], must_exist: bool = True) -> Path:
    """The real path that is meant, inside the root and outside of .git."""
    root, named = Path(request["root"]).resolve(), text_of(request, "path", ".") or "."
    path = (root / named).resolve()
    if path != root and root not in path.parents:
        raise Refused(f"{named} is outside of {root}: use a path inside of it.")
    if path.relative_to(root).parts[:1] == (".git",):
        raise Refused(f"{named} belongs to git: use git commands instead.")
    if must_exist and not path.exists():
        raise Refused(f"{named} does not exist: view the folder to see what does.")
    return path


def read_text(path: Path) -> str:
    """The file's text, with its line ends and bytes that are not UTF-8 kept."""
    if not path.is_file():
        raise Refused(f"{path} is {'a folder' if path.is_dir() else 'not a regular file'}: name a file.")
    size = path.stat().st_size
    if size > MAX_FILE:
        raise Refused(f"{path} has {size} bytes, more than {MAX_FILE}: use bash (head, tail, grep, sed).")
    data = path.read_bytes()
    if b"\0" in data[:8192]:
        raise Refused(f"{path} is a binary file of {size} bytes: use bash (file, xxd) to look at it.")
    return data.decode("utf-8", "surrogateescape")


def write_text(path: Path, text: str) -> None:
    """Replace the file's content in place, so that its mode stays."""
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


def lines_of(text: str) -> list[str]:
    """The lines as git and grep count them, without line ends."""
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def numbered(lines: list[str], first: int) -> str:
    """Lines with their numbers, without line ends."""
    return "\n".join(f"{number:6}\t{line}" for number, line in enumerate(lines, first))


def view(request: dict[str, Any]) -> str:
    """A file with line numbers, or a folder's listing."""
    path = resolved(request)
    if path.is_dir():
        return "\n".join(listing(path, LIST_DEPTH)) or "(empty folder)"
    lines = lines_of(read_text(path))
    first, last = line_range(request.get("view_range"), len(lines))
    return cut_lines(lines[first - 1 : last], first, request["limit"]) if lines else "(empty file)"


def line_range(wanted: Any, count: int) -> tuple[int, int]:
    """First and last line, from 1; -1 means the end."""
    if not wanted:
        return 1, count
    if not (isinstance(wanted, list) and len(wanted) == 2 and all(type(number) is int for number in wanted)):
        raise Refused("view_range has to be two line numbers, [first, last]; last may be -1.")
    first, last = wanted[0], count if wanted[1] == -1 else wanted[1]
    if not 1 <= first <= max(1, count) or last < first:
        raise Refused(f"view_range {wanted} does not fit: the file has {count} lines.")
    return first, min(last, count)


def cut_lines(lines: list[str], first: int, limit: int) -> str:
    """As many lines as fit into `limit` characters, and where to go on."""
    shown: list[str] = []
    size = 0
    for line in lines:
        size += len(line) + 8
        if size > limit and shown:
            after, rest = first + len(shown), len(lines) - len(shown)
            return f"{numbered(shown, first)}\n[{rest} more lines: go on with view_range [{after}, -1]]"
        shown.append(line if len(line) <= limit else line[:limit] + "… [line cut]")
    return numbered(shown, first)


def listing(folder: Path, depth: int, indent: str = "") -> Iterator[str]:
    """Names below `folder`, folders with a slash."""
    for path in sorted(folder.iterdir()):
        if path.name in SKIPPED:
            continue
        is_folder = path.is_dir() and not path.is_symlink()
        yield f"{indent}{path.name}{'/' if is_folder else ''}"
        if is_folder and depth > 1:
            yield from listing(path, depth - 1, indent + "  ")


def create(request: dict[str, Any]) -> str:
    """Write a whole file, with its folders."""
    path, text = resolved(request, must_exist=False), text_of(request, "file_text")
    if path.is_dir():
        raise Refused(f"{path} is a folder: name a file.")
    existed = path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return f"{'Replaced' if existed else 'Created'} {request['path']} ({len(lines_of(text))} lines)."


def str_replace(request: dict[str, Any]) -> str:
    """Replace the only place where `old_str` stands."""
    path, old, new = resolved(request), text_of(request, "old_str"), text_of(request, "new_str", "")
    text = read_text(path)
    if old not in text and "\r\n" in text:
        old, new = as_crlf(old), as_crlf(new)
    places = [] if not old else [found.start() for found in re.finditer(re.escape(old), text)]
    if not places:
        raise Refused(f"old_str does not occur in {request['path']}: view the file and copy the text exactly.")
    if len(places) > 1:
        lines = ", ".join(str(text.count("\n", 0, place) + 1) for place in places[:20])
        raise Refused(f"old_str occurs {len(places)} times, in lines {lines}: add lines around it to make it unique.")
    changed = text[: places[0]] + new + text[places[0] + len(old) :]
    write_text(path, changed)
    return "Edited. Now it reads:\n" + around(changed, text.count("\n", 0, places[0]), new.count("\n") + 1)


def insert(request: dict[str, Any]) -> str:
    """Put lines after line `insert_line`; 0 is the beginning."""
    path = resolved(request)
    text, new = read_text(path), text_of(request, "insert_text", request.get("new_str"))
    lines, after = lines_of(text), request.get("insert_line")
    if not isinstance(after, int) or not 0 <= after <= len(lines):
        raise Refused(f"insert_line has to be a number from 0 to {len(lines)}, got {after}.")
    added = lines_of(new) or [""]
    changed = "\n".join([*lines[:after], *added, *lines[after:]]) + "\n"
    write_text(path, as_crlf(changed) if "\r\n" in text else changed)
    return "Inserted. Now it reads:\n" + around(changed, after, len(added))


def as_crlf(text: str) -> str:
    """The text with the line ends of DOS."""
    return re.sub(r"\r?\n", "\r\n", text)


def around(text: str, line: int, count: int) -> str:
    """`count` lines from `line` (from 0), and three on both sides, with numbers."""
    first = max(0, line - 3)
    return numbered([part[:MAX_LINE] for part in lines_of(text)[first : line + min(count, 40) + 3]], first + 1)


def text_of(request: dict[str, Any], key: str, default: Any = None) -> str:
    """A text argument. Refuses when it is missing or something else."""
    value = request.get(key, default)
    if not isinstance(value, str) or "\0" in value:
        raise Refused(f"{key} has to be a text without NUL.")
    return value


def number_of(request: dict[str, Any], key: str, default: int, most: int) -> int:
    """A number argument from 1 to `most`."""
    value = request.get(key, default)
    if not isinstance(value, int) or not 1 <= value <= most:
        raise Refused(f"{key} has to be a number from 1 to {most}.")
    return value


def search(request: dict[str, Any]) -> str:
    """Lines that match a regular expression, as path:line: text."""
    try:
        pattern = re.compile(text_of(request, "pattern"))
    except re.error as error:
        raise Refused(f"pattern is not a regular expression: {error}.") from error
    most = number_of(request, "max_results", 100, 1000)
    found: list[str] = []
    for hit in hits(pattern, resolved({"root": request["root"]}), resolved(request), text_of(request, "glob", "*")):
        if len(found) == most:
            return "\n".join([*found, f"[more than {most} matches: narrow the pattern or the glob]"])
        found.append(hit)
    return "\n".join(found) or "No match."


def hits(pattern: re.Pattern[str], root: Path, top: Path, glob: str) -> Iterator[str]:
    """All matching lines in `top`, or below it in files whose name or path fits `glob`, in a fixed order."""
    if top.is_file():
        yield from hits_in(pattern, top, str(top.relative_to(root)))
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(set(folders) - SKIPPED)
        for path in (Path(folder, name) for name in sorted(names)):
            shown = str(path.relative_to(root))
            if fnmatch.fnmatch(path.name, glob) or fnmatch.fnmatch(shown, glob):
                yield from hits_in(pattern, path, shown)


def hits_in(pattern: re.Pattern[str], path: Path, shown: str) -> Iterator[str]:
    """The matching lines of one file; none of files that are binary, huge, links or unreadable."""
    try:
        text = "" if path.is_symlink() else read_text(path)
    except (Refused, OSError):
        return
    for number, line in enumerate(lines_of(text), 1):
        if pattern.search(line):
            yield f"{shown}:{number}: {line.strip()[:MAX_LINE]}"


COMMANDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "view": view,
    "create": create,
    "str_replace": str_replace,
    "insert": insert,
    "search": search,
}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Do what the request says; a refusal and a failure of the file system are answers too."""
    try:
        command = text_of(request, "command")
        if command not in COMMANDS:
            raise Refused(f"command has to be one of {', '.join(COMMANDS)}, got {command!r}.")
        return {"ok": True, "text": printable(COMMANDS[command](request))}
    except Refused as refused:
        return {"ok": False, "text": printable(str(refused))}
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        return {"ok": False, "text": printable(f"{error}")}


def printable(text: str) -> str:
    """The text with a mark in the place of each byte that is not UTF-8."""
    return text.encode("utf-8", "replace").decode()


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
