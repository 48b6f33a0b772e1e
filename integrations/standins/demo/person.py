"""Ana: a person who uses the board and the pull requests through the interfaces of the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests

from integrations.standins.demo.stack import TALLY, Project, Stack
from integrations.standins.linear.seed import stable_id

_BOARD = Path(__file__).with_name("board.graphql").read_text()
_UPDATE = "mutation($id: String!, $input: IssueUpdateInput!) { issueUpdate(id: $id, input: $input) { success } }"
_EDIT = "mutation($id: String!, $input: CommentUpdateInput!) { commentUpdate(id: $id, input: $input) { success } }"
_ERASE = "mutation($id: String!) { commentDelete(id: $id) { success } }"
_DELETE = "mutation($id: String!) { issueDelete(id: $id) { success } }"
_COMMENT = "mutation($input: CommentCreateInput!) { commentCreate(input: $input) { success } }"
_REACT = "mutation($input: ReactionCreateInput!) { reactionCreate(input: $input) { success } }"
_PROMPT = """mutation($input: AgentActivityCreatePromptInput!) {
  agentActivityCreatePrompt(input: $input) { success }
}"""
_SESSIONS = """query {
  agentSessions(first: 250) {
    nodes {
      id
      createdAt
      status
      plan
      externalLinks { label url }
      issue { identifier }
      comment { id }
      activities(first: 100) {
        nodes {
          createdAt
          ephemeral
          signalMetadata
          content {
            ... on AgentActivityThoughtContent { body }
            ... on AgentActivityActionContent { action parameter }
            ... on AgentActivityElicitationContent { body }
            ... on AgentActivityResponseContent { body }
            ... on AgentActivityErrorContent { body }
            ... on AgentActivityPromptContent { body }
            __typename
          }
        }
      }
    }
  }
}"""
APP = stable_id("User", "loopline@acme.test")


class Ana:
    """One person with an account on both stand-ins, who looks at one project."""

    def __init__(self, stack: Stack, project: Project = TALLY) -> None:
        self._project = project
        self._urls = stack.urls
        self.linear_key = stack.tokens["linear_ana"]
        self._linear = {"Authorization": self.linear_key}
        self.github_headers = {"Authorization": f"Bearer {stack.tokens['github_ana']}"}

    def board(self) -> dict[str, dict[str, Any]]:
        """Every ticket of the team by identifier, with column, comments (oldest first) and attachments."""
        nodes = self._graphql(_BOARD, team=self._project.team)["issues"]["nodes"]
        for node in nodes:
            node["comments"] = sorted(node["comments"]["nodes"], key=lambda c: str(c["createdAt"]))
            node["attachments"] = node["attachments"]["nodes"]
            node["column"] = node["state"]["name"]
        return {node["identifier"]: node for node in nodes}

    def drag(self, identifier: str, column: str) -> None:
        """Move a card to another column."""
        ticket = self.board()[identifier]
        states = {s["name"]: s["id"] for s in ticket["team"]["states"]["nodes"]}
        self._graphql(_UPDATE, id=ticket["id"], input={"stateId": states[column]})

    def say(self, identifier: str, body: str, thread: str = "") -> None:
        """Comment on a ticket, in the thread of a comment."""
        place = {"parentId": thread} if thread else {}
        self._graphql(_COMMENT, input={"issueId": identifier, "body": body, **place})

    def edit(self, comment_id: str, body: str) -> None:
        """Replace the text of a comment."""
        self._graphql(_EDIT, id=comment_id, input={"body": body})

    def erase(self, comment_id: str) -> None:
        """Delete a comment."""
        self._graphql(_ERASE, id=comment_id)

    def delegate(self, identifier: str, user_id: str | None = APP) -> None:
        """Delegate a ticket to Loopline, or take it back with None."""
        self._graphql(_UPDATE, id=identifier, input={"delegateId": user_id})

    def reply(self, comment_id: str, body: str) -> None:
        """Write in the thread of a comment, such as that of an agent session."""
        self._graphql(_COMMENT, input={"parentId": comment_id, "body": body})

    def press_stop(self, session_id: str) -> None:
        """Press the stop button of an agent session."""
        self._graphql(_PROMPT, input={"agentSessionId": session_id, "signal": "stop", "content": {"body": "Stop"}})

    def sessions(self, identifier: str) -> list[dict[str, Any]]:
        """The ticket's agent sessions, oldest first, with their activities, oldest first."""
        found = [
            s for s in self._graphql(_SESSIONS)["agentSessions"]["nodes"] if s["issue"]["identifier"] == identifier
        ]
        for session in found:
            session["activities"] = sorted(session["activities"]["nodes"], key=lambda a: str(a["createdAt"]))
        return found[::-1]

    def write(self, identifier: str, title: str, description: str) -> None:
        """Change title and description of a ticket."""
        self._graphql(_UPDATE, id=identifier, input={"title": title, "description": description})

    def react(self, comment_id: str, emoji: str = "+1") -> None:
        """Put an emoji on a comment."""
        self._graphql(_REACT, input={"commentId": comment_id, "emoji": emoji})

    def delete(self, identifier: str) -> None:
        """Put a ticket into the trash."""
        self._graphql(_DELETE, id=identifier)

    def pull_requests(self) -> dict[str, dict[str, Any]]:
        """Every pull request by its page's address."""
        return {pull["html_url"]: pull for pull in self._pulls("GET", "?state=all")}

    def merge(self, number: int) -> None:
        """Press the merge button on the pull request."""
        self._pulls("PUT", f"/{number}/merge")

    def review(self, number: int, event: str, body: str) -> None:
        """Submit a review: APPROVE, REQUEST_CHANGES or COMMENT."""
        self._pulls("POST", f"/{number}/reviews", event=event, body=body)

    def comment_on_line(self, number: int, path: str, line: int, body: str) -> None:
        """Submit a review of one comment on a line of the diff."""
        self._pulls(
            "POST", f"/{number}/reviews", event="COMMENT", comments=[{"path": path, "line": line, "body": body}]
        )

    def review_comments(self, number: int) -> list[dict[str, Any]]:
        """The comments on lines, with the replies."""
        found: list[dict[str, Any]] = self._pulls("GET", f"/{number}/comments")
        return found

    def close(self, number: int, state: str = "closed") -> None:
        """Close the pull request without a merge, or open it again."""
        self._pulls("PATCH", f"/{number}", state=state)

    def _pulls(self, method: str, path: str, **body: Any) -> Any:
        address = f"{self._urls['pull_requests']}/repos/{self._project.repository}/pulls{path}"
        answer = requests.request(method, address, json=body, headers=self.github_headers, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def _graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        answer = requests.post(f"{self._urls['board']}/graphql", json=body, headers=self._linear, timeout=10)
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        if result.get("errors"):
            raise RuntimeError(f"the board refused: {result['errors'][0]['message']}")
        data: dict[str, Any] = result["data"]
        return data
