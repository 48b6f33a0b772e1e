from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.code_hosts.github.api import LostReply
from integrations.code_hosts.github.app import AppCredentials
from integrations.code_hosts.github.code_host import GitHub
from integrations.errors import Conflict, NotFound, Rejected, Unavailable
from integrations.ports.code_host import PullRequest, Review
from tests.integrations.code_hosts.answering import Answer, Answering
from tests.integrations.code_hosts.canned import ANSWERS, BRANCH, HOME, MERGED_HISTORY, OCTOCAT, REF, SHA, check, pull

PULLS = "/repos/o/r/pulls"
MERGE = "PUT /repos/o/r/pulls/7/merge"
COMMENTS = "/repos/o/r/issues/7/comments"
STATUSES = f"GET /repos/o/r/commits/{SHA}/statuses"
CHECKS = f"GET /repos/o/r/commits/{SHA}/check-runs"
MARK = "<!-- loopline:m1 -->"


@pytest.fixture(autouse=True)
def everything_is_answered(server: Answering) -> None:
    for route, answer in ANSWERS.items():
        server.on(route, answer)


@pytest.fixture
def as_app(server: Answering, private_key: str) -> Iterator[GitHub]:
    github = GitHub(server.url, app=AppCredentials("42", private_key), backoff=0.0)
    yield github
    github.close()


# --- a lost reply ---------------------------------------------------------------------------------------------------
# Each write, the read that shows its effect, and the responses before and after the effect.

SHOWN = {"state": "success", "context": "loopline", "description": "done", "target_url": "http://d/"}
OPEN: Callable[[GitHub], object] = lambda github: github.open_pull_request("o/r", BRANCH, "main", "Fix", "Why")  # noqa: E731
DELETED = f"DELETE /repos/o/r/git/refs/heads/{BRANCH}"
WRITES: dict[str, tuple[Callable[[GitHub], object], str, Answer, Answer]] = {
    f"POST {PULLS}": (OPEN, f"GET {PULLS}", Answer(body=[]), Answer(body=[pull()])),
    f"PATCH {PULLS}/7": (
        lambda github: github.update_pull_request("o/r", 7, "New", "One\nTwo"),
        f"GET {PULLS}/7",
        Answer(body=pull()),
        Answer(body=pull(title="New", body="One\r\nTwo\r\n")),
    ),
    MERGE: (
        lambda github: github.merge("o/r", 7, SHA, "Fix (#7)"),
        f"GET {PULLS}/7",
        Answer(body=pull()),
        Answer(body=pull(merged=True, state="closed")),
    ),
    f"POST {COMMENTS}": (
        lambda github: github.comment("o/r", 7, "Hello", "m1"),
        f"GET {COMMENTS}",
        Answer(body=[{"id": 1, "body": f"{MARK} quoted"}]),
        Answer(body=[{"id": 1, "body": "x"}, {"id": 2, "body": f"Hello\n\n{MARK}\n"}]),
    ),
    DELETED: (
        lambda github: github.delete_branch("o/r", BRANCH),
        f"GET /repos/o/r/{REF}",
        Answer(body={"object": {"sha": SHA}}),
        Answer(404, {"message": "Not Found"}),
    ),
    f"POST /repos/o/r/statuses/{SHA}": (
        lambda github: github.set_status("o/r", SHA, "loopline", "success", "done", "http://d/"),
        STATUSES,
        Answer(body=[{**SHOWN, "state": "pending"}, SHOWN]),
        Answer(body=[{**SHOWN, "context": "ci"}, SHOWN, {**SHOWN, "state": "pending"}]),
    ),
}
APP_WRITES = {
    "POST /repos/o/r/check-runs": (
        Answer(body={"check_runs": [check(3, external_id="else")]}),
        Answer(body={"check_runs": [check()]}),
    ),
    "PATCH /repos/o/r/check-runs/1": (
        Answer(body={"check_runs": [check(output={"title": "waiting"})]}),
        Answer(body={"check_runs": [check()]}),
    ),
}
LOST = [Answer(502), Answer(dropped=True)]


@pytest.mark.parametrize("lost", LOST, ids=["502", "dropped"])
@pytest.mark.parametrize("route", WRITES)
def test_github_write_with_a_lost_reply_is_read_back(
    server: Answering, github: GitHub, route: str, lost: Answer
) -> None:
    write, look, before, after = WRITES[route]
    looks_first = not route.startswith(("PATCH", "PUT", "DELETE"))
    server.on(route, lost)
    server.on(look, *([before] if looks_first else []), after)
    write(github)
    assert server.count(route) == 1


