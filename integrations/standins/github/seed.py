"""The seed: people, Apps and repositories, read from one JSON document without unknown keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from integrations.standins.github.bare import BareRepository, Signature

Role = Literal["none", "read", "write", "admin"]
ROLES: tuple[Role, ...] = ("none", "read", "write", "admin")
FIRST_COMMIT = "2026-01-01T00:00:00Z"
DEFAULT_EVENTS = [
    *("issue_comment", "pull_request", "pull_request_review", "pull_request_review_comment", "push", "status"),
    *("check_run", "check_suite", "workflow_run", "workflow_job", "merge_group", "repository"),
]
WRITABLE = ("contents", "pull_requests", "issues", "checks", "statuses", "actions")
READABLE = ("metadata", "merge_queues", "vulnerability_alerts")
ALL_PERMISSIONS = {**dict.fromkeys(READABLE, "read"), **dict.fromkeys(WRITABLE, "write")}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class User(Strict):
    """A person with one personal access token and a role per repository."""

    login: str
    name: str = ""
    email: str = ""
    token: str = Field(default="", repr=False)
    permissions: dict[str, Role] = {}


class Installation(Strict):
    """An installation of an App; `permissions` is the upper limit of its tokens."""

    id: int
    account: str
    repositories: list[str]
    permissions: dict[str, str] = ALL_PERMISSIONS


class App(Strict):
    """A GitHub App; `public_key_file` is the PEM file that verifies its JSON web tokens."""

    id: int
    slug: str
    name: str = ""
    public_key_file: Path
    installations: list[Installation] = []
    events: list[str] = DEFAULT_EVENTS
    permissions: dict[str, str] = ALL_PERMISSIONS
    webhook_url: str = ""
    webhook_secret: str = Field(default="", repr=False)
    """Of the App's own webhook; empty means those of the command line."""

    @property
    def bot(self) -> str:
        return f"{self.slug}[bot]"


class BranchProtection(Strict):
    """Classic protection of the default branch; administrators alone can read it in GitHub's REST API."""

    required_approving_review_count: int = 0
    dismiss_stale_reviews: bool = False
    require_last_push_approval: bool = False
    required_conversation_resolution: bool = False
    required_linear_history: bool = False
    contexts: list[str] = []
    """The required checks."""
    strict: bool = False
    """Whether the head has to contain the current base."""


class SeededRepository(Strict):
    """A repository; `from_folder` has the files of the first commit."""

    name: str = Field(pattern=r"^\w[\w-]*/\w[\w.-]*$")
    default_branch: str = "main"
    from_folder: Path | None = None
    private: bool = True
    description: str = ""
    merge_methods: list[Literal["squash", "merge", "rebase"]] = ["squash", "merge", "rebase"]
    rules: list[dict[str, Any]] = []
    """Rules of the default branch, as `GET .../rules/branches/{branch}` has them, without their source."""
    protection: BranchProtection | None = None
    allow_auto_merge: bool = False
    allow_drafts: bool = True
    """Whether the plan has draft pull requests."""
    allow_alerts: bool = True
    """Whether the alerts of Dependabot are enabled."""
    teams: list[str] = []
    """Slugs of the owner's teams with access."""
    archived: bool = False


class Seed(Strict):
    """The whole document."""

    users: list[User] = []
    apps: list[App] = []
    repositories: list[SeededRepository] = []


def first_commit(repository: BareRepository, seeded: SeededRepository, beside: Path) -> None:
    """Commit the folder's files unless the default branch exists; the same files always give the same sha."""
    if seeded.from_folder is None or repository.head(seeded.default_branch):
        return
    owner = seeded.name.split("/")[0]
    signature = Signature(owner, f"{owner}@users.noreply.github.com", FIRST_COMMIT)
    tree = repository.tree_of_folder((beside / seeded.from_folder).resolve())
    commit = repository.write_commit(tree, [], "First commit\n", signature, signature)
    repository.set_ref(f"refs/heads/{seeded.default_branch}", commit)
