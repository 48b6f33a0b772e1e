"""The contract of the `CodeHost` Protocol, run against a live server of each code host.

A new provider adds its server to `HOSTS` and the names of its operations to `WRITES`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from integrations.code_hosts.github.code_host import GitHub
from integrations.errors import Conflict, Forbidden, NotFound, Rejected, Unavailable
from integrations.ports.code_host import CodeHost, PullRequest, PullRequestDetails
from tests.integrations.code_hosts.live_github import LiveGitHub, git, push

REPO = "/repos/{owner}/{repo}"
# How to sign in, and the operation that sets a status.
HOSTS: dict[str, tuple[Callable[[LiveGitHub], GitHub], str]] = {
    "github as a person": (LiveGitHub.as_person, f"POST {REPO}/statuses/{{sha}}"),
    "github as an app": (LiveGitHub.as_app, f"POST {REPO}/check-runs"),
}
BRANCH = "eng-1/fix"
FIXED = "def add(a, b):\n    return b + a\n"
URL = "http://dashboard.example/run/1"


@dataclass(frozen=True)
class World:
    """A code host and its other users."""

    live: LiveGitHub
    host: CodeHost
    repository: str
    status_operation: str

    def push(self, branch: str = BRANCH, **files: str) -> str:
        return push(self.host, self.repository, branch, **(files or {"calc": FIXED}))

    def open(self, branch: str = BRANCH) -> PullRequest:
        """A pull request with one commit."""
        self.push(branch)
        return self.host.open_pull_request(self.repository, branch, "main", "ENG-1: Fix", "Why")

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send an API request of another person in this repository."""
        return self.live.ask(method, f"/repos/{self.repository}/{path}", body)

    def done(self, operation: str) -> int:
        """The number of times that the write took effect."""
        return self.live.writes(operation, self.repository)

    def shown(self, sha: str, context: str) -> list[tuple[str, str]]:
        """Newest first, the (state, link) of each status or check run of this name."""
        statuses = self.ask("GET", f"commits/{sha}/statuses")
        runs = self.ask("GET", f"commits/{sha}/check-runs?filter=all")["check_runs"]
        seen = [(one["context"], one["state"], one["target_url"]) for one in statuses]
        seen += [(one["name"], one["conclusion"] or "pending", one["details_url"]) for one in runs]
        return [(state, url) for name, state, url in seen if name == context]


@dataclass(frozen=True)
class Write:
    """A write to the code host, with the name of its operation."""

    operation: str
    act: Callable[[], object]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGitHub]:
    """One server for all tests; each test uses another repository."""
    live = LiveGitHub(tmp_path_factory.mktemp("live"), repositories=90)
    yield live
    live.close()


@pytest.fixture(params=HOSTS)
def world(request: pytest.FixtureRequest, live: LiveGitHub) -> Iterator[World]:
    sign_in, status = HOSTS[request.param]
    host = sign_in(live)
    yield World(live, host, live.repositories.pop(), status)
    host.close()


# --- repository and branches ----------------------------------------------------------------------------------------


def test_repository_can_be_cloned_and_pushed_with_git_credentials(world: World) -> None:
    repository = world.host.repository(world.repository)
    assert (repository.name, repository.default_branch) == (world.repository, "main")
    sha = world.push()
    assert world.host.branch_head(world.repository, BRANCH) == sha


def test_repository_that_is_missing_is_not_found(world: World) -> None:
    for ask in (world.host.repository, lambda name: world.host.branch_head(name, "main")):
        with pytest.raises((NotFound, Forbidden)):  # an App that is not installed there cannot tell
            ask("octo/nothing")


def test_branch_that_is_missing_has_no_head(world: World) -> None:
    assert world.host.branch_head(world.repository, "eng-1") is None
    world.push()
    assert world.host.branch_head(world.repository, "eng-1") is None


def test_branch_deletion_is_idempotent(world: World) -> None:
    world.push()
    for _ in range(2):
        world.host.delete_branch(world.repository, BRANCH)
        assert world.host.branch_head(world.repository, BRANCH) is None


def test_branch_name_can_have_any_character_that_git_allows(world: World) -> None:
    odd = "eng-1/50%-#done+ünï&x=1"
    sha = world.push(odd)
    assert world.host.branch_head(world.repository, odd) == sha
    opened = world.host.open_pull_request(world.repository, odd, "main", "Odd", "")
    assert world.host.find_pull_request(world.repository, odd) == opened
    world.host.delete_branch(world.repository, odd)
    assert world.host.branch_head(world.repository, odd) is None


# --- pull requests --------------------------------------------------------------------------------------------------


def test_pull_request_is_opened_once(world: World) -> None:
    assert world.host.find_pull_request(world.repository, BRANCH) is None
    opened = world.open()
    again = world.host.open_pull_request(world.repository, BRANCH, "main", "Other title", "")
    assert (again.number, again.title, again.body) == (opened.number, "ENG-1: Fix", "Why")
    assert (again.state, again.merged, again.branch, again.base) == ("open", False, BRANCH, "main")
    assert again.head_sha == world.host.branch_head(world.repository, BRANCH)


