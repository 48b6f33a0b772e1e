"""Rules for reviews of the pull request: they are collected, acted on together, and each inline comment is answered.

A review only moves the deadline in `loop.review`. When that passes, everything that is open at that moment is taken up,
from the facts of the code host, so a redelivered or edited review starts nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from integrations.events import AccountLinked, ApprovalPublished, ReviewSubmitted, RunFinished, TimePassed
from integrations.ports.code_host import COMMENT_MARK
from integrations.ports.pull_request import HostReview, PullRequestFacts, ReviewThread, ThreadComment
from integrations.results import Made
from integrations.texts import cut
from integrations.values import NO_COMMIT, Person
from jobs.loop.commands import AnswerThread, Command, LinkAccount, MoveTicket, PostComment, SetNeedsHuman
from jobs.loop.comments import GUIDANCE_CHARACTERS, Guidance
from jobs.loop.review_state import OpenThread, ReviewState
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.messages import replies
from jobs.messages import reviews as messages
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
    if event.state == "dismissed" and loop.pull_request.approved_by == author.name:
        stage = Stage.REVIEW if loop.stage is Stage.MERGING else loop.stage
        return Decision(replace(loop, stage=stage, pull_request=loop.pull_request.unapproved()))
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


def collect(loop: Loop, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    """Wait for further reviews and comments, then act on all of them."""
    if loop.stage not in OPEN | AT_WORK:
        return Decision(loop, commands)
    return Decision(replace(loop, review=replace(loop.review, due_at=at + policy.review_quiet_seconds)), commands)


def on_review_due(loop: Loop, event: TimePassed, policy: ServicePolicy) -> Decision:
    """Act on the reviews and threads that are open now."""
    facts = event.facts
    if facts is None or facts.head_sha != loop.pull_request.pushed_sha or loop.stage is Stage.PUBLISHING:
        return collect(loop, event.at, policy)  # the head moves
    loop = replace(loop, review=replace(loop.review, due_at=0.0))
    if facts.state != "open" or loop.stage not in OPEN | AT_WORK:
        return Decision(loop)
    threads, requests = find_open_threads(loop, facts, event.names), _find_requests(loop, facts)
    if not requests and all(one.is_advice for one in threads):
        return Decision(loop)
    if loop.stage is Stage.MERGING and not requests:
        return collect(loop, event.at, policy)  # remarks do not cancel a merge
    seen = (*loop.review.seen, *(one.id for one in requests), *_list_comments(facts))
    loop = replace(loop, review=replace(loop.review, seen=tuple(dict.fromkeys(seen))[-MAX_SEEN:]))
    names = [event.names.get(one.author, one.author) for one in requests]
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


def find_open_threads(loop: Loop, facts: PullRequestFacts, names: Mapping[str, str]) -> list[OpenThread]:
    """The threads to answer: neither resolved nor outdated, with a last comment of a person or bot that counts. `names`
    are people's names by login."""
    found = (_open_thread(loop, facts, one, names) for one in facts.threads if not one.resolved and not one.outdated)
    return [one for one in found if one][:MAX_THREADS]


def _open_thread(
    loop: Loop, facts: PullRequestFacts, thread: ReviewThread, names: Mapping[str, str]
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
        author=names.get(last.author, last.author),
        login=last.author,
        text=cut("\n".join(_format_comment(one, names, counting) for one in counting), THREAD_CHARACTERS),
        suggestion=found[0]["text"] if len(found) == 1 else None,
        has_more=len(counting) > 1 or bool(_SUGGESTION.sub("", last.body).strip()),
        is_advice=not instructing,
    )


def _format_comment(one: ThreadComment, names: Mapping[str, str], all_of: Sequence[ThreadComment]) -> str:
    """The text, with its author where the thread has several comments."""
    text = one.body.partition(COMMENT_MARK)[0].strip()
    author = "Loopline" if _is_own(one) else names.get(one.author, one.author)
    return f"{author}: {text}" if len(all_of) > 1 else text


def _is_own(comment: ThreadComment) -> bool:
    """By the mark: a person can use the same account."""
    return COMMENT_MARK in comment.body


def _list_comments(facts: PullRequestFacts) -> list[str]:
    """The last comment of each thread."""
    return [comment.id for thread in facts.threads for comment in thread.comments[-1:]]


