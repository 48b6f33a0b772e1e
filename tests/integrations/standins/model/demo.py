"""A temporary copy of the demo repository, and conversations whose tool calls are executed there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import integrations.standins
from integrations.standins.model import validation
from integrations.standins.model.playbooks import playbook_for
from integrations.standins.model.reply import message
from integrations.standins.model.request import read_request
from jobs.roles.edit_program import answer as edit

STANDINS = Path(integrations.standins.__file__).parent
DEMO = STANDINS / "demo_repository"
BUG, FEATURE, VAGUE = json.loads((STANDINS / "demo_tickets.json").read_text())
NO_USAGE = {"input_tokens": 1, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}


def copy_of_demo(folder: Path) -> Path:
    """A fresh tree, without the caches of test runs."""
    tree = folder / "tree"
    shutil.copytree(DEMO, tree, ignore=shutil.ignore_patterns("__pycache__"))
    return tree


def run(tree: Path, command: str) -> tuple[int, str]:
    """Exit code and output of a shell command in the tree."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode, done.stdout


def maker_brief(ticket: dict[str, str], iteration: int = 1, more: str = "") -> str:
    """A brief in the format of the product."""
    contract = "- [c1] it passes (command: `python3 -m unittest discover -q`)"
    return f"Ticket ENG-1: {ticket['title']}\n\nIteration {iteration} of 3\n\n## Contract\n\n{contract}\n\n{more}"


@dataclass
class Talk:
    """A conversation with the playbooks, without a server; each request is validated as the server does."""

    tree: Path
    brief: str
    system: str = "You are the maker. Work."
    messages: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.messages.append({"role": "user", "content": [{"type": "text", "text": self.brief}]})

    def turn(self) -> list[dict[str, Any]]:
        """One reply; its calls are executed. Returns the calls."""
        limits = {"model": "claude-test", "max_tokens": 16_000, "stream": True}
        body = {**limits, "system": self.system, "messages": self.messages}
        validation.check(body)
        asked = read_request(body)
        content = message(body, playbook_for(asked).answer(asked), NO_USAGE, "")["content"]
        self.messages.append({"role": "assistant", "content": content})
        calls = [block for block in content if block["type"] == "tool_use"]
        if calls:
            self.messages.append({"role": "user", "content": [self._result(call) for call in calls]})
        return calls

    def to_the_end(self) -> str:
        """Turns until a reply has no calls or submits a result; returns the text of the last reply."""
        for _ in range(20):
            calls = self.turn()
            if not calls or calls[-1]["name"].startswith("submit_"):
                last = next(m for m in reversed(self.messages) if m["role"] == "assistant")
                return str(last["content"][0].get("text", ""))
        raise AssertionError("the playbook does not end")

    def steer(self, words: str) -> None:
        """A person's steering, in the format of the product."""
        text = {"type": "text", "text": f"Comment from Ada:\n{words}"}
        self.messages[-1]["content"].append(text)

    def calls(self, name: str) -> list[dict[str, Any]]:
        replies = [block for m in self.messages if m["role"] == "assistant" for block in m["content"]]
        return [block["input"] for block in replies if block["type"] == "tool_use" and block["name"] == name]

    def _result(self, call: dict[str, Any]) -> dict[str, Any]:
        return {"type": "tool_result", "tool_use_id": call["id"], "content": self._do(call["name"], call["input"])}

    def _do(self, name: str, arguments: dict[str, Any]) -> str:
        if name == "bash":
            code, output = run(self.tree, arguments["command"])
            return f"{output}\n[exit {code}]"
        if name.startswith("submit_"):
            return "accepted"
        reply = edit({"root": str(self.tree), "limit": 16_000, **arguments})
        assert reply["ok"], reply["text"]
        return str(reply["text"])
