"""Examples of the messages about problems, digests and notifications, for the snapshot of `test_messages`."""

from __future__ import annotations

from dataclasses import replace

from integrations.values import Ticket
from jobs.loop.digest import Digest, FoundLine, MergedLine, ProblemLine, WaitingLine
from jobs.loop.problem import DeadTarget, Problem, ProblemKind
from jobs.loop.state import Escalation, Stage
from jobs.messages import digest as d
from jobs.messages import notifications as n
from jobs.messages import problems as p
from tests.loops import loop_with

NOON = 1_795_694_400.0
"""2026-11-26 12:00 UTC."""
LETTERS = tuple(p.name_letter(f"ENG-{n}", f"{n:012x}") for n in range(1, 23))


def problem(kind: ProblemKind, subject: str, reason: str, *affected: str) -> Problem:
    return Problem(key="k", team="ENG", kind=kind, subject=subject, reason=reason, affected=affected)


DEAD = problem("dead_letter", "PublishBranch", "KeyError: 'head' @ana", *LETTERS)
PROBLEMS = (
    DEAD,
    problem("escalation", "infrastructure", "no space left on the disk", "ENG-1", "ENG-2"),
    problem("automation", "acme/shop: ci-triage", "the model refused the prompt"),
    problem(
        "declarations", "acme/shop", "ci.md: cron: '9' has not five fields", "ci.md: cron: '9' has not five fields"
    ),
    problem("credentials", p.CREDENTIALS_OF["model"], "invalid x-api-key"),
    problem("notification", "slack", "status 404"),
    problem("more", "", p.MORE_REASON, "a", "b"),
)
FAILING = DeadTarget(id="x", team="ENG", scheme="slack", reason="it responded with status 404")
PAGE = "https://github.test/acme/shop/pull"
DIGEST = Digest(
    team="ENG",
    began="Wednesday, 25 November, 13:00",
    until=NOON,
    merged=(
        MergedLine(
            identifier="ENG-2", number=7, url=f"{PAGE}/7", lines=120, reviewed=True, at=NOON, title="Export as CSV"
        ),
        MergedLine(identifier="ENG-4", number=9, url=f"{PAGE}/9", lines=1_300, reviewed=False, at=NOON),
    ),
    waiting=(
        WaitingLine(
            identifier="ENG-1", title="Limit logins @team", url="https://linear.test/ENG-1", what="review",
            since=NOON - 3 * 86_400, risk="high", number=5, pull_request=f"{PAGE}/5", lines=240, minutes=36,
        ),
        WaitingLine(
            identifier="ENG-3", title="Totals", url="https://linear.test/ENG-3", what="decision", since=NOON - 7_200,
            reason="the agent asks: cents or euro?",
        ),
        WaitingLine(
            identifier="ENG-5", title="Dark mode", url="https://linear.test/ENG-5", what="answer", since=NOON - 60
        ),
    ),
    found=(FoundLine(identifier="ENG-8", title="The split loses a cent", severity="high", automation="ci-triage"),),
    problems=(ProblemLine(identifier="ENG-9", title=p.problem_title(DEAD), url="https://linear.test/ENG-9"),),
    spent_usd=3.204,
    unreviewed_lines=1_300,
)  # fmt: skip
MANY = replace(DIGEST, waiting=(), merged=(), found=DIGEST.found * 12, problems=(), unreviewed_lines=0)
CALLED = loop_with(
    Ticket(id="t", identifier="ENG-1", title="Limit logins <!channel>", url="https://linear.test/ENG-1"),
    stage=Stage.NEEDS_HUMAN,
    reason="the agent asks: cents or euro? @everyone",
    escalation=Escalation(kind="judgement", at=1.0),
)
SHOWN = {
    "problem_title": [p.problem_title(one) for one in PROBLEMS],
    "problem_body": [p.problem_body(one) for one in PROBLEMS],
    "list_affected": [p.list_affected(one) for one in PROBLEMS[:2]],
    "name_letter": [p.name_letter("ENG-1", "0a1b2c"), p.name_letter("", "0a1b2c")],
    "again_message": [p.again_message(DEAD)],
    "resolved_message": [p.resolved_message(DEAD)],
    "problem_notification": [p.problem_notification(one) for one in PROBLEMS[:3]],
    "more_reason": [p.MORE_REASON],
    "digest_ticket_body": [d.digest_ticket_body("ENG")],
    "digest_title": [d.digest_title(one) for one in (DIGEST, replace(MANY, found=()))],
    "digest_message": [d.digest_message(one) for one in (DIGEST, MANY)],
    "digest_notification": [d.digest_notification(one) for one in (DIGEST, MANY)],
    "escalation_title": [n.escalation_title(CALLED)],
    "escalation_body": [n.escalation_body(CALLED)],
    "more_escalations_title": [n.more_escalations_title("infrastructure", number) for number in (1, 49)],
    "more_escalations_body": [n.more_escalations_body([f"ENG-{number}" for number in range(1, 25)])],
    "dead_target_sentence": [n.dead_target_sentence([FAILING])],
    "plain": [n.plain("a <b> @ana [x](https://e.test)\nc")],
}
LARGE = {"digest_message", "digest_notification", "problem_body"}
"""Those that list more than fits on a phone."""
