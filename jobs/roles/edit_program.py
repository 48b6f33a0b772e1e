"""The program that views, edits and searches files inside the sandbox: one JSON request on stdin, one JSON answer out.

`jobs.roles.tools` runs the text of this file as `python3 -I -c SOURCE`; the product does not import it. It uses the
standard library only, stays inside of its root, and does not trust the size or content of files.
Request: {"root", "limit", "command": view | create | str_replace | insert | search, ...}. Answer: {"ok", "text"}.
"""

from __future__ import annotations

import codecs
import contextlib
import fnmatch
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

MAX_FILE = 4_000_000
MAX_LINE = 300
MAX_PATTERN = 1_000
SKIPPED = {".git", "node_modules", "__pycache__", ".venv", ".mypy_cache"}
LIST_DEPTH = 2
DRAFT = ".loopline-edit-"  # prefix of a file that is being written; `integrations.git.export` never commits it
MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip


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


class Text(NamedTuple):
    """A file's content. Encoding `text` again gives the same bytes; `mark` is the byte order mark."""

    text: str
    encoding: str = "utf-8"
    mark: bytes = b""


def _read_text(path: Path) -> Text:
    if not path.is_file():
        raise Refused(f"{path} is {'a folder' if path.is_dir() else 'not a regular file'}: name a file.")
    size = path.stat().st_size
    if size > MAX_FILE:
        raise Refused(f"{path} has {size} bytes, more than {MAX_FILE}: use bash (head, tail, grep, sed).")
    found = _decode(path.read_bytes())
    if found is None:
        raise Refused(f"{path} is a binary file of {size} bytes: use bash (file, xxd) to look at it.")
    return found


def _decode(data: bytes) -> Text | None:
    """The text in UTF-8, in another encoding with a mark, or in Latin-1, which has a character for every byte.

    A few bad bytes in UTF-8 become surrogates. None for binary data."""
    mark, encoding = next(((mark, name) for mark, name in MARKS if data.startswith(mark)), (b"", "utf-8"))
    if encoding != "utf-8":
        try:
            return Text(data[len(mark) :].decode(encoding), encoding, mark)
        except UnicodeDecodeError:
            return None
    if b"\0" in data[:8192]:
        return None
    text = data[len(mark) :].decode("utf-8", "surrogateescape")
    bad = len(re.findall("[\ud800-\udfff]", text))
    if bad > len(re.findall("[^\0-\x7f\ud800-\udfff]", text)):
        return Text(data.decode("latin-1"), "latin-1")
    return Text(text, "utf-8", mark)


