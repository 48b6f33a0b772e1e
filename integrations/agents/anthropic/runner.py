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

import structlog

from integrations.agents import spinning, transcript
from integrations.agents.anthropic import context
from integrations.agents.anthropic.client import ModelClient
from integrations.agents.anthropic.messages import build_request
from integrations.agents.anthropic.prices import (
    SMALLEST_REPLY,
    compute_usage,
    estimate_prompt_tokens,
    estimate_usage,
    estimate_worst_case,
    find_usage_problem,
    fit_output_tokens,
)
from integrations.agents.anthropic.refusals import PromptTooLong
from integrations.agents.anthropic.reply import Reply
from integrations.agents.anthropic.wire import block_from_wire, translate_stop_reason
from integrations.agents.entries import clean_entry, result_entry, turn_entry
from integrations.errors import (
    IntegrationError,
    Misconfigured,
    NotAttempted,
    NotFound,
    Rejected,
    Unauthorized,
    Unusable,
)
from integrations.ports.agent_runner import (
    AgentOutcome,
    AgentTask,
    Conversation,
    Entry,
    Refusal,
    Toolbox,
    Unanswered,
    Workbench,
)
from integrations.values import Usage

MAX_PARALLEL_TOOLS = 8
RETRY_SECONDS = 0.25
_log = structlog.get_logger(__name__)


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
        """See `AgentRunner.advance`. Does not use `workbench`: the toolbox has all tools."""
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
        return [clean_entry(entry) for entry in self.conversation.entries()]

    def run_until(self, deadline: float) -> AgentOutcome | None:
        self._resume()
        while self._run_tools():
            self._mark_work()
            if outcome := transcript.check_faults(self.entries) or self._check_turn() or self._check_limits():
                return outcome
            if outcome := self._check_spinning():
                return outcome
            if time.monotonic() >= deadline:
                return None
            self._take_steering()
            try:
                outcome = self._call_model()
            except Unauthorized:
                raise
            except Rejected as error:
                outcome = self._end_or_retry(error)
            if outcome:
                return outcome
        return AgentOutcome("stopped") if self.stopped() else None

    def _end_or_retry(self, error: Rejected) -> AgentOutcome | None:
        """End the run for a wrong setting: one is wrong if already the first call is refused. A later failure concerns
        this conversation alone; it is retried until there are `transcript.MAX_FAULTS` in a row."""
        task, is_first = self.task, not transcript.count_turns(self.entries)
        if task.images and is_first and (note := transcript.build_no_images_note(self.entries, str(error))):
            return self._append_note(note)
        if isinstance(error, Misconfigured):
            return AgentOutcome(error.kind, str(error))
        if isinstance(error, NotFound):
            return AgentOutcome("infrastructure", f"{error}. Set {task.model_setting} to a model that exists.")
        if isinstance(error, PromptTooLong) and not is_first:
            return AgentOutcome("turns", transcript.CONTEXT_FULL)
        if is_first and not isinstance(error, Unusable):
            effort = f" and the effort {task.effort!r}" if task.effort else ""
            return AgentOutcome("infrastructure", f"{error}. Check {task.model_setting} ({task.model}){effort}.")
        _log.warning("model call failed in this run only", reason=str(error))
        self._append(Entry("fault", {"text": str(error)}))
        if outcome := transcript.check_faults(self.entries):
            return outcome
        self._pause()
        return None

    def _pause(self) -> None:
        until = time.monotonic() + RETRY_SECONDS
        while time.monotonic() < until and not self.stopped():
            time.sleep(0.05)

    def _resume(self) -> None:
        if not any(entry.kind == "brief" for entry in self.entries):
            self._append(Entry("brief", {"text": self.task.brief}))
        repeated = {spec.name for spec in self.toolbox.specs() if spec.repeats}
        for entry in transcript.build_interrupted_results(self.entries, repeated):
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
        self._make_call(request, prompt, reserved.lowered)
        return None

    def _make_call(self, request: dict[str, Any], prompt: int, lowered: str) -> None:
        """Settle the call however it ends; `prompt` is the estimate of its tokens. A reply that was stopped, or cannot
        be used, gets no turn, so it does not count."""
        reply, failure, task = Reply(transcript.list_call_ids(self.entries)), None, self.task
        try:
            for block in self.client.stream(request, reply, self.stopped, task.idle_seconds, task.reply_seconds):
                self._append(Entry("block", block_from_wire(block, self.toolbox.specs())))
        except IntegrationError as error:
            failure = error
            raise
        finally:
            usage = self._measure_usage(reply, prompt, request["max_tokens"])
            cleared = context.count_cleared_uses(reply.applied_edits)
            usage = context.add_cache_miss(usage, self.entries, cleared, reply.cache_miss)
            self.conversation.settle(usage, answered=reply.has_begun, failure=failure)
        if reply.is_complete:
            entry = turn_entry(
                translate_stop_reason(reply.stop_reason),
                asdict(usage),
                reply.blocks,
                reply.explanation,
                lowered,
                cleared=cleared,
                model=reply.model,
                provider={"message_id": reply.message_id},
            )
            self._append(entry)

    def _measure_usage(self, reply: Reply, prompt: int, most: int) -> Usage:
        """The usage of a call; an upper bound where the reply names none that can be trusted."""
        model = self.task.model
        if not reply.has_begun:
            return estimate_worst_case(model, prompt, 0) if reply.maybe_billed else Usage()
        usage = dict(reply.usage)
        if not reply.has_final_usage:  # a reply that was cut off: only its last event has the output's tokens
            known = usage.get("output_tokens")
            usage["output_tokens"] = max(known if isinstance(known, int) else 0, reply.estimate_output())
        problem = find_usage_problem(usage, prompt, most)
        if not problem and reply.is_complete and not reply.has_final_usage:
            problem = "the last event has none"
        if problem:
            _log.warning("usage of a model call estimated", reason=problem, model=model)
            return estimate_usage(model, prompt, reply.estimate_output())
        return compute_usage(model, usage)

    def _run_tools(self) -> bool:
        """Run all calls of the last reply in parallel; append each result when it arrives. False: one is missing.

        Raises `NotAttempted` when a call has to wait, after the results of the others."""
        calls = transcript.list_unanswered_calls(self.entries)
        abandoned, delay, missing = threading.Event(), None, False
        if not calls:
            return True
        with ThreadPoolExecutor(MAX_PARALLEL_TOOLS, thread_name_prefix="tool") as pool:
            try:
                running = {
                    pool.submit(
                        self.toolbox.call, call["name"], call["input"], self._either(abandoned), call["id"]
                    ): call["id"]
                    for call in calls
                }
                for done in as_completed(running):
                    try:
                        self._append(result_entry(running[done], done.result()))
                    except Unanswered:
                        missing = True
                    except NotAttempted as error:
                        delay = error
            finally:
                abandoned.set()
        if delay:
            raise delay
        return not missing

    def _either(self, abandoned: threading.Event) -> Callable[[], bool]:
        return lambda: abandoned.is_set() or self.stopped()

    def _append(self, entry: Entry) -> None:
        entry = clean_entry(entry)
        self.conversation.append(entry)
        self.entries.append(entry)
