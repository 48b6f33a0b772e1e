"""Rules for lessons of a ticket: corrections by people are collected while it is worked on, and a run of the role
`lesson` drafts a lesson from them after the merge, or when the ticket's finding is rejected. The run is beside the
loop's stage and never changes it. Pure.

`jobs.workflow.lesson_rules` has the rules for the lessons of a repository.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from integrations.events import Event, PullRequestMerged, RunFinished, TicketCommentRemoved, TicketMoved
from integrations.lessons import Correction, Learned
from integrations.values import CommitSha, Person, RunId
from jobs.loop.commands import DraftLesson, StopRun
from jobs.loop.comments import Guidance
from jobs.loop.finding_state import ReportFinding
from jobs.loop.lesson_state import KeepLesson, KeptLesson, Sighting
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.messages.lines import NEEDS_APPROVAL_LINE, NEW_GUIDANCE_LINE
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.hearing import PULL
from jobs.workflow.run import build_spec

RUN_USD, TURNS = 0.25, 3
MOST_CORRECTIONS, MOST_KEPT = 8, 3
TEXT_CHARACTERS, EXCERPT_CHARACTERS = 600, 300
_NO_FAILURE = (": done", NEW_GUIDANCE_LINE, NEEDS_APPROVAL_LINE)
_BOT = "[bot]"


def learn(before: Loop, decision: Decision, event: Event, policy: ServicePolicy) -> Decision:
    """The decision with the corrections of this event noted, and with the draft of a lesson if it ended the work."""
    if decision.loop.generation > before.generation:
        decision = _keep_learning(before, decision)
    if decision.loop.workflow.lessons == "off":
        return decision
    decision = replace(decision, loop=_note_corrections(before, decision.loop, event))
    loop = decision.loop
    if isinstance(event, PullRequestMerged) and loop.stage is Stage.DONE and before.stage is not Stage.DONE:
        found = (*_find_discovery(loop), *_find_takeovers(loop, event.head_sha), *loop.learning.corrections)
        return _draft(decision, found, event.at, policy)
    return _draft(decision, _find_rejection(decision, event, policy), event.at, policy)


def _keep_learning(before: Loop, decision: Decision) -> Decision:
    """A new generation keeps the corrections, also those of a run that has not ended, which is stopped."""
    known = before.learning
    corrections = (*known.drafting, *known.corrections)[-MOST_CORRECTIONS:]
    learning = replace(known, corrections=corrections, drafting=(), run_id=RunId(""))
    stop = (StopRun(run_id=known.run_id),) if known.run_id else ()
    return Decision(replace(decision.loop, learning=learning), (*decision.commands, *stop))


def _note_corrections(before: Loop, after: Loop, event: Event) -> Loop:
    known = after.learning.corrections
    if isinstance(event, TicketCommentRemoved):
        known = tuple(one for one in known if one.comment_id != event.comment_id)
    author = getattr(event, "author", None)
    if _has_begun(before) and not (author and author.is_bot):
        added = [one for one in after.comments.guidance if one not in before.comments.guidance]
        revised = after.revision > before.revision
        known = (*known, *(_build_correction(one, revised=revised) for one in added if _BOT not in one.author))
    return replace(after, learning=replace(after.learning, corrections=known[-MOST_CORRECTIONS:]))


def _has_begun(loop: Loop) -> bool:
    """Whether an agent has worked on the ticket, so that a comment corrects it."""
    return loop.stage in AT_WORK | OPEN | {Stage.NEEDS_HUMAN} and bool(loop.attempt.iteration or loop.attempts)


def _build_correction(given: Guidance, *, revised: bool) -> Correction:
    is_request = revised or given.requested or given.comment_id.startswith(f"{PULL}review-")
    return Correction(
        cause="changes requested" if is_request else "guidance",
        by=given.author,
        text=given.text[:TEXT_CHARACTERS],
        comment_id=given.comment_id,
    )


def _draft(decision: Decision, found: Sequence[Correction], at: float, policy: ServicePolicy) -> Decision:
    """Start the run, if there is a correction and money left."""
    loop, found = decision.loop, tuple(found)[-MOST_CORRECTIONS:]
    if not found or loop.learning.run_id or loop.spend.usage.cost_usd >= policy.caps_of(loop).ticket_usd:
        return decision
    run_id = RunId(f"{loop.identifier}-g{loop.generation}-r{loop.revision}-l{int(at)}-lesson")
    spec = build_spec(loop, "lesson", run_id, at, policy)
    caps = replace(spec.caps, run_usd=min(spec.caps.run_usd, RUN_USD), turns=min(spec.caps.turns, TURNS))
    place = replace(spec.workspace, repository=_name_repository(loop))
    spec = replace(spec, caps=caps, corrections=found, workspace=place)
    loop = replace(loop, learning=replace(loop.learning, corrections=(), drafting=found, run_id=run_id))
    return Decision(loop, (*decision.commands, DraftLesson(spec=spec)))


def _name_repository(loop: Loop) -> str:
    """That of the work, or of the finding that the ticket was filed for."""
    return loop.workspace.repository or (loop.finding.repository if loop.finding else "")


def _find_rejection(decision: Decision, event: Event, policy: ServicePolicy) -> tuple[Correction, ...]:
    """A finding of an automation that a person with permission rejects now, before any work on it."""
    by = event.by if isinstance(event, TicketMoved) else getattr(event, "author", None)
    if decision.loop.generation or not isinstance(by, Person) or by.is_bot or not policy.may_start(by):
        return ()
    reports = (one for one in decision.commands if isinstance(one, ReportFinding))
    reasons = [one.reason for one in reports if one.status == "rejected" and one.reason]
    about = f"The finding was: {decision.loop.ticket.title}"
    texts = [f"{reason}\n{about}"[:TEXT_CHARACTERS] for reason in reasons]
    return tuple(Correction(cause="rejected finding", by=by.name, text=text) for text in texts)


def _find_discovery(loop: Loop) -> Iterable[Correction]:
    """The iterations that failed before one was accepted."""
    failed = [line for line in loop.all_tried if not line.endswith(_NO_FAILURE)]
    if failed:
        record = "\n".join([*(line[:200] for line in failed[-5:]), f"accepted: {loop.candidate.summary[:300]}"])
        yield Correction(cause="discovery", text=record)


def _find_takeovers(loop: Loop, merged: CommitSha) -> Iterable[Correction]:
    """The commits that people pushed to the branch, also after they took it over."""
    for push in loop.foreign.pushes:
        if _BOT not in push.by:
            yield Correction(cause="takeover", by=push.by, before=push.before, after=push.head)
    last = loop.candidate.head_sha or loop.pull_request.pushed_sha
    if loop.workspace.taken_over_by and last and merged and merged != last:
        yield Correction(cause="takeover", by=loop.workspace.taken_over_by, before=last, after=merged)


def is_lesson_run(loop: Loop, run_id: RunId) -> bool:
    """Whether this is the run that drafts the ticket's lesson."""
    return bool(run_id) and run_id == loop.learning.run_id


