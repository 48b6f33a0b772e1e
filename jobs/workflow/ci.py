"""Rules for the checks of the code host: wait for those of the pushed commit, fix what fails, run again what is flaky.

A report of a check is only a hint that moves the deadline (`CiState.due_at`). At the deadline all checks are read
together, and `_judge` decides: a failure leads to its details and to a fixing round, passing checks to the review.

A failure looks flaky if the check ended without a result of its own (cancelled, timed out), if it passed and failed on
the same commit before (this pull request's or the base commit), if its log names the infrastructure, or if the agent
has found nothing to fix. A check that fails on the base commit too is named, not fixed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from integrations.events import ChecksRead, ChecksReported, ChecksRerun, CommandFailed, FailuresRead, TimePassed
from integrations.ports.ci import CheckFailure
from integrations.ports.pull_request import HostCheck
from jobs.loop.ci_policy import CiPolicy
from jobs.loop.ci_state import CiNotice, CiState
from jobs.loop.commands import MoveTicket, PostComment, ReadFailures, RerunChecks
from jobs.loop.state import Loop, Stage
from jobs.messages import ci as messages
from jobs.messages.verdict import STATUS_CONTEXT
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalation import close_attempt, escalate
from jobs.workflow.publish import build_read, enter_review
from jobs.workflow.run import start_iteration

POLL_SECONDS = 300.0
"""Until checks are read again without a report: a webhook can be lost."""
MOST_QUIET_PERIODS = 4
"""Quiet periods after which the checks are read although further reports arrive."""
SAME_FAILURES = 3
"""Rounds with the very same failures that count as spinning."""
MOST_CHECKS = 100
RED = frozenset({"failure", "timed_out", "cancelled"})
WAITING = frozenset({"pending", "action"})
_INFRASTRUCTURE = re.compile(
    r"lost communication with the server|received a shutdown signal|the hosted runner|runner has been (?:lost|removed)"
    r"|no space left on device|could not resolve host|temporary failure in name resolution|EAI_AGAIN"
    r"|connection (?:was )?(?:reset|refused|timed out)|ECONNRE(?:SET|FUSED)|ETIMEDOUT|socket hang up"
    r"|tls handshake timeout|50[234] (?:bad gateway|service unavailable|gateway time)|toomanyrequests"
    r"|rate limit exceeded|the operation was canceled|cannot connect to the docker daemon|\bflaky\b",
    re.IGNORECASE,
)
_VOLATILE = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{7,40}\b|\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Findings:
    """The decisive checks of a commit: those that failed because of the change, that fail on the base commit too, that
    have not ended, and the names that a rule requires and that have not begun. `shown` are all that count."""

    red: tuple[HostCheck, ...]
    on_base: tuple[HostCheck, ...]
    waiting: tuple[HostCheck, ...]
    missing: tuple[str, ...]
    shown: tuple[HostCheck, ...]


def find(ci: CiState, checks: Iterable[HostCheck], policy: CiPolicy) -> Findings:
    """Sort the checks of a commit by the policy. Loopline's own check does not count."""
    known = [
        replace(one, required=one.required or one.name in ci.required) for one in checks if one.name != STATUS_CONTEXT
    ]
    shown = sorted(filter(policy.counts, known), key=lambda one: (one.conclusion not in RED, one.name))[:MOST_CHECKS]
    decisive = [one for one in shown if policy.is_decisive(one)]
    failing = [one for one in decisive if one.conclusion in RED]
    names = {one.name for one in known}
    return Findings(
        red=tuple(one for one in failing if one.name not in ci.base_failing),
        on_base=tuple(one for one in failing if one.name in ci.base_failing),
        waiting=tuple(one for one in decisive if one.conclusion in WAITING),
        missing=tuple(name for name in ci.required if name not in names and name != STATUS_CONTEXT),
        shown=tuple(shown),
    )


