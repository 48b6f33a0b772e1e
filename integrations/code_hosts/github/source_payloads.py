"""Models of GitHub's JSON that only the sources of automations read. Values only, no I/O; see `payloads`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator

from integrations.code_hosts.github.payloads import Named, Payload, Side, Text, User

Labels = Annotated[
    tuple[Named, ...],
    BeforeValidator(lambda labels: [{"name": one} if isinstance(one, str) else one for one in labels or ()]),
]


class Authored(Payload):
    """A thing that an account wrote."""

    number: int = 0
    title: Text = ""
    body: Text = ""
    html_url: Text = ""
    user: User | None = None
    labels: Labels = ()
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None

    @property
    def author(self) -> str:
        return self.user.login if self.user else ""

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)


class Issue(Authored):
    """An issue; GitHub lists pull requests as issues too, with `pull_request`."""

    comments: int = 0
    assignees: tuple[User, ...] = ()
    pull_request: dict[str, object] | None = None


class ListedPullRequest(Authored):
    """A pull request of a list."""

    draft: bool | None = None
    head: Side
    requested_reviewers: tuple[User, ...] | None = None


class Release(Payload):
    tag_name: str
    name: Text = ""
    body: Text = ""
    html_url: Text = ""
    draft: bool = False
    prerelease: bool = False
    author: User | None = None
    published_at: AwareDatetime | None = None


class Package(Payload):
    ecosystem: Text = ""
    name: Text = ""


class Dependency(Payload):
    package: Package = Package()
    manifest_path: Text = ""
    scope: Text = ""
    relationship: Text = ""


class Advisory(Payload):
    ghsa_id: str
    cve_id: Text = ""
    summary: Text = ""
    description: Text = ""
    severity: Text = ""


class Version(Payload):
    identifier: Text = ""


class Vulnerability(Payload):
    vulnerable_version_range: Text = ""
    first_patched_version: Version | None = None


class Alert(Payload):
    """An alert of Dependabot about a dependency of the repository."""

    number: int
    html_url: Text = ""
    created_at: AwareDatetime | None = None
    dependency: Dependency = Dependency()
    security_advisory: Advisory
    security_vulnerability: Vulnerability = Vulnerability()
