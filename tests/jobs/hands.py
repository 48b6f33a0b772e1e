"""Ana at work on the code host, by its API and by git, and more work of Loopline on the same branch."""

from __future__ import annotations

import base64
import itertools
import subprocess
from typing import Any

import requests

from integrations.events import BranchPushed
from integrations.results import Judgement, Provenance
from jobs.drive import drive
from jobs.loop.state import Loop
from jobs.roles.maker import AUTHOR
from jobs.runtime import keys
from tests.jobs import story
from tests.jobs.board import Board
from tests.jobs.story import BUG, finish

SHOP = "acme/tally"
_numbers = itertools.count()


class Hands:
    """Ana on the code host, by its API."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def call(self, method: str, path: str, **body: Any) -> Any:
        url = f"{self._board.urls['pull_requests']}{path}"
        answer = requests.request(method, url, json=body, headers=self._board.ana.github_headers, timeout=20)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def head(self, branch: str) -> str | None:
        return self._board.world.code_host.branch_head(SHOP, branch)

    def branch(self, name: str, sha: str) -> None:
        self.call("POST", f"/repos/{SHOP}/git/refs", ref=f"refs/heads/{name}", sha=sha)

    def commit(self, branch: str, path: str = "NOTES.md", text: str = "mine\n") -> str:
        """Commit one file to the branch; the webhook is not delivered."""
        content = base64.b64encode(text.encode()).decode()
        found = requests.get(
            f"{self._board.urls['pull_requests']}/repos/{SHOP}/contents/{path}?ref={branch}",
            headers=self._board.ana.github_headers,
            timeout=20,
        ).json()
        old = {"sha": found["sha"]} if "sha" in found else {}
        made = self.call(
            "PUT", f"/repos/{SHOP}/contents/{path}", message="By Ana", content=content, branch=branch, **old
        )
        return str(made["commit"]["sha"])

    def deliver(self, kind: type[Any], loop: Loop, **fields: Any) -> Loop:
        """The webhook arrives."""
        place = {"ticket_id": loop.ticket.id, "at": 5.0, "repository": SHOP}
        event = kind(event_id=f"hook-{next(_numbers)}", **place, **fields)
        self._board.world.store.deliver(event)
        return drive_again(self._board)

    def push(self, loop: Loop, path: str = "NOTES.md", text: str = "mine\n") -> Loop:
        """Commit to the ticket's branch, and the webhook arrives."""
        sha = self.commit(loop.workspace.branch, path, text)
        return self.deliver(BranchPushed, loop, branch=loop.workspace.branch, head_sha=sha, by="ana")


def drive_again(board: Board) -> Loop:
    ticket_id = board.ticket_id(BUG)
    board.world.redis.delete(keys.retry_at(ticket_id))
    drive(ticket_id)
    loop = board.world.store.load(ticket_id)
    assert loop
    return loop


def base_head(board: Board) -> str:
    sha = board.world.code_host.branch_head(SHOP, "main")
    assert sha
    return sha


def publish_more(board: Board, loop: Loop) -> Loop:
    """A further commit of Loopline on the branch's head, with a verdict."""
    mirror = board.world.mirror(SHOP)
    head = loop.pull_request.pushed_sha
    removed = next(change for change in mirror.changes(loop.workspace.base_sha, head) if change.after is None)
    mixed = mirror.write_mixed_commit(head, {removed.path: removed.before})
    sha = mirror.write_candidate(mixed, head, "more", AUTHOR, board.world.settings.commit_email, 9)
    return in_review_at(board, loop, sha)


def in_review_at(board: Board, loop: Loop, sha: str) -> Loop:
    loop = finish(board, loop, head_sha=sha)
    loop = finish(board, loop, evidence=story.passed(loop))
    loop = finish(board, loop, judgement=Judgement(done=True))
    return finish(board, loop, verdict=story.verdict(loop))


def unfinished(board: Board, loop: Loop, path: str = "draft.txt", text: str = "draft\n") -> str:
    """A commit of the maker's unfinished files on the branch's head as it knows it."""
    hands = Hands(board)
    scratch = f"scratch-{next(_numbers)}"
    hands.branch(scratch, loop.pull_request.pushed_sha)
    sha = hands.commit(scratch, path, text)
    board.world.mirror(
        SHOP,
        board.world.code_host.repository(SHOP).clone_url,
        board.world.code_host.git_credentials(SHOP),
    ).fetch(scratch)
    return sha


def git_push(board: Board, refspec: str, branch: str) -> None:
    """Ana's own git, with the commits of `branch`."""
    token = board.ana.github_headers["Authorization"].split()[1]
    url = board.urls["pull_requests"].replace("://", f"://x:{token}@")
    folder = board.world.settings.home / "repos" / "acme__tally.git"
    subprocess.run(["git", "-C", str(folder), "fetch", "-q", f"{url}/{SHOP}.git", branch], check=True)
    subprocess.run(["git", "-C", str(folder), "push", "-q", f"{url}/{SHOP}.git", refspec], check=True)


def interrupt(board: Board, loop: Loop, draft: str) -> Loop:
    """The maker that was stopped reports its unfinished files."""
    made = Provenance(run_id=loop.run_id, role="maker", outcome="stopped", base_sha=loop.workspace.base_sha)
    return finish(board, loop, outcome="stopped", checkpoint=draft, provenance=made)
