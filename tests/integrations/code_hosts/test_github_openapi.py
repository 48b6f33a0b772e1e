from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from integrations.code_hosts.github import payloads as payloads
from integrations.code_hosts.github.app import AppCredentials, PersonalToken
from integrations.code_hosts.github.code_host import GitHub
from integrations.errors import Forbidden
from integrations.ports.code_host import CodeHost, PullRequestDetails
from tests.integrations.code_hosts.answering import Answer, Answering, Asked
from tests.integrations.code_hosts.canned import ANSWERS, BRANCH, JOB, RUN, SHA, check, pull
from tests.integrations.code_hosts.rest_description import RestDescription
from tests.support.github_published import rest_description

URL = "http://d/"
DETAILS = PullRequestDetails(("loopline",), ("ada",), ("web",), "1.0")
CALLS: dict[str, Callable[[GitHub], object]] = {
    "repository": lambda github: github.repository("o/r"),
    "git_credentials": lambda github: github.git_credentials("o/r"),
    "branch_head": lambda github: github.branch_head("o/r", BRANCH),
    "find_pull_request": lambda github: github.find_pull_request("o/r", BRANCH),
    "fetch_pull_request": lambda github: github.fetch_pull_request("o/r", 7),
    "fetch_facts": lambda github: github.fetch_facts("o/r", 7),
    "open_pull_request": lambda github: github.open_pull_request("o/r", BRANCH, "main", "Fix", "Why"),
    "describe_pull_request": lambda github: github.describe_pull_request("o/r", 7, DETAILS),
    "mark_ready_for_review": lambda github: github.mark_ready_for_review("o/r", 7),
    "update_pull_request": lambda github: github.update_pull_request("o/r", 7, "Fix", "Why"),
    "close_pull_request": lambda github: github.close_pull_request("o/r", 7),
    "find_missing_permissions": lambda github: github.find_missing_permissions(github.repository("o/r")),
    "set_status": lambda github: github.set_status("o/r", SHA, "loopline", "success", "done", URL),
    "reviews": lambda github: github.reviews("o/r", 7),
    "comment": lambda github: github.comment("o/r", 7, "Hello", "m1"),
    "fetch_merge_rules": lambda github: github.fetch_merge_rules("o/r", 7, "main"),
    "merge_when_ready": lambda github: github.merge_when_ready("o/r", 7, SHA, "queue", "Fix"),
    "cancel_merge": lambda github: github.cancel_merge("o/r", 7),
    "merge": lambda github: github.merge("o/r", 7, SHA, "Fix"),
    "delete_branch": lambda github: github.delete_branch("o/r", BRANCH),
    "redeliver": lambda github: github.redeliver("o/r", 0.0),
    "fetch_checks": lambda github: github.fetch_checks("o/r", SHA),
    "fetch_required_checks": lambda github: github.fetch_required_checks("o/r", "main"),
    "fetch_failures": lambda github: github.fetch_failures("o/r", (JOB, RUN)),
    "rerun_checks": lambda github: github.rerun_checks("o/r", (JOB, RUN)),
    "may_steer": lambda github: github.may_steer("o/r", "octocat"),
    "reply_in_thread": lambda github: github.reply_in_thread("o/r", 7, "5", "Done", "m1"),
    "resolve_thread": lambda github: github.resolve_thread("o/r", "PRRT_1"),
    "approve": lambda github: github.approve("o/r", 7, SHA, "Approved", "m1"),
    "search_code": lambda github: github.search_code(["o/r"], 'a "b"', 5),
    "find_login": lambda github: github.find_login("o/r", "ana@acme.test"),
}


@pytest.fixture(scope="module")
def description() -> RestDescription:
    return RestDescription(json.loads(rest_description().read_bytes()))


def test_github_openapi_covers_every_method_of_a_code_host() -> None:
    without_request = {"page_url", "find_reviewer_problem", "email_of"}
    assert CALLS.keys() == {name for name in vars(CodeHost) if not name.startswith("_")} - without_request


@pytest.mark.parametrize("as_app", [False, True], ids=["person", "app"])
def test_github_openapi_describes_every_request(
    server: Answering, description: RestDescription, private_key: str, as_app: bool
) -> None:
    for route, answer in ANSWERS.items():
        server.on(route, answer)
    app = AppCredentials("42", private_key)
    reviewer = PersonalToken("t2", "GITHUB_REVIEWER_TOKEN")
    signed = {"app": app} if as_app else {"token": "t"}
    github = GitHub(server.url, **signed, reviewer=reviewer)  # type: ignore[arg-type]
    for call in CALLS.values():
        call(github)
    server.on(f"GET /repos/o/r/commits/{SHA}/check-runs", Answer(body={"check_runs": [check()]}))
    CALLS["set_status"](github)
    server.on("PUT /repos/o/r/pulls/7/merge", Answer(405))
    server.on("GET /repos/o/r/pulls/7", Answer(body=pull(merged=True)))
    CALLS["merge"](github)
    server.on("POST /repos/o/r/actions/runs/9/rerun-failed-jobs", Answer(403, {"message": "no"}))
    with pytest.raises(Forbidden):
        CALLS["rerun_checks"](github)
    github.close()
    rest = [one for one in server.asked if one.path != "/graphql"]  # see test_github_graphql.py
    wrong = {f"{one.method} {one.path}": list(description.find_errors(one)) for one in rest}
    assert {route: errors for route, errors in wrong.items() if errors} == {}
    of_people = (f"POST /repos/o/r/statuses/{SHA}", "/o/r/hooks")
    of_apps = ("POST /repos/o/r/check-runs,", "PATCH /repos/o/r/check-runs", "/installation", "/app/hook")
    others = (*(of_people if as_app else of_apps), "/graphql")
    assert wrong.keys() == {route for route in ANSWERS if not any(part in f"{route}," for part in others)}


