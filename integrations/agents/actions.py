"""Reduces a tool call to a stable text, equal for calls that differ only in what does not matter. Pure.

Called by `turns`. Comments, quotes, white space, times, hexadecimal ids, free numbers, the text of `echo`, and the
order of options and of parts separated by semicolons are removed. Names, paths and line ranges are kept: the tests of
another file, or the next lines of a file, are another action.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from integrations.agents.fingerprints import replace_times

_READERS = frozenset({
    "awk", "cat", "cut", "diff", "find", "git", "grep", "head", "hexdump", "less", "ls", "more", "nl", "rg", "sed",
    "tail", "xxd",
})  # fmt: skip
"""Programs whose numbers and ids choose what is read."""
_PRINTERS = frozenset({"echo", "printf", "true", ":"})
"""Programs whose arguments do not matter, unless the output is written to a file."""
_NUMBER = re.compile(r"(?<![\w./-])[+-]?\d+(?:\.\d+)?(?![\w./-])")
_ASSIGNED = re.compile(r"(?<==)[+-]?\d+(?:\.\d+)?(?![\w./])")
_ID = re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b|<(?:time|id|address|temp)>")
_SEPARATORS = frozenset({";", "&", "&&", "|", "||", "(", ")", ";;", "|&"})
_COMMENT = re.compile(r"(?m)(?:^|\s)#.*$")
_WORDS = re.compile(r"\w+")


def normalize_action(name: str, arguments: Mapping[str, Any]) -> str:
    """The call as a text, equal for near-repeats."""
    given = {
        key: _normalize_command(part)
        if name == "bash" and key == "command" and isinstance(part, str)
        else _reduce(part)
        for key, part in arguments.items()
    }
    return json.dumps([name, given], sort_keys=True, ensure_ascii=False)


def remove_echoes(text: str, arguments: Mapping[str, Any]) -> str:
    """The result of a call without the words of its arguments, which differ between near-repeats: a command's output
    can repeat the number or the comment of the command."""
    own = set(_WORDS.findall(" ".join(_list_texts(arguments))))
    return "".join("" if word in own else word for word in re.split(r"(\W+)", replace_times(text)))


@lru_cache(maxsize=512)  # the transcript is compared again after each turn
def _normalize_command(command: str) -> str:
    text = replace_times(command)
    try:
        reader = shlex.shlex(text, posix=True, punctuation_chars=";&|()")
        reader.wordchars += "~-./*?=:,@%+!^[]{}<>$"
        words = list(reader)
    except ValueError:  # quotes that are not closed, as in the text of a here-document
        return " ".join(text.split())
    parts, own = [list[str]()], list[str]()
    for word in [*words, ";"]:
        if word not in _SEPARATORS:
            own.append(word)
            continue
        parts[-1] += [_normalize_words(own)] if own else []
        parts[-1] += [word] if word != ";" else []
        parts, own = [*parts, []] if word == ";" else parts, []
    return " ; ".join(sorted({text for part in parts if (text := " ".join(part).strip())}))


def _normalize_words(words: list[str]) -> str:
    """One command: its program, operands in their order, options sorted."""
    program = next((word for word in words if not re.match(r"\w+=", word)), "").rpartition("/")[2]
    if program in _PRINTERS and not any(">" in word for word in words):
        return ""
    if program in _READERS:
        return " ".join(words)
    words = [_reduce_text(_ASSIGNED.sub("<n>", word)) for word in words]
    options = sorted(word for word in words[1:] if word.startswith("-"))
    return " ".join([*words[:1], *options, *(word for word in words[1:] if not word.startswith("-"))])


def _reduce(value: Any) -> Any:
    """An argument without its free numbers; a list, such as a range of lines, is kept."""
    if isinstance(value, str):
        return _reduce_text(replace_times(value))
    if isinstance(value, Mapping):
        return {str(key): _reduce(part) for key, part in value.items()}
    return "<n>" if isinstance(value, int | float) and not isinstance(value, bool) else value


def _reduce_text(text: str) -> str:
    if "(" in text or "\n" in text:  # a program's text, whose numbers can be what it is about
        return " ".join(_COMMENT.sub("", text).split())
    return " ".join(_NUMBER.sub("<n>", _ID.sub("<id>", text)).split())


def _list_texts(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _list_texts(part)
    elif isinstance(value, str | int | float):
        yield str(value)