def take_answers(loop: Loop, result: Made) -> Loop:
    """The loop with a maker's answers to the threads of the round."""
    given = {one.thread: one for one in result.answers}
    threads = tuple(
        replace(
            one,
            answer=given[one.id].kind if one.id in given else one.answer,
            note=given[one.id].note if one.id in given else one.note,
            is_applied=one.id in result.applied or one.is_applied,
        )
        for one in loop.review.threads
    )
    return replace(loop, review=replace(loop.review, threads=threads))


def needs_no_commit(loop: Loop, event: RunFinished, result: Made) -> bool:
    """Whether a round of remarks ends without a change: each has an answer, and none claims to be done."""
    verdict, head = loop.candidate.verdict, loop.pull_request.pushed_sha
    return (
        loop.review.round == "remarks"
        and event.outcome == "no_change"
        and not result.question
        and result.head_sha == head
        and verdict is not None
        and verdict.head_sha == head
        and not loop.comments.pending
        and all(one.answer in {"disagree", "need detail"} or one.is_advice for one in loop.review.threads)
    )


def return_to_review(loop: Loop) -> Decision:
    """Post the answers; the verdict of the head, and an approval of it, hold."""
    threads, sha = loop.review.threads, loop.pull_request.pushed_sha
    commands = answer_threads(loop)
    contract = loop.contract
    if contract:
        own = f"r{loop.revision}"
        contract = replace(contract, criteria=tuple(c for c in contract.criteria if c.id != own))
    shown, by = loop.pull_request, loop.review.approved_by
    if by:
        shown = replace(shown, approved_sha=sha, approved_by=by)
    loop = replace(end_round(loop), stage=Stage.REVIEW, reason="", contract=contract, pull_request=shown)
    answered = PostComment(body=messages.answered_message(threads, sha))
    return Decision(loop, (*commands, answered, SetNeedsHuman(needed=False), MoveTicket(column="review")))


def answer_threads(loop: Loop) -> tuple[AnswerThread, ...]:
    """A reply in each thread of the round, once the head is pushed."""
    return tuple(
        AnswerThread(
            repository=loop.workspace.repository,
            number=loop.pull_request.number,
            thread=one,
            sha=loop.pull_request.pushed_sha,
            before=loop.review.from_sha,
        )
        for one in loop.review.threads
    )


def end_round(loop: Loop) -> Loop:
    """Its threads have their answers."""
    return replace(loop, review=replace(loop.review, round="", threads=(), from_sha=NO_COMMIT, approved_by=""))


def note_requester(loop: Loop, person: Person | None) -> Loop:
    """The loop with the person who handed the ticket over; the ticket's creator where that is not known."""
    person = person if person and person.id and not person.is_us else loop.ticket.creator
    if person is None:
        return loop
    return replace(loop, review=replace(loop.review, requester_id=person.id, requester_email=person.email.lower()))


def find_person_problem(loop: Loop, author: Person) -> str:
    """Why this person's approval does not count where the policy asks for two persons; empty if it does."""
    review: ReviewState = loop.review
    if not loop.workflow.review.two_persons:
        return ""
    if author.id == review.requester_id or (author.email and author.email.lower() == review.requester_email):
        return messages.second_person_message(author.name)
    return "" if author.email else messages.unknown_person_message(author.id)


def approve(loop: Loop, author: Person, *commands: Command) -> Decision:
    """Record an approval of the pushed commit, unless it needs another person's."""
    if problem := find_person_problem(loop, author):
        return Decision(loop, (PostComment(body=problem),))
    sha = loop.pull_request.pushed_sha
    loop = replace(loop, pull_request=replace(loop.pull_request, approved_sha=sha, approved_by=author.name))
    return Decision(loop, (*commands, PostComment(body=replies.approved_message(author.name, sha))))


def on_approval_published(loop: Loop, event: ApprovalPublished) -> Decision:
    """Report what the code host still asks for; an approval of an older head is no news."""
    is_open = event.decision in {"review_required", "changes_requested"}
    if event.generation != loop.generation or event.head_sha != loop.pull_request.pushed_sha or not is_open:
        return Decision(loop)
    body = messages.review_missing_message(
        created=event.created, reason=event.reason, url=event.url or loop.pull_request.url, decision=event.decision
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