def on_lesson_finished(loop: Loop, event: RunFinished, result: Learned) -> Decision:
    """Keep the draft for the repository. A run without one is not repeated."""
    drafting = loop.learning.drafting
    loop = give_up(loop)
    draft = result.draft
    cited = [drafting[place] for place in draft.cites if place < len(drafting)] if draft else []
    if event.outcome != "done" or draft is None or not cited or not (draft.rule or draft.contradicts):
        return Decision(loop)
    sighting = build_sighting(loop, cited, draft.hunk, event.at)
    kept = KeptLesson(draft=draft, sighting=sighting, mode=loop.workflow.lessons)
    loop = replace(loop, learning=replace(loop.learning, kept=(*loop.learning.kept, kept)[-MOST_KEPT:]))
    return Decision(loop, (KeepLesson(repository=_name_repository(loop), lesson=kept),))


def build_sighting(loop: Loop, cited: list[Correction], hunk: str, at: float) -> Sighting:
    """The evidence of a draft, from the corrections that it cites."""
    return Sighting(
        ticket=loop.ticket.id,
        identifier=loop.identifier,
        url=loop.ticket.url,
        cause=cited[0].cause,
        by=", ".join(dict.fromkeys(one.by for one in cited if one.by)),
        text=cited[0].text[:EXCERPT_CHARACTERS],
        hunk=hunk,
        at=at,
    )


def give_up(loop: Loop) -> Loop:
    """The loop without a run that drafts a lesson."""
    return replace(loop, learning=replace(loop.learning, drafting=(), run_id=RunId("")))
