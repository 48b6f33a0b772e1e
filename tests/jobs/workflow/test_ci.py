"""The checks of the code host: waiting, fixing rounds, further attempts of flaky ones, notices and escalations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from integrations.events import (
    ChecksRead,
    ChecksReported,
    ChecksRerun,
    CommandFailed,
    Event,
    FailuresRead,
    PullRequestOpened,
    TimePassed,
)
from integrations.ports.ci import CheckFailure
from integrations.ports.pull_request import CheckConclusion, HostCheck, PullRequestFacts
from jobs.loop.ci_policy import CiPolicy
from jobs.loop.ci_state import CiState
from jobs.loop.commands import MoveTicket, PostComment, ReadFailures, RerunChecks, StartRun
from jobs.loop.state import Loop, Stage
from jobs.workflow import Decision, ServicePolicy, decide
from jobs.workflow.ci import POLL_SECONDS, find
from tests.jobs.workflow.values import HEAD, OTHER, kinds, said
from tests.loops import changed

PUSHED = 1_000.0
QUIET = 30.0
LATER = PUSHED + QUIET
MINUTE = 60.0


def check(name: str = "build", conclusion: CheckConclusion = "success", **fields: Any) -> HostCheck:
    return HostCheck(name=name, conclusion=conclusion, kind="job", id=fields.pop("id", f"id-{name}"), **fields)


def failed(name: str = "build", **fields: Any) -> CheckFailure:
    about = {"step": "Run tests", "log": "E   assert 1 == 2", "id": f"id-{name}", "conclusion": "failure", **fields}
    return CheckFailure(name=name, **about)


RED, PENDING, GREEN = check(conclusion="failure"), check(conclusion="pending"), check()
ON_BASE = ((GREEN,),)


def read(checks: Sequence[HostCheck] = (), at: float = LATER, **fields: Any) -> ChecksRead:
    about = {"event_id": "r", "ticket_id": "t1", "generation": 1, "head_sha": HEAD, "base_checks": ON_BASE, **fields}
    return ChecksRead(checks=tuple(checks), at=at, **about)


def details(*failures: CheckFailure, at: float = LATER, **fields: Any) -> FailuresRead:
    about = {"event_id": "f", "ticket_id": "t1", "generation": 1, "head_sha": HEAD, "base_checks": ON_BASE, **fields}
    return FailuresRead(failures=failures, at=at, **about)


def bodies(decision: Decision) -> list[str]:
    return [command.body for command in decision.commands if isinstance(command, PostComment)]


class Story:
    """Decides events in order; `last` is the last decision."""

    def __init__(self, loop: Loop, policy: ServicePolicy) -> None:
        self.loop, self._policy, self.last = loop, policy, Decision(loop)

    def tell(self, *events: Event) -> Decision:
        for event in events:
            self.last = decide(self.loop, event, self._policy)
            self.loop = self.last.loop
        return self.last


@pytest.fixture
def waiting(review: Loop) -> Loop:
    """The pull request was opened just now."""
    return changed(review, stage=Stage.CI, ci=CiState(head_sha=HEAD, since=PUSHED))


@pytest.fixture
def story(waiting: Loop, policy: ServicePolicy) -> Story:
    return Story(waiting, policy)


def with_policy(loop: Loop, **fields: Any) -> Loop:
    return replace(loop, policy=replace(loop.policy, loop=replace(loop.workflow, ci=CiPolicy(**fields))))


# --- waiting --------------------------------------------------------------------------------------------------------


def test_review_begins_at_once_without_checks_on_the_base_and_without_a_rule(story: Story) -> None:
    decision = story.tell(read(at=PUSHED, base_checks=((),)))

    assert decision.loop.stage is Stage.REVIEW
    assert kinds(decision.commands) == ["DescribePullRequest", "PostComment", "SetNeedsHuman", "MoveTicket"]
    assert decision.loop.ci.due_at == PUSHED + 15 * MINUTE, "one later look, for a webhook that was lost"


def test_review_begins_after_the_checks_pass(story: Story) -> None:
    first = story.tell(read([PENDING], at=PUSHED))
    assert (first.loop.stage, kinds(first.commands), first.loop.ci.due_at) == (Stage.CI, [], LATER)

    decision = story.tell(read([GREEN]))

    assert decision.loop.stage is Stage.REVIEW
    assert MoveTicket(column="review") in decision.commands
    assert decision.loop.due_at == 0.0
    assert "1 passed" in bodies(decision)[0]


def test_review_before_the_checks_is_a_policy(waiting: Loop, policy: ServicePolicy) -> None:
    story = Story(with_policy(waiting, review="before"), policy)

    decision = story.tell(read([PENDING], at=PUSHED))

    assert decision.loop.stage is Stage.REVIEW
    assert decision.loop.ci.due_at == LATER


def test_checks_that_pass_within_the_quiet_period_are_not_final(story: Story) -> None:
    assert story.tell(read([GREEN], at=PUSHED + 1)).loop.stage is Stage.CI


def test_reports_of_checks_move_the_deadline_and_read_nothing(story: Story) -> None:
    def report(at: float) -> ChecksReported:
        return ChecksReported(
            event_id="h", repository="acme/shop", head_sha=HEAD, name="x", conclusion="failure", at=at
        )

    dues = [story.tell(report(at)).loop.ci.due_at for at in (LATER, LATER + 20, LATER + 110, LATER + 200)]

    assert dues == [LATER + 30, LATER + 50, LATER + 120, LATER + 120]
    assert not story.last.commands
    other = replace(report(LATER + 300), head_sha=OTHER)
    own = replace(report(LATER + 300), name="loopline/verdict")
    assert story.tell(other, own).loop.ci.due_at == LATER + 120


def test_deadline_reads_the_checks_once_more_later_if_the_read_is_lost(story: Story) -> None:
    story.loop = changed(story.loop, ci=replace(story.loop.ci, due_at=LATER))

    decision = story.tell(TimePassed(event_id="d", ticket_id="t1", at=LATER, due=LATER))

    assert kinds(decision.commands) == ["ReadChecks"]
    assert decision.loop.ci.due_at == LATER + POLL_SECONDS


def test_deadline_with_facts_needs_no_read(story: Story) -> None:
    story.loop = changed(story.loop, ci=replace(story.loop.ci, due_at=LATER))
    facts = PullRequestFacts(
        number=7, url="http://h/7", state="open", merged=False, draft=False, branch="b", head_sha=HEAD, base="main",
        base_sha=OTHER, checks=(GREEN,),
    )  # fmt: skip

    decision = story.tell(TimePassed(event_id="d", ticket_id="t1", at=LATER, due=LATER, facts=facts))

    assert decision.loop.stage is Stage.REVIEW


def test_pending_checks_are_reported_once_after_an_hour_and_waited_for(story: Story) -> None:
    hour = PUSHED + 60 * MINUTE
    assert story.tell(read([PENDING], at=hour - 10)).loop.ci.due_at == hour

    told, again = story.tell(read([PENDING], at=hour)), story.tell(read([PENDING], at=hour + POLL_SECONDS))

    assert [len(bodies(told)), len(bodies(again))] == [1, 0]
    assert "`build`" in bodies(told)[0]
    assert again.loop.stage is Stage.CI
    assert again.loop.ci.due_at == hour + 2 * POLL_SECONDS
    assert story.tell(read([GREEN], at=hour + 900)).loop.stage is Stage.REVIEW


def test_check_that_needs_an_action_of_a_person_names_it(story: Story) -> None:
    waits = check("deploy", "action")

    assert "`deploy` needs an action" in bodies(story.tell(read([waits], at=PUSHED + 60 * MINUTE)))[0]


def test_checks_that_never_came_are_reported_once_and_the_review_begins(story: Story) -> None:
    end = PUSHED + 15 * MINUTE
    assert story.tell(read(at=end - 10)).loop.stage is Stage.CI

    decision = story.tell(read(at=end))

    assert decision.loop.stage is Stage.REVIEW
    assert "No check came" in bodies(decision)[0]
    assert decision.loop.ci.due_at == 0.0
    assert not bodies(story.tell(read(at=end + 5)))


def test_required_check_that_never_came_is_named(story: Story) -> None:
    decision = story.tell(read([GREEN], at=PUSHED + 15 * MINUTE, required=("build", "security")))

    assert "`security`" in bodies(decision)[0]
    assert "`build`" not in bodies(decision)[0]


# --- what counts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "required", "red"),
    [
        ({}, False, True),
        ({"ignore": ("build",)}, False, False),
        ({"advisory": ("b*",)}, False, False),
        ({"ignore": ("CI / *",)}, False, False),
        ({"ignore": ("*",)}, True, True),
    ],
)
def test_check_counts_by_rule_and_policy(policy: dict[str, Any], required: bool, red: bool) -> None:
    one = check(conclusion="failure", group="CI", required=required)

    found = find(CiState(), [one, check("loopline/verdict", "failure")], CiPolicy(**policy))

    assert bool(found.red) is red
    assert "loopline/verdict" not in [shown.name for shown in found.shown]


def test_advisory_check_is_shown_and_ignored_one_is_not() -> None:
    found = find(CiState(), [check("a", "failure"), check("b", "failure")], CiPolicy(ignore=("a",), advisory=("b",)))

    assert [one.name for one in found.shown] == ["b"]


def test_check_that_fails_on_the_base_commit_is_named_and_not_fixed(story: Story) -> None:
    decision = story.tell(read([RED, check("lint")], base_checks=((RED, check("lint")),)))

    assert decision.loop.stage is Stage.REVIEW
    assert "`build` fails on the base too" in bodies(decision)[0]


def test_check_that_fails_on_the_present_base_branch_is_found_with_the_failures(story: Story) -> None:
    story.tell(read([RED]))

    decision = story.tell(details(failed(), base_checks=((GREEN,), (RED,))))

    assert decision.loop.stage is Stage.REVIEW
    assert decision.loop.ci.rounds == 0


# --- fixing ---------------------------------------------------------------------------------------------------------


def test_failing_check_is_read_in_detail(story: Story) -> None:
    (command,) = story.tell(read([RED, check("lint")])).commands

    assert isinstance(command, ReadFailures)
    assert [one.name for one in command.checks] == ["build"]


def test_failing_check_starts_a_round_on_the_accepted_work(story: Story) -> None:
    decision = story.tell(read([RED]), details(failed()))

    loop = decision.loop
    assert (loop.stage, loop.ci.rounds, loop.revision, loop.attempt.iteration) == (Stage.MAKING, 1, 0, 1)
    assert kinds(decision.commands) == ["PostComment", "MoveTicket", "StartRun"]
    (start,) = [command for command in decision.commands if isinstance(command, StartRun)]
    assert start.spec.failures == (failed(),)
    assert start.spec.start_sha == HEAD
    assert "build" in start.spec.attempt.cause
    assert loop.attempts[-1].accepted
    assert "round 1 of 3" in bodies(decision)[0]
    assert loop.contract == story.last.loop.contract


def test_failing_check_in_review_moves_the_ticket_back_to_work(review: Loop, policy: ServicePolicy) -> None:
    story = Story(changed(review, ci=CiState(head_sha=HEAD, since=PUSHED)), policy)

    decision = story.tell(read([RED]), details(failed()))

    assert decision.loop.stage is Stage.MAKING
    assert MoveTicket(column="working") in decision.commands


def test_runs_of_rounds_have_ids_of_their_own(story: Story) -> None:
    first = story.loop.run_id
    ids = {first}
    for number in range(1, 4):
        story.tell(read([RED]), details(failed(log=f"E   failure {'x' * number}")))
        ids.add(story.loop.run_id)
        story.loop = changed(
            story.loop, stage=Stage.CI, ci=story.loop.ci.begin(HEAD, PUSHED), verdict=story.loop.candidate.verdict
        )
        story.loop = changed(story.loop, ci=replace(story.loop.ci, round_sha=OTHER))

    assert len(ids) == 4


def test_fourth_failure_escalates_with_the_log(story: Story) -> None:
    story.loop = changed(story.loop, ci=replace(story.loop.ci, rounds=3))

    decision = story.tell(read([RED]), details(failed()))

    assert decision.loop.stage is Stage.NEEDS_HUMAN
    assert decision.loop.escalation and decision.loop.escalation.kind == "ci"
    assert "after 3 fixing rounds" in bodies(decision)[0]
    assert "E   assert 1 == 2" in bodies(decision)[0]


def test_same_failures_with_the_same_log_three_times_are_spinning(story: Story) -> None:
    for number in range(2):
        story.tell(read([RED]), details(failed(log=f"took {number} s: assert 1 == 2")))
        assert story.loop.stage is Stage.MAKING
        ci = replace(story.loop.ci.begin(OTHER, PUSHED).begin(HEAD, PUSHED), round_sha=OTHER)
        story.loop = changed(story.loop, stage=Stage.CI, ci=ci)

    decision = story.tell(read([RED]), details(failed(log="took 7 s: assert 1 == 2")))

    assert decision.loop.escalation and decision.loop.escalation.kind == "spinning"


def test_check_that_passes_after_the_escalation_leads_to_the_review(story: Story) -> None:
    story.loop = changed(story.loop, ci=replace(story.loop.ci, rounds=3))
    story.tell(read([RED]), details(failed()))

    assert not story.tell(read([RED], at=LATER + 5)).commands
    decision = story.tell(read([check(id="id-2")], at=LATER + 9))

    assert (decision.loop.stage, decision.loop.escalation) == (Stage.REVIEW, None)
    assert "SetNeedsHuman" in kinds(decision.commands)


def test_retry_after_the_escalation_has_the_failures_in_the_brief(story: Story) -> None:
    story.loop = changed(story.loop, ci=replace(story.loop.ci, rounds=3))
    story.tell(read([RED]), details(failed()))

    story.tell(said("/retry the port is 8080", at=LATER + 20))

    assert (story.loop.ci.failures, story.loop.ci.rounds) == ((failed(),), 0)


def test_failing_checks_of_a_foreign_commit_are_shown_and_not_fixed(story: Story) -> None:
    story.loop = changed(story.loop, stage=Stage.REVIEW, verdict=None)

    decision = story.tell(read([RED]))

    assert (kinds(decision.commands), decision.loop.ci.checks) == ([], (RED,))


# --- flaky ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        failed(log="The runner has received a shutdown signal"),
        failed(log="curl: (6) Could not resolve host: registry.acme.test"),
        failed(annotations=("ci.yml:1: failure: The hosted runner lost communication with the server",)),
        failed(conclusion="timed_out"),
        failed(conclusion="cancelled", log=""),
    ],
)
def test_failure_that_looks_flaky_is_run_again(story: Story, failure: CheckFailure) -> None:
    (command,) = story.tell(read([RED]), details(failure)).commands

    assert isinstance(command, RerunChecks)
    assert [one.id for one in command.checks] == ["id-build"]
    assert story.loop.stage is Stage.CI
    assert "`build`" in story.loop.reason


def rerun(at: float = LATER, ids: tuple[str, ...] = ("id-build",)) -> ChecksRerun:
    return ChecksRerun(event_id="x", ticket_id="t1", generation=1, head_sha=HEAD, ids=ids, names=("build",), at=at)


FLAKY = failed(log="read: ECONNRESET")


def test_flaky_check_that_passes_is_named(story: Story) -> None:
    story.tell(read([RED]), details(FLAKY), rerun())
    assert story.loop.ci.due_at == LATER + QUIET
    assert not story.tell(read([RED], at=LATER + QUIET)).commands, "its further attempt has not begun yet"

    decision = story.tell(read([check(id="id-2")], at=LATER + QUIET))

    assert decision.loop.stage is Stage.REVIEW
    assert "`build` flaky, passed" in bodies(decision)[0]


def test_flaky_check_is_run_again_twice_per_head_then_fixed(story: Story) -> None:
    story.tell(read([RED]), details(FLAKY), rerun())
    second = check(conclusion="failure", id="id-2")
    story.tell(read([second], at=LATER + QUIET), details(replace(FLAKY, id="id-2"), at=LATER + QUIET))
    assert kinds(story.last.commands) == ["RerunChecks"]
    story.tell(rerun(LATER + QUIET, ids=("id-2",)))

    third, at = check(conclusion="failure", id="id-3"), LATER + 2 * QUIET
    story.tell(read([third], at=at), details(replace(FLAKY, id="id-3"), at=at))

    assert story.loop.stage is Stage.MAKING


def test_flaky_check_waits_for_the_end_of_its_workflow(story: Story) -> None:
    decision = story.tell(read([RED, check("e2e", "pending")]), details(FLAKY))

    assert (kinds(decision.commands), decision.loop.stage) == ([], Stage.CI)
    assert decision.loop.ci.due_at


def test_failure_beside_a_flaky_one_is_fixed(story: Story) -> None:
    both = [RED, check("lint", "failure")]

    assert story.tell(read(both), details(FLAKY, failed("lint"))).loop.stage is Stage.MAKING


def test_failure_of_a_check_that_is_flaky_on_the_base_is_run_again(story: Story) -> None:
    flaky = ((GREEN, RED),)

    assert kinds(story.tell(read([RED], base_checks=flaky), details(failed(), base_checks=flaky)).commands) == [
        "RerunChecks"
    ]


def test_failure_without_a_change_of_the_agent_is_run_again(story: Story) -> None:
    """The round before ended without a commit: the agent found nothing to fix."""
    story.loop = changed(story.loop, ci=replace(story.loop.ci, rounds=1, round_sha=HEAD))

    assert kinds(story.tell(read([RED]), details(failed())).commands) == ["RerunChecks"]


def test_commit_status_cannot_be_run_again(story: Story) -> None:
    status = HostCheck(name="build", conclusion="failure", kind="status")

    assert story.tell(read([status]), details(replace(FLAKY, id=""))).loop.stage is Stage.MAKING


def test_check_that_is_always_cancelled_escalates(story: Story) -> None:
    story.loop = changed(story.loop, ci=replace(story.loop.ci, reruns=2))

    decision = story.tell(read([check(conclusion="cancelled")]), details(failed(conclusion="cancelled", log="")))

    assert decision.loop.escalation and decision.loop.escalation.kind == "ci"
    assert "cancelled" in bodies(decision)[0]


# --- failing code host ----------------------------------------------------------------------------------------------


def refused(command: str) -> CommandFailed:
    reason = "the App needs actions: write"
    return CommandFailed(event_id="c", ticket_id="t1", generation=1, command=command, reason=reason, at=LATER)


def test_checks_that_cannot_be_read_lead_to_the_review_with_the_reason(story: Story) -> None:
    decision = story.tell(refused("ReadChecks"))

    assert decision.loop.stage is Stage.REVIEW
    assert "actions: write" in bodies(decision)[0]


def test_failures_that_cannot_be_read_start_a_round_with_their_names(story: Story) -> None:
    story.tell(read([RED]))

    decision = story.tell(refused("ReadFailures"))

    assert decision.loop.stage is Stage.MAKING
    assert decision.loop.ci.failures[0].note == "the App needs actions: write"


def test_flaky_check_that_cannot_be_run_again_escalates_with_the_permission(story: Story) -> None:
    decision = story.tell(read([RED]), details(FLAKY), refused("RerunChecks"))

    assert decision.loop.escalation and decision.loop.escalation.kind == "ci"
    assert "actions: write" in bodies(decision)[0]


# --- people while the checks run ------------------------------------------------------------------------------------


def test_changes_while_the_checks_run_start_a_revision(story: Story) -> None:
    decision = story.tell(said("/changes use a constant", at=LATER))

    assert (decision.loop.stage, decision.loop.revision) == (Stage.PREPARING, 1)
    assert not story.tell(read([RED])).commands, "late results of the checks do not count"


def test_approval_while_the_checks_run_is_kept(story: Story) -> None:
    story.tell(said("/approve", at=LATER))
    assert story.loop.pull_request.approved_sha == HEAD

    story.tell(read([GREEN]))

    assert (story.loop.stage, story.loop.pull_request.approved_sha) == (Stage.REVIEW, HEAD)


def test_rounds_and_flaky_names_survive_a_push_and_the_rest_does_not() -> None:
    before = CiState(head_sha=HEAD, rounds=2, flaky=("e2e",), reruns=2, notices=("pending",), checks=(RED,))

    after = before.begin("d" * 40, 9.0)

    assert after == CiState(head_sha="d" * 40, since=9.0, rounds=2, flaky=("e2e",))
    assert before.begin(HEAD, 9.0) == replace(before, since=9.0)


def test_opened_pull_request_forgets_the_checks_of_the_commit_before(review: Loop, policy: ServicePolicy) -> None:
    publishing = changed(review, stage=Stage.PUBLISHING, ci=CiState(head_sha=OTHER, checks=(RED,), rounds=1))
    event = PullRequestOpened(event_id="o", ticket_id="t1", generation=1, number=7, url="http://h/7", at=PUSHED)

    loop = decide(publishing, event, policy).loop

    assert (loop.ci.checks, loop.ci.rounds, loop.ci.since) == ((), 1, PUSHED)