def is_watching(loop: Loop) -> bool:
    """Whether the checks of the pull request matter now. After an escalation about them, a person can fix them on the
    code host."""
    is_asked = loop.stage is Stage.NEEDS_HUMAN and loop.escalation is not None and loop.escalation.kind == "ci"
    return bool(loop.pull_request.number) and (loop.stage in {Stage.CI, Stage.REVIEW} or is_asked)


def is_verified(loop: Loop) -> bool:
    """Whether the pushed commit is Loopline's own, with a verdict: nothing else is fixed."""
    verdict, sha = loop.candidate.verdict, loop.pull_request.pushed_sha
    return verdict is not None and verdict.head_sha == sha == loop.candidate.head_sha


def on_checks_reported(loop: Loop, event: ChecksReported, policy: ServicePolicy) -> Decision:
    """A check of the pushed commit has news: read all of them after a quiet period."""
    if event.head_sha != loop.pull_request.pushed_sha or event.name == STATUS_CONTEXT or not is_watching(loop):
        return Decision(loop)
    ci, quiet = loop.ci if loop.ci.head_sha == event.head_sha else loop.ci.begin(event.head_sha, event.at), 0.0
    quiet = policy.checks_quiet_seconds
    hinted_at = ci.hinted_at or event.at
    due_at = max(min(event.at + quiet, hinted_at + MOST_QUIET_PERIODS * quiet), ci.since + quiet)
    return Decision(replace(loop, ci=replace(ci, due_at=due_at, hinted_at=hinted_at)))


def on_time_passed(loop: Loop, event: TimePassed, policy: ServicePolicy) -> Decision:
    """Judge the checks of the event's facts; without facts read them."""
    ci = replace(loop.ci, due_at=0.0, hinted_at=0.0)
    if loop.stage is Stage.MERGING:
        return Decision(replace(loop, ci=replace(ci, due_at=event.at + POLL_SECONDS)))
    loop = replace(loop, ci=ci)
    if not is_watching(loop):
        return Decision(loop)
    facts = event.facts
    if facts and facts.head_sha == loop.pull_request.pushed_sha and "checks" not in facts.cut:
        return _judge(loop, facts.checks, event.at, policy)
    return Decision(_read_again(loop, event.at + POLL_SECONDS), (build_read(loop),))


def on_checks_read(loop: Loop, event: ChecksRead, policy: ServicePolicy) -> Decision:
    """The checks of the pushed commit and those of the base commit."""
    if (event.generation, event.head_sha) != (loop.generation, loop.pull_request.pushed_sha) or not is_watching(loop):
        return Decision(loop)
    ci = loop.ci if loop.ci.head_sha == event.head_sha else loop.ci.begin(event.head_sha, event.at)
    on_base = [one for commit in event.base_checks for one in _others(commit)]
    is_expected = bool(event.required) or any(map(loop.workflow.ci.is_decisive, on_base))
    ci = replace(_note_base(ci, event.base_checks), required=event.required, is_expected=is_expected)
    return _judge(replace(loop, ci=ci), event.checks, event.at, policy)


def _others(checks: Iterable[HostCheck]) -> list[HostCheck]:
    return [one for one in checks if one.name != STATUS_CONTEXT]


def _note_base(ci: CiState, base: Iterable[Iterable[HostCheck]]) -> CiState:
    """With the names of the checks that fail or are flaky on one of the base commits; the newest attempts are first."""
    failing, flaky = list[str](), list[str]()
    for commit in base:
        attempts: dict[str, list[bool]] = {}
        for one in _others(commit):
            if one.conclusion not in WAITING:
                attempts.setdefault(one.name, []).append(one.conclusion in RED)
        failing += [name for name, are_red in attempts.items() if are_red[0]]
        flaky += [name for name, are_red in attempts.items() if len(set(are_red)) > 1]
    return replace(ci, base_failing=tuple(dict.fromkeys(failing)), base_flaky=tuple(dict.fromkeys(flaky)))


