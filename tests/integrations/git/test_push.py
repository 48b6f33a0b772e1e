"""Pushes: one branch, forward only, with the expected head; only the code host gets the token."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.errors import (
    Conflict,
    Forbidden,
    Frozen,
    IntegrationError,
    Misconfigured,
    NotFound,
    Rejected,
    Unauthorized,
    Unavailable,
)
from integrations.git.failures import classify_failure
from integrations.git.mirror import Mirror
from integrations.git.push import check_branch, parse_ls_remote
from integrations.outward import guard_outward
from integrations.ports.code_host import GitCredentials
from tests.integrations.git.hosting import GitHost, commit, git, sha_of

BRANCH = "loopline/ENG-1"


@pytest.fixture
def made(mirror: Mirror, upstream: Path) -> str:
    """A commit on top of main that only the mirror has, on a candidate without a branch."""
    commit(upstream, {"new": b"1"}, branch="source")
    mirror.fetch("main", "source")
    return candidate(mirror, mirror.head("main"), "one")


def candidate(mirror: Mirror, parent: str, message: str) -> str:
    return mirror.write_candidate(mirror.head("source"), parent, message, "Loopline", "bot@example.com", 1)


def head(upstream: Path, branch: str = BRANCH) -> str:
    return sha_of(upstream, "rev-parse", f"refs/heads/{branch}")


def test_push_creates_a_branch_and_is_idempotent(mirror: Mirror, upstream: Path, made: str) -> None:
    for expected in (None, None, made, "0" * 40):
        mirror.push(BRANCH, made, expected)
        assert head(upstream) == made


def test_push_moves_the_branch_forward_from_the_expected_head(mirror: Mirror, upstream: Path, made: str) -> None:
    mirror.push(BRANCH, made, None)
    mirror.fetch("main")
    newer = sha_of(upstream, "commit-tree", f"{made}^{{tree}}", "-p", made, "-m", "two")
    git(upstream, "update-ref", "refs/heads/other", newer)
    mirror.fetch("other")
    mirror.push(BRANCH, newer, made)
    assert head(upstream) == newer


def test_push_onto_a_foreign_commit_is_a_conflict(mirror: Mirror, upstream: Path, made: str) -> None:
    mirror.push(BRANCH, made, None)
    foreign = commit(upstream, {"by": b"a person"}, branch=BRANCH)
    for expected in (made, None):
        with pytest.raises(Conflict, match="another push moved it"):
            mirror.push(BRANCH, candidate(mirror, made, "two") if expected else "1" * 40, expected)
    assert head(upstream) == foreign


def test_push_does_not_recreate_a_deleted_branch(mirror: Mirror, upstream: Path, made: str) -> None:
    mirror.push(BRANCH, made, None)
    git(upstream, "update-ref", "-d", f"refs/heads/{BRANCH}")
    with pytest.raises(Conflict, match="is gone"):
        mirror.push(BRANCH, "1" * 40, made)


def test_push_that_would_need_force_is_a_conflict(mirror: Mirror, upstream: Path, made: str) -> None:
    mirror.push(BRANCH, made, None)
    sideways = candidate(mirror, mirror.head("main"), "sideways")
    with pytest.raises(Conflict, match="forced"):
        mirror.push(BRANCH, sideways, made)
    assert head(upstream) == made


def test_push_loses_a_race_against_a_foreign_commit(mirror: Mirror, host: GitHost, upstream: Path, made: str) -> None:
    host.delay, host.delayed = 60.0, "git-receive-pack"
    host.requests.clear()
    outcome: list[IntegrationError] = []

    def push() -> None:
        try:
            mirror.push(BRANCH, made, None)
        except IntegrationError as error:
            outcome.append(error)

    thread = threading.Thread(target=push)
    thread.start()
    wait_for(lambda: any("git-receive-pack" in request for request in host.requests))
    foreign = commit(upstream, {"by": b"a person"}, branch=BRANCH)
    host.delay = 0.0
    thread.join()
    assert isinstance(outcome[0], Conflict)
    assert head(upstream) == foreign


def wait_for(condition: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("branch", ["main", "Main", "release", "RELEASE"])
def test_push_to_default_and_protected_branches_is_rejected(
    mirror: Mirror, upstream: Path, made: str, branch: str
) -> None:
    before = git(upstream, "for-each-ref")
    for expected in (None, mirror.head("main")):
        with pytest.raises(Rejected, match="is protected"):
            mirror.push(branch, made, expected, ("release",))
    assert git(upstream, "for-each-ref") == before


HOSTILE = [
    "", "HEAD", "refs/heads/x", "-x", "--force", "+x", "x:main", ":main", "a b", "a..b", "a//b", "/a", "a/", "a.lock",
    "a.lock/b", ".a", "a/.b", "a.", "a@{1}", "a~1", "a^", "a\\b", "a*", "a?", "a[", "é", "a\nb", "a\0", "x" * 201,
]  # fmt: skip


@pytest.mark.parametrize("branch", HOSTILE)
def test_push_rejects_hostile_branch_names(mirror: Mirror, host: GitHost, branch: str) -> None:
    host.requests.clear()
    with pytest.raises(Rejected, match="not a valid branch name"):
        mirror.push(branch, "1" * 40, None)
    assert host.requests == []


@settings(database=None)
@given(st.text(alphabet="aB1_./-@{}~^:lock", min_size=1, max_size=12))
def test_branch_names_that_pass_are_valid_for_git(name: str) -> None:
    try:
        check_branch(name)
    except Rejected:
        return
    assert (
        subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.parametrize("sha", ["main", "", "HEAD", "x" * 40, "1" * 39])
def test_push_rejects_anything_but_a_full_sha(mirror: Mirror, sha: str) -> None:
    with pytest.raises(Rejected, match="40 hex digits"):
        mirror.push(BRANCH, sha, None)


def test_push_of_a_commit_that_was_lost_is_not_retried(mirror: Mirror, upstream: Path) -> None:
    with pytest.raises(NotFound, match="not on this host any more: retry the ticket"):
        mirror.push(BRANCH, "1" * 40, None)


def test_push_declined_by_a_hook_of_the_code_host_is_rejected(mirror: Mirror, upstream: Path, made: str) -> None:
    hook = upstream / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho GH013 rule violated >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Rejected, match="pre-receive hook declined"):
        mirror.push(BRANCH, made, None)


def test_push_keeps_the_token_out_of_argv_environment_and_files(
    mirror: Mirror, host: GitHost, upstream: Path, made: str, tmp_path: Path
) -> None:
    host.password, host.delay = "t0ken-canary", 0.2
    private = Mirror(
        tmp_path / "repos" / "acme__shop.git", f"{host.url}/acme/shop.git", GitCredentials("x", "t0ken-canary")
    )
    thread = threading.Thread(target=private.push, args=(BRANCH, made, None))
    thread.start()
    checked = 0
    while thread.is_alive():
        checked += assert_no_leak(b"t0ken-canary")
        time.sleep(0.01)
    thread.join()
    assert checked >= 5
    assert head(upstream) == made
    assert subprocess.run(["grep", "-r", "t0ken-canary", tmp_path / "repos"], check=False).returncode == 1


def assert_no_leak(secret: bytes) -> int:
    """Fail when a process shows `secret`; returns the number of git processes that were checked."""
    seen = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            argv, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        assert secret not in argv + environment
        seen += b"git" in argv and b"credential" in argv
    return seen


def test_credentials_are_not_sent_to_another_code_host(tmp_path: Path, host: GitHost, upstream: Path) -> None:
    with GitHost(tmp_path / "evil") as evil:
        evil.password = "anything"
        host.password = "s3cret"
        mirror = Mirror(tmp_path / "m.git", f"{evil.url}/acme/shop.git", None)
        with pytest.raises(Unauthorized):
            mirror.fetch("main")


def test_push_after_a_lost_connection_can_be_retried(mirror: Mirror, host: GitHost, upstream: Path, made: str) -> None:
    host.status = 502
    with pytest.raises(Unavailable):
        mirror.push(BRANCH, made, None)
    host.status = 0
    mirror.push(BRANCH, made, None)
    assert head(upstream) == made


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [("fatal: Authentication failed for 'https://x:tok@h/'", Unauthorized),
     ("remote: x\nfatal: repository 'y' not found", NotFound),
     ("error: RPC failed; HTTP 403 curl 22 The requested URL returned error: 403", Forbidden),
     ("error: RPC failed; HTTP 500 curl 22 The requested URL returned error: 500", Unavailable), ("", Rejected),
     ("! [rejected] a -> a (stale info)", Conflict),
     ("fatal: unable to access: Could not resolve host: h", Unavailable),
     ("! [remote rejected] a -> a (push declined due to repository rule violations)", Misconfigured)],
)  # fmt: skip
def test_git_errors_are_classified_without_credentials(stderr: str, kind: type[IntegrationError]) -> None:
    error = classify_failure("git x", stderr)
    assert type(error) is kind
    assert "tok" not in str(error)


def test_ls_remote_matches_the_exact_branch_name() -> None:
    answer = f"ref: refs/heads/trunk\tHEAD\n{'1' * 40}\tHEAD\n"
    answer += f"{'2' * 40}\trefs/remotes/x/refs/heads/a\n{'3' * 40}\trefs/heads/a\n"
    assert parse_ls_remote(answer, "a") == ("trunk", "3" * 40)
    assert parse_ls_remote("", "a") == ("", None)


def test_push_in_progress_ends_when_effects_are_forbidden(
    mirror: Mirror, host: GitHost, upstream: Path, made: str
) -> None:
    host.delay = 1.0
    checks: list[float] = []

    def check() -> None:
        checks.append(time.monotonic())
        if len(checks) > 1:
            raise Frozen("frozen", 2.0)

    guard_outward(check)
    try:
        with pytest.raises(Frozen):
            mirror.push(BRANCH, made, None)
    finally:
        guard_outward(lambda: None)
        host.delay = 0.0
    assert checks[1] - checks[0] < 1.0, "it did not wait for the reply"
    assert git(upstream, "for-each-ref", f"refs/heads/{BRANCH}") == b""


WORKFLOW = (
    "!\tHEAD:refs/heads/loopline/eng-1\t[remote rejected] (refusing to allow a GitHub App to create or update workflow "
    "`.github/workflows/ci.yml` without `workflows` permission)\nerror: failed to push some refs to 'u'"
)
RULES = """!\tHEAD:refs/heads/loopline/eng-1\t[remote rejected] (push declined due to repository rule violations)
remote: Resolving deltas: 100% (3/3), completed with 3 local objects.
remote: error: GH013: Repository rule violations found for refs/heads/loopline/eng-1.
remote:
remote: - Commits must have verified signatures.
error: failed to push some refs to 'u'"""
DENIED = "remote: Permission to acme/shop.git denied to bot.\nfatal: unable to access 'u': error: 403"


@pytest.mark.parametrize(
    ("stderr", "kind", "parts"),
    [
        (DENIED, "credentials", ("Permission to acme/shop.git denied to bot", "contents: write", "acme/shop")),
        (DENIED.replace("Permission to acme/shop.git denied to bot", "Write access to repository not granted"),
         "credentials", ("Write access to repository not granted", "contents: write")),
        (WORKFLOW, "credentials", ("ci.yml", "the permission `workflows` on acme/shop")),
        (WORKFLOW.replace("`workflows` permission", "`workflow` scope"), "credentials",
         ("the permission `workflow` on",)),
        (RULES, "infrastructure", ("GH013", "- Commits must have verified signatures", "change the rules")),
        ("remote: This repository was archived so it is read-only.\nfatal: error: 403", "infrastructure",
         ("unarchive the repository",)),
    ],
)  # fmt: skip
def test_push_refusal_names_the_reason_and_the_permission(stderr: str, kind: str, parts: tuple[str, ...]) -> None:
    error = classify_failure("git push in acme/shop", stderr)
    assert isinstance(error, Misconfigured) and error.kind == kind
    for part in parts:
        assert part in str(error)
    assert "Resolving deltas" not in str(error)


def test_push_beyond_a_rate_limit_is_retryable() -> None:
    stderr = "remote: You have exceeded a secondary rate limit.\nfatal: unable to access 'u': error: 403"
    assert type(classify_failure("git push in a/b", stderr)) is Unavailable


def test_push_access_check_changes_nothing_and_finds_a_refusal(
    mirror: Mirror, host: GitHost, upstream: Path, made: str
) -> None:
    before = sha_of(upstream, "for-each-ref")
    mirror.check_push_access(made)
    assert sha_of(upstream, "for-each-ref") == before
    host.status = 403
    with pytest.raises(Forbidden, match="contents: write"):
        mirror.check_push_access(made)


def test_delete_removes_a_branch_at_the_expected_head_and_is_idempotent(
    mirror: Mirror, upstream: Path, made: str
) -> None:
    mirror.push(BRANCH, made, None)
    for _ in range(2):
        mirror.delete_branch(BRANCH, made)
        assert not git(upstream, "for-each-ref", f"refs/heads/{BRANCH}")


def test_delete_leaves_a_branch_that_moved(mirror: Mirror, upstream: Path, made: str) -> None:
    mirror.push(BRANCH, made, None)
    foreign = commit(upstream, {"by": b"a person"}, branch=BRANCH)
    with pytest.raises(Conflict, match="another push moved it"):
        mirror.delete_branch(BRANCH, made)
    assert head(upstream) == foreign


def test_delete_refuses_the_default_branch(mirror: Mirror, upstream: Path) -> None:
    mirror.fetch("main")
    with pytest.raises(Rejected, match="protected"):
        mirror.delete_branch("main", mirror.head("main"))
