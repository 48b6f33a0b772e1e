"""Finds commands in a comment of a person. Pure; called by `jobs.workflow.steering`.

A command stands at the start of a line, after a greeting or a mention of Loopline if there is one. Commands in quotes
and code, and those that are addressed to another person, do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from markdown_it import MarkdownIt

INFORMATION = frozenset({"help", "status", "why"})
SERVICE = frozenset({"freeze", "thaw"})
WITH_TEXT = frozenset({"changes", "retry", "resume", "ticket", "ignore"})
"""Commands whose text goes on in the following lines."""
KNOWN = (
    INFORMATION
    | SERVICE
    | WITH_TEXT
    | {"run", "stop", "cancel", "approve", "merge", "budget", "accept", "takeover", "close", "link"}
)
NAME = "loopline"
LONG_COMMENT = 40
"""Lines; in a longer comment, for example with a pasted log, only the first and the last line can be commands."""
MAX_PARSED = 20_000
"""Characters; in a longer comment only the first line can be a command. Bounds the time of parsing."""
MAX_ADDRESS = 2_000
"""Characters at the start in which mentions are searched."""
_CANDIDATE = re.compile(r"/[a-z]{2}", re.IGNORECASE)
_SYNONYMS = {
    "halt": "stop", "abort": "stop", "pause": "stop", "end": "stop", "kill": "stop", "restart": "retry",
    "unpause": "resume", "continue": "resume", "redo": "retry", "again": "retry", "lgtm": "approve", "ship": "merge",
    "change": "changes", "revise": "changes", "take": "takeover", "commands": "help", "info": "status",
    "unfreeze": "thaw",
    "reason": "why", "abandon": "close", "reject": "ignore", "dismiss": "ignore", "wontfix": "ignore",
}  # fmt: skip
"""Only for the hint: none of them is a command."""
_EXCLUSIVE = (frozenset({"approve", "merge"}), frozenset({"changes", "retry", "resume"}), frozenset({"takeover"}))
"""Groups of commands that contradict those of the other groups."""
_ENDING = frozenset({"stop", "cancel", "close"})
_MARKDOWN = MarkdownIt("commonmark").disable(["inline", "reference", "html_block"])
_CODE_SPAN = re.compile(r"(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)", re.DOTALL)
_LIST_ITEM = re.compile(r"(?:(?:[-*+]|\d{1,9}[.)])\s+)(?:\[[ xX]\]\s+)?")
_EMPHASIS = re.compile(r"[*_~]{1,3}")
_COMMAND = re.compile(r"/(?P<name>[a-z]{2,20})[*_~]*(?::(?!//)|[.,;!?]*(?=\s|$))", re.IGNORECASE)
_AUTOMATION = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SEPARATORS = r"[\s,:;.!–—-]*"
_GREETING = re.compile(
    r"(?:hi|hello|hey|dear|please|pls|thanks|thank you|ok|okay|good (?:morning|afternoon|evening)|and|now|then)\b",
    re.IGNORECASE,
)
_MENTION = re.compile(
    r"\[@?(?P<shown>[^\]\n]{1,80})\]\((?P<target>[^)\s]{1,300})\)"
    r"|<?(?P<url>https?://[^\s<>)]{1,300}/profiles/(?P<profile>[^\s/<>),:;]{1,80}))>?"
    r"|@(?P<handle>[\w.-]{1,80}(?:\[bot\])?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class CommentCommand:
    """A command with its text: the rest of the line, or of the comment for `WITH_TEXT`."""

    name: str
    text: str = ""

    @property
    def is_known(self) -> bool:
        return self.name in KNOWN


@dataclass(frozen=True)
class ParsedComment:
    """The commands of a comment in order, and its other text. `is_for_another`: it has no commands and begins with a
    mention of another person."""

    prose: str
    commands: tuple[CommentCommand, ...] = ()
    is_for_another: bool = False


def parse_comment(body: str, names: Sequence[str] = ()) -> ParsedComment:
    """The commands and the remaining text; `names` are Loopline's names, handles and ids besides `NAME`."""
    own = {_normalize(name) for name in (NAME, *names) if name.strip()}
    lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found: list[tuple[int, str, str]] = []
    if _CANDIDATE.search(body):
        shown = lines if len(body) <= MAX_PARSED else lines[:1]
        found = _find_commands(lines, _list_visible_lines(shown), own)
    if not found:
        return ParsedComment(body.strip(), is_for_another=_is_for_another(body[:MAX_ADDRESS], own))
    prose, commands = lines[: found[0][0]], []
    for (start, name, rest), end in zip(found, [start for start, *_ in found[1:]] + [len(lines)], strict=True):
        following = lines[start + 1 : end]
        if name in WITH_TEXT:
            commands.append(CommentCommand(name, "\n".join([rest, *following]).strip()))
        else:
            commands.append(CommentCommand(name, rest.strip()))
            prose += following
    return ParsedComment("\n".join(prose).strip(), tuple(commands))


