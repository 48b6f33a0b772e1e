"""A tool's result as text for a model: other kinds of content are named, secrets are left out. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import mcp_types as types

from integrations.leaks.own import OwnSecrets
from integrations.leaks.patterns import redact_secrets
from integrations.texts import cut
from integrations.values import clean_text

LONGEST_RESULT = 32_000
"""Characters of one result."""
MOST_BLOCKS = 200
WITHHELD = "The result is withheld, because it contains a secret of this connector in another form."


@dataclass(frozen=True)
class ToolAnswer:
    """The result of a call. `is_error`: the tool reports that it failed."""

    text: str
    is_error: bool = False


def build_answer(result: types.CallToolResult, secrets: Collection[str]) -> ToolAnswer:
    """The result for a model: at most `LONGEST_RESULT` characters, without `secrets` and other possible ones."""
    blocks = result.content[:MOST_BLOCKS]
    parts = [part for block in blocks if (part := _format_block(block))]
    if len(result.content) > MOST_BLOCKS:
        parts.append(f"[{len(result.content) - MOST_BLOCKS} further parts are left out]")
    if not any(isinstance(block, types.TextContent) for block in blocks) and result.structured_content is not None:
        parts.append(json.dumps(result.structured_content, ensure_ascii=False))
    text = clean_text("\n".join(parts))
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "[secret]")
    if OwnSecrets(secrets).occur_in(text.encode()):
        return ToolAnswer(WITHHELD, is_error=True)
    text = redact_secrets(cut(text, LONGEST_RESULT, tail=LONGEST_RESULT // 4))
    return ToolAnswer(text or "(no content)", bool(result.is_error))


def _format_block(block: types.ContentBlock) -> str:
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent() | types.AudioContent():
            return f"[{block.type} of {len(block.data) * 3 // 4:,} bytes, {block.mime_type}: it is not shown]"
        case types.ResourceLink():
            return " ".join(_format_link(block))
        case types.EmbeddedResource():
            resource = block.resource
            if isinstance(resource, types.TextResourceContents):
                return f"[resource {resource.uri}]\n{resource.text}"
            return f"[resource {resource.uri} of {len(resource.blob) * 3 // 4:,} bytes: it is not shown]"
    return f"[content of the kind {type(block).__name__}: it is not shown]"


def _format_link(link: types.ResourceLink) -> Iterator[str]:
    yield f"[link to the resource {link.uri}"
    if link.title or link.name:
        yield f"({link.title or link.name})"
    if link.description:
        yield f"{link.description[:500]}"
    yield "; it was not read]"
