"""The port of an agent runner: transcript, tools, limits, outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from integrations.errors import IntegrationError
from integrations.values import Usage

if TYPE_CHECKING:  # entries are also read by processes without a sandbox
    from integrations.sandbox.session import Session

EntryKind = Literal["brief", "block", "turn", "tool_result", "steering", "note", "mark", "fault", "outcome"]

StopReason = Literal["tool_calls", "end", "paused", "refused", "length", "context_full"]
"""Why a reply ended: tools to run · turn complete · to be continued · refused by the model · cut off at
`max_output_tokens` · longer than the context window. A runner can keep an unknown reason of its provider."""


@dataclass(frozen=True)
class Entry:
    """One line of a transcript, in the order it happened. The same for every runner.

    - brief: {"text"} the first user message.
    - block: a finished content block of the assistant: {"type": "text", "text"}; {"type": "thinking", "text"}, empty
      if withheld; {"type": "tool_call", "id", "name", "input"}; {"type": "other", "text"}.
    - turn: {"stop_reason": StopReason, "usage": Usage as dict, "blocks"}: a reply that consists of the last `blocks`
      blocks; all others belong to a call that crashed and are left out on resume. "cleared": the number of old tool
      results that the provider left out of the prompt. "model": the model that the reply names.
    - tool_result: {"call_id", "content", "is_error"}, and "final" if the tool has one.
    - steering: {"text", "comment_ids"} guidance of a person.
    - note: {"text"} from Loopline to the agent; "spinning" is the key of a pattern, "evidence" is from the gate,
      "counter_examples" from the checker's slice, "instructions" are the paths of instruction files in the text.
    - mark: {"work"} the digest of the work so far; not sent to the model.
    - fault: {"text"} why a model call gave nothing that can be used; not sent to the model.
    - outcome: how the run ended.

    A block and a turn can have a "provider" part, which only the runner that wrote it reads."""

    kind: EntryKind
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Grant:
    """A reservation for one model call, in US dollars. `lowered` names the limit that allows less than requested, as a
    clause; empty if all of it was granted."""

    usd: float
    lowered: str = ""


@dataclass(frozen=True)
class Refusal:
    """No model call now. `reason` is a clause for people; retry after `wait_seconds`, 0 means never in this run."""

    reason: str
    wait_seconds: float = 0.0


class Conversation(Protocol):
    """A run's durable transcript. Every write is fenced: it raises `LeaseLost` if another process took the run over."""

    def entries(self) -> list[Entry]:
        """Return all entries, oldest first."""

    def append(self, entry: Entry) -> None:
        """Make the entry durable before returning."""

    def take_steering(self) -> list[Entry]:
        """Move pending guidance into the transcript, exactly once, and return it."""

    def reserve(self, least: Usage, most: Usage) -> Grant | Refusal:
        """Reserve money for a model call until `settle`: `most` is its worst case, `least` the smallest useful call."""

    def settle(self, usage: Usage, *, answered: bool, failure: IntegrationError | None = None) -> Usage:
        """Replace the reservation by `usage` when the call has ended; returns the total of the run. `answered`: the
        provider accepted the call; `failure`: its error."""

    def share_used(self) -> float:
        """Return the used share (0.0 to 1.0) of the tightest limit other than turns."""


