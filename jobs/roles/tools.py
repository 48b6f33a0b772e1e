"""The tools of the roles that work in a tree. They act inside the sandbox; this file never touches the tree itself.

Made by `jobs.roles.slice` and `jobs.roles.read_only` for each slice, called by the runners. A command's end, a wrong
argument and a time-out are results for the model; only a sandbox that cannot start raises.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from integrations.git.work_tree import snapshot_work_tree
from integrations.git.workspace import Workspace
from integrations.ports.agent_runner import ToolResult, ToolSpec
from integrations.sandbox.bubblewrap import CommandResult, Sandbox
from jobs.roles.answers.submission import HostTool

COMMAND_SECONDS = 120.0
EDIT_SECONDS = 30.0
MAX_OUTPUT = 16_000
MAX_ANSWER_BYTES = 1_000_000
EDITOR = "str_replace_based_edit_tool"
_PROGRAM = (Path(__file__).parent / "edit_program.py").read_text(encoding="utf-8")
# Progress bars and pagers cost tokens and block.
_QUIET = {"PAGER": "cat", "GIT_PAGER": "cat", "PIP_PROGRESS_BAR": "off", "TQDM_DISABLE": "1", "NO_COLOR": "1"}

_PATH = {"type": "string", "description": "relative to the repository's root"}
BASH = ToolSpec("bash", {"type": "bash_20250124", "name": "bash"}, writes=True)
EDIT = ToolSpec(EDITOR, {"type": "text_editor_20250728", "name": EDITOR, "max_characters": MAX_OUTPUT}, writes=True)
SEARCH = ToolSpec(
    "search",
    {
        "name": "search",
        "description": "Find lines by regular expression in the repository's text files. Answers path:line: text.",
        "input_schema": {
            "type": "object",
            "properties": {
                "pattern": {"type": "string", "description": "Python regular expression"},
                "path": _PATH | {"description": "folder to search, default the root"},
                "glob": {"type": "string", "description": "file name or path pattern, such as *.py"},
                "max_results": {"type": "integer", "description": "default 100"},
            },
            "required": ["pattern"],
        },
    },
)
VIEW = ToolSpec(
    "view",
    {
        "name": "view",
        "description": "Show a file with line numbers, or list a folder two levels deep.",
        "input_schema": {
            "type": "object",
            "properties": {
                "path": _PATH,
                "view_range": {
                    "type": "array",
                    "items": {"type": "integer"},
                    "description": "[first, last] line, last may be -1",
                },
            },
            "required": ["path"],
        },
    },
)


class SandboxTools:
    """The `Toolbox` of one run. Thread-safe: it holds nothing that changes.

    `command_seconds` bounds each bash call. `more` are tools that are answered outside of the sandbox."""

    def __init__(
        self,
        sandbox: Sandbox,
        workspace: Workspace,
        *,
        writable: bool,
        specs: Sequence[ToolSpec],
        command_seconds: float = COMMAND_SECONDS,
        more: Sequence[HostTool] = (),
    ) -> None:
        self._sandbox = sandbox
        self._workspace = workspace
        self._writable = writable
        self._specs = (*specs, *(tool.spec for tool in more))
        self._command_seconds = command_seconds
        self._more = {tool.spec.name: tool for tool in more}

    @classmethod
    def for_maker(
        cls,
        sandbox: Sandbox,
        workspace: Workspace,
        *,
        command_seconds: float = COMMAND_SECONDS,
        more: Sequence[HostTool] = (),
    ) -> SandboxTools:
        """bash, the text editor and search, on a tree that may be changed."""
        specs = (BASH, EDIT, SEARCH)
        return cls(sandbox, workspace, writable=True, specs=specs, command_seconds=command_seconds, more=more)

    @classmethod
    def for_reader(
        cls,
        sandbox: Sandbox,
        workspace: Workspace,
        *,
        command_seconds: float = COMMAND_SECONDS,
        more: Sequence[HostTool] = (),
    ) -> SandboxTools:
        """bash, view and search, on a tree that is read-only: for planner, scout and checker."""
        specs = (BASH, VIEW, SEARCH)
        return cls(sandbox, workspace, writable=False, specs=specs, command_seconds=command_seconds, more=more)

    def specs(self) -> Sequence[ToolSpec]:
        """In a fixed order, so that the prompt cache holds."""
        return self._specs

    def call(self, name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        """Run one tool call. Raises only what a sandbox that cannot start raises."""
        if name not in {spec.name for spec in self._specs}:
            names = ", ".join(spec.name for spec in self._specs)
            return ToolResult(f"There is no tool {name}; there are {names}.", is_error=True)
        if name in self._more:
            return self._more[name].take(arguments, stopped)
        match name:
            case "bash":
                return self._bash(arguments, stopped)
            case "view" | "search":
                return self._edit({**arguments, "command": name}, stopped)
            case _:
                return self._edit(arguments, stopped)

    def work_digest(self, stopped: Callable[[], bool]) -> str | None:
        """The git tree of the files now; None for a read-only toolbox. Raises as `call` does."""
        return snapshot_work_tree(self._sandbox, self._workspace, stopped) if self._writable else None

    def _bash(self, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        if arguments.get("restart"):
            return ToolResult("There is nothing to restart: each call is a new shell in the repository's root.")
        command = arguments.get("command")
        if not isinstance(command, str) or not command.strip():
            return ToolResult("command: has to be a text that is not empty.", is_error=True)
        result = self._sandbox.run(
            ["bash", "-c", command],
            self._workspace,
            writable=self._writable,
            timeout=self._command_seconds,
            environment=_QUIET,
            stopped=stopped,
        )
        return bash_result(result, self._command_seconds)

    def _edit(self, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        request = {"command": "", **arguments, "root": str(self._workspace.tree), "limit": MAX_OUTPUT - 500}
        result = self._sandbox.capture(
            ["python3", "-I", "-c", _PROGRAM],
            self._workspace,
            max_bytes=MAX_ANSWER_BYTES,
            writable=self._writable,
            stdin=json.dumps(request).encode(),
            timeout=EDIT_SECONDS,
            stopped=stopped,
        )
        return edit_result(result)


def bash_result(result: CommandResult, seconds: float) -> ToolResult:
    """What the model reads of a command: output, then exit code and why it was ended, if it was."""
    output = cut(result.output.decode(errors="replace").strip("\n")) or "(no output)"
    if result.stopped:
        ending = "stopped before it ended; look before you repeat"
    elif result.timed_out:
        ending = f"killed after {seconds:g} s; run it in parts or with a limit of its own"
    else:
        ending = f"exit {result.exit_code}"
    return ToolResult(f"{output}\n[{ending}]", is_error=result.exit_code != 0)


def edit_result(result: CommandResult) -> ToolResult:
    """The edit program's answer, or why there is none."""
    if result.stopped or result.timed_out:
        ended = "was stopped" if result.stopped else f"took more than {EDIT_SECONDS:g} s"
        return ToolResult(f"The call {ended}; look before you repeat.", is_error=True)
    try:
        answer = json.loads(result.output)
    except ValueError:
        words = result.stderr.decode(errors="replace").strip()[-500:] or result.note or "no answer"
        return ToolResult(f"The tool failed inside the sandbox: {words}", is_error=True)
    return ToolResult(cut(answer["text"]), is_error=not answer["ok"])


def cut(text: str, limit: int = MAX_OUTPUT) -> str:
    """Head and tail of a text that is too long, and what to do about it."""
    if len(text) <= limit:
        return text
    half = limit // 2
    advice = f"[{len(text) - 2 * half} characters left out: narrow it with head, tail, grep, or write it to a file]"
    return f"{text[:half]}\n{advice}\n{text[-half:]}"
