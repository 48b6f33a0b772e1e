"""What the worker's tests do to a ticket: hand it over, report for its agent, take it as far as a stage."""

from __future__ import annotations

import os
import subprocess
import time

import requests

from integrations.events import TicketCommented, TicketMoved
from integrations.results import CriterionResult, Evidence, Judgement, Plan, Proposal, ProposedCriterion, Verdict
from jobs.effects.upstream import AUTHOR
from jobs.loop.state import Loop, Stage
from jobs.runtime.lease import hold
from tests.jobs.board import Board
from tests.loops import run_finished

BUG, FEATURE, VAGUE = "ENG-1", "ENG-2", "ENG-3"
OPENING = "POST /repos/{owner}/{repo}/pulls"
PLACE = "GET /repos/{owner}/{repo}"


def hand_over(board: Board, identifier: str, *faults: dict[str, object]) -> Loop:
    board.ana.drag(identifier, "Agent")
    for fault in faults:
        assert requests.post(f"{board.urls['board']}/_faults", json=fault, timeout=5).ok
    ticket_id = board.ticket_id(identifier)
    board.world.store.deliver(TicketMoved(event_id=f"moved-{identifier}", ticket_id=ticket_id, at=1.0))
    loop = board.drive(identifier)
    assert loop
    return looked_around(board, loop)


def looked_around(board: Board, loop: Loop) -> Loop:
    """The preflight has ended, the scout, if one was sent, is back with a plan, the planner with a proposal."""
    if loop.stage is Stage.PREFLIGHT:
        loop = finish(board, loop)
    if loop.stage is Stage.PLANNING:
        criteria = (ProposedCriterion(text="it works", command="python3 -m unittest -q"),)
        return finish(board, loop, proposal=Proposal(criteria=criteria))
    return finish(board, loop, plan=Plan(summary="look")) if loop.stage is Stage.SCOUTING else loop


def said(board: Board, identifier: str) -> list[str]:
    return [c["body"] for c in board.ana.board()[identifier]["comments"]]


def finish(board: Board, loop: Loop, **fields: object) -> Loop:
    """What an agent process reports for the current run."""
    role = loop.run_id.rsplit("-", 1)[1]
    about = {"event_id": f"{loop.run_id}:finished", "ticket_id": loop.ticket.id, "run_id": loop.run_id, "at": 2.0}
    event = run_finished(role, **about | {"generation": loop.generation} | fields)
    with hold(board.world.redis, f"run:{loop.run_id}") as lease:
        assert lease
        board.world.runs.finish(lease, event, heed_guidance=False)
    after = board.drive(loop.identifier)
    assert after
    return after


def candidate(board: Board, loop: Loop) -> str:
    """A commit of ours in the mirror, with another tree than the base's: without its examples."""
    folder = board.world.settings.home / "repos" / f"{loop.workspace.repository.replace('/', '__')}.git"
    who = {
        f"GIT_{role}_{part}": text
        for role in ("AUTHOR", "COMMITTER")
        for part, text in (("NAME", AUTHOR), ("EMAIL", board.world.settings.commit_email))
    }

    def git(*arguments: str, given: str = "") -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(
            command, input=given, env=os.environ | who, capture_output=True, text=True, check=True
        ).stdout.strip()

    entries = git("ls-tree", loop.workspace.base_sha).splitlines()
    tree = git("mktree", given="".join(f"{entry}\n" for entry in entries if not entry.endswith("\texamples")))
    return git("commit-tree", tree, "-p", loop.workspace.base_sha, "-m", "work")