@pytest.mark.parametrize("lost", LOST, ids=["502", "dropped"])
@pytest.mark.parametrize("route", WRITES)
def test_github_write_without_proof_is_unavailable_and_sent_once(
    server: Answering, github: GitHub, route: str, lost: Answer
) -> None:
    write, look, before, _ = WRITES[route]
    server.on(route, lost, lost, ANSWERS[route])
    server.on(look, before)
    with pytest.raises(Unavailable):
        write(github)
    assert server.count(route) == 1


@pytest.mark.parametrize("route", APP_WRITES)
def test_github_check_run_with_a_lost_reply_is_read_back(server: Answering, as_app: GitHub, route: str) -> None:
    before, after = APP_WRITES[route]
    server.on(route, Answer(502))
    server.on(CHECKS, before, after)
    as_app.set_status("o/r", SHA, "loopline", "pending", "checking", "http://d/")
    server.on(CHECKS, before)
    with pytest.raises(LostReply):
        as_app.set_status("o/r", SHA, "loopline", "pending", "checking", "http://d/")
    assert server.count(route) == 2


def test_github_rate_limit_on_a_write_needs_no_read_back(server: Answering, github: GitHub) -> None:
    server.on(MERGE, Answer(403, {"message": "You have exceeded a secondary rate limit."}))
    with pytest.raises(Unavailable) as caught:
        github.merge("o/r", 7, SHA, "Fix")
    assert caught.value.retry_after == 60
    assert len(server.asked) == 1


# --- idempotence ----------------------------------------------------------------------------------------------------


def test_github_writes_are_idempotent(server: Answering, github: GitHub) -> None:
    for write, look, _, after in WRITES.values():
        server.on(look, after)
        write(github)
    harmless = {f"PATCH {PULLS}/7", MERGE, DELETED}  # GitHub itself makes these harmless
    assert {f"{one.method} {one.path}" for one in server.asked if one.method != "GET"} == harmless


def test_github_check_run_that_matches_is_not_written_again(server: Answering, as_app: GitHub) -> None:
    server.on(CHECKS, Answer(body={"check_runs": [check()]}))
    as_app.set_status("o/r", SHA, "loopline", "pending", "checking", "http://d/")
    assert [one.method for one in server.asked if "check-runs" in one.path] == ["GET"]


# --- pull requests --------------------------------------------------------------------------------------------------


def test_github_finds_open_pull_requests_first_and_then_the_newest(server: Answering, github: GitHub) -> None:
    server.on(f"GET {PULLS}", Answer(body=[pull(9, state="closed"), pull(8), pull(7, state="closed")]))
    assert github.find_pull_request("o/r", BRANCH) == PullRequest(
        8, "https://github.com/o/r/pull/8", "open", False, BRANCH, "main", SHA, "Fix", "Why", repository="o/r"
    )
    merged = pull(9, state="closed", merged_at="2026-01-01T00:00:00Z")
    server.on(f"GET {PULLS}", Answer(body=[merged, pull(7, state="closed")]))
    found = github.find_pull_request("o/r", BRANCH)
    assert found is not None
    assert (found.number, found.merged) == (9, True)
    assert server.asked[0].query["head"] == f"o:{BRANCH}"


@pytest.mark.parametrize("head", [{"ref": "other"}, {"repo": {"id": 2}}, {"repo": None}])
def test_github_finds_no_pull_requests_of_other_branches_and_forks(
    server: Answering, github: GitHub, head: dict[str, Any]
) -> None:
    server.on(f"GET {PULLS}", Answer(body=[pull(head={"ref": BRANCH, "sha": SHA, "repo": HOME, **head})]))
    assert github.find_pull_request("o/r", BRANCH) is None


def test_github_pull_request_opened_in_a_race_is_used(server: Answering, github: GitHub) -> None:
    exists = {"message": "Validation Failed", "errors": [{"message": f"A pull request already exists for o:{BRANCH}."}]}
    server.on(f"GET {PULLS}", Answer(body=[]), Answer(body=[pull()]))
    server.on(f"POST {PULLS}", Answer(422, exists))
    assert github.open_pull_request("o/r", BRANCH, "main", "Fix", "Why").number == 7


def test_github_pull_request_without_commits_is_rejected_with_githubs_message(
    server: Answering, github: GitHub
) -> None:
    nothing = {"message": "Validation Failed", "errors": [{"message": "No commits between main and eng-1/fix"}]}
    server.on(f"POST {PULLS}", Answer(422, nothing))
    with pytest.raises(Rejected, match="No commits between main and eng-1/fix"):
        OPEN(github)


