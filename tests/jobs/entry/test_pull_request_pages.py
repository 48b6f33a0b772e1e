"""A pull request as its reviewers see it, on real stand-ins: template, people's text, labels, reviewers, draft, size.

Cases 41 and 42.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
from dataclasses import replace
from typing import Any

import requests

from integrations.results import (
    ChangedFolder,
    ChangeSize,
    CriterionResult,
    FileNote,
    Judgement,
    ReviewNotes,
    Verdict,
)
from jobs.loop.state import Loop, Stage
from jobs.roles.maker import AUTHOR
from tests.jobs.board import Board
from tests.jobs.story import BUG, finish, hand_over, looked_around, passed, said, say

REPOSITORY = "acme/tally"
TEMPLATE = "## Summary\n\n## Risk\n\n- [ ] All tests pass\n\n## How was it tested?\n\n## Rollback\n"
OWNERS = "* @ana @acme/tools @loopline\n/examples/ @ana nobody@acme.test\n"
SIZE = ChangeSize(
    files=11,
    lines=5_000,
    folders=(ChangedFolder(path="tally", files=9, lines=4_000), ChangedFolder(path="docs", files=2, lines=1_000)),
)
NOTES = ReviewNotes(
    what="Removes the examples, which no longer match the program.",
    risk="A link to them breaks.",
    steps=("open the README",),
    first=(FileNote(path="README.md", why="it linked them"),),
)


def send(board: Board, method: str, path: str, **body: Any) -> Any:
    """Ana's request to the code host."""
    url = f"{board.urls['pull_requests']}/repos/{REPOSITORY}{path}"
    answer = requests.request(method, url, json=body or None, headers=board.ana.github_headers, timeout=20)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def commit(board: Board, path: str, text: str) -> None:
    """Ana commits a file to the base branch."""
    content = base64.b64encode(text.encode()).decode()
    send(board, "PUT", f"/contents/{path}", message=f"Add {path}", content=content, branch="main")


def set_policy(board: Board, keys: str) -> None:
    """Ana sets `loop.pull_request` in WORKFLOW.md."""
    known = send(board, "GET", "/contents/WORKFLOW.md")
    text = re.sub("(?m)^  pull_request: .*", f"  pull_request: {keys}", base64.b64decode(known["content"]).decode())
    content = base64.b64encode(text.encode()).decode()
    send(board, "PUT", "/contents/WORKFLOW.md", message="Set", content=content, branch="main", sha=known["sha"])


def verified(board: Board, loop: Loop, risk: str = NOTES.risk, drop: str = "examples") -> Loop:
    """The loop after a candidate, without the folder `drop`, that has a verdict of done."""
    sha = commit_without(board, loop, drop)
    loop = finish(board, loop, head_sha=sha, summary="Removes files.")
    loop = finish(board, finish(board, loop, evidence=passed(loop), size=SIZE), judgement=Judgement(done=True))
    assert loop.contract
    results = tuple(CriterionResult(criterion=c.id, result="pass", evidence="seen") for c in loop.contract.criteria)
    notes = replace(NOTES, risk=risk)
    return finish(board, loop, verdict=Verdict(head_sha=sha, results=results, summary="Removes files.", notes=notes))


