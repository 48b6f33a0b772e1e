"""The source items of an automation as the triage role reads them: a bounded digest, and a tool to look closer.

All texts are from outside: they are fenced, and the most urgent items come first, so that a bound drops the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.findings import SourceItem
from integrations.ports.agent_runner import ToolResult, ToolSpec
from integrations.texts import cut
from jobs.loop.commands import RunSpec
from jobs.roles.submission import HostTool, IsStopped
from jobs.roles.ticket_brief import fence
from jobs.store.source_items import count_kinds, order_items

DIGEST, LISTED, SHOWN = 24_000, 12_000, 16_000
"""Characters of the digest, of a list and of one item."""
SHOW_ITEM = ToolSpec(
    "show_item",
    "Show one source item with its evidence, as the end of a log or a description, by its key; or list all items of a "
    "kind, as check or issue.",
    {
        "type": "object",
        "properties": {"key": {"type": "string"}, "kind": {"type": "string"}},
        "additionalProperties": False,
    },
)


def format_digest(spec: RunSpec, items: Sequence[SourceItem]) -> str:
    """All items that fit, the most urgent first, one or two lines each, and the numbers of the others."""
    ordered = order_items(items)
    lines = _describe_items(ordered, DIGEST)
    counts = ", ".join(f"{number} {kind}" for kind, number in count_kinds(ordered).items())
    head = f"{len(ordered)} items ({counts}), the most urgent first."
    rest = count_kinds(ordered[len(lines) :])
    more = [f"- {number} further of the kind {kind}: list them with show_item" for kind, number in rest.items()]
    return f"{head}\n\n{fence(spec, 'items', chr(10).join(lines))}" + "".join(f"\n{line}" for line in more)


def build_item_tools(spec: RunSpec, items: Sequence[SourceItem]) -> tuple[HostTool, ...]:
    """The tool `show_item`."""
    by_key, ordered = {item.key: item for item in items}, order_items(items)

    def take(given: Mapping[str, Any], stopped: IsStopped) -> ToolResult:
        key, kind = str(given.get("key") or "").strip(), str(given.get("kind") or "").strip()
        if key in by_key:
            return ToolResult(fence(spec, "items", cut(_format_item(by_key[key]), SHOWN, SHOWN // 2)))
        found = [item for item in ordered if item.kind == kind]
        if kind and not key and found:
            lines = _describe_items(found, LISTED)
            note = f"\n{len(found) - len(lines)} further ones are not listed." if found[len(lines) :] else ""
            return ToolResult(fence(spec, "items", "\n".join(lines)) + note)
        known = ", ".join(count_kinds(ordered))
        return ToolResult(
            f"There is no such item: give a key of the digest, or one of the kinds {known}.", is_error=True
        )

    return (HostTool(SHOW_ITEM, take),)


def _describe_items(items: Sequence[SourceItem], most: int) -> list[str]:
    """The lines of the first items that fit together. Items with equal evidence name the first one."""
    first: dict[tuple[str, str], str] = defaultdict(str)
    lines, size = [], 0
    for item in items:
        same = first[item.kind, item.signature] if item.signature else ""
        first[item.kind, item.signature] = same or item.key
        line = f"- [{item.severity}] {item.key}: {_join(item.title)}"
        details = [f"same evidence as {same}" if same else "", item.summary, item.at[:16], item.url]
        line += f"\n  {_join('; '.join(filter(None, details)))}"
        size += len(line) + 1
        if size > most:
            break
        lines.append(line)
    return lines


def _format_item(item: SourceItem) -> str:
    head = [f"{item.key} [{item.severity}]", item.title, item.summary, " ".join(filter(None, (item.at, item.url)))]
    return "\n".join([*filter(None, head), "", item.detail])


def _join(text: str) -> str:
    return " ".join(text.split())