def _write_text(path: Path, content: Text) -> None:
    """Replace the file's content at once, so that a full disk or a kill leaves the old content. Keeps the mode."""
    try:
        data = content.mark + content.text.encode(content.encoding, "surrogateescape")
    except UnicodeEncodeError as error:
        lost = content.text[error.start]
        raise Refused(f"{path} is in {content.encoding}, which has no {lost!r}: use other text, or iconv.") from error
    existed = path.exists()
    if existed and not os.access(path, os.W_OK):
        raise Refused(f"{path} is read-only: change its mode with bash (chmod) first.")
    draft = path.with_name(f"{DRAFT}{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666), "wb") as file:
            file.write(data)
            if existed:
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _split_ends(text: str) -> list[str]:
    """The lines with their line ends, as git and grep count them. Only in a text without LF does CR end a line."""
    end = _separator(text)
    *lines, rest = text.split(end)
    return [line + end for line in lines] + ([rest] if rest else [])


def _separator(text: str) -> str:
    return "\r" if "\r" in text and "\n" not in text else "\n"


def _split_lines(text: str) -> list[str]:
    return [line.rstrip("\r\n") for line in _split_ends(text)]


def _line_end(text: str) -> str:
    """The regular expression of the text's line ends."""
    return "\r" if _separator(text) == "\r" else "(?:\r\n|(?<!\r)\n)"


def _find_end(text: str, place: int) -> str:
    """The line end of the line at `place`, or the one before in an unfinished last line."""
    ends = re.compile(_line_end(text))
    found = ends.search(text, place) or next(reversed(list(ends.finditer(text, 0, place))), None)
    return found[0] if found else "\n"


def _number_lines(lines: list[str], first: int) -> str:
    return "\n".join(f"{number:6}\t{line}" for number, line in enumerate(lines, first))


def view(request: dict[str, Any]) -> str:
    path = _resolve_path(request)
    if path.is_dir():
        return _join_until(_list_folder(path, LIST_DEPTH), request["limit"]) or "(empty folder)"
    content = _read_text(path)
    lines, note = _split_lines(content.text), "" if content.encoding == "utf-8" else f"\n[encoding: {content.encoding}]"
    first, last = _parse_range(request.get("view_range"), len(lines))
    return _cut_lines(lines[first - 1 : last], first, request["limit"]) + note if lines else "(empty file)"


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


def _join_until(lines: Iterator[str], limit: int) -> str:
    """The lines that fit into `limit` characters."""
    shown: list[str] = []
    size = 0
    for line in lines:
        size += len(line) + 1
        if size > limit:
            return "\n".join([*shown, "[more: name a narrower folder, pattern or glob]"])
        shown.append(line)
    return "\n".join(shown)


def _list_folder(folder: Path, depth: int, indent: str = "") -> Iterator[str]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        yield f"{indent}[{error.strerror}]"
        return
    for path in paths:
        if path.name in SKIPPED or path.name.startswith(DRAFT):
            continue
        is_folder = path.is_dir() and not path.is_symlink()
        yield f"{indent}{_escape(path.name)}{'/' if is_folder else ''}"
        if is_folder and depth > 1:
            yield from _list_folder(path, depth - 1, indent + "  ")


def _escape(name: str) -> str:
    """A file name in one line; bytes and characters that cannot be printed are escaped."""
    return name if name.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def create(request: dict[str, Any]) -> str:
    path, text = _resolve_path(request, must_exist=False), _read_argument(request, "file_text")
    existed = path.exists()
    if existed and not path.is_file():
        raise Refused(f"{path} is {'a folder' if path.is_dir() else 'not a regular file'}: name a file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_text(path, Text(text))
    return f"{'Replaced' if existed else 'Created'} {request['path']} ({len(_split_lines(text))} lines)."


def str_replace(request: dict[str, Any]) -> str:
    path, old, new = _resolve_path(request), _read_argument(request, "old_str"), _read_argument(request, "new_str", "")
    content = _read_text(path)
    text, separator = content.text, _separator(content.text)
    # All line ends match, because the model sees no difference; in a lookahead, so that places can overlap.
    pattern = _line_end(text).join(re.escape(part) for part in re.split("\r?\n", old))
    places = list(re.finditer(f"(?=({pattern}))", text)) if old else []
    if not places:
        hint = ", without the characters that are not UTF-8" if "\ufffd" in old else ""
        raise Refused(f"old_str does not occur in {request['path']}: view the file and copy the text exactly{hint}.")
    if len(places) > 1:
        lines = ", ".join(str(text.count(separator, 0, place.start()) + 1) for place in places[:20])
        raise Refused(f"old_str occurs {len(places)} times, in lines {lines}: add lines around it to make it unique.")
    start, end = places[0].span(1)
    changed = text[:start] + _end_lines(new, _find_end(text, start)) + text[end:]
    _write_text(path, Text(changed, content.encoding, content.mark))
    return "Edited. Now it reads:\n" + _show_around(changed, text.count(separator, 0, start), new.count("\n") + 1)


def insert(request: dict[str, Any]) -> str:
    path = _resolve_path(request)
    content, new = _read_text(path), _read_argument(request, "insert_text", request.get("new_str"))
    lines, after = _split_ends(content.text), request.get("insert_line")
    if type(after) is not int or not 0 <= after <= len(lines):
        raise Refused(f"insert_line has to be a number from 0 to {len(lines)}, got {after}.")
    before, rest = "".join(lines[:after]), "".join(lines[after:])
    end = _find_end(content.text, len("".join(lines[: max(after - 1, 0)])))
    added = _end_lines(new.removesuffix("\n").removesuffix("\r"), end)
    if before and not before.endswith(_separator(content.text)):  # the file has no final line end
        changed = before + end + added + (end if new.endswith("\n") else "")
    else:
        changed = before + added + end + rest
    _write_text(path, Text(changed, content.encoding, content.mark))
    return "Inserted. Now it reads:\n" + _show_around(changed, after, len(_split_lines(new)) or 1)


def _end_lines(text: str, end: str) -> str:
    return text if end == "\n" else re.sub(r"\r?\n", lambda _: end, text)


def _show_around(text: str, line: int, count: int) -> str:
    """`count` lines from `line` (from 0), and three on both sides, with numbers."""
    first = max(0, line - 3)
    return _number_lines([part[:MAX_LINE] for part in _split_lines(text)[first : line + min(count, 40) + 3]], first + 1)


def _read_argument(request: dict[str, Any], key: str, default: Any = None) -> str:
    value = request.get(key, default)
    if not isinstance(value, str) or "\0" in value:
        raise Refused(f"{key} has to be a string without NUL.")
    if half := re.search("[\ud800-\udfff]", value):
        raise Refused(f"{key} contains {half[0]!r}, half of a surrogate pair: write whole characters.")
    return value


def search(request: dict[str, Any]) -> str:
    text = _read_argument(request, "pattern")
    if len(text) > MAX_PATTERN:
        raise Refused(f"pattern has more than {MAX_PATTERN} characters: search for less.")
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:  # huge repetitions, deeply nested groups
        raise Refused(f"pattern is not a regular expression: {error}.") from error
    most = request.get("max_results", 100)
    if type(most) is not int or not 1 <= most <= 1000:
        raise Refused("max_results has to be a number from 1 to 1000.")
    root, top = _resolve_path({"root": request["root"]}), _resolve_path(request)
    hits = _find_matches(pattern, root, top, _read_argument(request, "glob", "*"))
    return _join_until(_take(hits, most), request["limit"]) or "No match."


def _take(hits: Iterator[str], most: int) -> Iterator[str]:
    for number, hit in enumerate(hits):
        if number == most:
            yield f"[more than {most} matches: narrow the pattern or the glob]"
            return
        yield hit


def _find_matches(pattern: re.Pattern[str], root: Path, top: Path, glob: str) -> Iterator[str]:
    """All matching lines in `top`, or below it in files whose name or path fits `glob`, in a fixed order."""
    if top.is_file():
        yield from _find_matches_in(pattern, top, str(top.relative_to(root)))
    for path in _walk_files(top):
        shown = str(path.relative_to(root))
        if fnmatch.fnmatch(path.name, glob) or fnmatch.fnmatch(shown, glob):
            yield from _find_matches_in(pattern, path, shown)


def _walk_files(top: Path) -> Iterator[Path]:
    """All files below `top`. Without recursion, because folders can be nested deeper than Python's limit."""
    folders = [top]
    while folders:
        entries: list[os.DirEntry[str]] = []
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as listed:
            entries = sorted(listed, key=lambda entry: entry.name, reverse=True)
        folders += [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False) and e.name not in SKIPPED]
        yield from (Path(e.path) for e in reversed(entries) if not e.is_dir(follow_symlinks=False))


def _find_matches_in(pattern: re.Pattern[str], path: Path, shown: str) -> Iterator[str]:
    """The matching lines of one file; none of files that are binary, huge, links or unreadable."""
    try:
        text = "" if path.is_symlink() else _read_text(path).text
    except (Refused, OSError):
        return
    for number, line in enumerate(_split_lines(text), 1):
        if pattern.search(line):
            yield f"{_escape(shown)}:{number}: {line.strip()[:MAX_LINE]}"


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
    except OSError as error:
        named = request.get("path") or error.filename
        return {"ok": False, "text": _make_printable(f"{named}: {error.strerror or error}.")}
    except RuntimeError as error:  # a loop of links
        return {"ok": False, "text": _make_printable(f"{error}")}


def _make_printable(text: str) -> str:
    """The text with a mark in the place of each byte that is not UTF-8."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