@dataclass(frozen=True)
class ToolSpec:
    """A tool as the model sees it; `parameters` is a JSON schema of an object.

    `writes`: the tool can change the work if the toolbox is writable. `repeats`: a call that was interrupted is made
    again with the same id, instead of the result "interrupted". `kind` is for a runner whose model has a built-in tool
    with the same arguments: bash runs `command`; editor views and edits files."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    writes: bool = False
    kind: Literal["", "bash", "editor"] = ""
    repeats: bool = False


@dataclass(frozen=True)
class ToolResult:
    """Result of a tool call. If `final` is set, the run is over and this is its result (such as a verdict). `note` is
    the data of a note for the agent, which the transcript keeps behind the results of the same reply."""

    content: str
    is_error: bool = False
    final: Mapping[str, Any] | None = None
    note: Mapping[str, Any] | None = None


class Unanswered(Exception):
    """Raised by a call of a tool that `repeats`: its result is not there when the slice ends. The run's next slice
    makes the call again."""


class Toolbox(Protocol):
    """The tools of one run. Calls can come from several threads at once."""

    def specs(self) -> Sequence[ToolSpec]:
        """Return the tools in a fixed order, for the prompt cache."""

    def call(
        self, name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool], call_id: str = ""
    ) -> ToolResult:
        """Run one tool call in the sandbox; returns errors as results, never raises for bad arguments. `call_id` is
        that of the transcript. Raises `Unanswered`, and `NotAttempted` if the run has to back off first."""

    def work_digest(self, stopped: Callable[[], bool]) -> str | None:
        """Return a digest of the files; None if these tools are read-only or the digest failed."""


@dataclass(frozen=True)
class SpinningLimits:
    """How often in a row a step counts as spinning, see `jobs.loop.policy.SpinningPolicy`; `no_progress_usd` limits
    the cost without a change of the work (None: no limit)."""

    same_result: int = 4
    same_error: int = 3
    near_repeat: int = 6
    alternating: int = 3
    polls: int = 20
    calls_per_turn: int = 60
    calls_before_change: int = 200
    monologue: int = 3
    unchanged_turns: int = 12
    polling: tuple[str, ...] = ("sleep", "watch", "tail -f", "wait")
    no_progress_usd: float | None = None


@dataclass(frozen=True)
class ContextLimits:
    """Clears old tool results once the prompt has more than `clear_at_tokens`: all but the last `keep_tool_uses`, if
    that frees at least `clear_at_least_tokens`."""

    clear_at_tokens: int
    keep_tool_uses: int
    clear_at_least_tokens: int = 0


@dataclass(frozen=True)
class Image:
    """An image for the model."""

    media_type: str
    content: bytes


def find_no_image(file: str) -> None:
    """The `load_image` of a task whose guidance has no images."""


@dataclass(frozen=True)
class AgentTask:
    """The fixed part of a run. The prefix (system, tools, brief) never changes during a run, for the prompt cache.

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
    """None: tool results are not cleared."""
    idle_seconds: float = 300.0
    """Timeout without a byte from the model; the call then counts as `Unavailable`."""
    reply_seconds: float = 1800.0
    """Timeout of a whole reply, however slowly it arrives; the call then counts as `Unusable`."""
    images: tuple[Image, ...] = ()
    """They follow the brief. A runner whose model takes none can ignore them."""
    load_image: Callable[[str], Image | None] = find_no_image
    """The image of a steering entry, by its file; None if it is gone."""
    model_setting: str = "the model's setting"
    """Where `model` is configured, for messages: a setting, or a key of WORKFLOW.md."""


@dataclass(frozen=True)
class AgentOutcome:
    """How a run ended. done: the model ended its turn, or a tool returned a `final`. turns: also when the conversation
    exceeds the context window. credentials, infrastructure: a setting is wrong or the replies cannot be used, which
    another attempt would not change; `summary` names the cause and the fix."""

    kind: Literal[
        "done", "stopped", "budget", "turns", "spinning", "refused", "failed", "credentials", "infrastructure"
    ]
    summary: str = ""
    final: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Workbench:
    """A run's sandbox, for a runner with its own tools: a command-line agent runs inside only, by
    `session.run(argv, …)`. `session.workspace` has the paths of the files; `session.writable`: the role changes them.
    """

    session: Session


class AgentRunner(Protocol):
    """Runs an agent. It has no access to tickets, tokens or pull requests."""

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

        `toolbox` has all tools of the role, including the one that submits its `final` result. `workbench` is None for
        a role without files (the judge).

        Resumes `conversation`: a tool call without a result is repeated, or gets the result "interrupted". Each model
        call is reserved before and settled after. Raises `Unavailable` if the model cannot be reached, `NotAttempted`
        if `reserve` or a tool requires a wait, `Unauthorized` if the key is refused; the run can be resumed after each
        of them. A wrong setting, and replies that cannot be used several times in a row, end the run."""
