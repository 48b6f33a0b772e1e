"""What a provider must offer: the Protocols, and the values that cross them.

Members live in `trackers/`, `code_hosts/` and `agents/`; `integrations.registry` lists them and is where mypy checks
that each one fits. Every method raises `Unavailable` (worth a retry) or `Rejected` (not) and nothing else. All methods
may be called twice with the same arguments after a crash: the second call must change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from integrations.errors import IntegrationError
from integrations.events import Event
from integrations.values import Person, Ticket, Usage


@dataclass(frozen=True)
class Delivery:
    """A webhook delivery whose signature held.

    `delivery_id` is the sender's name for it; `content_key` is made from what it says, so that a second copy under
    another id is recognised. `stale` means signed, but too long ago to be trusted for more than a re-read.
    """

    source: str
    delivery_id: str
    content_key: str
    body: bytes
    event: str = ""
    stale: bool = False


class Source(Protocol):
    """Whoever sends webhooks. Pure: bytes and a number in, values out, no I/O, no credentials but the secrets."""

    name: str
    retries_on_503: bool  # False: the sender never sends again by itself, so the door must spool

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> Delivery:
        """Check signature and age. `headers` have lower-case names; a doubled header is joined with ','.

        `now` is Unix seconds. Raises `BadSignature` (401) or `Malformed` (named in the log, 200)."""

    def translate(self, delivery: Delivery) -> list[Event]:
        """What the delivery says happened, in our words; empty when it is known and ignored.

        Raises `Malformed` with the event's name when it is unknown or cannot be read."""


Role = Literal["agent", "working", "review", "done", "needs_human", "triage"]


@dataclass(frozen=True)
class Reaction:
    """An emoji that somebody put on a comment, by its short name, as 'eyes'."""

    id: str
    emoji: str
    author: Person
    created_at: str = ""


@dataclass(frozen=True)
class Comment:
    """A comment as the tracker shows it now, with the emoji that are on it."""

    id: str
    ticket_id: str
    body: str
    author: Person
    created_at: str = ""
    reactions: tuple[Reaction, ...] = ()


@dataclass(frozen=True)
class Attachment:
    """A link on a ticket. The tracker upserts it by (ticket, url); `metadata` values are strings and numbers."""

    url: str
    title: str
    subtitle: str = ""
    metadata: Mapping[str, str | int | float] = field(default_factory=dict)


class Tracker(Protocol):
    """The board. Every id is the tracker's own UUID; `column` is a workflow state's name."""

    def viewer(self) -> Person:
        """Who we are there."""

    def check_columns(self, team: str, columns: Sequence[str]) -> None:
        """Raise `Rejected` that lists the team's real columns when one of `columns` is not among them."""

    def fetch(self, ticket_id: str) -> Ticket:
        """The ticket now. Raises `NotFound`."""

    def in_columns(self, team: str, columns: Sequence[str]) -> Iterable[Ticket]:
        """Every ticket of `team` in one of `columns`, paginated, without descriptions."""

    def move(self, ticket: Ticket, column: str) -> None:
        """Put the ticket into `column` of its team."""

    def comment(self, ticket_id: str, body: str, comment_id: str) -> None:
        """Post `body` under the client-made UUIDv4 `comment_id`; a comment that exists already is success."""

    def edit_comment(self, comment_id: str, body: str) -> None:
        """Replace the comment's text. Raises `NotFound` when it was deleted."""

    def fetch_comment(self, comment_id: str) -> Comment:
        """The comment now, the permission of its author and of those who reacted looked up. Raises `NotFound`."""

    def comments(self, ticket_id: str) -> Iterable[Comment]:
        """All comments of the ticket, oldest first."""

    def react(self, comment_id: str, emoji: str, reaction_id: str) -> None:
        """Put an emoji (by its short name, as 'eyes') on a comment; one that is there already is success."""

    def attach(self, ticket_id: str, attachment: Attachment) -> None:
        """Create or update the attachment with this URL."""

    def attachments(self, ticket_id: str) -> Iterable[Attachment]:
        """All attachments of the ticket."""

    def add_label(self, ticket: Ticket, label: str) -> None:
        """Add the label by name, making it in the team when it does not exist."""

    def remove_label(self, ticket: Ticket, label: str) -> None:
        """Take the label away; a label that is not there is success."""


