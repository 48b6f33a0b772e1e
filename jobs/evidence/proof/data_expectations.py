"""Alters what the new and changed lines of snapshots, tables and other data hold. Called by `expectations`. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from jobs.evidence.proof.altered_lines import Falsified, find_added
from jobs.evidence.proof.literals import STEP, SUFFIX, alter_number

MOST_LINES = 2_000
"""Further lines of a file are left as they are: any altered one must be noticed."""
_JSON_VALUE = re.compile(
    r'"(?P<text>[^"\\]*+(?:\\.[^"\\]*+)*+)"(?!\s*:)|(?<![\w."])(?P<number>\d+(?:\.\d+)?)(?![\w."])'
    r'|"[^"\\]*+(?:\\.[^"\\]*+)*+"\s*:|\b(?P<flag>true|false)\b'
)
_YAML_VALUE = re.compile(
    r"(?P<head>[ \t]*(?:-[ \t]+)*(?:(?:[\w.$/-]+|\"[^\"]*\"|'[^']*')[ \t]*[:=][ \t]+|(?<=- )))"
    r"(?P<value>\"[^\"\\]*\"|'[^']*'|[\w./+-][^#\[\]{}\"']*?)(?P<rest>[ \t]*(?:#.*)?)"
)
_CELL = re.compile(r"(?P<head>.*[,;\t|]|)(?P<value>[^,;\t|]*)")
_WORD = re.compile(r"(?<![\w<&/$%{\\])(?:(?P<number>\d+(?:\.\d+)?)(?![\w>;])|(?P<word>[^\W\d_]\w*)(?![\w=:;(\[]))")
_SNAPSHOT_HEAD = re.compile(r"exports\[`(?:[^`\\]|\\.)*`\] = `")
_MARKS = re.compile(r"\s*(#|//|---|\.\.\.|source:|expression:|info:|input_file:|snapshot_kind:|serializer|<\?|<!|!)")
_FLAGS = {"true": "false", "false": "true"}


def falsify_data(path: str, before: str | None, after: str) -> Falsified | None:
    """The file with a value of each added line altered, in valid syntax; None if there is nothing to alter."""
    added = find_added(before, after)
    alter = _choose_alteration(path)
    lines = after.split("\n")
    places = 0
    for number in sorted(added):
        if places == MOST_LINES:
            break
        line = lines[number - 1]
        body = line.rstrip("\r")
        altered = alter(body, number) if body.strip() else None
        if altered is not None and altered != body:
            lines[number - 1] = altered + line[len(body) :]
            places += 1
    return Falsified("\n".join(lines), places) if places else None


def _choose_alteration(path: str) -> Callable[[str, int], str | None]:
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in (".json", ".json5", ".jsonc", ".jsonl", ".ndjson", ".geojson"):
        return _alter_json
    if suffix in (".yaml", ".yml", ".toml", ".ini", ".cfg", ".properties", ".env"):
        return _alter_setting
    return _alter_row if suffix in (".csv", ".tsv", ".psv") else _alter_text


def _alter_json(line: str, number: int) -> str | None:
    for found in _JSON_VALUE.finditer(line):
        if found["text"] is not None:
            at = found.end("text")
            return f"{line[:at]}{SUFFIX}{line[at:]}"
        if found["number"]:
            return f"{line[: found.start()]}{alter_number(found['number'], False)}{line[found.end() :]}"
        if found["flag"]:
            return f"{line[: found.start()]}{_FLAGS[found['flag']]}{line[found.end() :]}"
    return None


def _alter_setting(line: str, number: int) -> str | None:
    found = _YAML_VALUE.fullmatch(line)
    return f"{found['head']}{_alter_scalar(found['value'])}{found['rest']}" if found else None


def _alter_row(line: str, number: int) -> str | None:
    found = _CELL.fullmatch(line) if number > 1 else None
    return f"{found['head']}{_alter_scalar(found['value'])}" if found else None


def _alter_scalar(value: str) -> str:
    bare = value.strip()
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'":
        at = value.rindex(bare[0])
        return f"{value[:at]}{SUFFIX}{value[at:]}"
    if re.fullmatch(r"-?\d+(\.\d+)?", bare):
        return value.replace(bare.lstrip("-"), alter_number(bare.lstrip("-"), False))
    return _FLAGS.get(bare, f"{value}{SUFFIX}")


def _alter_text(line: str, number: int) -> str | None:
    head = _SNAPSHOT_HEAD.match(line)
    start = head.end() if head else 0
    if _MARKS.match(line):
        return None
    found = _WORD.search(line, start)
    if found is None:
        return None
    value = alter_number(found[0], False) if found["number"] else f"{found[0]}{STEP}"
    return f"{line[: found.start()]}{value}{line[found.end() :]}"
