"""The tools of the roles that have a work tree. They run inside the sandbox; this module never touches the tree itself.

Created by `jobs.roles.slice` for each slice, called by the runners. A failed command, an
invalid argument and a timeout are results for the model; only a sandbox that cannot start raises.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from integrations.git.work_tree import WorkTreeDigest
from integrations.ports.agent_runner import ToolResult, ToolSpec
from integrations.sandbox.environment import TREE
from integrations.sandbox.session import Session
from integrations.sandbox.shell import Shell
from jobs.roles.submission import HostTool, RequestTool

COMMAND_SECONDS = 120.0
EDIT_SECONDS = 30.0
MAX_OUTPUT = 16_000
MAX_ANSWER_BYTES = 1_000_000
_PROGRAM = (Path(__file__).parent / "edit_program.py").read_text(encoding="utf-8")
# Progress bars cost tokens, and pagers wait for input.
_QUIET = {"PAGER": "cat", "GIT_PAGER": "cat", "PIP_PROGRESS_BAR": "off", "TQDM_DISABLE": "1", "NO_COLOR": "1"}

_PATH = {"type": "string", "description": "relative to the repository's root"}
_VIEW_RANGE = {"type": "array", "items": {"type": "integer"}, "description": "[first, last] line, last may be -1"}


def _build_schema(*required: str, **properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


BASH = ToolSpec(
    "bash",
    "Run a command in the bash shell that stays open: folder, variables, functions and background processes survive.",
    _build_schema(command={"type": "string"}, restart={"type": "boolean", "description": "start a new shell"}),
    writes=True,
    kind="bash",
)
NEW_SHELL = replace(
    BASH,
    description="Run a command in a new bash shell in the repository's root.",
    parameters=_build_schema("command", command={"type": "string"}),
)
EDIT = ToolSpec(
    "edit",
    "View, create and edit files.",
    _build_schema(
        "command",
        "path",
        command={"type": "string", "enum": ["view", "create", "str_replace", "insert"]},
        path=_PATH,
        view_range=_VIEW_RANGE,
        file_text={"type": "string", "description": "create: the whole file"},
        old_str={"type": "string", "description": "str_replace: text that is in the file exactly once"},
        new_str={"type": "string", "description": "str_replace: its replacement"},
        insert_line={"type": "integer", "description": "insert: the line after which; 0 is the start"},
        insert_text={"type": "string", "description": "insert: the text"},
    ),
    writes=True,
    kind="editor",
)
SEARCH = ToolSpec(
    "search",
    "Find lines by regular expression in the repository's text files. Answers path:line: text.",
    _build_schema(
        "pattern",
        pattern={"type": "string", "description": "Python regular expression"},
        path=_PATH | {"description": "folder to search, default the root"},
        glob={"type": "string", "description": "file name or path pattern, such as *.py"},
        max_results={"type": "integer", "description": "default 100"},
    ),
)
VIEW = ToolSpec(
    "view",
    "Show a file with line numbers, or list a folder two levels deep.",
    _build_schema("path", path=_PATH, view_range=_VIEW_RANGE),
)


class SandboxTools:
    """The `Toolbox` of one slice: bash, the editor and search on a writable tree, or bash, view and search on a
    read-only one. All run in `session`. Thread-safe.

    On a writable tree bash keeps one shell, in which calls run one after another. On a read-only tree each call is a
    new process, so code under review cannot change what later calls show. `command_seconds` is the timeout of each
    bash call. `more` are tools that run outside of the sandbox. `on_failure` gets the output of each failed bash call.
    """

    def __init__(
        self,
        session: Session,
        *,
        command_seconds: float = COMMAND_SECONDS,
        more: Sequence[HostTool | RequestTool] = (),
        on_failure: Callable[[str], None] = lambda output: None,
    ) -> None:
        self._session, self._command_seconds, self._on_failure = session, command_seconds, on_failure
        self._digest = WorkTreeDigest(session.workspace)
        self._shell = Shell(session, _QUIET) if session.writable else None
        self._more = {tool.spec.name: tool for tool in more}
        own = (BASH, EDIT, SEARCH) if session.writable else (NEW_SHELL, VIEW, SEARCH)
        self._specs = (*own, *(tool.spec for tool in more))

    def specs(self) -> Sequence[ToolSpec]:
        """In a fixed order, for the prompt cache."""
        return self._specs

    def call(
        self, name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool], call_id: str = ""
    ) -> ToolResult:
        """Run one tool call. Raises what a sandbox that cannot start raises, and what a `RequestTool` does."""
        if name not in {spec.name for spec in self._specs}:
            names = ", ".join(spec.name for spec in self._specs)
            return ToolResult(f"There is no tool {name}; there are {names}.", is_error=True)
        if more := self._more.get(name):
            if isinstance(more, HostTool):
                return more.take(arguments, stopped)
            return more.ask(arguments, stopped, call_id)
        if name == "bash":
            return self._run_bash(arguments, stopped)
        return self._run_editor(arguments if name == "edit" else {**arguments, "command": name}, stopped)

    def work_digest(self, stopped: Callable[[], bool]) -> str | None:
        """A checksum of the files now; None for a read-only toolbox."""
        return self._digest.compute(stopped) if self._session.writable else None

    def _run_bash(self, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        if arguments.get("restart"):
            if self._shell:
                self._shell.restart()
            return ToolResult("The next command runs in a new shell in the repository's root.")
        command = arguments.get("command")
        if not isinstance(command, str) or not command.strip():
            return ToolResult("command: has to be a text that is not empty.", is_error=True)
        seconds = self._command_seconds
        if self._shell:
            result = self._shell.run(command, timeout=seconds, stopped=stopped)
        else:
            result = self._session.run(["bash", "-c", command], timeout=seconds, variables=_QUIET, stopped=stopped)
        printed = result.output.decode(errors="replace").strip("\n")
        if result.exit_code:
            self._on_failure(printed)
        output = shorten(printed) or "(no output)"
        if result.stopped:
            ending = "stopped before it ended; look before you repeat"
        elif result.timed_out:
            ending = f"killed after {seconds:g} s; run it in parts or with a limit of its own"
        else:
            ending = f"exit {result.exit_code}"
        if self._shell and not self._shell.is_running:
            ending += "; the shell has ended with its background processes, the next command runs in a new one"
        return ToolResult(f"{output}\n[{ending}]", is_error=result.exit_code != 0)

    def _run_editor(self, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        request = {"command": "", **arguments, "root": str(TREE), "limit": MAX_OUTPUT - 500}
        result = self._session.capture(
            self._session.build_python_command(_PROGRAM),
            max_bytes=MAX_ANSWER_BYTES,
            stdin=json.dumps(request).encode(),
            timeout=EDIT_SECONDS,
            stopped=stopped,
        )
        if result.stopped or result.timed_out:
            ended = "was stopped" if result.stopped else f"took more than {EDIT_SECONDS:g} s"
            return ToolResult(f"The call {ended}; look before you repeat.", is_error=True)
        try:
            answer = json.loads(result.output)
        except ValueError:
            reason = result.stderr.decode(errors="replace").strip()[-500:] or result.note or "no answer"
            return ToolResult(f"The tool failed inside the sandbox: {reason}", is_error=True)
        return ToolResult(shorten(answer["text"]), is_error=not answer["ok"])


def shorten(text: str, limit: int = MAX_OUTPUT) -> str:
    """Cut the middle out of a text longer than `limit` characters, with a hint for the model in its place."""
    if len(text) <= limit:
        return text
    half = limit // 2
    hint = f"[{len(text) - 2 * half} characters left out: narrow it with head, tail, grep, or write it to a file]"
    return f"{text[:half]}\n{hint}\n{text[-half:]}"