@dataclass(frozen=True)
class GitCredentials:
    """What git sends to the code host over HTTP."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Repository:
    """A repository as the code host names it: `name` is 'owner/name'."""

    name: str
    clone_url: str
    default_branch: str


@dataclass(frozen=True)
class PullRequest:
    """A pull request as the code host shows it now. `state` is 'open' or 'closed'."""

    number: int
    url: str
    state: str
    merged: bool
    branch: str
    base: str
    head_sha: str
    title: str = ""
    body: str = ""
    draft: bool = False
    mergeable: bool | None = None


@dataclass(frozen=True)
class Review:
    """A submitted review with its inline comments as 'path:line: text'."""

    id: str
    state: str
    body: str
    author: str
    head_sha: str = ""
    comments: tuple[str, ...] = ()


OUR_MARK = "<!-- loopline:"  # how the hidden last line of our comments on a code host begins


class CodeHost(Protocol):
    """Where the code lives. `repository` is always 'owner/name'; shas are 40 hex digits."""

    def repository(self, name: str) -> Repository:
        """The repository. Raises `NotFound`."""

    def git_credentials(self, repository: str) -> GitCredentials | None:
        """Credentials for fetch and push, narrowed to this repository where the provider can; None where none."""

    def branch_head(self, repository: str, branch: str) -> str | None:
        """The branch's head, None when there is no such branch."""

    def find_pull_request(self, repository: str, branch: str) -> PullRequest | None:
        """The newest pull request from `branch`, open ones first."""

    def fetch_pull_request(self, repository: str, number: int) -> PullRequest:
        """The pull request now."""

    def open_pull_request(self, repository: str, branch: str, base: str, title: str, body: str) -> PullRequest:
        """Find the open pull request from `branch`, or open one."""

    def update_pull_request(self, repository: str, number: int, title: str, body: str) -> None:
        """Set title and body."""

    def set_status(
        self,
        repository: str,
        sha: str,
        context: str,
        state: Literal["pending", "success", "failure"],
        description: str,
        url: str,
    ) -> None:
        """Commit status or check run `context` on `sha`; the newest one counts."""

    def reviews(self, repository: str, number: int) -> Iterable[Review]:
        """All submitted reviews, oldest first, with their inline comments."""

    def comment(self, repository: str, number: int, body: str, marker: str) -> None:
        """Write into the conversation once: `marker` is hidden in the body and looked for first."""

    def merge(self, repository: str, number: int, sha: str, title: str) -> str:
        """Merge if the head is still `sha`; returns the merge commit. Raises `Conflict` when it moved, `Rejected`
        when it is not mergeable. Merged already counts as success."""

    def delete_branch(self, repository: str, branch: str) -> None:
        """Delete the branch; gone already is success."""

    def redeliver(self, repository: str, since: float) -> int:
        """Ask for every webhook delivery about this repository that never arrived since `since` (Unix seconds); returns
        how many. Those that did arrive are left alone, so asking twice is harmless."""

    def may_steer(self, repository: str, login: str) -> bool:
        """Whether this account may write to the repository, looked up."""


EntryKind = Literal["brief", "block", "turn", "tool_result", "steering", "note", "mark", "outcome"]


@dataclass(frozen=True)
class Entry:
    """One line of a transcript, in the order it happened.

    brief: {"text"} first user message · block: one finished content block of the assistant in Anthropic's wire shape ·
    turn: {"stop_reason", "usage": Usage as dict, "blocks"}, which makes the last `blocks` blocks before it count; all
    others belong to a call that died and are left out on resume; with "message_id", and "cleared", how many old tool
    uses the provider had emptied · tool_result: {"tool_use_id", "content", "is_error"}, and "final" where the tool gave
    one · steering: {"text", "comment_ids"} words of people · note: {"text"} words of Loopline to the agent, with
    "circle" where they are about going in circles, and "evidence" where the gate noted what it ran · mark: {"work"} the
    digest of the work so far, never sent to the model · outcome: how it ended."""

    kind: EntryKind
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Grant:
    """Leave to make one model call, which may cost this much. `lowered` names the limit that leaves less than was asked
    for, as a clause; empty where all of it was granted."""

    usd: float
    tokens: int
    lowered: str = ""


@dataclass(frozen=True)
class Refusal:
    """No leave to make a model call. `reason` is a clause for people; after `wait_seconds` it is worth asking again, 0
    means never in this run."""

    reason: str
    wait_seconds: float = 0.0


