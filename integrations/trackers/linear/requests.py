"""Requests of the tracker to Linear: one document each, parsed. The base class of `tracker`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from integrations.errors import NotFound, Rejected
from integrations.paging import PageBounds
from integrations.trackers.linear.client import LinearClient
from integrations.trackers.linear.responses import Connection, NodeT, UserNode, parse_response
from integrations.values import Person


class LinearRequests:
    """Requests of one workspace's client."""

    def __init__(self, client: LinearClient) -> None:
        self._client = client
        self._viewer: Person | None = None

    def close(self) -> None:
        """Close the calling thread's connection."""
        self._client.close()

    def viewer(self) -> Person:
        """Loopline's own account there. Cached; most first reads of a process include it."""
        return self._viewer or self._keep_viewer("Viewer", self._client.run("Viewer"))

    def _keep_viewer(self, operation: str, data: Mapping[str, Any]) -> Person:
        user = parse_response(UserNode, operation, data, ["viewer"])
        self._viewer = user.to_person(our_id=user.id)
        return self._viewer

    def _query(self, model: type[NodeT], operation: str, *path: str, **variables: Any) -> NodeT:
        return parse_response(model, operation, self._client.run(operation, **variables), path)

    def _find(self, model: type[NodeT], operation: str, root: str, identifier: str) -> NodeT:
        data = self._client.run(operation, id=identifier)
        if "viewer" in data and not self._viewer:
            self._keep_viewer(operation, data)
        if data.get(root) is None:
            raise NotFound(f"Linear has no {root} {identifier!r}")
        return parse_response(model, operation, data, [root])

    def _paginate(self, model: type[Connection[NodeT]], operation: str, *path: str, **values: Any) -> Iterator[NodeT]:
        after, bounds = "", PageBounds(f"Linear's response to {operation}", "")
        while True:
            page = self._query(model, operation, *path, after=after or None, **values)
            yield from page.nodes
            if not page.page_info.has_next_page:
                return
            after = page.page_info.end_cursor
            bounds.check(page.nodes, after)

    def _mutate(self, operation: str, **variables: Any) -> dict[str, Any]:
        """Send a mutation. Raises `Rejected` for `success: false`, which comes under HTTP 200 without errors."""
        data = self._client.run(operation, **variables)
        if not all(isinstance(payload, dict) and payload.get("success") is True for payload in data.values()):
            raise Rejected(f"Linear rejected {operation} without a reason")
        return data
