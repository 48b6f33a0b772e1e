"""The port of a model at work: its transcript, its tools, its limits, its outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from integrations.errors import IntegrationError
from integrations.values import Usage

if TYPE_CHECKING:  # entries are also read by processes without a sandbox
    from integrations.git.workspace import Workspace
    from integrations.sandbox.bubblewrap import CommandResult, Sandbox

EntryKind = Literal["brief", "block", "turn", "tool_result", "steering", "note", "mark", "outcome"]

StopReason = Literal["tool_calls", "end", "paused", "refused", "length", "context_full"]
"""Why a reply ended: its tools have to run · the turn is over · to be continued · the model refused · cut off at
`max_output_tokens` · the conversation no longer fits. A runner may keep an unknown reason of its provider."""


@dataclass(frozen=True)
class Entry:
    """One line of a transcript, in the order it happened. The same for every runner.

    - brief: {"text"} the first user message.
    - block: a finished content block of the assistant: {"type": "text", "text"}; {"type": "thinking", "text"}, empty
      where it is withheld; {"type": "tool_call", "id", "name", "input"}; {"type": "other", "text"}.
    - turn: {"stop_reason": StopReason, "usage": Usage as dict, "blocks"}: makes the last `blocks` blocks before it
      count; all others belong to a call that died and are left out on resume. "cleared": how many old tool results the
      provider left out of the prompt.
    - tool_result: {"call_id", "content", "is_error"}, and "final" where the tool has one.
    - steering: {"text", "comment_ids"} guidance of a person.
    - note: {"text"} from Loopline to the agent; with "circle" about spinning, with "evidence" from the gate.
    - mark: {"work"} the digest of the work so far; not for the model.
    - outcome: how the run ended.

    A block and a turn can have a "provider" part, which only the runner that wrote it reads."""

    kind: EntryKind
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Grant:
    """Leave to make one model call, which may cost this much. `lowered` names the limit that leaves less than was asked
    for, as a clause; empty where all of it was granted."""

    usd: float
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
    """A tool as the model sees it; `parameters` is a JSON schema of an object.

    `writes`: where the toolbox can write, this tool can change the work. `kind` is for a runner whose model has a tool
    of its own for the same purpose with the same arguments: bash runs `command`; editor views and edits files."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    writes: bool = False
    kind: Literal["", "bash", "editor"] = ""


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
    """When an agent counts as going in circles: how often in a row, see `jobs.loop.policy.SpinningPolicy`.

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
    """One run's fixed part. The prefix (system, tools, brief) never changes during a run, for the prompt cache.

    `role` is planner, scout, maker, judge or checker; `effort` and `context` are hints that a runner can ignore."""

    role: str
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


@dataclass(frozen=True)
class Workbench:
    """The files of a run and the sandbox that may touch them, for a runner that has tools of its own: a command-line
    agent runs inside the sandbox and never sees the host.

    `writable`: the role changes the files; otherwise commands must leave the tree read-only."""

    sandbox: Sandbox
    workspace: Workspace
    writable: bool

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        stopped: Callable[[], bool],
        stdin: bytes = b"",
        environment: Mapping[str, str] = {},
    ) -> CommandResult:
        """Run `argv` in the tree and wait for its end; `timeout` is in seconds. As `Sandbox.run`."""
        return self.sandbox.run(
            argv,
            self.workspace,
            writable=self.writable,
            stdin=stdin,
            timeout=timeout,
            environment=environment,
            stopped=stopped,
        )


class AgentRunner(Protocol):
    """A model at work. It never learns of tickets, tokens or pull requests."""

    def advance(
        self,
        task: AgentTask,
        conversation: Conversation,
        toolbox: Toolbox,
        stopped: Callable[[], bool],
        deadline: float,
        workbench: Workbench | None = None,
    ) -> AgentOutcome | None:
        """Work until the run ends or `deadline` (time.monotonic seconds) has passed; None means there is more to do.

        `toolbox` has everything that the role needs, also its answer, whose result is `final`. `workbench` is None for
        a role without files (the judge).

        Takes up where `conversation` stands: a tool call without a result is answered as interrupted. Every model call
        is reserved before and settled after. Raises `Unavailable` when the model cannot be reached, `HeldBack` when
        `conversation` says to wait and `Unauthorized` when the key is refused: in all three nothing is lost."""
