"""Rules for reviews of the pull request: they are collected, acted on together, and each inline comment is answered.

A review only moves the deadline in `loop.review`. When that passes, everything that is open at that moment is taken up,
from the facts of the code host, so a redelivered or edited review starts nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from integrations.events import ReviewSubmitted, TimePassed
from integrations.ports.code_host import COMMENT_MARK
from integrations.ports.pull_request import HostReview, PullRequestFacts, ReviewThread, ThreadComment
from integrations.texts import cut
from integrations.values import Person
from jobs.loop.commands import Command, PostComment
from jobs.loop.comments import GUIDANCE_CHARACTERS, Guidance
from jobs.loop.review_state import OpenThread
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.messages import reviews as messages
from jobs.workflow.approvals import approve
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalation import escalate
from jobs.workflow.hand_over import revise
from jobs.workflow.hearing import PULL, guide, hear, keep, kind_of

MAX_THREADS, MAX_SEEN = 100, 500
THREAD_CHARACTERS = 4_000
_SUGGESTION = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,})suggestion[^\n]*\n(?P<text>.*?)^ {0,3}(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL
)


def on_review_submitted(loop: Loop, event: ReviewSubmitted, policy: ServicePolicy) -> Decision:
    """An approval counts at once, for the commit it was given on; other reviews are collected."""
    author = event.author
    if event.number != loop.pull_request.number or author is None:
        return Decision(loop)
    if event.state == "commented" and not event.body.strip():
        return collect(loop, event.at, policy)  # inline comments; the facts show whose they are
    if not author.may_steer:
        instructs = author.is_bot and loop.workflow.review.bots == "instruct"
        return collect(loop, event.at, policy) if instructs else Decision(loop)
    if event.state == "dismissed":
        return Decision(_withdraw_approval(loop, author.name))
    text = cut(event.body, GUIDANCE_CHARACTERS) or "see the review"
    given = Guidance(author=author.name, text=text, comment_id=f"{PULL}review-{event.review_id}")
    if event.state == "commented" and not event.comments:
        return hear(loop, given, event.at, policy, kind_of(event.body))
    if event.state == "commented" and loop.stage in OPEN | AT_WORK:
        return collect(replace(loop, comments=loop.comments.note(given)), event.at, policy)
    if event.state == "changes_requested" and loop.stage in {Stage.NEEDS_HUMAN, Stage.STOPPED}:
        return keep(loop, given)
    if event.state == "changes_requested":
        return collect(loop, event.at, policy)
    if event.state == "approved" and event.head_sha == loop.pull_request.pushed_sha and loop.stage is Stage.REVIEW:
        approved = approve(loop, author)
        return collect(approved.loop, event.at, policy, *approved.commands) if event.comments else approved
    return Decision(loop)


def _withdraw_approval(loop: Loop, by: str) -> Loop:
    """The loop without this person's approval, also that of the head that a round started from."""
    if loop.review.approved_by == by:
        loop = replace(loop, review=replace(loop.review, approved_by=""))
    if loop.pull_request.approved_by != by:
        return loop
    stage = Stage.REVIEW if loop.stage is Stage.MERGING else loop.stage
    return replace(loop, stage=stage, pull_request=loop.pull_request.unapproved())


