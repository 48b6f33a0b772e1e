"""The context of a shape, and values that several shapes share."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from integrations.standins.github.hub import Hub
from integrations.standins.github.records import Record


@dataclass(frozen=True)
class View:
    """`base` is the address under which the caller reaches this server, without a trailing slash."""

    hub: Hub
    base: str

    def repository_url(self, name: str) -> str:
        """The address of a repository in the API."""
        return f"{self.base}/repos/{name}"


def fields_of(record: Record, *names: str) -> dict[str, Any]:
    """These fields of a record, under their own names."""
    return {name: getattr(record, name) for name in names}


def node_id(kind: str, id: int | str) -> str:
    """A global id, as of GitHub's GraphQL API."""
    return f"{kind}_{base64.urlsafe_b64encode(str(id).encode()).decode().rstrip('=')}"


def links(url: str, parts: str) -> dict[str, str]:
    """`<name>_url` for each 'name:path' in `parts`, below `url`."""
    return {f"{name}_url": url + path for name, path in (part.split(":") for part in parts.split())}


def hrefs(**addresses: str) -> dict[str, dict[str, str]]:
    """`_links`."""
    return {name: {"href": address} for name, address in addresses.items()}


def reactions(url: str) -> dict[str, Any]:
    """`reaction-rollup` without any reaction."""
    kinds = ("total_count", "+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    return {"url": f"{url}/reactions", **dict.fromkeys(kinds, 0)}
