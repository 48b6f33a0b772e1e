"""The default agent runner: an own loop over Anthropic's Messages API.

Called by `jobs.advance_run` through `AgentRunner`. The transcript is the only state: every finished block, turn and
tool result is durable before the next step, so that a kill at any moment costs at most one model call. Knows nothing of
tickets, tokens of other services, or pull requests; never logs content.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from typing import Any

from integrations.agents import spinning, transcript
from integrations.agents.anthropic import context
from integrations.agents.anthropic.client import ModelClient, Reply
from integrations.agents.anthropic.estimate import SMALLEST_REPLY, output_within, prompt_tokens, worst_case
from integrations.agents.anthropic.messages import request_from
from integrations.agents.anthropic.prices import cost
from integrations.agents.anthropic.refusals import PromptTooLong
from integrations.agents.anthropic.wire import block_from_wire, stop_reason
from integrations.agents.entries import result_entry, turn_entry
from integrations.errors import HeldBack, IntegrationError
from integrations.ports.agent_runner import AgentOutcome, AgentTask, Conversation, Entry, Refusal, Toolbox, Workbench
from integrations.values import Usage

MAX_PARALLEL_TOOLS = 8


class AnthropicApi:
    """Runs agents on Anthropic's API; see `AgentRunner`. One object serves all threads of a process."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        self._api_key = api_key
        self._base_url = base_url
        self._client: ModelClient | None = None
        self._lock = threading.Lock()

    def advance(
        self,
        task: AgentTask,
        conversation: Conversation,
        toolbox: Toolbox,
        stopped: Callable[[], bool],
        deadline: float,
        workbench: Workbench | None = None,
    ) -> AgentOutcome | None:
        """Work until the run ends or `deadline` (time.monotonic seconds) has passed; see `AgentRunner.advance`.

        The toolbox does everything that the model asks for, so `workbench` is not used. Raises `Unavailable`,
        `HeldBack` and `Unauthorized` with nothing lost, and `Rejected`."""
        return _Run(self._connected(), task, conversation, toolbox, stopped).until(deadline)

    def close(self) -> None:
        """Close the connections; the next `advance` opens new ones."""
        with self._lock:
            if self._client:
                self._client.close()
            self._client = None

    def _connected(self) -> ModelClient:
        with self._lock:
            if self._client is None:
                self._client = ModelClient(self._api_key, self._base_url)
            return self._client


