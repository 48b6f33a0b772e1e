"""The signed-in person and the repositories that a credential sees."""

from __future__ import annotations

from integrations.standins.github.operations import Call, Reply, operation
from integrations.standins.github.problems import Problem
from integrations.standins.github.seed import FIRST_COMMIT
from integrations.standins.github.shapes.people import permissions_of, user
from integrations.standins.github.shapes.repositories import repository

COUNTS = ("public_repos", "public_gists", "followers", "following")
ABSENT = ("company", "blog", "location", "email", "hireable", "bio", "name")


@operation("GET", "/user")
def get_user(call: Call) -> Reply:
    """The person behind the token."""
    if call.actor.user is None:
        message = (
            "Requires authentication" if call.actor.kind == "anonymous" else "Resource not accessible by integration"
        )
        raise Problem(401 if call.actor.kind == "anonymous" else 403, message)
    shown = {**user(call.view, call.actor.login), **dict.fromkeys(ABSENT), **dict.fromkeys(COUNTS, 0)}
    return Reply({**shown, "user_view_type": "public", **dict.fromkeys(("created_at", "updated_at"), FIRST_COMMIT)})


@operation("GET", "/user/repos")
def list_own_repositories(call: Call) -> Reply:
    """The repositories on which the person has a role."""
    if call.actor.user is None:
        raise Problem(401, "Requires authentication")
    found = []
    for name, one in call.hub.repositories.items():
        role = call.actor.user.permissions.get(name, "none")
        if role != "none":
            found.append({**repository(call.view, one), "permissions": permissions_of(role)})
    return Reply(found)


@operation("GET", "/installation/repositories")
def list_installed_repositories(call: Call) -> Reply:
    """The repositories of an installation token."""
    if call.actor.kind != "installation":
        raise Problem(403, "You must authenticate with an installation access token in order to list repositories.")
    found = [
        repository(call.view, one) for name, one in call.hub.repositories.items() if name in call.actor.repositories
    ]
    return Reply({"total_count": len(found), "repository_selection": "selected", "repositories": found})


@operation("GET", "/search/users")
def search_users(call: Call) -> Reply:
    """The people whose address is the text before ' in:email'; each seeded address is public."""
    wanted = call.request.query.get("q", "").removesuffix(" in:email").lower()
    found = [{**user(call.view, one.login), "score": 1.0} for one in call.hub.seed.users if one.email.lower() == wanted]
    return Reply({"total_count": len(found), "incomplete_results": False, "items": found})