def collect(loop: Loop, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    """Wait for further reviews and comments, then act on all of them."""
    if loop.stage not in OPEN | AT_WORK:
        return Decision(loop, commands)
    return Decision(replace(loop, review=replace(loop.review, due_at=at + policy.review_quiet_seconds)), commands)


def on_review_due(loop: Loop, event: TimePassed, policy: ServicePolicy) -> Decision:
    """Act on the reviews and threads that are open now."""
    facts = event.facts
    if loop.stage not in OPEN | AT_WORK or not loop.pull_request.number:
        return Decision(replace(loop, review=replace(loop.review, due_at=0.0)))
    if facts is None or facts.head_sha != loop.pull_request.pushed_sha or loop.stage is Stage.PUBLISHING:
        return collect(loop, event.at, policy)  # the head moves
    loop = replace(loop, review=replace(loop.review, due_at=0.0))
    if facts.state != "open":
        return Decision(loop)
    threads, requests = find_open_threads(loop, facts, event.people), _find_requests(loop, facts)
    if not requests and all(one.is_advice for one in threads):
        return Decision(loop)
    if loop.stage is Stage.MERGING and not requests:
        return collect(loop, event.at, policy)  # remarks do not cancel a merge
    seen = (*loop.review.seen, *(one.id for one in requests), *_list_comments(facts))
    loop = replace(loop, review=replace(loop.review, seen=tuple(dict.fromkeys(seen))[-MAX_SEEN:]))
    names = [_name(event.people, one.author) for one in requests]
    names += [one.author for one in threads if not one.is_advice]
    if loop.stage in AT_WORK:
        return _join_round(loop, threads, requests, names)
    return _start_round(loop, threads, requests, names, event.at)


def _start_round(
    loop: Loop, threads: Sequence[OpenThread], requests: Sequence[HostReview], names: Sequence[str], at: float
) -> Decision:
    """A revision that continues from the accepted work; after the last one that the policy allows, an escalation."""
    most, rounds = loop.workflow.review.rounds, loop.review.rounds + 1
    request = _build_request(threads, requests, names)
    if rounds > most:
        loop = replace(loop, comments=loop.comments.note(request))
        return escalate(loop, "judgement", messages.too_many_rounds_reason(most, names, threads), at)
    shown = loop.pull_request
    review = replace(
        loop.review,
        rounds=rounds,
        round="request" if requests else "remarks",
        threads=tuple(threads),
        from_sha=shown.pushed_sha,
        approved_by=shown.approved_by if shown.approved_sha == shown.pushed_sha else "",
    )
    started = messages.round_started_message(names, len(threads), loop.revision + 1)
    return revise(replace(loop, review=review), request, at, PostComment(body=started))


def _join_round(
    loop: Loop, threads: Sequence[OpenThread], requests: Sequence[HostReview], names: Sequence[str]
) -> Decision:
    """Deliver the reviews to the agent at work; their threads are answered with those of its round."""
    first = len(loop.review.threads) + 1
    review = replace(
        loop.review,
        round="request" if requests or loop.review.round != "remarks" else "remarks",
        threads=(*loop.review.threads, *threads),
        from_sha=loop.review.from_sha or loop.pull_request.pushed_sha,
    )
    return guide(replace(loop, review=review), _build_request(threads, requests, names, first))


def _build_request(
    threads: Sequence[OpenThread], requests: Sequence[HostReview], names: Sequence[str], first: int = 0
) -> Guidance:
    """Bodies of the reviews and lines of the threads, numbered from `first` for an agent that has its brief already."""
    lines = [one.body.strip() for one in requests if one.body.strip()]
    for number, one in enumerate(threads, first):
        if not one.is_advice:
            lines.append(f"{f'T{number} ' if first else ''}{one.place}: {one.text}")
    if first and threads:
        lines.append(messages.HOW_TO_ANSWER)
    ids = [one.id for one in requests] or [one.comment_id for one in threads]
    return Guidance(
        author=messages.join_names(names),
        text=cut("\n".join(lines) or "see the review", GUIDANCE_CHARACTERS),
        comment_id=f"{PULL}review-{ids[0]}",
    )


def _find_requests(loop: Loop, facts: PullRequestFacts) -> list[HostReview]:
    """The requests for changes that no round has taken up."""
    bots = loop.workflow.review.bots == "instruct"
    return [
        one
        for one in facts.reviews
        if one.state == "changes_requested"
        and (one.may_write or (one.is_bot and bots))
        and one.id not in loop.review.seen
    ]


def find_open_threads(loop: Loop, facts: PullRequestFacts, people: Mapping[str, Person]) -> list[OpenThread]:
    """The threads to answer: neither resolved nor outdated, with a last comment of a person or bot that counts.
    `people` by their login."""
    found = (_open_thread(loop, facts, one, people) for one in facts.threads if not one.resolved and not one.outdated)
    return [one for one in found if one][:MAX_THREADS]


def _open_thread(
    loop: Loop, facts: PullRequestFacts, thread: ReviewThread, people: Mapping[str, Person]
) -> OpenThread | None:
    bots = loop.workflow.review.bots
    counting = [one for one in thread.comments if one.may_write or (one.is_bot and bots != "none") or _is_own(one)]
    if not counting or _is_own(counting[-1]) or counting[-1].id in loop.review.seen:
        return None
    if kind_of(counting[-1].body) == "thanks":
        return None
    since = max((place for place, one in enumerate(counting, 1) if _is_own(one)), default=0)
    instructing = [one for one in counting[since:] if one.may_write or bots == "instruct"]
    last = (instructing or counting)[-1]
    found = list(_SUGGESTION.finditer(last.body))
    return OpenThread(
        id=thread.id,
        comment_id=thread.comments[0].id,
        path=thread.path,
        line=thread.line,
        first_line=thread.start_line or thread.line,
        head_sha=facts.head_sha,
        author=_name(people, last.author),
        login=last.author,
        email=people[last.author].email if last.author in people else "",
        text=cut("\n".join(_format_comment(one, people, counting) for one in counting), THREAD_CHARACTERS),
        suggestion=found[0]["text"] if len(found) == 1 else None,
        has_more=len(counting) > 1 or bool(_SUGGESTION.sub("", last.body).strip()),
        is_advice=not instructing,
    )


def _format_comment(one: ThreadComment, people: Mapping[str, Person], all_of: Sequence[ThreadComment]) -> str:
    """The text, with its author where the thread has several comments."""
    text = one.body.partition(COMMENT_MARK)[0].strip()
    author = "Loopline" if _is_own(one) else _name(people, one.author)
    return f"{author}: {text}" if len(all_of) > 1 else text


def _name(people: Mapping[str, Person], login: str) -> str:
    return people[login].name if login in people else login


def _is_own(comment: ThreadComment) -> bool:
    """By the mark: a person can use the same account."""
    return COMMENT_MARK in comment.body


def _list_comments(facts: PullRequestFacts) -> list[str]:
    """The last comment of each thread."""
    return [comment.id for thread in facts.threads for comment in thread.comments[-1:]]
