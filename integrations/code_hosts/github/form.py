"""How `loopline init` asks for GitHub's credential, and the rights that Loopline needs. Imports no client."""

from __future__ import annotations

from collections.abc import Mapping

from integrations.ports.setup import CredentialForm

PERMISSIONS = {
    "metadata": "read",
    "contents": "write",
    "pull_requests": "write",
    "checks": "write",
    "issues": "write",
    "actions": "write",
    "statuses": "read",
    "merge_queues": "read",
    "vulnerability_alerts": "read",
}
"""Of an App. GitHub offers the event `workflow_run` only with actions, `status` with statuses, `merge_group` with merge
queues. The alerts of Dependabot are a source of automations."""
EVENTS = (
    *("pull_request", "pull_request_review", "pull_request_review_comment", "issue_comment"),
    *("check_run", "check_suite", "workflow_run", "status", "push", "merge_group", "repository"),
)
APP = "app"


def _parse_credential(answer: str) -> Mapping[str, str]:
    if answer.startswith(("ghp_", "github_pat_")):
        return {"GITHUB_TOKEN": answer}
    raise ValueError("it is no token of GitHub; one begins with github_pat_ or ghp_, and 'app' creates an App instead")


FORM = CredentialForm(
    question="GitHub token (github_pat_…), or 'app' to create an App",
    where="GitHub, Settings → Developer settings → Fine-grained tokens, of a separate user, with contents, pull "
    "requests, commit statuses, issues, actions and webhooks: write",
    parse=_parse_credential,
)