class Conversation(Protocol):
    """A run's durable transcript. Every write is fenced: it raises `LeaseLost` when another process took over."""

    def entries(self) -> list[Entry]:
        """All entries so far, oldest first."""

    def append(self, entry: Entry) -> None:
        """Make the entry durable before returning."""

    def take_steering(self) -> list[Entry]:
        """Move words of people that wait for this run into the transcript, exactly once, and return them."""

    def reserve(self, least: Usage, most: Usage) -> Grant | Refusal:
        """Ask before a model call, whose prompt counts in full: `most` is its worst case, `least` the smallest that
        would still be of use. What is granted is held until `settle`."""

    def settle(self, usage: Usage, *, answered: bool, failure: IntegrationError | None = None) -> Usage:
        """The call is over, however it ended: what it held is given back and `usage` counts instead; returns the total
        of the run. `answered`: the provider took the call; `failure`: why it came to nothing."""

    def share_used(self) -> float:
        """How much of its tightest limit has been used, but for turns; 1.0 is all of it."""


@dataclass(frozen=True)
class ToolSpec:
    """A client tool as the model sees it. `wire` is sent as it is: a typed Anthropic tool, or name and schema.
    `writes`: where the toolbox may write at all, this tool can change the work."""

    name: str
    wire: Mapping[str, Any]
    writes: bool = False


@dataclass(frozen=True)
class ToolResult:
    """What a tool answered. `final` set means that the run is over and this is its result (a verdict)."""

    content: str
    is_error: bool = False
    final: Mapping[str, Any] | None = None


class Toolbox(Protocol):
    """The tools of one run. Calls may come from several threads at once."""

    def specs(self) -> Sequence[ToolSpec]:
        """In a fixed order, so that the prompt cache holds."""

    def call(self, name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        """Run one tool call inside the sandbox; returns errors as results, never raises for bad arguments."""

    def work_digest(self, stopped: Callable[[], bool]) -> str | None:
        """A digest of the work so far: the same files give the same text. None where these tools cannot change
        anything, and when it could not be made."""


@dataclass(frozen=True)
class SpinningLimits:
    """When an agent counts as going in circles: how often in a row, see `jobs.policy.SpinningPolicy`.

    `no_progress_usd` is what may be spent without a change of the work; None is no bound."""

    same_result: int = 4
    same_error: int = 3
    alternating: int = 3
    monologue: int = 3
    unchanged_turns: int = 12
    polling: tuple[str, ...] = ("sleep", "watch", "tail -f", "wait")
    no_progress_usd: float | None = None


@dataclass(frozen=True)
class ContextLimits:
    """When old tool results leave the conversation: once the prompt has more than `clear_at_tokens`, all but the last
    `keep_tool_uses`, if that frees at least `clear_at_least_tokens`."""

    clear_at_tokens: int
    keep_tool_uses: int
    clear_at_least_tokens: int = 0


@dataclass(frozen=True)
class AgentTask:
    """One run's fixed part. The prefix (system, tools, brief) never changes during a run, for the prompt cache."""

    model: str
    system: str
    brief: str
    max_turns: int
    max_output_tokens: int = 16_000
    effort: str = ""
    spinning: SpinningLimits = SpinningLimits()
    context: ContextLimits | None = None
    """None: nothing leaves the conversation."""
    idle_seconds: float = 300.0
    """How long the model may say nothing before the call is given up and counts as `Unavailable`."""


@dataclass(frozen=True)
class AgentOutcome:
    """How a run ended. done: the model ended its turn (or a tool gave a `final`). turns: also when the conversation is
    too long for the model."""

    kind: Literal["done", "stopped", "budget", "turns", "spinning", "refused", "failed"]
    summary: str = ""
    final: Mapping[str, Any] | None = None


class AgentRunner(Protocol):
    """A model at work. It never learns of tickets, tokens or pull requests."""

    def advance(
        self,
        task: AgentTask,
        conversation: Conversation,
        toolbox: Toolbox,
        stopped: Callable[[], bool],
        deadline: float,
    ) -> AgentOutcome | None:
        """Work until the run ends or `deadline` (time.monotonic seconds) has passed; None means there is more to do.

        Takes up where `conversation` stands: a tool call without a result is answered as interrupted. Every model call
        is reserved before and settled after. Raises `Unavailable` when the model cannot be reached, `HeldBack` when
        `conversation` says to wait and `Unauthorized` when the key is refused: in all three nothing is lost."""