def test_pull_request_is_per_branch(world: World) -> None:
    first, second = world.open("eng-1/fix"), world.open("eng-1/fix-2")
    assert first.number != second.number
    found = world.host.find_pull_request(world.repository, "eng-1/fix")
    assert found is not None
    assert found.number == first.number


def test_pull_request_that_is_closed_is_found_until_another_is_open(world: World) -> None:
    closed = world.open()
    world.ask("PATCH", f"pulls/{closed.number}", {"state": "closed"})
    found = world.host.find_pull_request(world.repository, BRANCH)
    assert found is not None
    assert (found.number, found.state) == (closed.number, "closed")
    opened = world.host.open_pull_request(world.repository, BRANCH, "main", "Again", "")
    assert opened.number > closed.number
    assert world.host.find_pull_request(world.repository, BRANCH) == opened


def test_pull_request_without_commits_is_rejected(world: World) -> None:
    with pytest.raises(Rejected):
        world.host.open_pull_request(world.repository, "main", "main", "Nothing", "")


def test_pull_request_title_and_body_can_be_updated(world: World) -> None:
    number = world.open().number
    for _ in range(2):
        world.host.update_pull_request(world.repository, number, "New", "One\n\n- two\n")
    now = world.host.fetch_pull_request(world.repository, number)
    assert (now.title, now.body.strip()) == ("New", "One\n\n- two")


def test_pull_request_that_is_missing_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        world.host.fetch_pull_request(world.repository, 999)


def test_pull_request_can_be_a_draft_until_it_is_marked_ready(world: World) -> None:
    world.push()
    opened = world.host.open_pull_request(world.repository, BRANCH, "main", "ENG-1: Fix", "Why", draft=True)
    assert opened.draft
    for _ in range(2):
        world.host.mark_ready_for_review(world.repository, opened.number)
        assert not world.host.fetch_pull_request(world.repository, opened.number).draft


def test_pull_request_gets_details_and_names_those_that_do_not_exist(world: World) -> None:
    opened = world.open()
    world.ask("POST", "milestones", {"title": "1.0"})
    wanted = PullRequestDetails(("loopline",), (opened.author, "ada"), (), "1.0")
    for _ in range(2):
        assert world.host.describe_pull_request(world.repository, opened.number, wanted) == []
    shown = world.ask("GET", f"pulls/{opened.number}")
    assert [one["name"] for one in shown["labels"]] == ["loopline"] and shown["milestone"]["title"] == "1.0"
    assert [one["login"] for one in shown["requested_reviewers"]] == ["ada"]

    unknown = PullRequestDetails(("x" * 60, "small"), ("ghost", "ada"), ("no-team",), "2.0")
    problems = world.host.describe_pull_request(world.repository, opened.number, unknown)
    assert len(problems) == 4 and all(
        any(word in one for one in problems) for word in ("xxx", "ghost", "no-team", "2.0")
    )
    assert [one["name"] for one in world.ask("GET", f"pulls/{opened.number}")["labels"]] == ["loopline", "small"]


# --- merging --------------------------------------------------------------------------------------------------------


def test_merge_is_idempotent(world: World) -> None:
    opened = world.open()
    sha = world.host.merge(world.repository, opened.number, opened.head_sha, "ENG-1: Fix (#1)")
    assert world.host.branch_head(world.repository, "main") == sha
    assert world.host.merge(world.repository, opened.number, opened.head_sha, "ENG-1: Fix (#1)") in (sha, "")
    assert world.host.branch_head(world.repository, "main") == sha
    assert world.host.fetch_pull_request(world.repository, opened.number).merged


def test_merge_commit_has_the_title(world: World) -> None:
    opened = world.open()
    world.host.merge(world.repository, opened.number, opened.head_sha, "ENG-1: Fix (#1)")
    bare = str(world.live.bare(world.repository))
    assert git("log", "-1", "--format=%s", "main", cwd=bare) == "ENG-1: Fix (#1)"


def test_merge_of_a_moved_head_is_a_conflict(world: World) -> None:
    opened = world.open()
    world.push(calc=FIXED + "# more\n")
    with pytest.raises(Conflict):
        world.host.merge(world.repository, opened.number, opened.head_sha, "Fix")
    assert not world.host.fetch_pull_request(world.repository, opened.number).merged


def test_merge_with_git_conflicts_is_rejected(world: World) -> None:
    opened = world.open()
    world.push("main", calc="def add(a, b):\n    return sum((a, b))\n")
    with pytest.raises(Rejected):
        world.host.merge(world.repository, opened.number, opened.head_sha, "Fix")


# --- conversation ---------------------------------------------------------------------------------------------------