def in_review(board: Board, loop: Loop | None = None) -> Loop:
    """The ticket with a pull request; `loop` is one whose maker works."""
    loop = loop or hand_over(board, BUG)
    sha = candidate(board, loop)
    assert loop.contract
    loop = finish(board, loop, head_sha=sha)
    passed = tuple(Evidence(name=c.id, command=c.command, exit_code=0) for c in loop.contract.criteria if c.command)
    loop = finish(board, finish(board, loop, evidence=passed), judgement=Judgement(done=True))
    results = tuple(CriterionResult(criterion=c.id, result="pass", evidence="seen") for c in loop.contract.criteria)
    return finish(board, loop, verdict=Verdict(head_sha=sha, results=results, summary="Removes files."))


def fault(board: Board, operation: str) -> None:
    """The code host is away for this operation until `mended`."""
    wanted = {"operation": operation, "kind": "502", "times": 1_000}
    assert requests.post(f"{board.urls['pull_requests']}/_faults", json=wanted, timeout=5).ok


def mended(board: Board) -> None:
    requests.delete(f"{board.urls['pull_requests']}/_faults", timeout=5).raise_for_status()


def say(board: Board, identifier: str, words: str) -> str:
    """Ana writes on the ticket and the webhook arrives; returns the comment's id."""
    board.ana.say(identifier, words)
    comment = str(board.ana.board()[identifier]["comments"][-1]["id"])
    ticket_id = board.ticket_id(identifier)
    board.world.store.deliver(
        TicketCommented(event_id=f"comment:{comment}", ticket_id=ticket_id, comment_id=comment, at=time.time())
    )
    board.drive(identifier)
    return comment


def moved(board: Board, identifier: str, column: str) -> Loop:
    """Ana drags the card and the webhook arrives."""
    board.ana.drag(identifier, column)
    event_id = f"dragged-{identifier}-{column}"
    board.world.store.deliver(TicketMoved(event_id=event_id, ticket_id=board.ticket_id(identifier), at=2.0))
    loop = board.drive(identifier)
    assert loop
    return loop


def preparing(board: Board) -> Loop:
    fault(board, PLACE)
    loop = hand_over(board, BUG)
    mended(board)
    return loop


def gating(board: Board) -> Loop:
    loop = hand_over(board, BUG)
    return finish(board, loop, head_sha=candidate(board, loop), summary="Removes files.")


def passed(loop: Loop) -> tuple[Evidence, ...]:
    assert loop.contract
    return tuple(Evidence(name=c.id, command=c.command, exit_code=0) for c in loop.contract.criteria if c.command)


def verdict(loop: Loop) -> Verdict:
    assert loop.contract
    results = tuple(CriterionResult(criterion=c.id, result="pass", evidence="seen") for c in loop.contract.criteria)
    return Verdict(head_sha=loop.candidate.head_sha, results=results, summary="Removes files.")


def checking(board: Board) -> Loop:
    loop = gating(board)
    return finish(board, finish(board, loop, evidence=passed(loop)), judgement=Judgement(done=True))


def publishing(board: Board) -> Loop:
    loop = checking(board)
    fault(board, OPENING)
    loop = finish(board, loop, verdict=verdict(loop))
    mended(board)
    return loop


def second_try(board: Board) -> Loop:
    """A maker at work again, after the gate said no."""
    loop = gating(board)
    failed = (Evidence(name="c1", command="x", exit_code=1, output="no"),)
    return finish(board, loop, evidence=failed)


def given_up(board: Board) -> Loop:
    loop = hand_over(board, BUG)
    return finish(board, loop, outcome="budget", at=time.time())


def asking(board: Board) -> Loop:
    return hand_over(board, VAGUE)


def stopped(board: Board) -> Loop:
    hand_over(board, BUG)
    return moved(board, BUG, "Backlog")


def merging(board: Board) -> Loop:
    in_review(board)
    say(board, BUG, "/approve")
    fault(board, "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge")
    say(board, BUG, "/merge")
    mended(board)
    loop = board.drive(BUG)
    assert loop
    return loop


def merged(board: Board) -> Loop:
    in_review(board)
    for words in ("/approve", "/merge"):
        say(board, BUG, words)
    loop = board.drive(BUG)
    assert loop
    return loop
