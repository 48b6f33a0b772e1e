"""Models of the answers to `queries.graphql`, with the fields that it asks for. Values only, no I/O."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from integrations.code_hosts.github.payloads import ShaText, Text
from integrations.values import NO_COMMIT, CommitSha


class Node(BaseModel):
    """A GraphQL object: its fields have GitHub's names in camel case."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


def _drop_null(nodes: Any) -> Any:
    """Without entries that GitHub could not read, which are null."""
    return [one for one in nodes if one is not None] if isinstance(nodes, list) else nodes or []


class Page(Node):
    has_next_page: bool = False
    has_previous_page: bool = False

    @property
    def is_cut(self) -> bool:
        return self.has_next_page or self.has_previous_page


class Account(Node):
    typename: str = Field("", alias="__typename")
    login: Text = ""

    @property
    def name(self) -> str:
        """The login as REST has it: that of an App ends with '[bot]'."""
        return f"{self.login}[bot]" if self.is_bot else self.login

    @property
    def is_bot(self) -> bool:
        return self.typename == "Bot"


class CommitNode(Node):
    oid: ShaText = NO_COMMIT


class ReviewNode(Node):
    full_database_id: Text = ""
    author: Account | None = None
    author_can_push_to_repository: bool = False
    state: str = "COMMENTED"
    body: Text = ""
    submitted_at: Text = ""
    url: Text = ""
    commit: CommitNode | None = None


class CommentNode(Node):
    full_database_id: Text = ""
    author: Account | None = None
    body: Text = ""
    created_at: Text = ""
    url: Text = ""
    viewer_did_author: bool = False
    pull_request_review: ReviewNode | None = None


class Comments(Node):
    nodes: Annotated[tuple[CommentNode, ...], BeforeValidator(_drop_null)] = ()
    page_info: Page = Page()


class ThreadNode(Node):
    id: str
    path: Text = ""
    line: int | None = None
    start_line: int | None = None
    original_line: int | None = None
    is_resolved: bool = False
    is_outdated: bool = False
    comments: Comments = Comments()


class Workflow(Node):
    name: Text = ""


class WorkflowRun(Node):
    workflow: Workflow | None = None


class Suite(Node):
    app: Workflow | None = None
    workflow_run: WorkflowRun | None = None


class ContextNode(Node):
    """A check run, or a commit status with `context` as its name."""

    typename: str = Field("", alias="__typename")
    database_id: int | None = None
    name: Text = ""
    context: Text = ""
    status: Text = ""
    conclusion: Text = ""
    state: Text = ""
    title: Text = ""
    description: Text = ""
    details_url: Text = ""
    target_url: Text = ""
    url: Text = ""
    is_required: bool = False
    check_suite: Suite | None = None


class Contexts(Node):
    nodes: Annotated[tuple[ContextNode, ...], BeforeValidator(_drop_null)] = ()
    page_info: Page = Page()


class RollupNode(Node):
    state: str = ""
    contexts: Contexts = Contexts()


class Head(CommitNode):
    status_check_rollup: RollupNode | None = None


class HeadNode(Node):
    commit: Head


class Commits(Node):
    nodes: Annotated[tuple[HeadNode, ...], BeforeValidator(_drop_null)] = ()


class Reviews(Node):
    nodes: Annotated[tuple[ReviewNode, ...], BeforeValidator(_drop_null)] = ()
    page_info: Page = Page()


class Threads(Node):
    nodes: Annotated[tuple[ThreadNode, ...], BeforeValidator(_drop_null)] = ()
    page_info: Page = Page()


class Comparison(Node):
    behind_by: int = 0


class Base(Node):
    target: CommitNode | None = None
    compare: Comparison | None = None


class PullRequestNode(Node):
    number: int
    url: Text = ""
    title: Text = ""
    body: Text = ""
    state: str
    is_draft: bool = False
    author: Account | None = None
    head_ref_name: str
    head_ref_oid: CommitSha
    is_cross_repository: bool = False
    base_ref_name: str
    base_ref_oid: ShaText = NO_COMMIT
    base_ref: Base | None = None
    mergeable: str = "UNKNOWN"
    merge_state_status: str = "UNKNOWN"
    review_decision: Text = ""
    is_in_merge_queue: bool = False
    auto_merge_request: dict[str, Any] | None = None
    latest_opinionated_reviews: Reviews | None = None
    review_threads: Threads = Threads()
    commits: Commits = Commits()


class ClassicRule(Node):
    """Classic protection of a branch, as people without administration permission see it."""

    required_approving_review_count: Annotated[int, BeforeValidator(lambda count: count or 0)] = 0
    required_status_check_contexts: Annotated[tuple[str, ...], BeforeValidator(_drop_null)] = ()
    requires_conversation_resolution: bool = False
    requires_linear_history: bool = False


class RuledRef(Node):
    ref_update_rule: ClassicRule | None = None


class QueuedPull(Node):
    is_merge_queue_enabled: bool = False


class MergeSettings(Node):
    """The repository's own settings for merges, with the classic rule of one branch."""

    auto_merge_allowed: bool = False
    merge_commit_allowed: bool = True
    rebase_merge_allowed: bool = True
    squash_merge_allowed: bool = True
    ref: RuledRef | None = None
    pull_request: QueuedPull | None = None

    @property
    def classic(self) -> ClassicRule:
        return (self.ref.ref_update_rule if self.ref else None) or ClassicRule()

    @property
    def has_queue(self) -> bool:
        return self.pull_request is not None and self.pull_request.is_merge_queue_enabled

    @property
    def allowed(self) -> set[str]:
        """The methods that the repository allows."""
        given = {
            "squash": self.squash_merge_allowed,
            "merge": self.merge_commit_allowed,
            "rebase": self.rebase_merge_allowed,
        }
        return {method for method, is_allowed in given.items() if is_allowed}


class MergeState(Node):
    """Whether a pull request waits for its merge."""

    id: str
    state: str
    head_ref_oid: CommitSha
    is_in_merge_queue: bool = False
    auto_merge_request: dict[str, Any] | None = None

    @property
    def is_auto_merged(self) -> bool:
        return self.auto_merge_request is not None

    def waits(self, way: str) -> bool:
        """Whether it waits in this way: auto-merge puts it into the queue where there is one."""
        return self.is_in_merge_queue or (way == "auto_merge" and self.is_auto_merged)
