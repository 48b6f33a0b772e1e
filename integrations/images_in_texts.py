"""Images that a Markdown text embeds, and the check of their content. Pure.

The types and sizes are those that model providers accept
(https://platform.claude.com/docs/en/build-with-claude/vision).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from integrations.values import TicketImage

MAX_IMAGES = 6
LARGEST_IMAGE = 3_500_000
"""Bytes; 5 MB in base64 is the providers' limit."""
_IMAGE = re.compile(r"!\[(?P<name>[^\]\n]{0,300})\]\(\s*<?(?P<url>https?://[^\s)>]{1,2000})")
_TYPES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


def find_images(text: str) -> Iterator[tuple[str, str]]:
    """URL and name of each embedded image, in order."""
    return ((found["url"], " ".join(found["name"].split())) for found in _IMAGE.finditer(text))


def list_images_in_texts(*texts: str) -> tuple[TicketImage, ...]:
    """The images of all texts, each once, at most `MAX_IMAGES`."""
    found: dict[str, str] = {}
    for url, name in (image for text in texts for image in find_images(text)):
        found.setdefault(url, name)
    return tuple(TicketImage(url=url, name=name) for url, name in islice(found.items(), MAX_IMAGES))


def detect_image_type(content: bytes) -> str:
    """The media type by the content's first bytes; empty for another one."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _TYPES.items() if content.startswith(magic)), "")
