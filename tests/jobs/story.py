"""What the worker's tests do to a ticket: hand it over, report for its agent, take it as far as a stage."""

from __future__ import annotations

import time

import requests

from integrations.events import TicketCommented, TicketMoved
from integrations.results import CriterionResult, Evidence, Judgement, Verdict
from jobs.drive import drive
from jobs.loop.state import Loop

from .conftest import Board
from .test_drive import BUG, VAGUE, candidate, finish, hand_over, in_review

OPENING = "POST /repos/{owner}/{repo}/pulls"
PLACE = "GET /repos/{owner}/{repo}"


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
    return Verdict(head_sha=loop.head_sha, results=results, summary="Removes files.")


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


__all__ = ["BUG", "VAGUE", "candidate", "drive", "finish", "hand_over", "in_review"]