def test_comment_is_written_once_per_marker(world: World) -> None:
    number = world.open().number
    for body, marker in (("Hello", "m1"), ("Hello again", "m1"), ("Bye", "m2")):
        world.host.comment(world.repository, number, body, marker)
    written = [one["body"] for one in world.ask("GET", f"issues/{number}/comments")]
    assert [body.splitlines()[0] for body in written] == ["Hello", "Bye"]


def test_reviews_are_sorted_oldest_first_with_inline_comments(world: World) -> None:
    opened = world.open()
    inline = [{"path": "calc.py", "line": 2, "body": "Why swap?"}]
    wanted = {"event": "REQUEST_CHANGES", "body": "Not yet", "comments": inline}
    world.ask("POST", f"pulls/{opened.number}/reviews", wanted)
    world.ask("POST", f"pulls/{opened.number}/reviews", {"event": "APPROVE", "body": "Fine now"})
    first, second = world.host.reviews(world.repository, opened.number)
    assert (first.state, first.body, first.author) == ("changes_requested", "Not yet", "ada")
    assert (first.comments, first.head_sha) == (("calc.py:2: Why swap?",), opened.head_sha)
    assert (second.state, second.body, second.comments) == ("approved", "Fine now", ())


def test_reviews_exclude_pending_ones(world: World) -> None:
    number = world.open().number
    world.ask("POST", f"pulls/{number}/reviews", {"body": "Still writing"})
    assert list(world.host.reviews(world.repository, number)) == []


@pytest.mark.parametrize(
    ("login", "permitted"), [("ada", True), ("eve", False), ("nobody", False), ("loopline[bot]", False)]
)
def test_permission_needs_write_access(world: World, login: str, permitted: bool) -> None:
    assert world.host.may_steer(world.repository, login) is permitted


# --- statuses -------------------------------------------------------------------------------------------------------


def test_status_last_write_wins_and_is_idempotent(world: World) -> None:
    sha = world.open().head_sha
    for state in ("pending", "failure", "success", "success"):
        world.host.set_status(world.repository, sha, "loopline", state, "3 of 4", URL)  # type: ignore[arg-type]
    seen = world.shown(sha, "loopline")
    assert seen[0] == ("success", URL)
    assert [state for state, _ in seen].count("success") == 1


def test_status_is_per_context(world: World) -> None:
    sha = world.open().head_sha
    world.host.set_status(world.repository, sha, "loopline/gate", "success", "x" * 500, "")
    world.host.set_status(world.repository, sha, "loopline/checker", "failure", "", "")
    assert world.shown(sha, "loopline/gate")[0][0] == "success"
    assert world.shown(sha, "loopline/checker")[0][0] == "failure"


# --- lost replies ---------------------------------------------------------------------------------------------------

WRITES: dict[str, tuple[str, Callable[[World, str], object]]] = {
    "open": (
        f"POST {REPO}/pulls",
        lambda world, sha: world.host.open_pull_request(world.repository, "eng-2", "main", "Two", ""),
    ),
    "update": (
        f"PATCH {REPO}/pulls/{{pull_number}}",
        lambda world, sha: world.host.update_pull_request(world.repository, 1, "New", "Body"),
    ),
    "comment": (
        f"POST {REPO}/issues/{{issue_number}}/comments",
        lambda world, sha: world.host.comment(world.repository, 1, "Hello", "m1"),
    ),
    "merge": (
        f"PUT {REPO}/pulls/{{pull_number}}/merge",
        lambda world, sha: world.host.merge(world.repository, 1, sha, "Fix"),
    ),
    "delete": (
        f"DELETE {REPO}/git/refs/{{ref}}",
        lambda world, sha: world.host.delete_branch(world.repository, "eng-2"),
    ),
    "report": (
        "",
        lambda world, sha: world.host.set_status(world.repository, sha, "loopline", "success", "ok", URL),
    ),
}


@pytest.fixture(params=WRITES)
def write(request: pytest.FixtureRequest, world: World) -> Write:
    """A write on an open pull request, with a branch 'eng-2' without one."""
    operation, act = WRITES[request.param]
    sha = world.open().head_sha
    world.push("eng-2", other="x = 1\n")
    return Write(operation or world.status_operation, lambda: act(world, sha))


def test_write_with_a_lost_reply_takes_effect_once(world: World, write: Write) -> None:
    before = world.done(write.operation)
    world.live.inject_fault(write.operation, "lost_reply")
    write.act()
    assert world.done(write.operation) == before + 1


def test_write_that_failed_is_unavailable_and_can_be_retried(world: World, write: Write) -> None:
    before = world.done(write.operation)
    world.live.inject_fault(write.operation, "502")
    with pytest.raises(Unavailable):
        write.act()
    write.act()
    assert world.done(write.operation) == before + 1


def test_rate_limit_has_retry_after(world: World) -> None:
    world.live.inject_fault(f"GET {REPO}/pulls", "rate_limit")
    with pytest.raises(Unavailable) as caught:
        world.host.find_pull_request(world.repository, BRANCH)
    assert caught.value.retry_after is not None
    assert 30 < caught.value.retry_after < 90
