"""Rules of a branch, auto-merge and the merge queue, by the adapter: from canned answers and from the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.code_hosts.github.code_host import GitHub
from integrations.errors import Conflict, NotFound, Rejected, Unavailable
from integrations.ports.merge_rules import MergeRules
from tests.integrations.code_hosts.answering import Answer, Answering
from tests.integrations.code_hosts.canned import SHA
from tests.integrations.code_hosts.live_github import LiveGitHub, push

GRAPHQL, MERGE, RULES = "POST /graphql", "PUT /repos/o/r/pulls/7/merge", "GET /repos/o/r/rules/branches/main"
CHECK = {"required_status_checks": [{"context": "build"}], "strict_required_status_checks_policy": True}
REVIEWS = {"required_approving_review_count": 2, "required_review_thread_resolution": True}
QUEUE_RULE = {"type": "merge_queue", "parameters": {"merge_method": "MERGE"}}
GONE = Answer(body={"data": {"repository": None}, "errors": [{"type": "NOT_FOUND", "message": "gone"}]})


def of_type(kind: str, **parameters: Any) -> dict[str, Any]:
    """One rule of a branch."""
    return {"type": kind, "parameters": parameters}


def settings(**changes: Any) -> Answer:
    known = {"autoMergeAllowed": False, "mergeCommitAllowed": True, "rebaseMergeAllowed": True}
    more = {"squashMergeAllowed": True, "ref": {"refUpdateRule": None}, "pullRequest": {"isMergeQueueEnabled": False}}
    return Answer(body={"data": {"repository": {**known, **more, **changes}}})


def classic(**rule: Any) -> dict[str, Any]:
    return {"ref": {"refUpdateRule": rule}}


CASES: dict[str, tuple[list[Any], Answer, MergeRules]] = {
    "none": ([], settings(), MergeRules()),
    "branch without a ref": ([], settings(ref=None, pullRequest=None), MergeRules()),
    "auto-merge, no rebase": (
        [], settings(autoMergeAllowed=True, rebaseMergeAllowed=False),
        MergeRules(methods=("squash", "merge"), auto_merge=True),
    ),
    "rulesets": (
        [{"type": "pull_request", "parameters": REVIEWS}, {"type": "required_status_checks", "parameters": CHECK}],
        settings(),
        MergeRules(approvals=2, resolved_threads=True, checks=("build",), up_to_date=True),
    ),
    "methods of a rule": (
        [{"type": "pull_request", "parameters": {"allowed_merge_methods": ["rebase", "merge"]}}],
        settings(), MergeRules(methods=("merge", "rebase")),
    ),
    "linear history": ([{"type": "required_linear_history"}], settings(), MergeRules(methods=("squash", "rebase"))),
    "queue by a rule": ([QUEUE_RULE], settings(), MergeRules(queue=True)),
    "queue by the pull request": ([], settings(pullRequest={"isMergeQueueEnabled": True}), MergeRules(queue=True)),
    "classic protection": (
        [],
        settings(**classic(
            requiredApprovingReviewCount=1, requiredStatusCheckContexts=["ci", None],
            requiresConversationResolution=True, requiresLinearHistory=True,
        )),
        MergeRules(methods=("squash", "rebase"), approvals=1, resolved_threads=True, checks=("ci",)),
    ),
    "a rule of the future": ([{"type": "new_rule", "parameters": {"x": [1]}}], settings(), MergeRules()),
    "the stricter of two": (
        [{"type": "pull_request", "parameters": {"required_approving_review_count": 1}}],
        settings(**classic(requiredApprovingReviewCount=None)), MergeRules(approvals=1),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "answer", "expected"), CASES.values(), ids=CASES)
def test_github_merge_rules_combine_rulesets_protection_and_settings(
    server: Answering, github: GitHub, rules: list[Any], answer: Answer, expected: MergeRules
) -> None:
    server.on(RULES, Answer(body=rules))
    server.on(GRAPHQL, answer)
    assert github.fetch_merge_rules("o/r", 7, "main") == expected


@pytest.mark.parametrize("counts", [(1, 2), (2, 0)])
def test_github_merge_rules_of_several_rulesets_add_up(
    server: Answering, github: GitHub, counts: tuple[int, int]
) -> None:
    rules = [of_type("pull_request", required_approving_review_count=count) for count in counts]
    rules += [of_type("required_status_checks", required_status_checks=[{"context": name}]) for name in "ab"]
    rules += [of_type("pull_request", allowed_merge_methods=["merge", method]) for method in ("squash", "rebase")]
    server.on(RULES, Answer(body=rules))
    server.on(GRAPHQL, settings())
    found = github.fetch_merge_rules("o/r", 7, "main")
    assert (found.approvals, found.checks, found.methods) == (2, ("a", "b"), ("merge",))


def state(**changes: Any) -> Answer:
    known = {"id": "PR_1", "state": "OPEN", "headRefOid": SHA, "isInMergeQueue": False, "autoMergeRequest": None}
    return Answer(body={"data": {"repository": {"pullRequest": {**known, **changes}}}})


DONE = Answer(body={"data": {"x": {"clientMutationId": None}}})
ON = {"autoMergeRequest": {"enabledAt": "2026-01-01T00:00:00Z"}}
QUEUED = {"isInMergeQueue": True}


def refused(message: str) -> Answer:
    return Answer(
        body={"data": {"x": None}, "errors": [{"type": "UNPROCESSABLE", "message": f'["{message}"]', "path": ["x"]}]}
    )


WAITS: dict[str, tuple[str, list[Answer], bool | type[Exception], list[str]]] = {
    "enabled": ("auto_merge", [state(), DONE], True, ["FetchMergeState", "EnableAutoMerge"]),
    "enqueued": ("queue", [state(), DONE], True, ["FetchMergeState", "Enqueue"]),
    "enabled before": ("auto_merge", [state(**ON)], True, ["FetchMergeState"]),
    "queued before": ("queue", [state(**QUEUED)], True, ["FetchMergeState"]),
    "queued by auto-merge": ("auto_merge", [state(**QUEUED)], True, ["FetchMergeState"]),
    "merged before": ("queue", [state(state="MERGED")], True, ["FetchMergeState"]),
    "head moved": ("queue", [state(headRefOid="d" * 40)], Conflict, ["FetchMergeState"]),
    "clean meanwhile": (
        "auto_merge", [state(), refused("Pull request Pull request is in clean status"), state()], False,
        ["FetchMergeState", "EnableAutoMerge", "FetchMergeState"],
    ),
    "refused": (
        "auto_merge", [state(), refused("Auto merge is not allowed for this repository"), state()], Rejected,
        ["FetchMergeState", "EnableAutoMerge", "FetchMergeState"],
    ),
    "lost reply that took effect": (
        "queue", [state(), Answer(502), state(**QUEUED)], True, ["FetchMergeState", "Enqueue", "FetchMergeState"]
    ),
    "lost reply without effect": (
        "queue", [state(), Answer(dropped=True), state()], Unavailable,
        ["FetchMergeState", "Enqueue", "FetchMergeState"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("way", "answers", "result", "sent"), WAITS.values(), ids=WAITS)
def test_github_merge_when_ready_is_idempotent(
    server: Answering, github: GitHub, way: Any, answers: list[Answer], result: Any, sent: list[str]
) -> None:
    server.on(GRAPHQL, *answers)
    if isinstance(result, bool):
        assert github.merge_when_ready("o/r", 7, SHA, way, "Fix (#7)", "Why", "squash") is result
    else:
        with pytest.raises(result):
            github.merge_when_ready("o/r", 7, SHA, way, "Fix (#7)")
    assert [one.body["operationName"] for one in server.asked] == sent


def test_github_auto_merge_sends_method_and_message(server: Answering, github: GitHub) -> None:
    server.on(GRAPHQL, state(), DONE)
    github.merge_when_ready("o/r", 7, SHA, "auto_merge", "Fix (#7)", "Why", "rebase")
    given = server.asked[-1].body["variables"]["input"]
    assert given == {
        "pullRequestId": "PR_1",
        "expectedHeadOid": SHA,
        "mergeMethod": "REBASE",
        "commitHeadline": "Fix (#7)",
        "commitBody": "Why",
    }


CANCELS: dict[str, tuple[list[Answer], list[str]]] = {
    "nothing waits": ([state()], []),
    "auto-merge": ([state(**ON), DONE], ["DisableAutoMerge"]),
    "queue": ([state(**QUEUED), DONE], ["Dequeue"]),
    "both": ([state(**QUEUED, **ON), DONE], ["DisableAutoMerge", "Dequeue"]),
    "disabled meanwhile": ([state(**ON), refused("Can't disable"), state()], ["DisableAutoMerge", "FetchMergeState"]),
    "merged": ([state(state="MERGED", **QUEUED)], []),
    "no pull request": ([GONE], []),
}  # fmt: skip


@pytest.mark.parametrize(("answers", "sent"), CANCELS.values(), ids=CANCELS)
def test_github_cancel_merge_is_idempotent(
    server: Answering, github: GitHub, answers: list[Answer], sent: list[str]
) -> None:
    server.on(GRAPHQL, *answers)
    github.cancel_merge("o/r", 7)
    assert [one.body["operationName"] for one in server.asked][1:] == sent


def test_github_merge_has_the_message_and_method_of_the_caller(server: Answering, github: GitHub) -> None:
    server.on(MERGE, Answer(body={"sha": "c" * 40, "merged": True}))
    github.merge("o/r", 7, SHA, "Fix (#7)", "Why\n\nReviewed-by: Ana", "rebase")
    github.merge("o/r", 7, SHA, "Fix (#7)")
    first, second = (one.body for one in server.asked)
    assert (first["merge_method"], first["commit_message"]) == ("rebase", "Why\n\nReviewed-by: Ana")
    assert (second["merge_method"], "commit_message" in second) == ("squash", False)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGitHub]:
    """A repository with a merge queue and the required check 'build'."""
    rules = [
        {"type": "merge_queue"},
        {"type": "required_status_checks", "parameters": {"required_status_checks": [{"context": "build"}]}},
    ]
    live = LiveGitHub(tmp_path_factory.mktemp("live"), repositories=2, rules=rules, allow_auto_merge=True)
    yield live
    live.close()


@pytest.mark.parametrize(("as_app", "index"), [(True, 0), (False, 1)], ids=["app", "person"])
def test_github_merge_waits_and_is_cancelled_on_a_live_server(live: LiveGitHub, as_app: bool, index: int) -> None:
    github, repository = live.as_app() if as_app else live.as_person(), live.repositories[index]
    head = push(github, repository, "eng-1/fix", calc="x = 1\n")
    number = github.open_pull_request(repository, "eng-1/fix", "main", "Fix", "Why").number
    rules = github.fetch_merge_rules(repository, number, "main")
    assert (rules.queue, rules.checks, rules.auto_merge) == (True, ("build",), True)
    with pytest.raises(Rejected, match="is expected"):
        github.merge_when_ready(repository, number, head, "queue", "Fix")
    assert github.merge_when_ready(repository, number, head, "auto_merge", "Fix")
    assert github.fetch_facts(repository, number).auto_merge
    github.cancel_merge(repository, number)
    live.ask("POST", f"/repos/{repository}/statuses/{head}", {"state": "success", "context": "build"})
    assert github.merge_when_ready(repository, number, head, "queue", "Fix")
    assert github.merge_when_ready(repository, number, head, "queue", "Fix")
    assert github.fetch_facts(repository, number).queued
    github.cancel_merge(repository, number)
    facts = github.fetch_facts(repository, number)
    assert (facts.queued, facts.auto_merge, facts.merged) == (False, False, False)
    with pytest.raises(NotFound):
        github.fetch_facts(repository, 99)
    github.close()
