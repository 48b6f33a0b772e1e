"""One reply per run: the role's tool call, and how it ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from integrations.agents.entries import result_entry, turn_entry
from integrations.ports.agent_runner import AgentOutcome, AgentTask, Conversation, Entry, Refusal, Toolbox, Workbench
from integrations.values import Usage

CHANGE = "echo 'Hello from {model}' >> GREETING.md"
USAGE = Usage(model_calls=1, input_tokens=10, output_tokens=10, cost_usd=0.01)


class Scripted:
    """`AgentRunner` that calls one tool of the toolbox and is done."""

    def advance(
        self,
        task: AgentTask,
        conversation: Conversation,
        toolbox: Toolbox,
        stopped: Callable[[], bool],
        deadline: float,
        workbench: Workbench | None = None,
    ) -> AgentOutcome | None:
        assert (workbench is None) == (task.role == "judge")
        assert workbench is None or workbench.session.writable == (task.role == "maker")
        granted = conversation.reserve(USAGE, USAGE)
        if isinstance(granted, Refusal):
            return AgentOutcome("budget", granted.reason)
        conversation.append(Entry("brief", {"text": task.brief}))
        name, arguments = _line(task)
        conversation.append(
            Entry("block", {"type": "tool_call", "id": "call-1", "name": name, "input": dict(arguments)})
        )
        conversation.append(turn_entry("tool_calls", asdict(USAGE), 1, provider={"line": task.role}))
        conversation.settle(USAGE, answered=True)
        result = toolbox.call(name, arguments, stopped)
        conversation.append(result_entry("call-1", result))
        return AgentOutcome("failed" if result.is_error else "done", result.content, result.final)


class Shell:
    """`AgentRunner` that needs no tools: it runs its command in the sandbox, where the run's files are."""

    def advance(
        self,
        task: AgentTask,
        conversation: Conversation,
        toolbox: Toolbox,
        stopped: Callable[[], bool],
        deadline: float,
        workbench: Workbench | None = None,
    ) -> AgentOutcome | None:
        assert workbench, "a role with files"
        conversation.append(Entry("brief", {"text": task.brief}))
        command = ["sh", "-c", CHANGE.format(model=task.model)]
        ran = workbench.session.run(command, timeout=30, stopped=stopped)
        conversation.append(Entry("block", {"type": "text", "text": f"It ended with {ran.exit_code}."}))
        conversation.append(turn_entry("end", asdict(Usage()), 1))
        return AgentOutcome("failed" if ran.exit_code else "done", "I have written a greeting.")


def _line(task: AgentTask) -> tuple[str, Mapping[str, Any]]:
    criteria = re.findall(r"^- \[(\w+)\] .*\(command:", task.brief, re.MULTILINE)
    proof = [{"criterion": c, "result": "pass", "evidence": [{"source": "gate", "name": c}]} for c in criteria]
    match task.role:
        case "scout":
            return "submit_plan", {"summary": "It is small.", "steps": ["Write GREETING.md"]}
        case "maker":
            return "bash", {"command": CHANGE.format(model=task.model)}
        case "judge":
            return "submit_judgement", {"done": True, "reason": "The command says so."}
        case _:
            return "submit_verdict", {"results": proof, "summary": "It greets.", "confidence": "high"}