def commit_without(board: Board, loop: Loop, folder: str) -> str:
    """A commit of Loopline on the head of the ticket's branch."""
    repository = str(board.world.settings.home / "repos" / "acme__tally.git")
    parent = loop.pull_request.pushed_sha or loop.workspace.base_sha
    author = {f"GIT_{who}_{what}": AUTHOR for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def git(*arguments: str, given: str = "") -> str:
        command = ["git", "-C", repository, *arguments]
        ran = subprocess.run(command, input=given, env=os.environ | author, capture_output=True, text=True, check=True)
        return ran.stdout.strip()

    entries = [entry for entry in git("ls-tree", parent).splitlines() if not entry.endswith(f"\t{folder}")]
    tree = git("mktree", given="".join(f"{entry}\n" for entry in entries))
    return git("commit-tree", tree, "-p", parent, "-m", "work")


def revise(board: Board, loop: Loop) -> Loop:
    """The loop whose maker works on a request for changes."""
    say(board, BUG, "/changes add Y")
    revised = board.world.store.load(loop.ticket.id)
    assert revised
    return looked_around(board, revised)


def shown(board: Board, loop: Loop) -> dict[str, Any]:
    found: dict[str, Any] = send(board, "GET", f"/pulls/{loop.pull_request.number}")
    return found


def test_large_pull_request_fills_the_template_and_gets_a_proposal_to_split_it(board: Board) -> None:
    commit(board, ".github/Pull_Request_Template.md", TEMPLATE)
    pull = shown(board, verified(board, hand_over(board, BUG)))

    order = [
        "## Summary",
        NOTES.what,
        "## Risk",
        NOTES.risk,
        "- [x] All tests pass (`python3 -m unittest",
        "## How was",
    ]
    order += [
        "unittest discover -q` → exit 0",
        "## Rollback",
        f"Fixes {BUG}",
        "## Read first",
        "## Acceptance criteria",
    ]
    places = [pull["body"].index(part) for part in order]
    assert places == sorted(places)
    [comment] = [text for text in said(board, BUG) if "Large change" in text]
    assert "`tally`: 4,000 lines in 9 files" in comment
    page = requests.get(f"{board.urls['pull_requests']}/{REPOSITORY}/pull/{pull['number']}", timeout=20).text
    assert "loopline:begin" not in page and "<summary>Provenance</summary>" in page


def test_text_that_a_person_wrote_into_title_and_description_stays(board: Board) -> None:
    loop = verified(board, hand_over(board, BUG))
    number, before = loop.pull_request.number, shown(board, loop)["body"]
    edited = before.replace("## Not checked", "Rollback plan: revert.\n\n## Not checked") + "\n\nSee the forum."
    send(board, "PATCH", f"/pulls/{number}", title="feat(shop): gamma", body=edited.replace("\n", "\r\n"))

    after = shown(board, verified(board, revise(board, loop), "None.", "README.md"))
    assert after["title"] == "feat(shop): gamma"
    assert "Rollback plan: revert." in after["body"] and after["body"].rstrip().endswith("See the forum.")
    assert "None." in after["body"] and after["body"].count("## Not checked") == 1


def test_pull_request_gets_title_labels_reviewers_and_milestone_by_policy(board: Board) -> None:
    send(board, "POST", "/milestones", title="1.0")
    commit(board, "CODEOWNERS", OWNERS)
    set_policy(board, "{title: conventional, labels: [loopline, small], milestone: '1.0'}")
    loop = verified(board, hand_over(board, BUG))
    pull = shown(board, loop)

    assert pull["title"].endswith(f"({BUG})") and ": " in pull["title"]
    assert [one["name"] for one in pull["labels"]] == ["loopline", "small"] and pull["milestone"]["title"] == "1.0"
    assert "ana" in [one["login"] for one in pull["requested_reviewers"]] and pull["draft"] is False
    [comment] = [text for text in said(board, BUG) if "CODEOWNERS" in text]
    assert "acme.test" in comment and loop.stage is Stage.REVIEW

    number = len(said(board, BUG))
    assert verified(board, revise(board, loop), drop="README.md").stage is Stage.REVIEW
    assert [text for text in said(board, BUG)[number:] if "CODEOWNERS" in text] == []


def test_details_that_do_not_exist_are_named_once_and_do_not_stop_the_review(board: Board) -> None:
    set_policy(board, "{milestone: '9.9', reviewers: [ghost], template: missing.md}")
    loop = verified(board, hand_over(board, BUG))

    assert loop.stage is Stage.REVIEW and shown(board, loop)["state"] == "open"
    comments = said(board, BUG)
    for words in ("no open milestone '9.9'", "ghost", "'missing.md'"):
        assert len([text for text in comments if words in text]) == 1
