"""Rules for approvals: whose count, what the code host still asks for, and which accounts belong to one person."""

from __future__ import annotations

import re
from dataclasses import replace

from integrations.events import AccountLinked, ApprovalPublished
from integrations.values import Person
from jobs.loop.commands import Command, LinkAccount, PostComment
from jobs.loop.state import Loop, Stage
from jobs.messages import replies
from jobs.messages import reviews as messages
from jobs.messages.ci import list_failing
from jobs.workflow.decision import Decision


def note_requester(loop: Loop, person: Person | None) -> Loop:
    """The loop with the person who handed the ticket over; while that is not known, its creator."""
    known = person if person and person.id and not person.is_us else None
    person = known or (None if loop.review.requester_id else loop.ticket.creator)
    if person is None:
        return loop
    return replace(loop, review=replace(loop.review, requester_id=person.id, requester_email=person.email.lower()))


def find_person_problem(loop: Loop, author: Person) -> str:
    """Why this person's approval does not count where the policy asks for two persons; empty if it does."""
    review = loop.review
    if not loop.workflow.review.two_persons:
        return ""
    if author.id == review.requester_id or (author.email and author.email.lower() == review.requester_email):
        return messages.second_person_message(author.name)
    return "" if author.email else messages.unknown_person_message(author.id)


def is_reviewable(loop: Loop) -> bool:
    """Whether an approval of the pull request counts now."""
    return loop.stage in {Stage.CI, Stage.REVIEW}


def approve(loop: Loop, author: Person, *commands: Command) -> Decision:
    """Record an approval of the pushed commit, unless it needs another person's."""
    if problem := find_person_problem(loop, author):
        return Decision(loop, (PostComment(body=problem),))
    sha = loop.pull_request.pushed_sha
    loop = replace(loop, pull_request=replace(loop.pull_request, approved_sha=sha, approved_by=author.name))
    return Decision(
        loop, (*commands, PostComment(body=replies.approved_message(author.name, sha, list_failing(loop.ci))))
    )


def on_approval_published(loop: Loop, event: ApprovalPublished) -> Decision:
    """Report what the code host still asks for; an approval of an older head is no news."""
    is_open = event.decision in {"review_required", "changes_requested"}
    if event.generation != loop.generation or event.head_sha != loop.pull_request.pushed_sha or not is_open:
        return Decision(loop)
    body = messages.review_missing_message(
        created=event.is_review, reason=event.reason, url=event.url or loop.pull_request.url, decision=event.decision
    )
    return Decision(loop, (PostComment(body=body),))


def link_account(loop: Loop, author: Person, text: str) -> Decision:
    """`/link LOGIN`: connect the author with an account on the code host."""
    login = text.strip().removeprefix("@").strip("`")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}", login):
        return Decision(loop, (PostComment(body=replies.missing_text_message("link")),))
    link = LinkAccount(person_id=author.id, name=author.name, email=author.email, login=login)
    return Decision(loop, (link,))


def on_account_linked(loop: Loop, event: AccountLinked) -> Decision:
    if event.problem:
        return Decision(loop, (PostComment(body=messages.not_linked_message(event.name, event.login, event.problem)),))
    return Decision(loop, (PostComment(body=messages.linked_message(event.name, event.login)),))
