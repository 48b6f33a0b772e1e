"""From where a shape is seen: the hub, and the address that the caller knows this server by."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from integrations.standins.github.hub import Hub


@dataclass(frozen=True)
class View:
    """`base` is 'http://host:port' without a slash at the end."""

    hub: Hub
    base: str

    def repository_url(self, name: str) -> str:
        """The address of a repository in the API."""
        return f"{self.base}/repos/{name}"


def node_id(kind: str, id: int | str) -> str:
    """A global id as GraphQL would know it."""
    return f"{kind}_{base64.urlsafe_b64encode(str(id).encode()).decode().rstrip('=')}"