def test_github_closed_pull_request_is_followed_by_a_new_one(server: Answering, github: GitHub) -> None:
    server.on(f"GET {PULLS}", Answer(body=[pull(3, state="closed")]))
    assert github.open_pull_request("o/r", BRANCH, "main", "Fix", "Why").number == 7


def test_github_plan_without_drafts_gets_an_ordinary_pull_request(server: Answering, github: GitHub) -> None:
    refused = {"message": "Draft pull requests are not supported in this repository."}
    server.on(f"GET {PULLS}", Answer(body=[]))
    server.on(f"POST {PULLS}", Answer(422, refused), Answer(201, pull()))
    assert github.open_pull_request("o/r", BRANCH, "main", "Fix", "Why", draft=True).number == 7
    sent = [one.body for one in server.asked if one.method == "POST"]
    assert [one.get("draft") for one in sent] == [True, None]


# --- merging --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["squash", "merge", "rebase"])
def test_github_merge_sends_head_and_method(server: Answering, method: Any) -> None:
    github = GitHub(server.url, token="t", merge_method=method, backoff=0.0)
    assert github.merge("o/r", 7, SHA, "Fix (#7)") == "c" * 40
    github.close()
    assert server.asked[0].body == {"sha": SHA, "merge_method": method, "commit_title": "Fix (#7)"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(405, {"message": "Pull Request is not mergeable"}), Rejected),
        (Answer(409, {"message": "Head branch was modified. Review and try the merge again."}), Conflict),
        (Answer(405, {"message": "Base branch was modified. Review and try the merge again."}), Unavailable),
    ],
)
def test_github_merge_error_is_classified(
    server: Answering, github: GitHub, answer: Answer, error: type[Exception]
) -> None:
    server.on(MERGE, answer)
    with pytest.raises(error):
        github.merge("o/r", 7, SHA, "Fix")


@pytest.mark.parametrize(
    ("history", "commit"), [(Answer(body=MERGED_HISTORY), "c" * 40), (Answer(body=[]), ""), (Answer(403), "")]
)
def test_github_merge_of_a_merged_pull_request_returns_its_commit(
    server: Answering, github: GitHub, history: Answer, commit: str
) -> None:
    server.on(MERGE, Answer(405, {"message": "Pull Request is not mergeable"}))
    server.on(f"GET {PULLS}/7", Answer(body=pull(merged=True, state="closed")))
    server.on("GET /repos/o/r/issues/7/events", history)
    assert github.merge("o/r", 7, SHA, "Fix") == commit


# --- branches -------------------------------------------------------------------------------------------------------


def test_github_branch_head_of_a_missing_branch_is_none(server: Answering, github: GitHub) -> None:
    assert github.branch_head("o/r", BRANCH) == SHA
    server.on(f"GET /repos/o/r/{REF}", Answer(404))
    server.on("GET /repos/o/r", Answer(404))
    with pytest.raises(NotFound):
        github.branch_head("o/r", BRANCH)


def test_github_repository_that_was_read_just_now_is_not_read_again_for_a_missing_branch(
    server: Answering, github: GitHub
) -> None:
    server.on(f"GET /repos/o/r/{REF}", Answer(404))
    assert github.branch_head("o/r", BRANCH) is None
    server.on("GET /repos/o/r", Answer(404))
    assert github.branch_head("o/r", BRANCH) is None


def test_github_branch_head_of_an_empty_repository_is_none(server: Answering, github: GitHub) -> None:
    server.on(f"GET /repos/o/r/{REF}", Answer(409, {"message": "Git Repository is empty."}))
    assert github.branch_head("o/r", BRANCH) is None


def test_github_branch_deletion_is_idempotent(server: Answering, github: GitHub) -> None:
    server.on(DELETED, Answer(422, {"message": "Reference does not exist"}))
    server.on(f"GET /repos/o/r/{REF}", Answer(404))
    github.delete_branch("o/r", BRANCH)


def test_github_branch_deletion_that_is_refused_is_rejected(server: Answering, github: GitHub) -> None:
    server.on(DELETED, Answer(422, {"message": "Cannot delete this protected branch"}))
    with pytest.raises(Rejected, match="protected"):
        github.delete_branch("o/r", BRANCH)


# --- reviews and people ---------------------------------------------------------------------------------------------


