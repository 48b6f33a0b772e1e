"""Shapes of repositories, branches, refs and commits."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.bare import Commit, Signature
from integrations.standins.github.hub import Repository
from integrations.standins.github.records import Pull
from integrations.standins.github.seed import FIRST_COMMIT, ROLES, Role
from integrations.standins.github.shapes.people import user
from integrations.standins.github.shapes.view import View, node_id

# The addresses of a repository's parts, as GitHub lists them; {…} stays as it is.
PARTS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def minimal_repository(view: View, repository: Repository) -> dict[str, Any]:
    """`minimal-repository`."""
    url = view.repository_url(repository.name)
    return {
        "id": repository.id,
        "node_id": node_id("R", repository.id),
        "name": repository.name.split("/")[1],
        "full_name": repository.name,
        "private": repository.private,
        "owner": user(view, repository.owner),
        "html_url": f"{view.base}/{repository.name}",
        "description": repository.seeded.description or None,
        "fork": False,
        "url": url,
        **{name: url + path for name, path in PARTS.items()},
    }


def repository(view: View, one: Repository) -> dict[str, Any]:
    """`repository`, as inside pull requests and webhooks."""
    page = f"{view.base}/{one.name}"
    open_pulls = len(view.hub.store.all(Pull, repository=one.name, state="open"))
    return {
        **minimal_repository(view, one),
        "git_url": f"{page}.git",
        "ssh_url": f"{page}.git",
        "clone_url": f"{page}.git",
        "svn_url": page,
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        "size": 0,
        "default_branch": one.seeded.default_branch,
        "visibility": "private" if one.private else "public",
        "topics": [],
        "is_template": False,
        "web_commit_signoff_required": False,
        "allow_forking": False,
        "has_issues": False,
        "has_projects": False,
        "has_wiki": False,
        "has_pages": False,
        "has_downloads": False,
        "has_discussions": False,
        "archived": False,
        "disabled": False,
        "created_at": FIRST_COMMIT,
        "updated_at": FIRST_COMMIT,
        "pushed_at": FIRST_COMMIT,
        "open_issues": open_pulls,
        "open_issues_count": open_pulls,
        **dict.fromkeys(("forks", "forks_count", "watchers", "watchers_count", "stargazers_count"), 0),
    }


def full_repository(view: View, one: Repository, role: Role) -> dict[str, Any]:
    """`full-repository`, with what the caller may do there."""
    granted = ROLES.index(role)
    return {
        **repository(view, one),
        "network_count": 0,
        "subscribers_count": 0,
        "permissions": {
            "admin": granted >= ROLES.index("admin"),
            "maintain": granted >= ROLES.index("maintain"),
            "push": granted >= ROLES.index("write"),
            "triage": granted >= ROLES.index("triage"),
            "pull": granted >= ROLES.index("read"),
        },
        "allow_merge_commit": True,
        "allow_squash_merge": True,
        "allow_rebase_merge": False,
        "allow_auto_merge": False,
        "delete_branch_on_merge": False,
    }


def git_ref(view: View, one: Repository, ref: str, sha: str) -> dict[str, Any]:
    """`git-ref`."""
    url = view.repository_url(one.name)
    target = {"type": "commit", "sha": sha, "url": f"{url}/git/commits/{sha}"}
    return {"ref": ref, "node_id": node_id("REF", f"{one.id}:{ref}"), "url": f"{url}/git/{ref}", "object": target}


def branch(view: View, one: Repository, name: str, head: Commit) -> dict[str, Any]:
    """`branch-with-protection` of a branch that nothing protects."""
    url = f"{view.repository_url(one.name)}/branches/{name}"
    return {
        "name": name,
        "commit": commit(view, one, head),
        "_links": {"self": url, "html": f"{view.base}/{one.name}/tree/{name}"},
        "protected": False,
        "protection": {"enabled": False, "required_status_checks": {"contexts": [], "checks": []}},
        "protection_url": f"{url}/protection",
    }


def commit(view: View, one: Repository, found: Commit) -> dict[str, Any]:
    """`commit`, without files and statistics."""
    url = view.repository_url(one.name)
    page = f"{view.base}/{one.name}/commit"
    verification = {"verified": False, "reason": "unsigned", **dict.fromkeys(("signature", "payload", "verified_at"))}
    return {
        "sha": found.sha,
        "node_id": node_id("C", found.sha),
        "commit": {
            "author": _git_user(found.author),
            "committer": _git_user(found.committer),
            "message": found.message,
            "tree": {"sha": found.tree, "url": f"{url}/git/trees/{found.tree}"},
            "url": f"{url}/git/commits/{found.sha}",
            "comment_count": 0,
            "verification": verification,
        },
        "url": f"{url}/commits/{found.sha}",
        "html_url": f"{page}/{found.sha}",
        "comments_url": f"{url}/commits/{found.sha}/comments",
        "author": _account(view, found.author),
        "committer": _account(view, found.committer),
        "parents": [{"sha": sha, "url": f"{url}/commits/{sha}", "html_url": f"{page}/{sha}"} for sha in found.parents],
    }


def _git_user(signature: Signature) -> dict[str, str]:
    return {"name": signature.name, "email": signature.email, "date": signature.when}


def _account(view: View, signature: Signature) -> dict[str, Any] | None:
    """The account whose e-mail address signed the commit."""
    for seeded in view.hub.seed.users:
        if seeded.email and seeded.email == signature.email:
            return user(view, seeded.login)
    return None
