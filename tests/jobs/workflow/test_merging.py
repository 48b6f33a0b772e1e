"""What a pull request lacks, the way to its merge, and the outcome, as tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.events import (
    BranchPushed,
    CommandFailed,
    MergeGroupRequested,
    MergeHeld,
    MergeWaits,
    PullRequestDequeued,
    PullRequestMerged,
    TicketMoved,
    TimePassed,
)
from integrations.ports.merge_rules import MergeRules, MissingPart
from integrations.ports.pull_request import HostCheck, HostReview, PullRequestFacts, ReviewThread, ThreadComment
from jobs.loop.commands import MergePullRequest, PostComment, SetStatus
from jobs.loop.merge_policy import MergePolicy
from jobs.loop.policy import inspect_policy
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.merging import LONG_WAIT_SECONDS, LOOK_UP_SECONDS, find_missing, plan_merge
from jobs.workflow.steering import merge
from tests.jobs.workflow.values import HEAD, OTHER, kinds, said
from tests.loops import changed

URL = "http://h/7"
PLACE = {"event_id": "e", "ticket_id": "t1", "repository": "acme/shop", "number": 7}
FACTS = PullRequestFacts(
    number=7, url=URL, state="open", merged=False, draft=False, branch="loopline/eng-1", head_sha=HEAD, base="main",
    base_sha=OTHER, title="ENG-1: Limit logins", mergeable="yes",
    checks=(HostCheck(name="loopline/verdict", conclusion="pending"), HostCheck(name="build", conclusion="success")),
)  # fmt: skip
RULES = MergeRules(checks=("build", "loopline/verdict"), approvals=0)


def check(name: str, conclusion: Any, **fields: Any) -> HostCheck:
    return HostCheck(name=name, conclusion=conclusion, **fields)


def with_checks(*checks: HostCheck, **fields: Any) -> dict[str, Any]:
    return {"checks": (check("build", "success"), *checks), **fields}


def by(author: str, state: Any, **fields: Any) -> HostReview:
    return HostReview(id="r1", author=author, state=state, may_write=True, url=f"{URL}#r1", **fields)


def thread(**fields: Any) -> ReviewThread:
    comment = ThreadComment(id="c1", author="bob", body="?", url=f"{URL}#c1")
    return ReviewThread(id="t1", path="login.py", comments=(comment,), **fields)


@pytest.fixture
def approved(review: Loop) -> Loop:
    return changed(review, approved_sha=HEAD, approved_by="Ana")


@pytest.fixture
def merging(approved: Loop) -> Loop:
    return replace(approved, stage=Stage.MERGING)


@pytest.fixture
def queued(merging: Loop, policy: ServicePolicy) -> Loop:
    return decide(merging, MergeWaits(event_id="w", ticket_id="t1", at=100.0, generation=1, way="queue"), policy).loop


MISSING: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[str, str, bool]]]] = {
    "nothing": ({}, {}, []),
    "closed hides the rest": ({"state": "closed", "draft": True}, {}, [("closed", "", True)]),
    "newer commit hides the rest": ({"head_sha": OTHER, "draft": True}, {}, [("head", "ccccccc", True)]),
    "draft": ({"draft": True}, {}, [("draft", "", True)]),
    "conflict": ({"mergeable": "conflict"}, {}, [("conflict", "main", True)]),
    "mergeability not computed yet": ({"mergeable": "unknown"}, {}, []),
    "behind": ({"behind": True}, {"up_to_date": True}, [("behind", "main", True)]),
    "behind, which no rule forbids": ({"behind": True}, {}, []),
    "no allowed method": ({}, {"methods": ()}, [("method", "", True)]),
    "required check failed": (
        with_checks(check("lint", "failure", required=True)), {}, [("check_failed", "lint", True)]
    ),
    "check required by its name": (
        with_checks(check("lint", "timed_out")), {"checks": ("lint",)}, [("check_failed", "lint", True)]
    ),
    "other check failed": (with_checks(check("lint", "cancelled")), {}, [("check_failed", "lint", False)]),
    "check waits for a person": (with_checks(check("lint", "action")), {}, [("check_failed", "lint", False)]),
    "check runs": (with_checks(check("lint", "pending")), {}, [("check_pending", "lint", False)]),
    "check was left out": (with_checks(check("lint", "skipped"), check("x", "neutral")), {}, []),
    "required check not reported": ({}, {"checks": ("e2e", "build")}, [("check_pending", "e2e", True)]),
    "own check does not count": ({"checks": ()}, {"checks": ("loopline/verdict",)}, []),
    "more checks than can be read": ({"cut": ("checks",), "all_checks": "failure"}, {}, [("check_unread", "", False)]),
    "all of too many checks are green": ({"cut": ("checks",), "all_checks": "success"}, {"checks": ("e2e",)}, []),
    "the failing one of too many is known": (
        with_checks(check("lint", "failure"), cut=("checks",), all_checks="failure"), {},
        [("check_failed", "lint", False)],
    ),
    "changes requested": ({"reviews": (by("bob", "changes_requested"),)}, {}, [("changes_requested", "bob", True)]),
    "changes requested by two": (
        {"reviews": (by("bob", "changes_requested"), by("eva", "changes_requested"), by("ana", "approved"))}, {},
        [("changes_requested", "bob", True), ("changes_requested", "eva", True)],
    ),
    "changes requested by an app": (
        {"reviews": (by("x[bot]", "changes_requested", is_bot=True),)}, {}, [("changes_requested", "x[bot]", False)]
    ),
    "changes requested by a reader": (
        {"reviews": (replace(by("eve", "changes_requested"), may_write=False),)}, {},
        [("changes_requested", "eve", False)],
    ),
    "comment and dismissal": ({"reviews": (by("bob", "commented"), by("eva", "dismissed"))}, {}, []),
    "approval": ({}, {"approvals": 1}, [("approval", "1", True)]),
    "one of two approvals": ({"reviews": (by("bob", "approved"),)}, {"approvals": 2}, [("approval", "1", True)]),
    "approval of a reader": (
        {"reviews": (replace(by("eve", "approved"), may_write=False),)}, {"approvals": 1}, [("approval", "1", True)]
    ),
    "approval given": ({"reviews": (by("bob", "approved"),), "review_decision": "approved"}, {"approvals": 1}, []),
    "approval of a code owner": (
        {"reviews": (by("bob", "approved"),), "review_decision": "review_required"}, {"approvals": 1},
        [("other_approval", "", True)],
    ),
    "threads": ({"threads": (thread(), thread())}, {"resolved_threads": True}, [("thread", "login.py", True)]),
    "threads that no rule is about": ({"threads": (thread(),)}, {}, []),
    "threads resolved": ({"threads": (thread(resolved=True),)}, {"resolved_threads": True}, []),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "rules", "missing"), MISSING.values(), ids=MISSING)
def test_missing_parts_of_a_merge(
    approved: Loop, facts: dict[str, Any], rules: dict[str, Any], missing: list[tuple[str, str, bool]]
) -> None:
    found = list(find_missing(approved, replace(FACTS, **facts), replace(RULES, **rules)))

    shown = [(part.kind, part.name or str(part.count or ""), part.required) for part in found]
    assert [(kind, name or "", required) for kind, name, required in shown] == missing
    assert all(part.url.startswith(URL) for part in found)


def test_missing_check_links_pages_of_the_code_host_only(approved: Loop) -> None:
    checks = (check("a", "failure", url="http://h/runs/1"), check("b", "failure", url="http://ci.test/2"))
    assert [part.url for part in find_missing(approved, replace(FACTS, checks=checks), MergeRules())] == [
        "http://h/runs/1",
        URL,
    ]


WAITING = with_checks(check("e2e", "pending", required=True))
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any], MergePolicy, bool, str]] = {
    "nothing missing": ({}, {}, MergePolicy(), False, "merge"),
    "merged meanwhile": ({"merged": True, "state": "closed", "head_sha": OTHER}, {}, MergePolicy(), False, "merge"),
    "merge queue": ({}, {"queue": True}, MergePolicy(), False, "queue"),
    "in the queue already": ({"queued": True, **WAITING}, {"queue": True}, MergePolicy(), False, "queue"),
    "merge queue, which no policy avoids": ({}, {"queue": True}, MergePolicy(wait="never"), False, "queue"),
    "required check runs": (WAITING, {"auto_merge": True}, MergePolicy(), False, "auto_merge"),
    "required check runs before a queue": (
        WAITING, {"auto_merge": True, "queue": True}, MergePolicy(), False, "auto_merge"
    ),
    "auto-merge is not allowed": (WAITING, {}, MergePolicy(), False, "hold"),
    "auto-merge is not wanted": (WAITING, {"auto_merge": True}, MergePolicy(wait="never"), False, "hold"),
    "auto-merge would not wait for it": (
        with_checks(check("e2e", "pending")), {"auto_merge": True}, MergePolicy(), False, "hold"
    ),
    "auto-merge would not get an approval": (
        WAITING, {"auto_merge": True, "approvals": 1}, MergePolicy(), False, "hold"
    ),
    "red check": (with_checks(check("lint", "failure")), {}, MergePolicy(), False, "hold"),
    "red check, insisted": (with_checks(check("lint", "failure")), {}, MergePolicy(), True, "merge"),
    "red check before a queue, insisted": (
        with_checks(check("lint", "failure")), {"queue": True}, MergePolicy(), True, "queue"
    ),
    "required red check, insisted": (
        with_checks(check("lint", "failure", required=True)), {}, MergePolicy(), True, "hold"
    ),
    "changes requested, insisted": ({"reviews": (by("bob", "changes_requested"),)}, {}, MergePolicy(), True, "hold"),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "rules", "merge", "insists", "way"), WAYS.values(), ids=WAYS)
def test_merge_plan_takes_the_way(
    merging: Loop, facts: dict[str, Any], rules: dict[str, Any], merge: MergePolicy, insists: bool, way: str
) -> None:
    policy = replace(merging.policy, loop=replace(merging.workflow, merge=merge))
    loop = replace(merging, policy=policy, merging=replace(merging.merging, insists=insists))

    plan = plan_merge(loop, replace(FACTS, **facts), replace(MergeRules(), **rules))

    assert plan.way == way
    assert bool(plan.missing) == (way in {"hold", "auto_merge"}) or facts.get("queued")


@pytest.mark.parametrize(
    ("wanted", "allowed", "method"),
    [
        ("", ("squash", "merge"), "squash"),
        ("merge", ("squash", "merge"), "merge"),
        ("merge", ("rebase",), "rebase"),
        ("", ("rebase", "squash"), "rebase"),  # the operator's method is the first one
    ],
)
def test_merge_method_is_an_allowed_one(merging: Loop, wanted: Any, allowed: Any, method: str) -> None:
    policy = replace(merging.policy, loop=replace(merging.workflow, merge=MergePolicy(method=wanted)))
    plan = plan_merge(replace(merging, policy=policy), FACTS, MergeRules(methods=allowed))
    assert plan.method == method


@pytest.mark.parametrize(
    ("title", "labels", "template", "shown"),
    [
        ("ENG-1: Limit logins", (), "plain", "ENG-1: Limit logins (#7)"),
        ("", (), "plain", "ENG-1: Limit logins (#7)"),
        ("A person's title", (), "plain", "A person's title (#7)"),
        ("ENG-1: Limit logins", (), "conventional", "feat: Limit logins (#7)"),
        ("ENG-1: Limit logins", ("UI", "Bug"), "conventional", "fix: Limit logins (#7)"),
        ("docs(api)!: Say more", ("Bug",), "conventional", "docs: Say more (#7)"),
        ("ENG-1: Limit logins", (), "[{identifier}] {title}", "[ENG-1] Limit logins"),
        ("ENG-1: {approver}", (), "{title}", "{approver}"),
    ],
)
def test_merge_title_follows_the_convention(
    merging: Loop, title: str, labels: tuple[str, ...], template: str, shown: str
) -> None:
    policy = replace(merging.policy, loop=replace(merging.workflow, merge=MergePolicy(title=template)))
    loop = replace(merging, policy=policy, ticket=replace(merging.ticket, labels=labels))
    assert plan_merge(loop, replace(FACTS, title=title), MergeRules()).title == shown


def test_merge_body_and_trailers_are_templates(merging: Loop) -> None:
    trailers = ("Reviewed-by: {approver}", "Ticket: {identifier}", "See: {url}")
    merge = MergePolicy(body="{summary}\n\nFrom {identifier}.", trailers=trailers)
    policy = replace(merging.policy, loop=replace(merging.workflow, merge=merge))

    plan = plan_merge(replace(merging, policy=policy), FACTS, MergeRules())

    assert plan.body == "Counts logins.\n\nFrom ENG-1."
    assert plan.trailers == ("Reviewed-by: Ana", "Ticket: ENG-1")
    assert plan_merge(merging, FACTS, MergeRules()).body == ""


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("title", '"{titel}"', "unknown placeholder {titel}; known: title"),
        ("body", '"{nothing_like_it}"', "known: approver, identifier"),
        ("trailers", '["no trailer"]', "write one as `Reviewed-by: {approver}`"),
        ("wait", "sometimes", "wait"),
        ("metod", "squash", "the nearest one is method"),
    ],
)
def test_merge_policy_problem_names_the_place_and_the_fix(key: str, value: str, problem: str) -> None:
    [found] = inspect_policy(f"---\nloop:\n  merge:\n    {key}: {value}\n---\n").problems
    assert found.startswith("line 4, loop.merge.") and problem in found


# --- commands and outcomes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "insists"), [("", False), (" anyway", True), (" Anyway!", True), (" please", False)])
def test_command_merge_notes_the_person_and_whether_they_insist(
    approved: Loop, policy: ServicePolicy, words: str, insists: bool
) -> None:
    loop = decide(approved, said(f"/merge{words}"), policy).loop
    assert (loop.stage, loop.merging.by, loop.merging.insists) == (Stage.MERGING, "Ana", insists)


def test_merge_that_goes_on_keeps_who_asked_for_it(approved: Loop, policy: ServicePolicy) -> None:
    asked = decide(approved, said("/merge anyway"), policy).loop
    again = merge(asked).loop
    assert (again.merging.by, again.merging.insists) == ("Ana", True)


def test_merge_held_lists_what_is_missing_and_returns_to_review(merging: Loop, policy: ServicePolicy) -> None:
    missing = (MissingPart(kind="check_failed", name="build", url=URL), MissingPart(kind="draft", url=URL))
    decision = decide(merging, MergeHeld(event_id="h", ticket_id="t1", generation=1, missing=missing), policy)

    assert (decision.loop.stage, decision.loop.merging.by) == (Stage.REVIEW, "")
    [comment] = decision.commands
    assert isinstance(comment, PostComment) and "`build`" in comment.body and "draft" in comment.body
    assert decision.loop.reason.startswith("Not merged yet: the check `build` failed, and 1 more.")


@pytest.mark.parametrize("kind", [MergeHeld, MergeWaits])
def test_answer_to_an_earlier_merge_changes_nothing(review: Loop, policy: ServicePolicy, kind: Any) -> None:
    more = {"way": "queue"} if kind is MergeWaits else {}
    for loop, generation in ((review, 1), (replace(review, stage=Stage.MERGING), 0)):
        event = kind(event_id="h", ticket_id="t1", generation=generation, **more)
        assert decide(loop, event, policy).loop == loop


def test_merge_that_waits_is_looked_up_later(queued: Loop) -> None:
    assert (queued.stage, queued.merging.waits, queued.due_at) == (Stage.MERGING, "queue", 100.0 + LOOK_UP_SECONDS)


def test_merge_that_waits_ends_with_its_merge(queued: Loop, policy: ServicePolicy) -> None:
    decision = decide(queued, PullRequestMerged(**PLACE, head_sha=HEAD), policy)
    assert (decision.loop.stage, decision.loop.merging.waits) == (Stage.DONE, "")
    assert "CancelMerge" not in kinds(decision.commands)


def test_merge_removed_from_the_queue_returns_to_review_with_the_reason(queued: Loop, policy: ServicePolicy) -> None:
    decision = decide(queued, PullRequestDequeued(**PLACE, reason="ci_failure"), policy)
    assert (decision.loop.stage, decision.loop.due_at) == (Stage.REVIEW, 0.0)
    assert any(isinstance(c, PostComment) and "a required check failed" in c.body for c in decision.commands)


def test_removal_without_a_merge_that_waits_changes_nothing(review: Loop, policy: ServicePolicy) -> None:
    assert not decide(review, PullRequestDequeued(**PLACE, reason="manual"), policy).commands


LEAVING = {
    "/stop": (said("/stop"), Stage.REVIEW),
    "/changes": (said("/changes use a constant"), Stage.PREPARING),
    "/takeover": (said("/takeover"), Stage.STOPPED),
    "foreign commit": (
        BranchPushed(**PLACE, branch="loopline/eng-1-limit-logins", head_sha=OTHER, by="bob"),
        Stage.REVIEW,
    ),
    "card dragged away": (None, Stage.STOPPED),
    "refused merge": (
        CommandFailed(event_id="e", ticket_id="t1", generation=1, command="MergePullRequest", reason="no"),
        Stage.REVIEW,
    ),
}


@pytest.mark.parametrize(("event", "stage"), LEAVING.values(), ids=LEAVING)
def test_merge_that_waits_is_revoked_when_the_loop_leaves_it(
    queued: Loop, policy: ServicePolicy, event: Any, stage: Stage
) -> None:
    dragged = TicketMoved(event_id="m", ticket_id="t1", ticket=replace(queued.ticket, column="Backlog"))
    decision = decide(queued, event or dragged, policy)

    assert (decision.loop.stage, decision.loop.merging.waits) == (stage, "")
    assert kinds(decision.commands)[0] == "CancelMerge"


def passed(loop: Loop, after: float, **facts: Any) -> TimePassed:
    at = loop.merging.since + after
    return TimePassed(event_id="d", ticket_id="t1", at=at, due=at, facts=replace(FACTS, **facts))


def test_merge_that_waits_for_long_is_reported_once(queued: Loop, policy: ServicePolicy) -> None:
    soon = decide(queued, passed(queued, LOOK_UP_SECONDS, queued=True), policy)
    assert not soon.commands and soon.loop.due_at > queued.due_at
    late = decide(queued, passed(queued, LONG_WAIT_SECONDS, queued=True, **WAITING), policy)
    [comment] = late.commands
    assert isinstance(comment, PostComment) and "waited for an hour" in comment.body and "`e2e`" in comment.body
    assert not decide(late.loop, passed(queued, 2 * LONG_WAIT_SECONDS, queued=True), policy).commands


def test_merge_whose_removal_was_missed_returns_to_review(queued: Loop, policy: ServicePolicy) -> None:
    assert decide(queued, passed(queued, LOOK_UP_SECONDS), policy).loop.stage is Stage.REVIEW
    unread = replace(passed(queued, LOOK_UP_SECONDS), facts=None)
    assert decide(queued, unread, policy).loop.stage is Stage.MERGING


@pytest.mark.parametrize(("stage", "head", "state"), [("review", HEAD, "success"), ("review", OTHER, "failure")])
def test_merge_group_gets_the_verdict(review: Loop, policy: ServicePolicy, stage: str, head: str, state: str) -> None:
    loop = review if head == HEAD else changed(review, pushed_sha=OTHER)
    [status] = decide(loop, MergeGroupRequested(**PLACE, head_sha="d" * 40), policy).commands
    assert isinstance(status, SetStatus) and (status.sha, status.state) == ("d" * 40, state)
    other = MergeGroupRequested(**{**PLACE, "number": 8}, head_sha="d" * 40)
    assert not decide(loop, other, policy).commands


def test_merge_of_an_older_release_can_be_read() -> None:
    command = MergePullRequest(generation=1, repository="a/b", number=1, sha=HEAD, title="t")
    assert command.body == ""
