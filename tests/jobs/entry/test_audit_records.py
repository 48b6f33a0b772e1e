"""The audit journal of a ticket's whole way, as a worker writes it."""

from __future__ import annotations

from integrations.results import Provenance
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


def test_audit_records_the_provenance_of_a_finished_run_once(board: Board) -> None:
    loop = story.hand_over(board, BUG)
    sha = story.candidate(board, loop)
    provenance = Provenance(
        run_id=loop.run_id, role="maker", outcome="done", head_sha=sha, prompt="p" * 64, environment="e" * 32,
        sandbox="s" * 64, model="large", reported_models=("large-1",),
    )  # fmt: skip
    after = story.finish(board, loop, head_sha=sha, provenance=provenance)

    records = list(read_records(board.world.settings.home / FOLDER, BUG))
    (line,) = [record for record in records if record.get("prompt")]

    assert {"kind": "decision", "run_id": loop.run_id, "head_sha": sha, "prompt": "p" * 64}.items() <= line.items()
    assert (line["environment"], line["sandbox"], line["reported_models"]) == ("e" * 32, "s" * 64, ["large-1"])
    assert after.candidate.find_provenance("maker") == provenance
