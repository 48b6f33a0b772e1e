"""GitHub's responses about one repository 'o/r', reduced to the fields that the adapter reads."""

from __future__ import annotations

from typing import Any

from integrations.ports.pull_request import HostCheck
from tests.integrations.code_hosts.answering import Answer

SHA = "a" * 40
BRANCH = "eng-1/fix"
REF = f"git/ref/heads/{BRANCH}"
HOME = {"id": 1, "full_name": "o/r"}
REPOSITORY = {**HOME, "clone_url": "https://github.com/o/r.git", "default_branch": "main"}
MERGED_HISTORY = [{"event": "labeled", "commit_id": None}, {"event": "merged", "commit_id": "c" * 40}]
OCTOCAT = {"login": "octocat", "type": "User"}


def pull(number: int = 7, **changes: Any) -> dict[str, Any]:
    """An open pull request from `BRANCH`."""
    known = {"number": number, "state": "open", "html_url": f"https://github.com/o/r/pull/{number}"}
    ends = {"head": {"ref": BRANCH, "sha": SHA, "repo": HOME}, "base": {"ref": "main", "sha": SHA, "repo": HOME}}
    return {**known, **ends, "title": "Fix", "body": "Why", "draft": False, "merged_at": None, **changes}


def check(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A check run 'loopline' in progress."""
    known = {"id": number, "name": "loopline", "head_sha": SHA, "external_id": f"loopline:{SHA}"}
    shown = {"status": "in_progress", "conclusion": None, "output": {"title": "checking"}, "details_url": "http://d/"}
    return {**known, **shown, "check_suite": {"id": 5}, **changes}


def delivery(number: int, guid: str = "g", **changes: Any) -> dict[str, Any]:
    """A failed delivery attempt of an event."""
    known = {"id": number, "guid": guid, "delivered_at": "2026-01-02T00:00:00Z", "redelivery": False, "duration": 0.1}
    return {**known, "status": "failed to connect to host", "status_code": 502, "event": "push", **changes}


HOOK = {"id": 3, "active": True, "config": {"url": "https://loopline.test/webhooks/github"}}


JOB = HostCheck(name="build", conclusion="failure", kind="job", id="5")
RUN = HostCheck(name="scan", conclusion="failure", kind="check_run", id="6")
REQUIRED = {"required_status_checks": [{"context": "build"}]}
FACTS = {
    "id": "PR_7",
    "number": 7,
    "url": "https://github.com/o/r/pull/7",
    "state": "OPEN",
    "headRefName": BRANCH,
    "headRefOid": SHA,
    "baseRefName": "main",
    "baseRefOid": SHA,
    "mergeable": "MERGEABLE",
    "mergeStateStatus": "CLEAN",
}


# One successful response for each route of the adapter; there is no pull request, comment, status or check yet.
ANSWERS = {
    "POST /repos/o/r/issues/7/labels": Answer(body=[]),
    "POST /repos/o/r/pulls/7/requested_reviewers": Answer(201, {}),
    "GET /repos/o/r/milestones": Answer(body=[{"number": 3, "title": "1.0"}]),
    "PATCH /repos/o/r/issues/7": Answer(body={}),
    "GET /repos/o/r": Answer(body=REPOSITORY),
    f"GET /repos/o/r/{REF}": Answer(body={"object": {"sha": SHA}}),
    f"DELETE /repos/o/r/git/refs/heads/{BRANCH}": Answer(204, b""),
    "GET /repos/o/r/pulls": Answer(body=[]),
    "POST /repos/o/r/pulls": Answer(201, pull()),
    "GET /repos/o/r/pulls/7": Answer(body=pull()),
    "PATCH /repos/o/r/pulls/7": Answer(body=pull()),
    "PUT /repos/o/r/pulls/7/merge": Answer(body={"sha": "c" * 40, "merged": True}),
    "POST /graphql": Answer(body={"data": {"repository": {"pullRequest": FACTS}}}),
    "GET /repos/o/r/pulls/7/reviews": Answer(body=[]),
    "POST /repos/o/r/pulls/7/reviews": Answer(body={"id": 1, "state": "APPROVED"}),
    "POST /repos/o/r/pulls/7/comments/5/replies": Answer(201, {"id": 6}),
    "GET /repos/o/r/commits": Answer(body=[]),
    "GET /search/code": Answer(body={"total_count": 0, "incomplete_results": False, "items": []}),
    "GET /search/users": Answer(body={"total_count": 1, "items": [OCTOCAT]}),
    "GET /repos/o/r/pulls/7/comments": Answer(body=[]),
    "GET /repos/o/r/issues/7/comments": Answer(body=[]),
    "POST /repos/o/r/issues/7/comments": Answer(201, {"id": 1}),
    "GET /repos/o/r/issues/7/events": Answer(body=MERGED_HISTORY),
    "GET /repos/o/r/collaborators/octocat/permission": Answer(body={"permission": "write", "user": OCTOCAT}),
    f"GET /repos/o/r/commits/{SHA}/statuses": Answer(body=[]),
    f"POST /repos/o/r/statuses/{SHA}": Answer(201, {"state": "success", "context": "loopline"}),
    f"GET /repos/o/r/commits/{SHA}/check-runs": Answer(body={"check_runs": []}),
    "POST /repos/o/r/check-runs": Answer(201, check()),
    "PATCH /repos/o/r/check-runs/1": Answer(body=check()),
    "GET /repos/o/r/rules/branches/main": Answer(body=[{"type": "required_status_checks", "parameters": REQUIRED}]),
    "GET /repos/o/r/check-runs/5": Answer(body=check(5, status="completed", conclusion="failure")),
    "GET /repos/o/r/check-runs/6": Answer(body=check(6, status="completed", conclusion="failure")),
    "GET /repos/o/r/check-runs/5/annotations": Answer(body=[]),
    "GET /repos/o/r/check-runs/6/annotations": Answer(body=[]),
    "POST /repos/o/r/check-runs/6/rerequest": Answer(201, {}),
    "GET /repos/o/r/actions/jobs/5": Answer(body={"id": 5, "run_id": 9, "steps": []}),
    "GET /repos/o/r/actions/jobs/5/logs": Answer(302, b"", {"Location": "http://127.0.0.1:9/log"}),
    "GET /repos/o/r/actions/runs/9": Answer(body={"head_sha": SHA, "status": "completed"}),
    "GET /repos/o/r/actions/runs/9/jobs": Answer(body={"jobs": [{"id": 5, "run_id": 9}]}),
    "POST /repos/o/r/actions/runs/9/rerun-failed-jobs": Answer(201, {}),
    "GET /repos/o/r/hooks": Answer(body=[HOOK]),
    "GET /repos/o/r/hooks/3/deliveries": Answer(body=[delivery(9)]),
    "POST /repos/o/r/hooks/3/deliveries/9/attempts": Answer(202, {}),
    "GET /app/hook/deliveries": Answer(body=[delivery(9)]),
    "POST /app/hook/deliveries/9/attempts": Answer(202, {}),
    "GET /repos/o/r/installation": Answer(body={"id": 5}),
    "POST /app/installations/5/access_tokens": Answer(201, {"token": "ghs_x", "expires_at": "2999-01-01T00:00:00Z"}),
}
