"""Every operation and every webhook against GitHub's own descriptions."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.standins.github.operations import OPERATIONS
from integrations.standins.github.webhooks import signature
from tests.integrations.standins.github.description import RestAnswers, WebhookPayloads
from tests.integrations.standins.github.world import SECRET, SHOP, Caller, World, name_of
from tests.support import npm

PULL = f"{SHOP}/pulls/1"
OPEN = "/repos/acme/open"


def walk(github: World) -> Iterator[tuple[Caller, str, str, Any]]:
    """Caller, method, path and body, in an order in which each request can succeed."""
    ada, bob, app, bot = github.person("ada"), github.person("bob"), github.app_caller(), github.bot()
    sha = github.push("fix")
    yield ada, "GET", "/rate_limit", None
    yield bot, "GET", SHOP, None
    yield bot, "GET", f"{SHOP}/git/ref/heads/main", None
    yield bot, "GET", f"{SHOP}/collaborators/bob/permission", None
    yield bot, "POST", f"{SHOP}/pulls", {"title": "Fix", "head": "fix", "base": "main", "body": "Why"}
    yield ada, "POST", f"{SHOP}/issues/1/labels", {"labels": ["loopline", "Loopline"]}
    yield ada, "POST", f"{SHOP}/milestones", {"title": "1.0"}
    yield bot, "GET", f"{SHOP}/milestones", None
    yield bot, "PATCH", f"{SHOP}/issues/1", {"milestone": 1}
    yield bot, "POST", f"{PULL}/requested_reviewers", {"reviewers": ["ada"], "team_reviewers": ["web"]}
    yield bot, "GET", f"{SHOP}/pulls", None
    yield bot, "GET", PULL, None
    for patch in ({"title": "Better", "body": "Because"}, {"state": "closed"}, {"state": "open"}):
        yield bot, "PATCH", PULL, patch
    yield bot, "POST", f"{SHOP}/issues/1/comments", {"body": "Hello"}
    yield bot, "GET", f"{SHOP}/issues/1/comments", None
    yield bob, "POST", f"{SHOP}/statuses/{sha}", {"state": "success", "context": "ci", "target_url": "http://d/"}
    yield bot, "GET", f"{SHOP}/commits/{sha}/statuses", None
    yield bot, "POST", f"{SHOP}/check-runs", {"name": "loop", "head_sha": sha}
    runs = f"{SHOP}/commits/{sha}/check-runs"
    yield bot, "GET", runs, None
    done = {"conclusion": "success", "output": {"title": "2 of 2", "summary": "All met"}}
    yield bot, "PATCH", bot.get(runs).json()["check_runs"][0]["url"].removeprefix(github.url), done
    yield from walk_ci(github, bot, sha)
    line = {"path": "calc.py", "line": 2, "body": "Why?"}
    yield bob, "POST", f"{PULL}/reviews", {"event": "REQUEST_CHANGES", "body": "No", "comments": [line]}
    yield bot, "POST", f"{PULL}/comments/{bot.get(f'{PULL}/comments').json()[0]['id']}/replies", {"body": "Done"}
    review = bot.get(f"{PULL}/reviews").json()[0]["id"]
    yield ada, "PUT", f"{PULL}/reviews/{review}/dismissals", {"message": "Old"}
    yield ada, "POST", f"{PULL}/reviews", {"body": "Draft"}
    yield ada, "GET", f"{PULL}/reviews", None
    yield bot, "GET", f"{PULL}/comments", None
    yield bot, "PUT", f"{PULL}/merge", {"sha": sha}
    yield bot, "DELETE", f"{SHOP}/git/refs/heads/fix", None
    sha = ada.get(f"{OPEN}/git/ref/heads/main").json()["object"]["sha"]
    yield ada, "POST", f"{OPEN}/statuses/{sha}", {"state": "pending"}
    yield ada, "POST", f"{OPEN}/git/refs", {"ref": "refs/heads/short", "sha": sha}
    yield ada, "DELETE", f"{OPEN}/git/refs/heads/short", None
    github.heard()
    yield ada, "GET", f"{OPEN}/hooks", None
    hook = f"{OPEN}/hooks/{ada.get(f'{OPEN}/hooks').json()[0]['id']}/deliveries"
    for who, path in ((ada, hook), (app, "/app/hook/deliveries")):
        yield who, "GET", path, None
        yield who, "POST", f"{path}/{who.get(path).json()[0]['id']}/attempts", None
    yield app, "GET", f"{SHOP}/installation", None
    yield ada, "GET", "/user", None
    yield ada, "GET", "/user/repos", None
    yield bot, "GET", "/installation/repositories", None
    yield app, "GET", "/app", None
    yield app, "GET", "/app/installations", None
    yield app, "GET", "/app/hook/config", None
    sha = ada.get(f"{SHOP}/git/ref/heads/main").json()["object"]["sha"]
    yield bot, "GET", f"{SHOP}/git/trees/{sha}?recursive=1", None
    yield bot, "POST", f"{SHOP}/git/refs", {"ref": "refs/heads/new", "sha": sha}
    text = {"message": "Add", "content": "YQo=", "branch": "new"}
    yield bot, "PUT", f"{SHOP}/contents/docs/a.md", text
    yield bot, "GET", f"{SHOP}/contents/docs/a.md?ref=new", None
    yield bot, "GET", f"{SHOP}/branches/main", None
    yield bot, "GET", f"{SHOP}/commits?author=nobody@example.com", None
    yield bot, "GET", f"{SHOP}/commits", None
    yield bot, "GET", "/search/users?q=bob@example.com in:email", None
    yield bot, "GET", f"{SHOP}/rules/branches/main", None
    hook = {"config": {"url": github.receiver.url, "content_type": "json", "secret": "s"}, "events": ["push"]}
    yield ada, "POST", f"{SHOP}/hooks", hook
    github.push("late", file="late.py")
    yield bot, "POST", f"{SHOP}/git/refs", {"ref": "refs/heads/release", "sha": sha}
    yield bot, "POST", f"{SHOP}/pulls", {"title": "Late", "head": "late", "base": "main", "body": "Why"}
    late = f"{SHOP}/pulls/2"
    text = {"message": "Move main", "content": "YQo=", "branch": "main"}
    yield bot, "PUT", f"{SHOP}/contents/docs/b.md", text
    yield bot, "PUT", f"{late}/update-branch", {}
    yield ada, "PATCH", late, {"base": "release"}
    yield ada, "PUT", f"{SHOP}/issues/2/lock", {"lock_reason": "resolved"}
    yield ada, "DELETE", f"{SHOP}/issues/2/lock", None
    github.add_sources()
    for source in ("issues", "issues?labels=bug&since=2026-01-01T00:00:00Z", "releases", "dependabot/alerts"):
        yield bot, "GET", f"{SHOP}/{source}", None
    yield ada, "POST", f"{SHOP}/branches/release/rename", {"new_name": "stable"}
    yield ada, "POST", f"{SHOP}/branches/main/rename", {"new_name": "trunk"}
    yield ada, "DELETE", f"{SHOP}/collaborators/bob", None
    for patch in ({"archived": True}, {"archived": False}, {"name": "store"}):
        yield ada, "PATCH", SHOP, patch
    yield ada, "POST", "/repos/acme/store/transfer", {"new_owner": "beta", "new_name": "shop"}
    code = github.manifest_code()
    yield ada, "POST", f"/app-manifests/{code}/conversions", None
    wanted = {"repositories": ["shop"], "permissions": {"contents": "read"}}
    yield app, "POST", "/app/installations/70/access_tokens", wanted


def walk_ci(github: World, bot: Caller, sha: str) -> Iterator[tuple[Caller, str, str, Any]]:
    """The same for a commit with a failed job and a failed check of another service."""
    note = {"path": "calc.py", "message": "wrong sign", "line": 2}
    red = {"conclusions": ["failure"], "annotations": [note], "summary": "1 failed"}
    checks = [{"name": "build", **red}, {"name": "scan", "kind": "check_run", **red}]
    checks += [{"name": "deploy", "kind": "status", "conclusions": ["failure"]}]
    github.script_ci(checks, apply="fix")
    commit = f"{SHOP}/commits/{sha}"
    yield bot, "GET", f"{commit}/status", None
    yield bot, "GET", f"{commit}/check-suites", None
    runs = {one["name"]: one for one in bot.get(f"{commit}/check-runs").json()["check_runs"]}
    for name in ("build", "scan"):
        yield bot, "GET", f"{SHOP}/check-runs/{runs[name]['id']}", None
        yield bot, "GET", f"{SHOP}/check-runs/{runs[name]['id']}/annotations", None
    yield bot, "GET", f"{SHOP}/actions/runs?head_sha={sha}", None
    newest = bot.get(f"{SHOP}/actions/runs").json()["workflow_runs"][0]
    yield bot, "GET", f"{SHOP}/actions/workflows/{newest['workflow_id']}/runs?status=completed", None
    run = newest["id"]
    yield bot, "GET", f"{SHOP}/actions/runs/{run}", None
    yield bot, "GET", f"{SHOP}/actions/runs/{run}/jobs", None
    job = f"{SHOP}/actions/jobs/{runs['build']['id']}"
    yield bot, "GET", job, None
    yield bot, "GET", f"{job}/logs", None
    yield bot, "POST", f"{SHOP}/actions/runs/{run}/rerun-failed-jobs", {}
    yield bot, "POST", f"{job}/rerun", {}
    yield bot, "POST", f"{SHOP}/check-runs/{runs['scan']['id']}/rerequest", {}
    suites = bot.get(f"{commit}/check-suites").json()["check_suites"]
    suite = next(one["id"] for one in suites if one["app"]["slug"] == "acme-ci")
    yield bot, "POST", f"{SHOP}/check-suites/{suite}/rerequest", {}


def test_operation_answers_as_github_describes(github: World) -> None:
    done = set()
    for caller, method, path, body in walk(github):
        answer = caller.request(method, path, json=body, allow_redirects=False)  # which checks the answer
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        done.add(github.operation(method, path))
    assert done == OPERATIONS.keys()


def test_webhook_is_as_github_describes(github: World, described_payloads: WebhookPayloads) -> None:
    for caller, method, path, body in walk(github):
        caller.request(method, path, json=body, allow_redirects=False)
    github.heard()
    wrong = {
        name_of(one): list(described_payloads.complaints(one.headers["x-github-event"], one.body))
        for one in github.receiver.all
    }
    assert {name: complaints for name, complaints in wrong.items() if complaints} == {}
    assert wrong.keys() == {
        "create",
        "delete",
        "push",
        "status",
        *(f"pull_request.{action}" for action in ("opened", "edited", "closed", "reopened", "locked", "unlocked")),
        *(f"pull_request.{action}" for action in ("labeled", "review_requested", "synchronize")),
        *(f"repository.{action}" for action in ("archived", "unarchived", "edited", "renamed", "transferred")),
        *(f"pull_request_review.{action}" for action in ("submitted", "dismissed")),
        *(f"{comment}.created" for comment in ("issue_comment", "pull_request_review_comment")),
        *(f"check_run.{action}" for action in ("created", "completed")),
        *(f"workflow_job.{action}" for action in ("in_progress", "completed")),
        *(f"workflow_run.{action}" for action in ("requested", "completed")),
        "check_suite.completed",
    }


@pytest.mark.parametrize(
    ("operation", "status", "body"),
    [
        *(("pulls/{pull_number}", 200, {}), ("pulls/{pull_number}", 201, {}), ("pullz", 200, {})),
        *(("pulls", 200, [{"url": 1}]), ("git/ref/{ref}", 200, {"ref": None})),
    ],
)
def test_description_finds_mistakes(described_answers: RestAnswers, operation: str, status: int, body: Any) -> None:
    assert list(described_answers.complaints(f"GET /repos/{{owner}}/{{repo}}/{operation}", status, body))


def test_octokit_opens_reviews_checks_and_merges(github: World, tmp_path: Path) -> None:
    sha = github.push("fix")
    github.heard()
    vectors = [
        {"secret": SECRET, "raw": one.raw.decode(), "signature": one.headers["x-hub-signature-256"]}
        for one in github.receiver.all
    ]
    vectors.append({"secret": SECRET, "raw": "tampered", "signature": signature(SECRET, b"true")})
    (tmp_path / "node_modules").symlink_to(npm.modules())
    shutil.copy(Path(__file__).with_name("octokit.mjs"), tmp_path)
    (tmp_path / "key.pem").write_text(github.private_key)
    command = [str(npm.NODE), str(tmp_path / "octokit.mjs"), github.url, str(tmp_path / "key.pem"), sha]
    done = subprocess.run(command, input=json.dumps(vectors), capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    saw = json.loads(done.stdout)
    events = saw.pop("events")
    assert saw == {
        "found": [0, 1],
        "check": ["in_progress", "success", "loopline"],
        "said": ["1", "2", "3"],
        "reviews": ["CHANGES_REQUESTED", "APPROVED"],
        "errors": [422, 409, 422],
        "merged": True,
        "verified": [True, False],
    }
    assert {"push", "pull_request", "pull_request_review"} <= set(events)