def is_automation(text: str) -> bool:
    """Whether the text of `/run` is the name of an automation."""
    return bool(_AUTOMATION.fullmatch(text)) and text != "anyway"


def find_nearest_command(name: str) -> str:
    """The command that was probably meant, empty if none is similar."""
    if name in _SYNONYMS:
        return _SYNONYMS[name]
    return next(iter(get_close_matches(name, sorted(KNOWN), n=1, cutoff=0.75)), "")


def find_conflict(commands: Iterable[CommentCommand]) -> tuple[str, ...]:
    """The commands that contradict each other, empty if all of them can be applied in order. `/stop` before `/retry` is
    a restart."""
    names = [command.name for command in commands]
    groups = [group for group in _EXCLUSIVE if group & set(names)]
    ending = _ENDING & set(names)
    is_restart = ending and not ending - {"stop"} and "retry" in names and names.index("stop") < names.index("retry")
    conflict = len(groups) > 1 or (bool(groups) and bool(ending) and not is_restart)
    contradicting = _ENDING.union(*_EXCLUSIVE)
    return tuple(name for name in dict.fromkeys(names) if name in contradicting) if conflict else ()


def _list_visible_lines(lines: Sequence[str]) -> dict[int, str]:
    """Lines outside of quotes and code blocks by their index, with code spans masked."""
    visible: dict[int, str] = {}
    for token in _MARKDOWN.parse("\n".join(lines)):
        if token.type != "inline" or not token.map:
            continue
        first, end = token.map
        text = "\n".join(lines[first:end])
        masked = _CODE_SPAN.sub(lambda span: re.sub(r"[^\n]", "·", span[0]), text).split("\n")
        shown = [(first + place, line) for place, line in enumerate(masked)]
        visible |= {place: line for place, line in shown if not lines[place].lstrip().startswith(">")}
    return visible


def _find_commands(lines: Sequence[str], visible: dict[int, str], own: set[str]) -> list[tuple[int, str, str]]:
    """Index of the line, name and rest of the line of each command."""
    filled = [place for place, line in enumerate(lines) if line.strip()]
    allowed = set(filled) if len(filled) <= LONG_COMMENT else {filled[0], filled[-1]}
    found: list[tuple[int, str, str]] = []
    for place, line in sorted(visible.items()):
        if place not in allowed or (place - 1 in visible and _names_only_others(visible[place - 1], own)):
            continue
        start = _skip_address(line, own)
        command = _COMMAND.match(line, start)
        if command and (command["name"].lower() in KNOWN or place == filled[0] or _is_typo(command["name"])):
            found.append((place, command["name"].lower(), lines[place][command.end() :]))
    return found


def _is_typo(name: str) -> bool:
    return bool(find_nearest_command(name.lower()))


def _skip_address(line: str, own: set[str]) -> int:
    """The index after list marker, greeting and mention of Loopline."""
    place = len(line) - len(line.lstrip())
    if item := _LIST_ITEM.match(line, place):
        place = item.end()
    while True:
        if emphasis := _EMPHASIS.match(line, place):
            place = emphasis.end()
        part = _GREETING.match(line, place) or _match_own(line, place, own)
        if not part:
            return place
        separator = re.compile(_SEPARATORS).match(line, part.end())
        place = separator.end() if separator else part.end()


def _match_own(line: str, place: int, own: set[str]) -> re.Match[str] | None:
    """A mention of Loopline, or its bare name."""
    mention = _MENTION.match(line, place)
    if mention:
        return mention if _mentions_own(mention, own) else None
    names = "|".join(re.escape(name) for name in sorted(own, key=len, reverse=True))
    return re.compile(rf"(?:{names})(?![\w/-])", re.IGNORECASE).match(line, place)


def _mentions_own(mention: re.Match[str], own: set[str]) -> bool:
    target = mention["target"] or ""
    ids = [target.rsplit("/", 1)[-1], target.rpartition(":")[2]]
    ids += [mention[group] or "" for group in ("shown", "handle", "profile")]
    return any(_normalize(name) in own for name in ids if name)


def _names_only_others(line: str, own: set[str]) -> bool:
    """Whether the line consists of mentions of other people: it addresses the line below."""
    mentions = list(_MENTION.finditer(line))
    rest = _MENTION.sub("", line).strip(" ,:;.!–—-")
    return bool(mentions) and not rest and not any(_mentions_own(mention, own) for mention in mentions)


def _is_for_another(body: str, own: set[str]) -> bool:
    """Whether the comment begins with a mention of another person and does not mention Loopline there."""
    start = body.lstrip()
    while greeting := _GREETING.match(start):
        start = start[greeting.end() :].lstrip(" ,:;.!–—-")
    first = _MENTION.match(start)
    if not first or (first["target"] and "/profiles/" not in first["target"] and not first[0].startswith("[@")):
        return False
    return not any(_mentions_own(mention, own) for mention in _MENTION.finditer(body))


def _normalize(name: str) -> str:
    return name.strip().lstrip("@").removesuffix("[bot]").lower()
