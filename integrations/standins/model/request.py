"""A parsed request, the input of a playbook. Pure.

It depends only on the beginning of the system text, the headings of the brief, and the beginning of steering.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.standins.model.cache import as_blocks

_ITEM = re.compile(r"^- \[(?P<id>\w+)\] (?P<text>.*)$", re.MULTILINE)
_COMMAND = re.compile(r"\(command: `(?P<command>[^`]+)`\)")
_EXIT = re.compile(r"^exit (?P<code>-?\d+)")
_STEERING = re.compile(r"^Comment from .+?:$", re.MULTILINE)
_NOTE = "Note from Loopline"
_INTERRUPTED = re.compile(r"^interrupted", re.IGNORECASE)


@dataclass(frozen=True)
class Call:
    """A tool call, in an answer or in the history."""

    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True)
class Exchange:
    """A call and its result."""

    call: Call
    result: str


@dataclass(frozen=True)
class Request:
    """`exchanges` and `steering` are oldest first; `exchanges` are those since the last steering, without interrupted
    ones. `step` counts the replies so far."""

    system: str
    brief: str
    step: int
    exchanges: tuple[Exchange, ...] = ()
    steering: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Notes of the product for the agent, oldest first."""

    @property
    def role(self) -> str:
        """As 'maker'; empty for a request that is not Loopline's."""
        found = re.match(r"You are the (\w+)\.", self.system)
        return found[1] if found else ""

    @property
    def title(self) -> str:
        """The ticket's title, empty if the brief names no ticket."""
        found = re.search(r"^Ticket \S+: (.+)$", self.brief, re.MULTILINE)
        return found[1].strip() if found else ""

    @property
    def iteration(self) -> int:
        """From 1."""
        found = re.search(r"^Iteration (\d+) of \d+", self.brief, re.MULTILINE)
        return int(found[1]) if found else 1

    @property
    def is_revision(self) -> bool:
        """Whether a person requested changes to finished work: the requests are criteria r1, r2, ..."""
        return any(re.fullmatch(r"r\d+", name) for name in self.criteria())

    def section(self, heading: str) -> str:
        """The text below `## heading`, up to the next heading of that level."""
        found = re.search(rf"^## {re.escape(heading)}\s*$(.*?)(?=^## |\Z)", self.brief, re.MULTILINE | re.DOTALL)
        return found[1].strip() if found else ""

    def criteria(self) -> dict[str, str]:
        """Text by id, with the command in it."""
        return {item["id"]: item["text"] for item in _ITEM.finditer(self.section("Contract"))}

    def commands(self) -> dict[str, str]:
        """Command by the id of the criterion that names one."""
        found = {name: _COMMAND.search(text) for name, text in self.criteria().items()}
        return {name: match["command"] for name, match in found.items() if match}

    def exits(self) -> dict[str, tuple[int, str]]:
        """Exit code and line of evidence by criterion. The lines precede the output of the commands."""
        listed = self.section("Evidence").split("\noutput of ")[0]
        lines = {item["id"]: item["text"] for item in _ITEM.finditer(listed)}
        codes = {name: _EXIT.match(text) for name, text in lines.items()}
        return {name: (int(match["code"]), lines[name]) for name, match in codes.items() if match}

    def shown(self, call: Call) -> str:
        """The last result of the call, empty if there is none."""
        return next((exchange.result for exchange in reversed(self.exchanges) if exchange.call == call), "")

    def answered(self, call: Call) -> bool:
        return any(exchange.call == call for exchange in self.exchanges)


def read_request(body: Mapping[str, Any]) -> Request:
    """The request in a validated body of POST /v1/messages."""
    blocks = [(message["role"], block) for message in body["messages"] for block in as_blocks(message["content"])]
    said = [block["text"] for role, block in blocks if role == "user" and block["type"] == "text"]
    exchanges, steering = _story(blocks, brief=said[0] if said else "")
    return Request(
        system="\n".join(block["text"] for block in as_blocks(body.get("system", ""))),
        brief=said[0] if said else "",
        step=sum(message["role"] == "assistant" for message in body["messages"]),
        exchanges=tuple(exchanges),
        steering=tuple(steering),
        notes=tuple(text for text in said if text.startswith(_NOTE)),
    )


def _story(blocks: Sequence[tuple[str, Mapping[str, Any]]], brief: str) -> tuple[list[Exchange], list[str]]:
    calls: dict[str, Call] = {}
    exchanges: list[Exchange] = []
    steering: list[str] = []
    for role, block in blocks:
        if block["type"] == "tool_use":
            calls[block["id"]] = Call(block["name"], block["input"])
        elif block["type"] == "tool_result" and not _INTERRUPTED.match(text_of(block)):
            exchanges.append(Exchange(calls[block["tool_use_id"]], text_of(block)))
        elif role == "user" and block["type"] == "text" and block["text"] != brief and _STEERING.search(block["text"]):
            steering.append(block["text"])
            exchanges.clear()
    return exchanges, steering


def text_of(block: Mapping[str, Any]) -> str:
    """The text of a tool_result block, whose content may be a string or blocks."""
    return "\n".join(part.get("text", "") for part in as_blocks(block.get("content", "")))
