"""Effects of reviews: replies in threads, approvals on the pull request, accounts that belong to one person.

Called by `jobs.effects.perform`. Every effect is idempotent: replies and approvals have a mark that is searched for
first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from integrations.errors import Rejected, Unauthorized, Unavailable
from integrations.events import AccountLinked, ApprovalPublished, Event
from jobs.effects.texts import sanitize_text
from jobs.effects.world import World
from jobs.loop.pull_request_commands import AnswerThread, ApprovePullRequest, LinkAccount
from jobs.messages import reviews as messages
from jobs.store.people import Account

if TYPE_CHECKING:
    from jobs.effects.perform import Context


def answer_thread(command: AnswerThread, ctx: Context) -> None:
    """Reply in the thread; resolve it once the commit that does what it asks for is pushed."""
    host, thread = ctx.world.code_host, command.thread
    changed = _has_changed(command, ctx.world)
    body = messages.thread_reply(thread, command.sha, command.before, changed=changed)
    body = sanitize_text(body, ctx.ticket, ctx.world)
    host.reply_in_thread(command.repository, command.number, thread.comment_id, body, ctx.create_id())
    if thread.is_applied or (thread.answer == "done" and changed):
        host.resolve_thread(command.repository, thread.id)


def _has_changed(command: AnswerThread, world: World) -> bool:
    """Whether the file differs between the reviewed head and the pushed one."""
    if command.before in {"", command.sha}:
        return False
    try:
        changes = world.mirror(command.repository).changes(command.before, command.sha, max_read=0)
    except Rejected:  # this host's mirror lacks a commit
        return False
    return any(change.path == command.thread.path for change in changes)


def approve_pull_request(command: ApprovePullRequest, ctx: Context) -> Sequence[Event]:
    """Create the review, or a comment in place of it, then read what the code host still asks for."""
    reason = _review(command, ctx)
    facts = ctx.world.code_host.fetch_facts(command.repository, command.number)
    published = ApprovalPublished(
        **ctx.build_event_fields(),
        generation=command.generation,
        head_sha=command.sha,
        is_review=not reason,
        decision=facts.review_decision,
        url=facts.url,
        reason=reason,
    )
    return (published,)


def _review(command: ApprovePullRequest, ctx: Context) -> str:
    """Why there is a comment and no review; empty for a review."""
    host, repository, number = ctx.world.code_host, command.repository, command.number
    if reason := host.find_reviewer_problem():
        pass
    elif not command.login:
        reason = messages.UNKNOWN_ACCOUNT_REASON
    elif not host.may_steer(repository, command.login):
        reason = messages.account_cannot_write_reason(command.login)
    else:
        try:
            host.approve(repository, number, command.sha, command.body, ctx.create_id())
            return ""
        except (Unavailable, Unauthorized):
            raise
        except Rejected as error:
            reason = messages.review_refused_reason(str(error))
    host.comment(repository, number, command.body, ctx.create_id())
    return reason


def link_account(command: LinkAccount, ctx: Context) -> Sequence[Event]:
    """Connect a person with an account that has write access and belongs to no other person."""
    problem = _find_link_problem(command, ctx)
    if not problem:
        account = Account(id=command.person_id, name=command.name, email=command.email.lower(), login=command.login)
        ctx.world.people.link(account)
    fields = ctx.build_event_fields()
    return (AccountLinked(**fields, name=command.name, login=command.login, problem=problem),)


def _find_link_problem(command: LinkAccount, ctx: Context) -> str:
    people = ctx.world.people
    fixed = people.find_fixed_login(command.email)
    if fixed and fixed.lower() != command.login.lower():
        return messages.fixed_account_problem(fixed)
    other = people.find_by_login(command.login)
    if other and other.id != command.person_id:
        return messages.linked_account_problem(other.name)
    team = ctx.world.policy.teams.get(ctx.ticket.team)
    repositories = team.repositories if team else ()
    if not any(ctx.world.code_host.may_steer(name, command.login) for name in repositories):
        return messages.unknown_account_problem(repositories)
    return ""
