"""The doctor's look at the second identity, which reviews for people who approve on the ticket. Called by `setup`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from integrations.code_hosts.github import payloads as payloads
from integrations.code_hosts.github.api import Credentials, GitHubApi, Grant, build_path
from integrations.code_hosts.github.app import InstallationTokens
from integrations.errors import IntegrationError
from integrations.ports.setup import Finding, found_ok, found_problem

_METADATA = (("metadata", "read"),)
_NEEDED = {"pull_requests": "write", "contents": "write"}
_SUBJECT = "GitHub, reviewer"


class ReviewerProbe:
    """Compares the reviewer with the author's identity (`api`, or `own` as the App itself), and reads its rights."""

    def __init__(self, url: str, reviewer: Credentials, api: GitHubApi, own: GitHubApi | None) -> None:
        self._reviewer, self._as_reviewer = reviewer, GitHubApi(url, reviewer)
        self._api, self._own = api, own

    def run(self, repositories: Sequence[str]) -> Iterator[Finding]:
        """One line for each repository. A review counts for the rules only if its author can write."""
        try:
            if not isinstance(self._reviewer, InstallationTokens) and not self._own:
                logins = [api.get(payloads.User, Grant(""), "/user").login for api in (self._as_reviewer, self._api)]
                if len(set(logins)) == 1:
                    fix = "create the token with another account"
                    yield found_problem(
                        _SUBJECT, f"GITHUB_REVIEWER_TOKEN belongs to {logins[0]}, like GITHUB_TOKEN", fix
                    )
                    return
            for repository in repositories:
                yield self._probe(repository)
        except IntegrationError as error:
            yield found_problem(_SUBJECT, str(error))

    def _probe(self, repository: str) -> Finding:
        subject = f"{_SUBJECT} in {repository}"
        if isinstance(self._reviewer, InstallationTokens):
            missing = self._reviewer.find_missing_permissions(repository, _NEEDED)
            if missing:
                fix = "add it in the reviewer App's settings, then approve the change in the installation"
                return found_problem(subject, f"the App lacks {', '.join(missing)}", fix)
            return found_ok(subject, "can review for people who approve on the ticket")
        found = self._as_reviewer.get(
            payloads.Repository, Grant(repository, _METADATA), build_path("repos", repository)
        )
        if found.permissions and not found.permissions.push:
            fix = "give its account write access, without which a review does not count"
            return found_problem(subject, "GITHUB_REVIEWER_TOKEN can read it but not write", fix)
        return found_ok(subject, "can review for people who approve on the ticket")
