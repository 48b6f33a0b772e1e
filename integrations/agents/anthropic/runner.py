"""The default agent runner: a loop over Anthropic's Messages API.

Called by `jobs.roles.slice` through `AgentRunner`. The transcript is the only state: every complete block, turn and
tool result is durable before the next step, so a crash costs at most one model call. Never logs content.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from integrations.agents import spinning, transcript
from integrations.agents.anthropic import context
from integrations.agents.anthropic.client import ModelClient, Reply
from integrations.agents.anthropic.messages import build_request
from integrations.agents.anthropic.prices import (
    SMALLEST_REPLY,
    compute_usage,
    estimate_prompt_tokens,
    estimate_worst_case,
    fit_output_tokens,
)
from integrations.agents.anthropic.refusals import PromptTooLong
from integrations.agents.anthropic.wire import block_from_wire, translate_stop_reason
from integrations.agents.entries import result_entry, turn_entry
from integrations.errors import IntegrationError, NotAttempted
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
        """See `AgentRunner.advance`; also raises `Rejected`. Does not use `workbench`: the toolbox has all tools."""
        return _Run(self._connect(), task, conversation, toolbox, stopped).run_until(deadline)

    def close(self) -> None:
        """Close the connections; the next `advance` opens new ones."""
        with self._lock:
            if self._client:
                self._client.close()
            self._client = None

    def _connect(self) -> ModelClient:
        with self._lock:
            if self._client is None:
                self._client = ModelClient(self._api_key, self._base_url)
            return self._client


@dataclass
class _Run:
    """One slice of one run."""

    client: ModelClient
    task: AgentTask
    conversation: Conversation
    toolbox: Toolbox
    stopped: Callable[[], bool]

    @cached_property
    def entries(self) -> list[Entry]:
        """A copy of the durable transcript."""
        return self.conversation.entries()

    def run_until(self, deadline: float) -> AgentOutcome | None:
        self._resume()
        while True:
            self._mark_work()
            if outcome := self._check_turn() or self._check_limits() or self._check_spinning():
                return outcome
            if time.monotonic() >= deadline:
                return None
            self._take_steering()
            try:
                outcome = self._call_model()
            except PromptTooLong:
                outcome = AgentOutcome("turns", transcript.CONTEXT_FULL)
            if outcome:
                return outcome
            self._run_tools()

    def _resume(self) -> None:
        if not any(entry.kind == "brief" for entry in self.entries):
            self._append(Entry("brief", {"text": self.task.brief}))
        for entry in transcript.build_interrupted_results(self.entries):
            self._append(entry)

    def _check_turn(self) -> AgentOutcome | None:
        outcome = self._append_note(transcript.check_turn(self.entries))
        # Guidance that arrived during the last reply is handled before the run ends.
        if outcome and outcome.kind == "done" and outcome.final is None and self._take_steering():
            return None
        return outcome

    def _append_note(self, result: AgentOutcome | Entry | None) -> AgentOutcome | None:
        if isinstance(result, Entry):
            self._append(result)
            return None
        return result

    def _check_limits(self) -> AgentOutcome | None:
        if self.stopped():
            return AgentOutcome("stopped")
        if outcome := transcript.check_turn_limit(self.entries, self.task):
            return outcome
        return self._append_note(transcript.build_wrap_up_note(self.entries, self.task, self.conversation.share_used()))

    def _mark_work(self) -> None:
        """Append a digest of the work if a tool can have changed it."""
        writers = {spec.name for spec in self.toolbox.specs() if spec.writes}
        if not writers or not transcript.needs_mark(self.entries, writers):
            return
        if work := self.toolbox.work_digest(self.stopped):
            self._append(Entry("mark", {"work": work}))

    def _check_spinning(self) -> AgentOutcome | None:
        limits = self.task.spinning
        outcome = spinning.check_progress(self.entries, limits)
        return outcome or self._append_note(spinning.check_repetition(self.entries, limits))

    def _take_steering(self) -> bool:
        guidance = self.conversation.take_steering()
        self.entries.extend(guidance)
        return bool(guidance)

    def _call_model(self) -> AgentOutcome | None:
        """Make one call within the limits. Returns an outcome if they allow none in this run; raises `NotAttempted` if
        they will allow it later."""
        task = self.task
        request = build_request(task, self.toolbox.specs(), self.entries)
        prompt = estimate_prompt_tokens(request, self.entries)
        smallest = min(SMALLEST_REPLY, task.max_output_tokens)
        most, least = (estimate_worst_case(task.model, prompt, output) for output in (task.max_output_tokens, smallest))
        reserved = self.conversation.reserve(least, most)
        if isinstance(reserved, Refusal):
            if reserved.wait_seconds:
                raise NotAttempted(reserved.reason, reserved.wait_seconds)
            return AgentOutcome("budget", reserved.reason)
        if reserved.lowered:
            request["max_tokens"] = fit_output_tokens(reserved, task.model, prompt, task.max_output_tokens)
        self._make_call(request, estimate_worst_case(task.model, prompt, 0), reserved.lowered)
        return None

    def _make_call(self, request: dict[str, Any], prompt_cost: Usage, lowered: str) -> None:
        """Settle the call however it ends; `prompt_cost` applies if it can be billed but no usage was received. A
        stopped reply gets no turn, so it does not count."""
        reply, failure = Reply(), None
        try:
            for block in self.client.stream(request, reply, self.stopped, self.task.idle_seconds):
                self._append(Entry("block", block_from_wire(block, self.toolbox.specs())))
        except IntegrationError as error:
            failure = error
            raise
        finally:
            usage = compute_usage(self.task.model, reply.usage) if reply.usage else Usage()
            cleared = context.count_cleared_uses(reply.applied_edits)
            usage = context.add_cache_miss(usage, self.entries, cleared, reply.cache_miss)
            usage = prompt_cost if reply.maybe_billed else usage
            self.conversation.settle(usage, answered=bool(reply.usage), failure=failure)
        if reply.is_complete:
            entry = turn_entry(
                translate_stop_reason(reply.stop_reason),
                asdict(usage),
                reply.blocks,
                reply.explanation,
                lowered,
                cleared=cleared,
                provider={"message_id": reply.message_id},
            )
            self._append(entry)

    def _run_tools(self) -> None:
        """Run all calls of the last reply in parallel; append each result when it arrives."""
        calls = transcript.list_unanswered_calls(self.entries)
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
