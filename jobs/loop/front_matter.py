"""YAML front matter of `WORKFLOW.md` and of skills: a strict subset of YAML 1.2, with line numbers in all errors.

Pure. Only `true`, `false`, `null` and decimal numbers have a type; everything else is text, so `on`, `010`, `1:30` and
dates mean the same to readers and to Loopline. Keys are texts and occur once. Aliases, which can expand without limit,
and tags, which can name classes, are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from integrations.explain import classify, show_name

LARGEST = 65_536
"""Characters of front matter; the parser reads about as many per second."""
DEEPEST = 20
_TAG = "tag:yaml.org,2002:"
_NUMBER = r"-?(?:0|[1-9][0-9]{0,14})"
_CORE = {"null": r"~|null|Null|NULL|", "bool": r"true|True|TRUE|false|False|FALSE", "int": _NUMBER}
_CORE["float"] = rf"{_NUMBER}\.[0-9]{{1,15}}"


class FrontMatterError(ValueError):
    """Front matter that cannot be used; the message names the line and the fix."""


@dataclass(frozen=True)
class FrontMatter:
    """`values` are JSON's types; `body` is the text after it; `lines` maps the path of each value to its line."""

    values: dict[str, Any]
    body: str
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)

    def find_line(self, path: tuple[str | int, ...]) -> int:
        """Return the line of the value, or of the nearest one around it."""
        return next((self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines), 1)


class _Loader(yaml.SafeLoader):
    """Resolves the core schema only, and refuses aliases and deep nesting while it composes."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.NodeEvent = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise _error(line, "uses an alias; write the value again")
        if self._depth > DEEPEST:
            raise _error(line, f"is nested more than {DEEPEST} levels deep; write it flatter")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


for _name, _pattern in _CORE.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_pattern})$"), None)


def _error(line: int, problem: str) -> FrontMatterError:
    """The error for a line of the YAML; the first one is line 0 of the YAML and line 2 of the file."""
    return FrontMatterError(f"line {line + 1} {problem}")


def read_front_matter(text: str) -> FrontMatter:
    """Split front matter between two lines `---` from the body, and parse it. Without front matter all is body.

    Raises `FrontMatterError`."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        raise _error(text.count("\n", 0, text.index("\0")), "has a NUL character; remove it")
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if lines[first].rstrip() != "---":
        return FrontMatter({}, text)
    last = next((number for number in range(first + 1, len(lines)) if lines[number].rstrip() == "---"), 0)
    if not last:
        raise _error(first, "begins front matter that has no end; add a line ---")
    head = "\n" * (first + 1) + "\n".join(lines[first + 1 : last]) + "\n"  # keeps the numbers of the lines
    if len(head) > LARGEST:
        raise _error(first, f"begins front matter with {len(head)} characters; write at most {LARGEST}")
    values, found = _parse(head)
    return FrontMatter(values, "\n".join(lines[last + 1 :]), found)


def _parse(head: str) -> tuple[dict[str, Any], dict[tuple[str | int, ...], int]]:
    try:
        loader = _Loader(head)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _error(mark.line if mark else 0, f"is not YAML ({error.problem or error.context}); correct it") from None
    except yaml.reader.ReaderError as error:
        line = head.count("\n", 0, error.position)
        raise _error(line, "has a control character; remove it") from None
    if node is None:
        return {}, {}
    found: dict[tuple[str | int, ...], int] = {}
    values = _build(node, (), found)
    if values is None:
        return {}, found
    if not isinstance(values, dict):
        raise _error(node.start_mark.line, f"begins with {classify(values)}; write keys with values")
    return values, found


def _build(node: yaml.Node, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]) -> Any:
    """Build the value of a node, and note the line of each value in it."""
    line = lines.setdefault(path, node.start_mark.line + 1)
    match node, node.tag.removeprefix(_TAG):
        case yaml.MappingNode(), "map":
            return _build_mapping(node, path, lines)
        case yaml.SequenceNode(), "seq":
            return [_build(one, (*path, number), lines) for number, one in enumerate(node.value)]
        case yaml.ScalarNode(), "str":
            return _read_text(node)
        case yaml.ScalarNode(), "null":
            return None
        case yaml.ScalarNode(), "bool" if node.value.lower() in ("true", "false"):
            return node.value.lower() == "true"
        case yaml.ScalarNode(), "int" if re.fullmatch(_CORE["int"], node.value):
            return int(node.value)
        case yaml.ScalarNode(), "float" if re.fullmatch(_CORE["float"], node.value):
            return float(node.value)
    raise _error(line - 1, f"has the tag {show_name(node.tag)}; remove it")


def _read_text(node: yaml.ScalarNode) -> str:
    text: str = node.value
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise _error(node.start_mark.line, "has half of a UTF-16 pair; write the character itself")
    return text


def _build_mapping(
    node: yaml.MappingNode, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]
) -> dict[str, Any]:
    built: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != f"{_TAG}str":
            raise _error(line, "has a key that is not a text; write it in quotes")
        key = _read_text(key_node)
        if key in built:
            first = lines[(*path, key)]
            raise _error(line, f"has the key {show_name(key)!r} again, after line {first}; remove one of them")
        lines[(*path, key)] = line + 1
        built[key] = _build(value_node, (*path, key), lines)
    return built