def test_github_reviews_have_their_inline_comments(server: Answering, github: GitHub) -> None:
    review = {"id": 1, "state": "CHANGES_REQUESTED", "body": "Not yet", "user": OCTOCAT, "commit_id": SHA}
    approved = {**review, "id": 3, "state": "APPROVED", "body": None, "user": None}
    server.on(f"GET {PULLS}/7/reviews", Answer(body=[review, {**review, "id": 2, "state": "PENDING"}, approved]))
    inline = {"id": 9, "pull_request_review_id": 1, "path": "a.py", "body": "Why?", "line": 4}
    moved = {**inline, "line": None, "original_line": 2, "body": "And here"}
    whole = {**inline, "line": None, "path": "b.py", "body": "Needed?"}
    server.on(f"GET {PULLS}/7/comments", Answer(body=[inline, moved, whole, {**inline, "pull_request_review_id": 2}]))
    comments = ("a.py:4: Why?", "a.py:2: And here", "b.py: Needed?")
    assert list(github.reviews("o/r", 7)) == [
        Review("1", "changes_requested", "Not yet", "octocat", SHA, comments),
        Review("3", "approved", "", "", SHA),
    ]


@pytest.mark.parametrize(
    ("permission", "kind", "permitted"),
    [
        ("admin", "User", True),
        ("maintain", "User", True),
        ("write", "User", True),
        ("read", "User", False),
        ("triage", "User", False),
        ("none", "User", False),
        ("admin", "Bot", False),
    ],
)
def test_github_permission_needs_write_access(
    server: Answering, github: GitHub, permission: str, kind: str, permitted: bool
) -> None:
    found = {"permission": permission, "user": {"login": "octocat", "type": kind}}
    server.on("GET /repos/o/r/collaborators/octocat/permission", Answer(body=found))
    assert github.may_steer("o/r", "octocat") is permitted


@pytest.mark.parametrize("login", ["dependabot[bot]", "", "..", "a/b", "stranger"])
def test_github_permission_is_absent_for_bots_odd_names_and_strangers(github: GitHub, login: str) -> None:
    assert github.may_steer("o/r", login) is False


def test_github_comment_marker_must_end_the_body(server: Answering, github: GitHub) -> None:
    server.on(f"GET {COMMENTS}", Answer(body=[{"id": 1, "body": f"{MARK}\n\n<!-- loopline:m0 -->"}]))
    github.comment("o/r", 7, "Hello", "m1")
    assert server.asked[-1].body == {"body": f"Hello\n\n{MARK}"}


# --- statuses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "shown"), [("x" * 140, "x" * 140), ("x" * 141, "x" * 139 + "…"), ("", "")])
def test_github_status_description_is_truncated(server: Answering, github: GitHub, text: str, shown: str) -> None:
    github.set_status("o/r", SHA, "loopline", "failure", text, "")
    assert server.asked[-1].body == {"state": "failure", "context": "loopline", "description": shown}


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("pending", {"status": "in_progress"}),
        ("success", {"status": "completed", "conclusion": "success"}),
        ("failure", {"status": "completed", "conclusion": "failure"}),
    ],
)
def test_github_app_sets_a_check_run(server: Answering, as_app: GitHub, state: Any, status: dict[str, str]) -> None:
    as_app.set_status("o/r", SHA, "loopline", state, "", "http://d/")
    named = {"name": "loopline", "external_id": f"loopline:{SHA}", "head_sha": SHA, "details_url": "http://d/"}
    assert server.asked[-1].body == {**named, **status, "output": {"title": "loopline", "summary": "loopline"}}


def test_github_check_run_that_is_completed_is_followed_by_a_new_one(server: Answering, as_app: GitHub) -> None:
    done = check(8, status="completed", conclusion="failure")
    server.on(CHECKS, Answer(body={"check_runs": [done, check(2)]}))
    as_app.set_status("o/r", SHA, "loopline", "pending", "checking", "http://d/")
    assert (server.asked[-1].method, server.asked[-1].path) == ("POST", "/repos/o/r/check-runs")


def test_github_app_requests_one_token_per_purpose(server: Answering, as_app: GitHub) -> None:
    as_app.branch_head("o/r", BRANCH)
    as_app.comment("o/r", 7, "Hello", "m1")
    as_app.set_status("o/r", SHA, "loopline", "success", "done", "")
    as_app.merge("o/r", 7, SHA, "Fix")
    as_app.delete_branch("o/r", BRANCH)
    minted = [one.body["permissions"] for one in server.asked if one.path.endswith("access_tokens")]
    assert minted == [
        {"contents": "read", "pull_requests": "read"},
        {"contents": "read", "pull_requests": "write"},
        {"checks": "write"},
        {"contents": "write", "pull_requests": "write"},
        {"contents": "write"},
    ]