def _judge(loop: Loop, checks: Sequence[HostCheck], at: float, policy: ServicePolicy) -> Decision:
    """The next step for these checks of the pushed commit."""
    found = find(loop.ci, checks, loop.workflow.ci)
    loop = replace(loop, ci=_note_flaky(replace(loop.ci, checks=found.shown), found.shown))
    ci, quiet = loop.ci, policy.checks_quiet_seconds
    if not is_verified(loop):
        return Decision(_read_again(loop, at + POLL_SECONDS if found.waiting else 0.0))
    if found.shown and at < ci.since + quiet:
        return _leave_early(_read_again(loop, ci.since + quiet), policy)
    if found.red:
        return _handle_red(loop, found, at, policy)
    if found.waiting:
        return _wait(loop, found, at, policy)
    if found.missing or (not found.shown and ci.is_expected):
        return _await_missing(loop, found, at, policy)
    last_look = ci.since + loop.workflow.ci.missing_minutes * 60
    is_late = found.shown or at >= last_look
    return _pass(_read_again(loop, 0.0 if is_late else last_look), policy)


def _note_flaky(ci: CiState, shown: Sequence[HostCheck]) -> CiState:
    """With the checks that passed in a further attempt."""
    passed = {one.name for one in shown if one.conclusion not in RED | WAITING and one.id not in ci.rerun_ids}
    again = [one.name for one in ci.failures if one.id in ci.rerun_ids and one.name in passed]
    return replace(ci, flaky=tuple(dict.fromkeys((*ci.flaky, *again))))


def _read_again(loop: Loop, due_at: float) -> Loop:
    return replace(loop, ci=replace(loop.ci, due_at=due_at))


def _leave_early(loop: Loop, policy: ServicePolicy) -> Decision:
    """Move the ticket to review before the checks have ended, if the policy says so."""
    is_early = loop.stage is Stage.CI and loop.workflow.ci.review == "before"
    return enter_review(loop, policy) if is_early else Decision(loop)


def _pass(loop: Loop, policy: ServicePolicy) -> Decision:
    """Nothing is left to wait for: ask for the review, unless that was done."""
    if loop.stage is Stage.REVIEW:
        return Decision(loop)
    return enter_review(replace(loop, ci=replace(loop.ci, failures=())), policy)


def _handle_red(loop: Loop, found: Findings, at: float, policy: ServicePolicy) -> Decision:
    """Read the details of the failures, unless their further attempts are about to begin."""
    if loop.stage is Stage.NEEDS_HUMAN:
        return Decision(loop)
    if {one.id for one in found.red} <= {*loop.ci.rerun_ids} and not is_pending_too_long(loop, at):
        return Decision(_read_again(loop, at + POLL_SECONDS))
    read = ReadFailures(
        generation=loop.generation,
        repository=loop.workspace.repository,
        sha=loop.pull_request.pushed_sha,
        base_branch=loop.workspace.base_branch,
        base_sha=loop.workspace.base_sha,
        checks=found.red,
    )
    return Decision(_read_again(loop, at + POLL_SECONDS), (read,))


def is_pending_too_long(loop: Loop, at: float) -> bool:
    """Whether the wait of the policy for checks that have not ended is over."""
    return at >= loop.ci.since + loop.workflow.ci.pending_minutes * 60


def _wait(loop: Loop, found: Findings, at: float, policy: ServicePolicy) -> Decision:
    """Wait for the checks that have not ended, and report it once when it takes long."""
    limit = loop.ci.since + loop.workflow.ci.pending_minutes * 60
    due_at = at + POLL_SECONDS if at >= limit else min(at + POLL_SECONDS, limit)
    early = _leave_early(_read_again(loop, due_at), policy)
    if at < limit or "pending" in loop.ci.notices:
        return early
    comment = PostComment(body=messages.pending_message(early.loop, found.waiting), once=_name_notice(loop, "pending"))
    return Decision(_note_notice(early.loop, "pending"), (*early.commands, comment))