class _Run:
    """One slice of one run. `entries` mirrors the durable transcript."""

    def __init__(
        self,
        client: ModelClient,
        task: AgentTask,
        conversation: Conversation,
        toolbox: Toolbox,
        stopped: Callable[[], bool],
    ) -> None:
        self.client = client
        self.task = task
        self.conversation = conversation
        self.toolbox = toolbox
        self.stopped = stopped
        self.entries = conversation.entries()

    def until(self, deadline: float) -> AgentOutcome | None:
        self._take_up()
        while True:
            self._mark()
            if outcome := self._after_turn() or self._limit() or self._circles():
                return outcome
            if time.monotonic() >= deadline:
                return None
            self._listen()
            try:
                outcome = self._call_model()
            except PromptTooLong:
                outcome = AgentOutcome("turns", transcript.CONTEXT_FULL)
            if outcome:
                return outcome
            self._run_tools()

    def _take_up(self) -> None:
        if not any(entry.kind == "brief" for entry in self.entries):
            self._append(Entry("brief", {"text": self.task.brief}))
        for entry in transcript.interrupted(self.entries):
            self._append(entry)

    def _after_turn(self) -> AgentOutcome | None:
        wanted = transcript.after_turn(self.entries)
        if isinstance(wanted, Entry):
            self._append(wanted)
            return None
        # Guidance that arrived during the last reply is handled before the run ends.
        if wanted and wanted.kind == "done" and wanted.final is None and self._listen():
            return None
        return wanted

    def _limit(self) -> AgentOutcome | None:
        if self.stopped():
            return AgentOutcome("stopped")
        if outcome := transcript.limit_reached(self.entries, self.task):
            return outcome
        if note := transcript.wrap_up(self.entries, self.task, self.conversation.share_used()):
            self._append(note)
        return None

    def _mark(self) -> None:
        """How the work looks now, where a tool may have changed it."""
        writers = {spec.name for spec in self.toolbox.specs() if spec.writes}
        if writers and transcript.unmarked(self.entries, writers) and (work := self.toolbox.work_digest(self.stopped)):
            self._append(Entry("mark", {"work": work}))

    def _circles(self) -> AgentOutcome | None:
        if outcome := spinning.no_progress(self.entries, self.task.spinning):
            return outcome
        wanted = spinning.after_tools(self.entries, self.task.spinning)
        if isinstance(wanted, Entry):
            self._append(wanted)
            return None
        return wanted

    def _listen(self) -> bool:
        words = self.conversation.take_steering()
        self.entries.extend(words)
        return bool(words)

    def _call_model(self) -> AgentOutcome | None:
        """One call within the limits; an outcome when they leave no room for it. Raises `HeldBack` when they will."""
        task = self.task
        request = request_from(task, self.toolbox.specs(), self.entries)
        prompt = prompt_tokens(request, self.entries)
        smallest = min(SMALLEST_REPLY, task.max_output_tokens)
        most, least = (worst_case(task.model, prompt, output) for output in (task.max_output_tokens, smallest))
        leave = self.conversation.reserve(least, most)
        if isinstance(leave, Refusal):
            if leave.wait_seconds:
                raise HeldBack(leave.reason, leave.wait_seconds)
            return AgentOutcome("budget", leave.reason)
        if leave.lowered:
            request["max_tokens"] = output_within(leave, task.model, prompt, task.max_output_tokens)
        self._make_call(request, worst_case(task.model, prompt, 0), leave.lowered)
        return None

    def _make_call(self, request: dict[str, Any], unanswered: Usage, lowered: str) -> None:
        """What the call costs is settled however it ends; `unanswered` is what one costs that was not heard of again. A
        stopped reply gets no turn, so it does not count."""
        reply, failure = Reply(), None
        try:
            for block in self.client.stream(request, reply, self.stopped, self.task.idle_seconds):
                self._append(Entry("block", block_from_wire(block, self.toolbox.specs())))
        except IntegrationError as error:
            failure = error
            raise
        finally:
            heard = cost(self.task.model, reply.usage) if reply.usage else Usage()
            cleared = context.cleared_uses(reply.applied_edits)
            heard = context.with_miss(heard, self.entries, cleared, reply.cache_miss)
            usage = unanswered if reply.unheard else heard
            self.conversation.settle(usage, answered=bool(reply.usage), failure=failure)
        if reply.whole:
            entry = turn_entry(
                stop_reason(reply.stop_reason),
                asdict(usage),
                reply.blocks,
                reply.explanation,
                lowered,
                cleared=cleared,
                provider={"message_id": reply.message_id},
            )
            self._append(entry)

    def _run_tools(self) -> None:
        """All calls of the last reply at once; each result is kept as it comes."""
        calls = transcript.unanswered(self.entries)
        abandoned = threading.Event()
        with ThreadPoolExecutor(MAX_PARALLEL_TOOLS, thread_name_prefix="tool") as pool:
            try:
                running = {
                    pool.submit(self.toolbox.call, call["name"], call["input"], self._either(abandoned)): call["id"]
                    for call in calls
                }
                for done in as_completed(running):
                    self._append(result_entry(running[done], done.result()))
            finally:
                abandoned.set()

    def _either(self, abandoned: threading.Event) -> Callable[[], bool]:
        return lambda: abandoned.is_set() or self.stopped()

    def _append(self, entry: Entry) -> None:
        self.conversation.append(entry)
        self.entries.append(entry)
