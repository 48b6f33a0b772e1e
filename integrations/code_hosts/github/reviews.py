"""Writes of GitHub's reviews: replies in threads, and approvals by the reviewer identity. Called by `code_host`.

Source: https://docs.github.com/en/rest/pulls. A reply and an approval end with a mark, which is searched for first.
"""

from __future__ import annotations

from itertools import islice

from integrations.code_hosts.github import payloads as payloads
from integrations.code_hosts.github.api import GitHubApi, Grant, LostReply, build_path
from integrations.code_hosts.github.graphql import GraphQL
from integrations.ports.code_host import COMMENT_MARK
from integrations.texts import cut
from integrations.values import CommitSha

_READ = (("contents", "read"), ("pull_requests", "read"))
_CONTENTS = (("contents", "read"),)
_METADATA = (("metadata", "read"),)
_RESOLVE = (("contents", "write"), ("pull_requests", "write"))
_PULLS = (("contents", "read"), ("pull_requests", "write"))
_BODY_LIMIT = 65_536


def reply_in_thread(api: GitHubApi, repository: str, number: int, comment_id: str, body: str, marker: str) -> None:
    """Reply once per marker to the thread's first comment, whose number GitHub calls `databaseId`."""
    pull, mark = build_path("repos", repository, "pulls", number), f"{COMMENT_MARK}{marker} -->"

    def is_there() -> bool:
        comments = api.paginate(payloads.ReviewComment, Grant(repository, _READ), f"{pull}/comments")
        return any(one.body.rstrip().endswith(mark) for one in comments)

    if is_there():
        return
    where = f"{pull}{build_path('comments', comment_id, 'replies')}"
    try:
        api.send_only(Grant(repository, _PULLS), "POST", where, {"body": _with_mark(body, mark)})
    except LostReply:
        if not is_there():
            raise


def approve(api: GitHubApi, repository: str, number: int, sha: CommitSha, body: str, marker: str) -> None:
    """Approve this commit once per marker. Raises `Rejected` when GitHub refuses, as for the author's own approval."""
    where, mark = build_path("repos", repository, "pulls", number, "reviews"), f"{COMMENT_MARK}{marker} -->"

    def is_there() -> bool:
        reviews = api.paginate(payloads.Review, Grant(repository, _READ), where)
        return any(one.body.rstrip().endswith(mark) for one in reviews)

    if is_there():
        return
    wanted = {"commit_id": sha, "event": "APPROVE", "body": _with_mark(body, mark)}
    try:
        api.send_only(Grant(repository, _PULLS), "POST", where, wanted)
    except LostReply:
        if not is_there():
            raise


def resolve_thread(graph: GraphQL, repository: str, thread_id: str) -> None:
    """Resolve the thread; GitHub accepts that for a resolved one."""
    graph.run("ResolveThread", Grant(repository, _RESOLVE), {"thread": thread_id})


def find_login(api: GitHubApi, repository: str, email: str) -> str:
    """The account that GitHub shows as the author of a commit with this address, else the one account whose public
    profile has it; an address belongs to an account once GitHub has verified it."""
    commits = build_path("repos", repository, "commits")
    grant = Grant(repository, _CONTENTS)
    authored = next(api.paginate(payloads.CommitOfUser, grant, commits, author=email, per_page=1), None)
    if authored and authored.author and authored.author.login and authored.commit.author.email.lower() == email.lower():
        return authored.author.login
    found = api.paginate(
        payloads.User, Grant(repository, _METADATA), "/search/users", key="items", q=f"{email} in:email"
    )
    logins = [user.login for user in islice(found, 2)]
    return logins[0] if len(logins) == 1 else ""


def _with_mark(body: str, mark: str) -> str:
    return f"{cut(body, _BODY_LIMIT - len(mark) - 2)}\n\n{mark}"