def _await_missing(loop: Loop, found: Findings, at: float, policy: ServicePolicy) -> Decision:
    """Wait for checks that have not begun; after the policy's time go on without them, and report it once."""
    limit = loop.ci.since + loop.workflow.ci.missing_minutes * 60
    if at < limit:
        return _leave_early(_read_again(loop, min(at + POLL_SECONDS, limit)), policy)
    passed = _pass(_read_again(loop, 0.0), policy)
    if "missing" in loop.ci.notices:
        return passed
    comment = PostComment(body=messages.missing_message(loop, found.missing), once=_name_notice(loop, "missing"))
    return Decision(_note_notice(passed.loop, "missing"), (comment, *passed.commands))


def _name_notice(loop: Loop, notice: CiNotice) -> str:
    return f"ci-{notice}/{loop.pull_request.pushed_sha}"


def _note_notice(loop: Loop, notice: CiNotice) -> Loop:
    return replace(loop, ci=replace(loop.ci, notices=(*loop.ci.notices, notice)))


def on_failures_read(loop: Loop, event: FailuresRead, policy: ServicePolicy) -> Decision:
    """Run failures that look flaky again; fix the others."""
    is_current = (event.generation, event.head_sha) == (loop.generation, loop.pull_request.pushed_sha)
    if not is_current or loop.stage not in {Stage.CI, Stage.REVIEW} or not is_verified(loop):
        return Decision(loop)
    ci = _note_base(loop.ci, event.base_checks)
    failures = tuple(
        one for one in event.failures if one.name not in ci.base_failing and (one.id or one.name) not in ci.rerun_ids
    )
    loop = replace(loop, ci=ci)
    if not failures:
        return _judge(loop, ci.checks, event.at, policy)
    solid = [one for one in failures if not describe_flakiness(one, loop)]
    checks = tuple(one for one in ci.checks if one.name in {f.name for f in failures} and one.kind != "status")
    if solid or not checks or ci.reruns >= loop.workflow.ci.reruns:
        return _start_round(loop, failures, event.at, policy)
    if any(one.conclusion == "pending" for one in ci.checks) and not is_pending_too_long(loop, event.at):
        return Decision(_read_again(loop, event.at + POLL_SECONDS))  # a workflow runs again once it has ended
    rerun = RerunChecks(
        generation=loop.generation,
        repository=loop.workspace.repository,
        sha=loop.pull_request.pushed_sha,
        checks=tuple(one for one in checks if one.conclusion in RED),
    )
    reason = messages.rerun_reason(failures, [describe_flakiness(one, loop) for one in failures])
    ci = replace(ci, failures=failures, due_at=event.at + POLL_SECONDS)
    return Decision(replace(loop, ci=ci, reason=reason), (rerun,))


def describe_flakiness(failure: CheckFailure, loop: Loop) -> str:
    """Why the failure looks flaky, empty if it does not."""
    ci = loop.ci
    if failure.conclusion in {"cancelled", "timed_out"}:
        return "it was cancelled" if failure.conclusion == "cancelled" else "it timed out"
    if failure.name in {*ci.flaky, *ci.base_flaky}:
        return "it passed and failed on the same commit before"
    if found := _INFRASTRUCTURE.search("\n".join((failure.log, *failure.annotations))):
        return f"its log names the infrastructure: {found[0]}"
    if ci.round_sha == loop.pull_request.pushed_sha:
        return "the agent found nothing to fix"
    return ""


def on_checks_rerun(loop: Loop, event: ChecksRerun, policy: ServicePolicy) -> Decision:
    """The further attempts have begun: wait for them as for the first ones."""
    if (event.generation, event.head_sha) != (loop.generation, loop.ci.head_sha) or not is_watching(loop):
        return Decision(loop)
    ci = replace(
        loop.ci,
        reruns=loop.ci.reruns + 1,
        rerun_ids=(*loop.ci.rerun_ids, *event.ids),
        since=event.at,
        due_at=event.at + policy.checks_quiet_seconds,
    )
    loop = replace(loop, ci=ci)
    if event.names:
        return Decision(loop)
    return _ask(loop, loop.ci.failures, messages.not_rerun_reason(loop, "the code host refuses it"), event.at)


