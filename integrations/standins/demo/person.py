"""Ana: a person who uses the board and the pull requests through the interfaces of the pages."""

from __future__ import annotations

from typing import Any

import requests

from integrations.standins.demo.stack import REPOSITORY, TEAM, Stack

_BOARD = """
query Board($team: String!) {
  issues(first: 50, filter: { team: { key: { eq: $team } } }) {
    nodes {
      id identifier title url
      state { id name }
      team { states(first: 20) { nodes { id name } } }
      comments(first: 100) { nodes { id body createdAt user { name app } reactions { emoji user { name } } } }
      attachments(first: 20) { nodes { url title subtitle metadata } }
    }
  }
}
"""
_MOVE = "mutation Move($id: String!, $state: String!) { issueUpdate(id: $id, input: { stateId: $state }) { success } }"
_WRITE = (
    "mutation Write($id: String!, $title: String!, $text: String!) "
    "{ issueUpdate(id: $id, input: { title: $title, description: $text }) { success } }"
)
_DELETE = "mutation Delete($id: String!) { issueDelete(id: $id) { success } }"
_COMMENT = (
    "mutation Say($id: String!, $body: String!) { commentCreate(input: { issueId: $id, body: $body }) { success } }"
)
_REACT = (
    "mutation React($id: String!, $emoji: String!) "
    "{ reactionCreate(input: { commentId: $id, emoji: $emoji }) { success } }"
)


class Ana:
    """One person with an account on both stand-ins."""

    def __init__(self, stack: Stack) -> None:
        self._urls = stack.urls
        self._linear = {"Authorization": stack.tokens["linear_ana"]}
        self.github_headers = {"Authorization": f"Bearer {stack.tokens['github_ana']}"}

    def board(self) -> dict[str, dict[str, Any]]:
        """Every ticket of the team by identifier, with column, comments (oldest first) and attachments."""
        nodes = self._graphql(_BOARD, team=TEAM)["issues"]["nodes"]
        for node in nodes:
            node["comments"] = sorted(node["comments"]["nodes"], key=lambda c: str(c["createdAt"]))
            node["attachments"] = node["attachments"]["nodes"]
            node["column"] = node["state"]["name"]
        return {node["identifier"]: node for node in nodes}

    def drag(self, identifier: str, column: str) -> None:
        """Move a card to another column."""
        ticket = self.board()[identifier]
        states = {s["name"]: s["id"] for s in ticket["team"]["states"]["nodes"]}
        self._graphql(_MOVE, id=ticket["id"], state=states[column])

    def say(self, identifier: str, body: str) -> None:
        """Comment on a ticket."""
        self._graphql(_COMMENT, id=identifier, body=body)

    def write(self, identifier: str, title: str, description: str) -> None:
        """Change title and description of a ticket."""
        self._graphql(_WRITE, id=identifier, title=title, text=description)

    def react(self, comment_id: str, emoji: str = "+1") -> None:
        """Put an emoji on a comment."""
        self._graphql(_REACT, id=comment_id, emoji=emoji)

    def delete(self, identifier: str) -> None:
        """Put a ticket into the trash."""
        self._graphql(_DELETE, id=identifier)

    def pull_requests(self) -> dict[str, dict[str, Any]]:
        """Every pull request by its page's address."""
        answer = requests.get(self._pulls(), params={"state": "all"}, headers=self.github_headers, timeout=10)
        answer.raise_for_status()
        return {pull["html_url"]: pull for pull in answer.json()}

    def merge(self, number: int) -> None:
        """Press the merge button on the pull request."""
        requests.put(
            f"{self._pulls()}/{number}/merge", json={}, headers=self.github_headers, timeout=20
        ).raise_for_status()

    def review(self, number: int, event: str, body: str) -> None:
        """Submit a review: APPROVE, REQUEST_CHANGES or COMMENT."""
        payload = {"event": event, "body": body}
        requests.post(
            f"{self._pulls()}/{number}/reviews", json=payload, headers=self.github_headers, timeout=10
        ).raise_for_status()

    def close(self, number: int, state: str = "closed") -> None:
        """Close the pull request without a merge, or open it again."""
        address = f"{self._pulls()}/{number}"
        requests.patch(address, json={"state": state}, headers=self.github_headers, timeout=10).raise_for_status()

    def _pulls(self) -> str:
        return f"{self._urls['pull_requests']}/repos/{REPOSITORY}/pulls"

    def _graphql(self, query: str, **variables: str) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        answer = requests.post(f"{self._urls['board']}/graphql", json=body, headers=self._linear, timeout=10)
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        if result.get("errors"):
            raise RuntimeError(f"the board refused: {result['errors'][0]['message']}")
        data: dict[str, Any] = result["data"]
        return data
