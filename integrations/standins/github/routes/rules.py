"""Rules and protection of a branch, as the seed has them; `protection` enforces them."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.operations import Call, Reply, operation
from integrations.standins.github.problems import Problem
from integrations.standins.github.routes.repositories import REPOSITORY
from integrations.standins.github.shapes.repositories import commit

DEFAULTS: dict[str, dict[str, Any]] = {
    "pull_request": {
        "dismiss_stale_reviews_on_push": False,
        "require_code_owner_review": False,
        "require_last_push_approval": False,
        "required_approving_review_count": 0,
        "required_review_thread_resolution": False,
    },
    "required_status_checks": {"strict_required_status_checks_policy": False, "required_status_checks": []},
}
"""Parameters that GitHub always sends, by the type of the rule."""


@operation("GET", REPOSITORY + "/rules/branches/{branch}", needs="metadata:read")
def list_rules(call: Call) -> Reply:
    """The rules that hold for a branch; only the default branch has some."""
    repository = call.repository
    is_default = call.request.params["branch"] == repository.seeded.default_branch
    source = {"ruleset_source_type": "Repository", "ruleset_source": repository.name, "ruleset_id": 1}
    return Reply([{**_complete(rule), **source} for rule in repository.seeded.rules if is_default])


def _complete(rule: dict[str, Any]) -> dict[str, Any]:
    given = {**DEFAULTS.get(rule["type"], {}), **rule.get("parameters", {})}
    return {**rule, **({"parameters": given} if given else {})}


@operation("GET", REPOSITORY + "/branches/{branch}", needs="contents:read")
def get_branch(call: Call) -> Reply:
    """The branch and whether a classic rule protects it."""
    repository, name = call.repository, call.request.params["branch"]
    sha = repository.git.head(name)
    if sha is None:
        raise Problem(404, "Branch not found")
    url = f"{call.view.repository_url(repository.name)}/branches/{name}"
    is_protected = repository.seeded.protection is not None and name == repository.seeded.default_branch
    return Reply(
        {
            "name": name,
            "commit": commit(call.view, repository, repository.git.commit(sha)),
            "_links": {"html": f"{call.view.base}/{repository.name}/tree/{name}", "self": url},
            "protected": is_protected,
            "protection": {"enabled": is_protected},
            "protection_url": f"{url}/protection",
        }
    )
