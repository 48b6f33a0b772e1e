"""The audit journal of a ticket's whole way, as a worker writes it."""

from __future__ import annotations

from jobs.runtime.audit import FOLDER, name_chain, read_head
from jobs.runtime.audit_check import read_records, verify_chain
from tests.jobs import story
from tests.jobs.board import Board
from tests.jobs.story import BUG, in_review


def test_audit_records_the_decisions_effects_and_people_of_a_ticket_without_texts(board: Board) -> None:
    in_review(board)
    story.say(board, BUG, "/approve")
    folder = board.world.settings.home / FOLDER

    report = verify_chain(folder, read_head(board.world.redis, name_chain(board.world.settings.home)))
    records = list(read_records(folder, BUG))

    assert report.problem == "" and report.notes == ()
    done = [record["command"] for record in records if record["kind"] == "effect" and record["result"] == "done"]
    assert {"PublishBranch", "OpenPullRequest", "SetStatus", "PostComment", "StartRun", "report"} <= set(done)
    assert [r["actor"] for r in records if r.get("event") == "TicketCommented"] == ["ana@acme.test"]
    assert [r["result"] for r in records if r.get("role") == "checker"] == ["done"]
    text = "".join(map(str, records))
    assert "Removes files" not in text and "/approve" not in text, "a summary and a comment"
    assert not any(secret and secret in text for secret in (board.environ["LINEAR_API_KEY"], "stand-in"))
