"""The context of a shape, and values that several shapes share."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from integrations.standins.github.hub import Hub


@dataclass(frozen=True)
class View:
    """`base` is the address under which the caller reaches this server, without a trailing slash."""

    hub: Hub
    base: str

    def repository_url(self, name: str) -> str:
        """The address of a repository in the API."""
        return f"{self.base}/repos/{name}"


def node_id(kind: str, id: int | str) -> str:
    """A global id, as of GitHub's GraphQL API."""
    return f"{kind}_{base64.urlsafe_b64encode(str(id).encode()).decode().rstrip('=')}"


def reactions(url: str) -> dict[str, Any]:
    """`reaction-rollup` without any reaction."""
    kinds = ("total_count", "+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    return {"url": f"{url}/reactions", **dict.fromkeys(kinds, 0)}