def _start_round(loop: Loop, failures: tuple[CheckFailure, ...], at: float, policy: ServicePolicy) -> Decision:
    """Start the maker on the accepted work with the failures; ask a person after the last round, or when the rounds
    change nothing."""
    own = loop.workflow.ci
    fingerprints = (*loop.ci.fingerprints, _fingerprint(failures))
    ci = replace(loop.ci, failures=failures, fingerprints=fingerprints, due_at=0.0)
    loop = replace(loop, ci=ci)
    if all(one.conclusion == "cancelled" for one in failures):
        return _ask(loop, failures, messages.cancelled_reason(loop, failures), at)
    if len(fingerprints) >= SAME_FAILURES and len(set(fingerprints[-SAME_FAILURES:])) == 1:
        return escalate(loop, "spinning", messages.same_failures_reason(loop, failures), at)
    if ci.rounds >= own.rounds:
        return _ask(loop, failures, messages.rounds_reason(loop, failures), at)
    comment = PostComment(
        body=messages.round_message(loop, failures, ci.rounds + 1, own.rounds),
        once=f"ci-round/{loop.pull_request.pushed_sha}/{ci.rounds + 1}",
    )
    cause = messages.round_cause(loop, failures)
    loop = close_attempt(loop, cause, accepted=True)
    attempt = replace(loop.attempt, number=1, iteration=0, failing=(), trees=(), cause=cause)
    ci = replace(ci, rounds=ci.rounds + 1, round_sha=loop.pull_request.pushed_sha)
    loop = replace(loop, ci=ci, attempt=attempt, reason="")
    return start_iteration(loop, at, policy, comment, MoveTicket(column="working"))


def _ask(loop: Loop, failures: tuple[CheckFailure, ...], reason: str, at: float) -> Decision:
    loop = replace(loop, ci=replace(loop.ci, failures=failures))
    return escalate(loop, "ci", reason, at)


def _fingerprint(failures: Sequence[CheckFailure]) -> str:
    """Identifies failures: equal for the same checks with the same log, apart from numbers and hashes."""
    plain = "\n".join(f"{one.name} {one.step} {_VOLATILE.sub('#', one.log[-2_000:])}" for one in failures)
    return hashlib.sha256(plain.encode()).hexdigest()[:12]


def on_command_failed(loop: Loop, event: CommandFailed, policy: ServicePolicy) -> Decision:
    """The code host refuses to show its checks or to run one again: go on without, and report it."""
    if event.generation != loop.generation or not is_watching(loop):
        return Decision(loop)
    if event.command == "ReadChecks" and loop.stage is Stage.CI:
        once = f"ci-unread/{loop.pull_request.number}/{loop.generation}"
        comment = PostComment(body=messages.unread_message(event.reason), once=once)
        return enter_review(_read_again(loop, 0.0), policy, comment)
    if event.command == "ReadFailures" and loop.stage is not Stage.NEEDS_HUMAN and is_verified(loop):
        red = find(loop.ci, loop.ci.checks, loop.workflow.ci).red
        failures = tuple(
            CheckFailure(id=one.id, name=one.name, conclusion=one.conclusion, url=one.url, note=event.reason)
            for one in red
        )
        return _start_round(loop, failures, event.at, policy) if failures else Decision(loop)
    if event.command == "RerunChecks" and loop.stage is not Stage.NEEDS_HUMAN:
        reason = messages.not_rerun_reason(loop, event.reason)
        return _ask(_read_again(loop, 0.0), loop.ci.failures, reason, event.at)
    return Decision(_read_again(loop, 0.0))