REPO = "/repos/{owner}/{repo}"
READ_AS: dict[str, tuple[type[payloads.Payload], str]] = {
    f"get {REPO}": (payloads.Repository, ""),
    f"get {REPO}/git/ref/{{ref}}": (payloads.Ref, ""),
    f"get {REPO}/pulls": (payloads.PullRequest, "[]"),
    f"get {REPO}/pulls/{{pull_number}}": (payloads.PullRequest, ""),
    f"post {REPO}/pulls": (payloads.PullRequest, ""),
    f"patch {REPO}/pulls/{{pull_number}}": (payloads.PullRequest, ""),
    f"get {REPO}/milestones": (payloads.Milestone, "[]"),
    f"put {REPO}/pulls/{{pull_number}}/merge": (payloads.Merged, ""),
    f"get {REPO}/pulls/{{pull_number}}/reviews": (payloads.Review, "[]"),
    f"get {REPO}/pulls/{{pull_number}}/comments": (payloads.ReviewComment, "[]"),
    f"get {REPO}/issues/{{issue_number}}/comments": (payloads.Comment, "[]"),
    f"post {REPO}/issues/{{issue_number}}/comments": (payloads.Comment, ""),
    f"get {REPO}/issues/{{issue_number}}/events": (payloads.IssueEvent, "[]"),
    f"get {REPO}/collaborators/{{username}}/permission": (payloads.Permission, ""),
    f"get {REPO}/commits/{{ref}}/statuses": (payloads.Status, "[]"),
    f"post {REPO}/statuses/{{sha}}": (payloads.Status, ""),
    f"get {REPO}/commits/{{ref}}/check-runs": (payloads.CheckRun, "check_runs"),
    f"post {REPO}/check-runs": (payloads.CheckRun, ""),
    f"patch {REPO}/check-runs/{{check_run_id}}": (payloads.CheckRun, ""),
    f"get {REPO}/check-runs/{{check_run_id}}": (payloads.CheckRun, ""),
    f"get {REPO}/check-runs/{{check_run_id}}/annotations": (payloads.Annotation, "[]"),
    f"get {REPO}/actions/jobs/{{job_id}}": (payloads.Job, ""),
    f"get {REPO}/actions/runs/{{run_id}}": (payloads.WorkflowRun, ""),
    f"get {REPO}/actions/runs/{{run_id}}/jobs": (payloads.Job, "jobs"),
    f"get {REPO}/rules/branches/{{branch}}": (payloads.BranchRule, "[]"),
    f"get {REPO}/installation": (payloads.Installation, ""),
    "post /app/installations/{installation_id}/access_tokens": (payloads.InstallationToken, ""),
}


@pytest.mark.parametrize("operation", READ_AS)
def test_github_openapi_example_responses_can_be_parsed(description: RestDescription, operation: str) -> None:
    model, inside = READ_AS[operation]
    examples = description.examples(*operation.split())
    assert examples
    for example in examples:
        for item in example if inside == "[]" else example[inside] if inside else [example]:
            model.model_validate(item)


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("GET", "/repos/o/r/pullz", {}, None),
        ("PUT", "/repos/o/r/pulls", {}, None),
        ("GET", "/repos/o/r/pulls", {"state": "opened"}, None),
        ("GET", "/repos/o/r/pulls", {"branch": "x"}, None),
        ("GET", "/repos/o/r/pulls", {}, {"state": "open"}),
        ("POST", "/repos/o/r/pulls", {}, {"head": "x"}),
        ("POST", "/repos/o/r/pulls", {}, {"head": "x", "base": "y", "titel": "z"}),
        ("PUT", "/repos/o/r/pulls/7/merge", {}, {"merge_method": "fast"}),
        ("POST", "/app/installations/5/access_tokens", {}, {"permissions": {"contents": "admin"}}),
    ],
)
def test_github_openapi_check_finds_mistakes(
    description: RestDescription, method: str, path: str, query: dict[str, str], body: object
) -> None:
    assert list(description.find_errors(Asked(method, path, query, {}, body)))
