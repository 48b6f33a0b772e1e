"""The worker of the simulation: one ticket driven step by step, and interrupted anywhere.

The order is that of `jobs.drive`: inner commands, outer commands unless their provider was away, then one event. The
effects are those of `jobs.effects.perform`; `gather` is the real one. Each `yield` is a place where the process may die
or where the world may go on without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, cast

from integrations.errors import IntegrationError, NotFound, Rejected, Unavailable
from integrations.events import (
    EVENT,
    ApprovalPublished,
    BaseMerged,
    BranchMoved,
    BranchPublished,
    ChecksRead,
    ChecksRerun,
    CommandFailed,
    Event,
    FailuresRead,
    PullRequestMerged,
    PullRequestOpened,
    ReviewSubmitted,
    TicketMoved,
    WorkspaceReady,
)
from integrations.ports.ci import CheckFailure
from integrations.values import MergeConflict, Ticket
from integrations.workload_events import PathsClaimed
from jobs.effects.gather import gather
from jobs.loop import commands as c
from jobs.loop.lesson_state import KeepLesson
from jobs.loop.policy import POLICY, RepositoryPolicy
from jobs.loop.skill_state import CountSkills
from jobs.loop.state import LOOP, Loop, Stage
from jobs.loop.wait_state import ClaimPaths
from jobs.store.mailboxes import Posted
from jobs.workflow import Decision, ServicePolicy
from jobs.workflow.report import Report, is_due_before, report_of
from tests.simulation.checks import Ledger, Violation, check_decision, check_effect, check_heard, hold
from tests.simulation.memory import Memory
from tests.simulation.outside import MAIN, REPOSITORY, US, Accounts, Board, Host

if TYPE_CHECKING:
    from jobs.effects.world import World

Decide = Callable[[Loop, Event, ServicePolicy], Decision]
StillWanted = Callable[[Loop, c.Command], bool]
REFUSABLE = {"PrepareWorkspace", "PublishBranch", "OpenPullRequest", "MergePullRequest", "React", "SetStatus"} | {
    "MergeBase", "LinkPullRequest", "CommentOnPullRequest", "CleanUp", "ReadChecks", "ReadFailures", "RerunChecks",
    "ApprovePullRequest",
}  # fmt: skip


@dataclass
class Chances:
    """Probability of each fault, 0 to 1."""

    refusal: float = 0.0
    lost_reply: float = 0.0


@dataclass
class Worker:
    """All workers: a lease lets one at a time drive a ticket, so one per ticket is enough."""

    memory: Memory
    tracker: Board
    code_host: Host
    policy: ServicePolicy
    repository_policy: RepositoryPolicy
    ledgers: dict[str, Ledger]
    decide: Decide
    is_still_wanted: StillWanted
    random: Random
    chances: Chances
    now: Callable[[], float]

    @property
    def store(self) -> Memory:
        """For `gather`, which is given this object as its world."""
        return self.memory

    people = Accounts()

    def mirror(self, *_: object) -> Host:
        """The mirror has what the code host has."""
        return self.code_host

    def find_queue_place(self, ticket_id: str, run_id: str) -> None:
        """Runs do not wait."""

    def idle(self, ticket_id: str) -> bool:
        """Whether there is nothing to do now."""
        box = self.memory.boxes[ticket_id]
        rests = self.now() < box.retry_at
        waits = box.outbox["outer"] or self._due_report(ticket_id)
        return not (box.mailbox or box.outbox["inner"] or (waits and not rests))

    def step(self, ticket_id: str) -> Iterator[str]:
        """Perform or decide one thing."""
        box = self.memory.boxes[ticket_id]
        if box.outbox["inner"]:
            yield from self._perform(ticket_id, box.outbox["inner"][0])
        elif self.now() >= box.retry_at and (report := self._due_report(ticket_id)):
            yield from self._refresh(ticket_id, report)
        elif box.outbox["outer"] and self.now() >= box.retry_at:
            yield from self._perform(ticket_id, box.outbox["outer"][0])
        elif box.mailbox:
            yield from self._settle(ticket_id, box.mailbox[0])

    # --- deciding ---------------------------------------------------------------------------------------------------

    def _settle(self, t: str, event: Event) -> Iterator[str]:
        before = self.memory.boxes[t].loop
        if before is None and not isinstance(event, TicketMoved):
            self.memory.commit(t, event, None, ())
            return
        try:
            now = gather(event, cast("World", self))
        except Unavailable:
            return
        yield f"gathered {event.event_id}"
        if now is None:
            self.memory.commit(t, event, None, ())
            return
        loop = before or Loop(ticket=getattr(now, "ticket", None) or Ticket(id=t, identifier="", title=""))
        decision = self._decide(loop, now)
        yield f"decided {loop.stage.value} --{event.event_id}--> {decision.loop.stage.value}"
        changed = None if before is None and decision.loop.stage is Stage.IDLE else decision.loop
        check_decision(loop, now, decision, self.policy, self.ledgers[t])
        check_heard(decision, self.memory)
        self.ledgers[t].note(self.memory.commit(t, event, changed, decision.commands))

    def _decide(self, loop: Loop, event: Event) -> Decision:
        """Decide twice: the rules are pure, so both decisions are equal and the input is unchanged."""
        if isinstance(event, ReviewSubmitted):
            self._take_back(event)
        given = LOOP.encode(loop), EVENT.encode(event)
        try:
            decision, again = (self.decide(loop, event, self.policy) for _ in range(2))
        except Exception as error:
            raise Violation("rules do not break", f"{loop.stage.value} {event!r}: {error!r}") from error
        same = decision.loop == again.loop and list(decision.commands) == list(again.commands)
        hold("rules only compute", same and given == (LOOP.encode(loop), EVENT.encode(event)), event)
        return decision

    def _take_back(self, event: ReviewSubmitted) -> None:
        """From now on Loopline knows that this approval was revoked."""
        now = next((r for r in self.code_host.given.get(event.number, ()) if r.id == event.review_id), None)
        if now and now.state == "dismissed":
            self.ledgers[event.ticket_id].approvals.get(now.head_sha, set()).discard(f"{now.author} {now.id}")

    # --- reporting --------------------------------------------------------------------------------------------------

    def _due_report(self, t: str) -> Report | None:
        loop = self.memory.boxes[t].loop
        if loop is None or loop.generation == 0:
            return None
        report = report_of(loop, self.policy)
        due = report.digest != self.memory.boxes[t].reported and is_due_before(self.memory.list_commands(t, "outer"))
        return report if due else None

    def _refresh(self, t: str, report: Report) -> Iterator[str]:
        box = self.memory.boxes[t]
        try:
            self._show(t, f"progress {report.generation}", report.progress)
            yield f"progress {t}"
            self.tracker.remember(t, dict(report.metadata))
            yield f"memory {t}"
        except Unavailable:
            box.retry_at = self.now() + 20
            return
        except IntegrationError:
            pass
        box.reported = report.digest

    # --- performing -------------------------------------------------------------------------------------------------

    def _perform(self, t: str, posted: Posted) -> Iterator[str]:
        box = self.memory.boxes[t]
        loop = box.loop
        assert loop, "an outbox without a loop"
        events: Sequence[Event] = ()
        try:
            if self.is_still_wanted(loop, posted.command):
                events = self._effect(t, posted, loop)
                yield f"performed {posted.id} {posted.command.kind}"
                self._lose(posted)
        except Unavailable:
            box.retry_at = self.now() + 20
            return
        except IntegrationError as error:
            self.ledgers[t].refused.add(posted.command.kind)
            generation = getattr(posted.command, "generation", loop.generation)
            failed = {"generation": generation, "command": posted.command.kind, "reason": str(error)}
            events = (CommandFailed(**self._event(t, posted, "refused"), **failed),)
        self.memory.complete_command(t, posted, events)

    def _lose(self, posted: Posted) -> None:
        if posted.lane == "outer" and self.random.random() < self.chances.lost_reply:
            raise Unavailable("the reply was lost")

    def _event(self, t: str, posted: Posted, name: str = "") -> dict[str, Any]:
        return {"event_id": f"{posted.id}/{name}", "ticket_id": t, "at": self.now()}

    def _effect(self, t: str, posted: Posted, loop: Loop) -> Sequence[Event]:
        command = posted.command
        if command.kind in REFUSABLE and self.random.random() < self.chances.refusal:
            raise Rejected("not allowed")
        check_effect(command, loop, self.code_host)
        match command:
            case c.StartRun(spec=spec):
                self.memory.start(spec)
            case c.DraftLesson(spec=spec):
                self.code_host.reach()
                self.memory.start(spec)
            case c.StopRun(run_id=run_id):
                self.memory.ask_to_stop(run_id)
            case c.Steer(run_id=run_id, guidance=guidance):
                self.memory.steer(run_id, guidance, posted.id)
            case c.AnswerRun(run_id=run_id, request_id=request_id, guidance=guidance):
                self.memory.answer(run_id, request_id, guidance)
            case c.Unsteer(run_id=run_id, comment_id=comment_id):
                self.memory.unsteer(run_id, comment_id)
            case c.MergeBase(head_sha=head, base_sha=base):
                return (self._merge(t, posted, command.generation, head, base),)
            case c.MergePullRequest(sha=sha, known_bases=known) if self._has_moved(sha, known):
                return (self._merge(t, posted, command.generation, sha, self.code_host.branches[MAIN]),)
            case c.PrepareWorkspace() | c.PublishBranch() | c.OpenPullRequest() | c.MergePullRequest():
                return (self._on_code_host(t, posted, command),)
            case c.ReadChecks() | c.ReadFailures() | c.RerunChecks():
                return (self._about_checks(t, posted, command),)
            case c.CommentOnPullRequest(number=number, body=body):
                self.code_host.say(number, body, US, posted.id)
            case c.AnswerThread(number=number, thread=thread):
                done = thread.answer == "done"
                self.code_host.answer(number, thread.id, thread.answer or "nothing", posted.id, done=done)
            case c.ApprovePullRequest(number=number, body=body, generation=generation, sha=sha):
                self.code_host.say(number, body, US, posted.id)
                about = self._event(t, posted)
                return (ApprovalPublished(**about, generation=generation, head_sha=sha, is_review=False),)
            case c.SetStatus() | c.DescribePullRequest():
                self.code_host.reach()
            case c.MarkReadyForReview(number=number):
                self.code_host.mark_ready_for_review(number)
            case c.CleanUp(repository=repository, branch=branch, merged=merged):
                runs = [run.spec for run in self.memory.list_unfinished()]
                if any(spec.ticket.id == t and spec.role != "lesson" for spec in runs):
                    raise Unavailable("a run has not ended yet")
                head = self.code_host.branch_head(repository, branch)
                if head and (head == merged or self.memory.index.get(head) == t):
                    self.code_host.delete_branch(repository, branch)
            case c.ClosePullRequest(number=number):
                self.code_host.close(number, "loopline")
            case ClaimPaths(generation=generation, sha=sha):
                return (PathsClaimed(**self._event(t, posted, "claimed"), generation=generation, sha=sha),)
            case c.WatchTickets() | c.OrderRuns() | KeepLesson() | CountSkills():
                pass
            case _:
                self._on_board(t, posted, command)
        return ()

    def _has_moved(self, sha: str, known: Sequence[str]) -> bool:
        """As `jobs.effects.upstream`: whether the merge result is another than the one that passed."""
        self.code_host.reach()
        base = self.code_host.branches[MAIN]
        return base not in known and not self.code_host.descends(base, sha)

    def _merge(self, t: str, posted: Posted, generation: int, head: str, base: str) -> Event:
        merge = self.code_host.merge_commit(head, base)
        conflicts = (MergeConflict(path="a.py", text="both changed it"),) if merge in self.code_host.marked else ()
        shas = {"head_sha": head, "base_sha": base, "merge_sha": merge}
        return BaseMerged(**self._event(t, posted, base), generation=generation, **shas, conflicts=conflicts)

    def _on_board(self, t: str, posted: Posted, command: c.Command) -> None:
        board = self.tracker
        match command:
            case c.MoveTicket(column=column, sources=sources):
                columns = self.policy.teams["ENG"].columns
                if not sources or board.fetch(t).column in {columns[source] for source in sources}:
                    board.move(t, columns[column])
            case c.PostComment(body=body, once=once):
                board.say(t, body, US, f"{t} {once}" if once else posted.id)
            case c.SetNeedsHuman(needed=needed):
                board.label(t, "needs-human", there=needed)
            case _:
                board.reach()

    def _show(self, t: str, name: str, body: str) -> None:
        comment_id = f"{t} {name}"
        try:
            self.tracker.edit_comment(comment_id, body)
        except NotFound:
            self.tracker.say(t, body, US, comment_id)

    def _about_checks(self, t: str, posted: Posted, command: c.ReadChecks | c.ReadFailures | c.RerunChecks) -> Event:
        host = self.code_host
        host.reach()
        about = {**self._event(t, posted), "generation": command.generation, "head_sha": command.sha}
        attempts = host.checks.get(command.sha, [])
        if isinstance(command, c.RerunChecks):
            ids = tuple(one.id for one in command.checks)
            host.rerun(command.sha, ids)
            return ChecksRerun(**about, ids=ids, names=tuple(one.name for one in command.checks))
        base = tuple(tuple(host.checks.get(sha, ())) for sha in (command.base_sha, host.branches[MAIN]))
        if isinstance(command, c.ReadChecks):
            return ChecksRead(**about, checks=tuple(attempts[:1]), base_checks=base)
        log = "ECONNRESET" if len(attempts) % 2 else "assert 1 == 2"
        failures = [
            CheckFailure(id=one.id, name=one.name, conclusion=one.conclusion, log=log) for one in command.checks
        ]
        return FailuresRead(**about, failures=tuple(failures), base_checks=base)

    def _on_code_host(self, t: str, posted: Posted, command: c.Command) -> Event:
        host, about = self.code_host, self._event(t, posted)
        match command:
            case c.PrepareWorkspace(generation=generation):
                host.reach()
                self.memory.waiting.add(t)
                ready = {"repository": REPOSITORY, "base_branch": MAIN, "base_sha": host.branches[MAIN]}
                head = ready["branch_sha"] = host.branches.get(command.branch, "")
                work = command.head_sha if head in {"", command.pushed_sha, command.head_sha} else head
                ready["fork_sha"] = host.fork_of(work) if work else ""
                if head and self.memory.index.get(head) != t:
                    ready["branch_by"] = "ana"
                if head and command.work in host.parents and not host.descends(head, command.work):
                    ready["carried"] = host.commit(f"{command.work} on {head}", head)
                policy = POLICY.encode(self.repository_policy)
                return WorkspaceReady(**about, generation=generation, **ready, policy=policy)
            case c.PublishBranch(generation=generation, branch=branch, sha=sha, expected=expected):
                head = host.branch_head(REPOSITORY, branch) or ""
                ours = self.memory.index.get(head) == t  # a push by Loopline that was never confirmed
                if head != expected and not ours and not command.as_is:
                    return BranchMoved(**about, generation=generation, head_sha=head)
                self.memory.index[branch] = self.memory.index[sha] = t
                host.push(branch, sha, (head if ours else expected) or None)
                return BranchPublished(**about, generation=generation, head_sha=sha)
            case c.OpenPullRequest(generation=generation):
                pull = host.open_pull_request(
                    command.branch, command.base, command.title, command.body, draft=command.draft
                )
                self.memory.index[f"#{pull.number}"] = t
                found = {"number": pull.number, "url": pull.url, "draft": pull.draft}
                return PullRequestOpened(**about, generation=generation, **found)
            case c.MergePullRequest(number=number, sha=sha):
                merge_sha = host.merge(number, sha)
                merged = {"repository": REPOSITORY, "number": number, "head_sha": sha, "merge_sha": merge_sha}
                return PullRequestMerged(**about, **merged)
        raise AssertionError(command)
