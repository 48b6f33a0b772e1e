"""Rules while people hold the work: reviews, and checks of the code host. Other actions there are in `foreign`."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import ChecksReported, ReviewSubmitted
from integrations.texts import cut
from jobs.loop.commands import PostComment
from jobs.loop.comments import GUIDANCE_CHARACTERS, Guidance
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.messages import replies
from jobs.messages.verdict import STATUS_CONTEXT
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.hand_over import revise
from jobs.workflow.hearing import PULL, guide, hear, kind_of
from jobs.workflow.steering import approve

MAX_CHECKS, MAX_CHECK_NAME = 20, 100  # failing checks that the ticket shows, and characters of their names


def on_review_submitted(loop: Loop, event: ReviewSubmitted, policy: ServicePolicy) -> Decision:
    """Changes requested starts another iteration; an approval counts for the commit it was given on."""
    author = event.author
    if event.number != loop.pull_request.number or author is None or not author.may_steer:
        return Decision(loop)
    text = "\n".join(part for part in (event.body, *event.comments) if part) or "see the review"
    request = Guidance(author=author.name, text=cut(text, GUIDANCE_CHARACTERS))
    if event.state == "dismissed" and loop.pull_request.approved_by == author.name:
        stage = Stage.REVIEW if loop.stage is Stage.MERGING else loop.stage
        return Decision(replace(loop, stage=stage, pull_request=loop.pull_request.unapproved()))
    given = replace(request, comment_id=f"{PULL}review-{event.review_id}", requested=True)
    if event.state == "commented" and event.body.strip():  # comments on lines have events of their own
        sentence = replace(given, text=cut(event.body, GUIDANCE_CHARACTERS), requested=False)
        return hear(loop, sentence, event.at, policy, kind_of(event.body))
    if event.state == "changes_requested" and loop.stage is Stage.PUBLISHING:
        return hear(loop, given, event.at, policy)
    if event.state == "changes_requested" and loop.stage in AT_WORK:
        return guide(loop, given)
    if event.state == "changes_requested" and loop.stage in OPEN:
        comment = PostComment(body=replies.changes_message(author.name, loop.revision + 1))
        return revise(loop, request, event.at, comment)
    if event.state == "approved" and event.head_sha == loop.pull_request.pushed_sha and loop.stage is Stage.REVIEW:
        return approve(loop, author.name)
    return Decision(loop)


def on_checks_reported(loop: Loop, event: ChecksReported) -> Decision:
    """Show the result of the code host's own checks of the commit under review, without acting on it."""
    if event.head_sha != loop.pull_request.pushed_sha or event.name == STATUS_CONTEXT or loop.stage not in OPEN:
        return Decision(loop)
    others = tuple(name for name in loop.pull_request.failing_checks if name != event.name[:MAX_CHECK_NAME])
    failing = (*others, event.name[:MAX_CHECK_NAME])[-MAX_CHECKS:] if event.conclusion == "failure" else others
    if set(failing) == set(loop.pull_request.failing_checks):
        return Decision(loop)
    return Decision(replace(loop, pull_request=replace(loop.pull_request, failing_checks=failing)))
