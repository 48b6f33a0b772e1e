"""GitHub as a code host: pull requests, statuses, reviews, merges.

Called by `jobs` through `CodeHost`. Every write is idempotent: it reads first, or GitHub makes the second one harmless,
and after a lost reply it reads back the state before it raises `Unavailable`. Never runs git. `merge_commit_sha` of
pull requests is not used, because newer API versions lack it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from integrations.code_hosts.github import deliveries as deliveries
from integrations.code_hosts.github import payloads as payloads
from integrations.code_hosts.github import reviews as reviewing
from integrations.code_hosts.github.actions import Checks
from integrations.code_hosts.github.api import Credentials, GitHubApi, Grant, LostReply, build_path
from integrations.code_hosts.github.app import AppCredentials, AppJwt, InstallationTokens, PersonalToken
from integrations.code_hosts.github.describing import describe, mark_ready
from integrations.code_hosts.github.facts import fetch_facts
from integrations.code_hosts.github.graphql import GraphQL
from integrations.code_hosts.github.merging import MergeText, Merging
from integrations.code_hosts.github.statuses import State, Statuses
from integrations.errors import Conflict, NotFound, Rejected, Unauthorized
from integrations.ports.ci import CheckFailure
from integrations.ports.code_host import (
    COMMENT_MARK,
    CodeMatch,
    GitCredentials,
    PullRequest,
    PullRequestDetails,
    Repository,
    Review,
)
from integrations.ports.merge_rules import MergeMethod, MergeRules, WaitingWay
from integrations.ports.pull_request import HostCheck, PullRequestFacts
from integrations.texts import cut
from integrations.values import CommitSha

_READ = (("contents", "read"), ("pull_requests", "read"))
_PULLS = (("contents", "read"), ("pull_requests", "write"))
_CONTENTS = (("contents", "write"),)
_HOOKS = (("repository_hooks", "write"),)
_NEEDED_BY_APP = {"contents": "write", "pull_requests": "write", "checks": "write"}

# GitHub's limits in characters: https://docs.github.com/en/rest, and its answers to longer values
_TITLE_LIMIT = 256
_BODY_LIMIT = 65_536
# Bounds of what is read for a brief.
_COMMENT_CHARACTERS = 4_000
_COMMENTS_OF_REVIEW = 100
_MAY_WRITE = {"admin", "maintain", "write"}
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class GitHub:
    """`CodeHost` for GitHub. The Protocol documents the methods that have no docstring here.

    `url` is the API's root. Needs a personal `token` or an `app`; an app reports check runs, a person commit statuses.
    `backoff` (seconds) is the base of the delay between retries of reads."""

    def __init__(
        self,
        url: str,
        token: str = "",
        app: AppCredentials | None = None,
        merge_method: Literal["squash", "merge", "rebase"] = "squash",
        backoff: float = 0.2,
        reviewer: Credentials | None = None,
    ) -> None:
        if bool(token) == bool(app):
            raise Unauthorized("GitHub needs exactly one of GITHUB_TOKEN and GITHUB_APP_ID")
        self._url = url
        self._as_app = app is not None
        self._credentials = InstallationTokens(url, app) if app else PersonalToken(token)
        self._api = GitHubApi(url, self._credentials, backoff)
        self._graph = GraphQL(self._api)
        self._own_api = GitHubApi(url, AppJwt(app), backoff) if app else None
        self._reviewer = GitHubApi(url, reviewer, backoff) if reviewer else None
        self._checks = Checks(self._api)
        self._statuses = Statuses(self._api, as_app=self._as_app)
        self._merging = Merging(self._api, self._graph, merge_method)

    def __repr__(self) -> str:
        return f"GitHub({self._url!r}, as {'an App' if self._as_app else 'a person'})"

    def close(self) -> None:
        """Close this thread's connections."""
        self._api.close()
        if self._own_api:
            self._own_api.close()
        if self._reviewer:
            self._reviewer.close()
        if isinstance(self._credentials, InstallationTokens):
            self._credentials.close()

    def repository(self, name: str) -> Repository:
        """The repository, under its new name when it was renamed. Raises `NotFound`."""
        found = self._api.get(payloads.Repository, Grant(name, _READ), build_path("repos", name))
        can_push = None if self._as_app or not found.permissions else found.permissions.push
        return Repository(found.full_name, found.clone_url, found.default_branch, bool(found.archived), can_push)

    def find_missing_permissions(self, repository: Repository) -> list[str]:
        """As an App: those that its installation has not granted. As a person: GitHub shows only the right to push."""
        if isinstance(self._credentials, InstallationTokens):
            return self._credentials.find_missing_permissions(repository.name, _NEEDED_BY_APP)
        return ["contents: write"] if repository.can_push is False else []

    def page_url(self, repository: str) -> str:
        """For the API at https://api.github.com, https://HOST/api/v3 of an Enterprise Server, or HOST.ghe.com."""
        root = self._url.rstrip("/").removesuffix("/api/v3").replace("://api.", "://", 1)
        return f"{root}/{repository}"

    def git_credentials(self, repository: str) -> GitCredentials | None:
        """Credentials for fetch and push. As an App: a token for only this repository's contents."""
        return GitCredentials("x-access-token", self._credentials.token(Grant(repository, _CONTENTS)))

    def branch_head(self, repository: str, branch: str) -> CommitSha | None:
        """The branch's head, None when there is no such branch. Raises `NotFound` when there is no such repository."""
        where = build_path("repos", repository, "git/ref/heads", branch)
        try:
            return self._api.get(payloads.Ref, Grant(repository, _READ), where).object.sha
        except Conflict:  # GitHub's error for a repository without commits
            return None
        except NotFound:
            self.repository(repository)
            return None

    def delete_branch(self, repository: str, branch: str) -> None:
        where = build_path("repos", repository, "git/refs/heads", branch)
        try:
            self._api.send_only(Grant(repository, _CONTENTS), "DELETE", where)
        except (Rejected, LostReply):
            if self.branch_head(repository, branch) is not None:
                raise

    def find_pull_request(self, repository: str, branch: str) -> PullRequest | None:
        """The newest pull request from `branch` of this repository itself, open ones first."""
        head = f"{repository.partition('/')[0]}:{branch}"
        query = {"state": "all", "head": head, "sort": "created", "direction": "desc"}
        pulls = self._api.paginate(
            payloads.PullRequest, Grant(repository, _READ), build_path("repos", repository, "pulls"), **query
        )
        # GitHub ignores an invalid `head` and then lists all pull requests.
        found = [_to_pull_request(pull) for pull in pulls if branch and pull.branch == branch]
        return next((pull for pull in found if pull.state == "open"), found[0] if found else None)

    def fetch_pull_request(self, repository: str, number: int) -> PullRequest:
        """The current pull request. Its `branch` is empty when it comes from a fork. Raises `NotFound`."""
        where = build_path("repos", repository, "pulls", number)
        return _to_pull_request(self._api.get(payloads.PullRequest, Grant(repository, _READ), where))

    def fetch_facts(self, repository: str, number: int) -> PullRequestFacts:
        return fetch_facts(self._graph, repository, number)

    def open_pull_request(
        self, repository: str, branch: str, base: str, title: str, body: str, *, draft: bool = False
    ) -> PullRequest:
        """Return the open pull request from `branch`, or open one. Raises `Rejected` when there is nothing to merge.

        Plans without drafts get an ordinary one."""
        if existing := self._find_open_pull_request(repository, branch):
            return existing
        wanted: dict[str, Any] = {"title": cut(title, _TITLE_LIMIT), "body": cut(body, _BODY_LIMIT)}
        wanted |= {"head": branch, "base": base, **({"draft": True} if draft else {})}
        where = build_path("repos", repository, "pulls")
        try:
            created = self._api.send(payloads.PullRequest, Grant(repository, _PULLS), "POST", where, wanted)
        except (Rejected, LostReply) as error:
            # A race condition (422 "already exists"), or Loopline's own request whose reply was lost.
            if existing := self._find_open_pull_request(repository, branch):
                return existing
            if draft and "draft" in str(error).lower():
                return self.open_pull_request(repository, branch, base, title, body)
            raise
        return _to_pull_request(created)

    def update_pull_request(self, repository: str, number: int, title: str, body: str) -> None:
        where = build_path("repos", repository, "pulls", number)
        title, body = cut(title, _TITLE_LIMIT), cut(body, _BODY_LIMIT)
        wanted = {"title": title, "body": body}
        try:
            self._api.send_only(Grant(repository, _PULLS), "PATCH", where, wanted)
        except LostReply:
            current = self.fetch_pull_request(repository, number)
            if (current.title, _split_lines(current.body)) != (title, _split_lines(body)):
                raise

    def describe_pull_request(self, repository: str, number: int, details: PullRequestDetails) -> list[str]:
        return describe(self._api, repository, number, details)

    def mark_ready_for_review(self, repository: str, number: int) -> None:
        mark_ready(self._api, self._graph, repository, number)

    def close_pull_request(self, repository: str, number: int) -> None:
        where = build_path("repos", repository, "pulls", number)
        try:
            self._api.send_only(Grant(repository, _PULLS), "PATCH", where, {"state": "closed"})
        except LostReply:
            if self.fetch_pull_request(repository, number).state == "open":
                raise

    def fetch_merge_rules(self, repository: str, number: int, base: str) -> MergeRules:
        return self._merging.fetch_rules(repository, number, base)

    def merge(
        self,
        repository: str,
        number: int,
        sha: CommitSha,
        title: str,
        message: str = "",
        method: MergeMethod | None = None,
    ) -> CommitSha:
        """Merge if the head is still `sha`; returns the merge commit.

        Idempotent: for a merged pull request the commit comes from its history, and is empty when that has none. Raises
        `Conflict` when the head moved, `Rejected` when it is not mergeable."""
        return self._merging.merge(repository, number, sha, MergeText(title, message, method))

    def merge_when_ready(
        self,
        repository: str,
        number: int,
        sha: CommitSha,
        way: WaitingWay,
        title: str,
        message: str = "",
        method: MergeMethod | None = None,
    ) -> bool:
        return self._merging.wait(repository, number, sha, way, MergeText(title, message, method))

    def cancel_merge(self, repository: str, number: int) -> None:
        self._merging.cancel(repository, number)

    def _find_open_pull_request(self, repository: str, branch: str) -> PullRequest | None:
        found = self.find_pull_request(repository, branch)
        return found if found and found.state == "open" else None

    def reviews(self, repository: str, number: int) -> Iterable[Review]:
        """All submitted reviews, oldest first, with their first hundred inline comments; states in lower case. Long
        texts are cut with a mark."""
        pull, grant = build_path("repos", repository, "pulls", number), Grant(repository, _READ)
        inline: defaultdict[int | None, list[str]] = defaultdict(list)
        for comment in self._api.paginate(payloads.ReviewComment, grant, f"{pull}/comments"):
            line = f":{comment.current_line}" if comment.current_line else ""  # none: on the whole file
            text = cut(comment.body, _COMMENT_CHARACTERS)
            inline[comment.pull_request_review_id].append(f"{comment.path}{line}: {text}")
        return [
            Review(
                id=str(review.id),
                state=review.state,
                body=cut(review.body, 4 * _COMMENT_CHARACTERS),
                author=review.user.login if review.user else "",
                head_sha=review.commit_id,
                comments=_shorten_list(inline[review.id]),
            )
            for review in self._api.paginate(payloads.Review, grant, f"{pull}/reviews")
            if review.state != "pending"
        ]

    def comment(self, repository: str, number: int, body: str, marker: str) -> None:
        """Comment once per marker, which ends the body, so that quoting another marker has no effect."""
        where, mark = build_path("repos", repository, "issues", number, "comments"), f"{COMMENT_MARK}{marker} -->"
        if self._has_comment(repository, where, mark):
            return
        try:
            text = f"{cut(body, _BODY_LIMIT - len(mark) - 2)}\n\n{mark}"
            self._api.send_only(Grant(repository, _PULLS), "POST", where, {"body": text})
        except LostReply:
            if not self._has_comment(repository, where, mark):
                raise

    def _has_comment(self, repository: str, where: str, mark: str) -> bool:
        comments = self._api.paginate(payloads.Comment, Grant(repository, _READ), where)
        return any(comment.body.rstrip().endswith(mark) for comment in comments)

    def reply_in_thread(self, repository: str, number: int, comment_id: str, body: str, marker: str) -> None:
        reviewing.reply_in_thread(self._api, repository, number, comment_id, body, marker)

    def resolve_thread(self, repository: str, thread_id: str) -> None:
        reviewing.resolve_thread(self._graph, repository, thread_id)

    def find_reviewer_problem(self) -> str:
        if self._reviewer:
            return ""
        return "There is no second identity: set GITHUB_REVIEWER_TOKEN or a reviewer App, or approve on GitHub."

    def email_of(self, login: str) -> str:
        return f"{login}@users.noreply.github.com"

    def approve(self, repository: str, number: int, sha: CommitSha, body: str, marker: str) -> None:
        if self._reviewer is None:
            raise Rejected("GITHUB_REVIEWER_TOKEN is not set, and there is no reviewer App")
        reviewing.approve(self._reviewer, repository, number, sha, body, marker)

    def find_login(self, repository: str, email: str) -> str:
        return reviewing.find_login(self._api, repository, email)

    def may_steer(self, repository: str, login: str) -> bool:
        """Whether this account has write permission for the repository; never an App, bot or stranger."""
        if not _LOGIN.fullmatch(login):  # excludes names that end with [bot]
            return False
        where = build_path("repos", repository, "collaborators", login, "permission")
        try:
            found = self._api.get(payloads.Permission, Grant(repository, _READ), where)
        except NotFound:
            return False
        return found.permission in _MAY_WRITE and (found.user is None or found.user.type != "Bot")

    def redeliver(self, repository: str, since: float) -> int:
        """Redeliver failed deliveries of the App's hook (all its repositories), or of the repository's hooks that point
        to Loopline, for which a token needs webhooks: write."""
        if self._own_api:
            return deliveries.redeliver(self._own_api, Grant(repository), "/app/hook/deliveries", since)
        grant = Grant(repository, _HOOKS)
        found = deliveries.list_delivery_paths(self._api, grant)
        return sum(deliveries.redeliver(self._api, grant, hook, since) for hook in found)

    def set_status(
        self, repository: str, sha: CommitSha, context: str, state: State, description: str, url: str
    ) -> None:
        """Set a check run as an App (only Apps can), a commit status as a person. Last write wins."""
        self._statuses.set(repository, sha, context, state, description, url)

    def search_code(self, repositories: Sequence[str], text: str, most: int) -> list[CodeMatch]:
        """One request for each repository: the token of an App is for one. GitHub allows ten a minute."""
        quoted = '"' + text.replace("\\", " ").replace('"', " ") + '"'
        found = list[CodeMatch]()
        for name in repositories:
            query: dict[str, str | int] = {"q": f"{quoted} repo:{name}", "per_page": most}
            page = self._api.get(payloads.CodeMatches, Grant(name, _READ), "/search/code", **query)
            found += [CodeMatch(name, item.path) for item in page.items]
        return found

    def fetch_checks(self, repository: str, sha: CommitSha) -> tuple[HostCheck, ...]:
        return self._checks.fetch_checks(repository, sha)

    def fetch_required_checks(self, repository: str, branch: str) -> tuple[str, ...]:
        return self._checks.fetch_required_checks(repository, branch)

    def fetch_failures(self, repository: str, checks: Sequence[HostCheck]) -> tuple[CheckFailure, ...]:
        return self._checks.fetch_failures(repository, checks)

    def rerun_checks(self, repository: str, checks: Sequence[HostCheck]) -> tuple[str, ...]:
        return self._checks.rerun_checks(repository, checks)


def _shorten_list(comments: list[str]) -> tuple[str, ...]:
    left_out = len(comments) - _COMMENTS_OF_REVIEW
    more = (f"[{left_out:,} further comments are left out]",) if left_out > 0 else ()
    return (*comments[:_COMMENTS_OF_REVIEW], *more)


def _to_pull_request(pull: payloads.PullRequest) -> PullRequest:
    return PullRequest(
        number=pull.number,
        url=pull.html_url,
        state=pull.state,
        merged=pull.is_merged,
        branch=pull.branch,
        base=pull.base.ref,
        head_sha=pull.head.sha,
        title=pull.title,
        body=pull.body,
        draft=bool(pull.draft),
        mergeable=pull.mergeable,
        locked=bool(pull.locked),
        repository=pull.base.repo.full_name if pull.base.repo else "",
        archived=bool(pull.base.repo and pull.base.repo.archived),
        author=pull.user.login if pull.user else "",
    )


def _split_lines(text: str) -> list[str]:
    """The lines of the text, independent of GitHub's line endings."""
    return text.strip().splitlines()
