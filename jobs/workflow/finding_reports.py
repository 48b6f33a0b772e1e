"""Rules for the ticket of an automation's finding: people accept it by starting the work, and reject it by cancelling
the ticket or with `/ignore`. The repository's automations get each change of its status."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import Event, TicketCommented, TicketMoved, TicketRemoved
from integrations.texts import cut
from integrations.values import Ticket
from jobs.contract.amendments import is_consent
from jobs.loop.automation_state import FindingStatus
from jobs.loop.commands import PostComment, React
from jobs.loop.comments import Guidance
from jobs.loop.finding_state import ReportFinding
from jobs.loop.state import Loop, Stage
from jobs.messages import automations as messages
from jobs.messages.sessions import not_allowed_to_take_message
from jobs.workflow.automations.findings import read_status
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.hand_over import hand_over

REASON_CHARACTERS = 300
_NO = frozenset({"no", "nope", "no thanks", "not now"})


def report_finding(before: Loop, decision: Decision, event: Event, policy: ServicePolicy) -> Decision:
    """The decision, with a report when the status of the ticket's finding has changed."""
    loop = decision.loop
    link = loop.finding or before.finding
    if link is None:
        return decision
    status = read_present_status(loop.ticket, replace(loop, finding=link), link.status, policy, link.column)
    status = "rejected" if isinstance(event, TicketRemoved) else status
    link = replace(link, status=status, ignored=link.ignored and status == "rejected")
    kept = replace(loop, finding=link)
    if before.finding and before.finding.status == status:
        return replace(decision, loop=kept)
    by = event.by if isinstance(event, TicketMoved) else getattr(event, "author", None)
    report = ReportFinding(
        repository=link.repository,
        filed=loop.ticket.to_reference(),
        status=status,
        reason=_find_reason(loop, event) if status == "rejected" else "",
        by=by.name if by else "",
    )
    return Decision(kept, (*decision.commands, report))


def ignore_finding(loop: Loop, request: Guidance) -> Decision:
    """`/ignore <reason>`: reject the finding of this ticket. `report_finding` adds the report."""
    if loop.finding is None or loop.generation:
        return Decision(loop, (PostComment(body=messages.ignore_elsewhere_message()),))
    reply = PostComment(body=messages.ignored_message(request.author, request.text), reply_to=request.thread)
    return Decision(replace(loop, finding=replace(loop.finding, ignored=True, asks=False)), (reply,))


def on_question_answered(loop: Loop, event: TicketCommented, policy: ServicePolicy) -> Decision | None:
    """An answer to the question whether to start the work; None for another comment."""
    link, author = loop.finding, event.author
    if link is None or not link.asks or loop.stage is not Stage.IDLE or author is None or author.is_us:
        return None
    if event.body.strip().rstrip(".!").casefold() in _NO:
        left = replace(loop, finding=replace(link, asks=False))
        return Decision(left, (React(comment_id=event.comment_id, emoji="+1"),))
    if not is_consent(event.body):
        return None
    if not policy.may_start(author):
        return Decision(loop, (PostComment(body=not_allowed_to_take_message(author.name)),))
    return hand_over(loop, event.at, policy)


def starts_itself(loop: Loop, event: TicketMoved) -> bool:
    """Whether Loopline put the finding's ticket into the agent column by the automation's start policy."""
    return loop.finding is not None and loop.finding.starts and (event.by is None or event.by.is_us)


def read_present_status(
    ticket: Ticket, loop: Loop | None, before: FindingStatus, policy: ServicePolicy, filed_in: str = ""
) -> FindingStatus:
    """The status of a finding by its ticket, whose loop is None after a loss of Redis. `/ignore` does not move the
    ticket, so a rejected one stays rejected there, in the column `filed_in`."""
    if loop and loop.stage is Stage.DONE and loop.merged:
        return "done"
    began = loop is not None and loop.generation > 0
    status = read_status(ticket, policy.role_of(ticket), filed_in, was_handed_over=began)
    is_ignored = loop.finding.ignored if loop and loop.finding else before == "rejected"
    return "rejected" if is_ignored and status == "open" else status


def _find_reason(loop: Loop, event: Event) -> str:
    """The text of `/ignore`, or the column with the last comment of a person with permission."""
    if isinstance(event, TicketCommented):
        text = event.body.partition("/ignore")[2] or event.body
        return cut(" ".join(text.split()).lstrip(": "), REASON_CHARACTERS)
    if isinstance(event, TicketRemoved):
        return messages.rejection_reason("")
    said = [one.text for one in loop.ticket.remarks if one.author.may_steer and not one.text.strip().startswith("/")]
    reason = messages.rejection_reason(loop.ticket.column)
    return cut(" ".join(f"{reason}: {said[-1]}".split()) if said else reason, REASON_CHARACTERS)
