"""Rule for work that is outside the contract: a person files it as a linked ticket, which starts nothing."""

from __future__ import annotations

from jobs.loop.commands import CreateTicket, PostComment
from jobs.loop.comments import Guidance
from jobs.loop.state import Loop
from jobs.messages import follow_ups as messages
from jobs.messages.replies import missing_text_message
from jobs.workflow.decision import Decision


def file_follow_up(loop: Loop, request: Guidance) -> Decision:
    """`/ticket <what>`: file that, or without a text the findings of the checker, in triage."""
    verdict = loop.candidate.verdict
    findings = () if request.text or verdict is None else verdict.findings
    if not request.text and not findings:
        return Decision(loop, (PostComment(body=missing_text_message("ticket")),))
    command = CreateTicket(
        key=f"follow-up/{request.comment_id}",
        title=messages.follow_up_title(loop, request),
        body=messages.follow_up_body(loop, request, findings),
    )
    return Decision(loop, (command,))
