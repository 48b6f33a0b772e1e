"""The checker's own tests: files that it writes run with the candidate, in a fresh tree that is then gone.

Called by `jobs.roles.checker`. A test that the verdict names as a counter-example is repeated after the submission: it
decides its criterion, so code that is right only for the tested values is not done.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from integrations.git.changes import Side
from integrations.git.tree_policy import FILE
from integrations.ports.agent_runner import Entry, ToolResult, ToolSpec
from integrations.proof import CounterExample, Measured, OwnTestFile
from integrations.texts import cut
from jobs.evidence.counter_examples import NO_CONTROL, explain_unconfirmed, find_obstacle, has_failed
from jobs.roles.fresh_trees import FreshTrees, Stopped
from jobs.roles.slice import Slice
from jobs.roles.submission import STRICT, HostTool, IsStopped, parse_form
from jobs.roles.tools import MAX_OUTPUT, shorten

MOST_TESTS, MOST_FILES, MOST_CHARACTERS = 20, 20, 100_000
KEPT_FILES, KEPT_CHARACTERS = 5, 4_000
CONTROL_OUTPUT = 1_000
_NUMBER = re.compile(r"Own test (\d+): ")


class OwnFile(BaseModel):
    """A file to add, with its white space."""

    model_config = ConfigDict(extra="forbid")
    path: str = Field(min_length=1, max_length=300, description="a new path from the repository's root")
    text: str = Field(max_length=MOST_CHARACTERS)


class OwnTest(BaseModel):
    """A test of the checker."""

    model_config = STRICT
    files: list[OwnFile] = Field(default=[], max_length=MOST_FILES, description="files that are added to the candidate")
    command: str = Field(min_length=1, max_length=5_000, description="exits with 0 only if the result is as expected")
    control: str = Field(
        default="",
        max_length=5_000,
        description="a command that runs the same test with an input that the change's own tests use: it has to pass",
    )
    input: str = Field(min_length=1, max_length=500, description="the input, which no test of the change uses")
    expected: str = Field(min_length=1, max_length=500, description="one sentence: the result that the contract asks")


TEST_TOOL = ToolSpec(
    "run_own_test",
    "Run a test of your own with the commit under review: the files are added to a fresh copy of it, the command runs "
    "in its root, and both are gone. If it fails, `control` runs too. Answers with the number of the test, for "
    f"`counter_examples` of your verdict. At most {MOST_TESTS} calls.",
    OwnTest.model_json_schema(),
    repeats=True,
)


class OwnTests:
    """The own tests of one run. Thread-safe: they run one after another, as they use the same folder."""

    def __init__(self, run: Slice) -> None:
        self._run, self._trees, self._lock = run, FreshTrees(run), threading.Lock()
        self._last = max(list_own_tests(run.conversation.entries()), default=0)
        self.tool = HostTool(TEST_TOOL, self._take)

    def confirm(self, test: OwnTest, criterion: str, shows: str) -> CounterExample | str:
        """Repeat the test twice and its control once: a counter-example, or the clause why it is none. Raises
        `Stopped`."""
        runs = [self._execute(test, test.command)]
        control = self._execute(test, test.control) if test.control and has_failed(test.command, runs[0]) else None
        if control and not control.exit_code:
            runs.append(self._execute(test, test.command))
        if problem := explain_unconfirmed(test.command, runs, control):
            return problem
        return CounterExample(
            criterion=criterion,
            command=test.command[:KEPT_CHARACTERS],
            shows=" ".join(shows.split()),
            files=tuple(
                OwnTestFile(path=one.path, text=cut(one.text, KEPT_CHARACTERS)) for one in test.files[:KEPT_FILES]
            ),
            exit_code=runs[-1].exit_code,
            output=runs[-1].output[-KEPT_CHARACTERS:],
        )

    def _take(self, arguments: Mapping[str, Any], stopped: IsStopped) -> ToolResult:
        test = parse_form(OwnTest, arguments)
        if isinstance(test, ToolResult):
            return test
        if problem := _find_wrong_path(self._run, test):
            return ToolResult(problem, is_error=True)
        with self._lock:
            if self._last >= MOST_TESTS:
                return ToolResult(
                    f"All {MOST_TESTS} calls of run_own_test are used up. Give your verdict.", is_error=True
                )
            try:
                ran = self._execute(test, test.command)
                control = self._execute(test, test.control) if test.control and has_failed(test.command, ran) else None
            except Stopped:
                return ToolResult("The run was stopped before the test ended.", is_error=True)
            self._last += 1
            return ToolResult(_format_answer(self._last, test, ran, control))

    def _execute(self, test: OwnTest, command: str) -> Measured:
        """Run the command with the test's files in a fresh tree of the candidate."""
        start = self._run.spec.start_sha
        sides = {one.path: Side(FILE, "", len(one.text.encode()), one.text) for one in test.files}
        self._trees.clear()
        try:
            self._trees.prepare(start)
            return self._trees.execute(command, start, sides, start).measure()
        finally:
            self._trees.clear()


def list_own_tests(entries: Sequence[Entry]) -> dict[int, OwnTest]:
    """The tests that ran in this run, by number."""
    blocks = (entry.data for entry in entries if entry.kind == "block" and entry.data.get("type") == "tool_call")
    calls = {block["id"]: block["input"] for block in blocks if block["name"] == TEST_TOOL.name}
    results = [entry.data for entry in entries if entry.kind == "tool_result" and entry.data["call_id"] in calls]
    return {
        int(number[1]): OwnTest.model_validate(dict(calls[result["call_id"]]))
        for result in results
        if (number := _NUMBER.match(str(result["content"])))
    }


def _find_wrong_path(run: Slice, test: OwnTest) -> str:
    """The problem of the first path that cannot be added, empty if all can."""
    paths = [one.path for one in test.files]
    bad = [p for p in paths if p.startswith("/") or {"", ".", "..", ".git"} & set(p.casefold().split("/"))]
    if bad:
        return f"{bad[0]} is not a path in the repository: start at its root, without `.` and `..`."
    existing = set(run.mirror.list_objects(run.spec.start_sha))
    folders = {str(parent) for path in existing for parent in PurePosixPath(path).parents}
    taken = [p for p in paths if p in existing or p in folders or existing & {str(x) for x in PurePosixPath(p).parents}]
    return f"{taken[0]} exists in the commit under review: choose a new path." if taken else ""


def _format_answer(number: int, test: OwnTest, ran: Measured, control: Measured | None) -> str:
    """The number, the output and what follows; the last line is the exit code of the command, as that of bash."""
    output = shorten(ran.output.strip("\n"), MAX_OUTPUT)
    lines = [f"Own test {number}: `{test.command}`", output or "(no output)"]
    if control:
        lines.append(f"The control ended with exit {control.exit_code}:\n{control.output.strip()[-CONTROL_OUTPUT:]}")
    if note := _explain(test, ran, control):
        lines.append(note)
    return "\n".join([*lines, f"[{ran.limit}]" if ran.limit else f"[exit {ran.exit_code}]"])


def _explain(test: OwnTest, ran: Measured, control: Measured | None) -> str:
    if obstacle := find_obstacle(test.command, ran):
        return f"This decides nothing: {obstacle}."
    if not ran.exit_code:
        return ""
    if problem := explain_unconfirmed(test.command, [ran], control):
        remedy = "Run it again with one." if problem == NO_CONTROL else "Correct the test."
        return f"This decides nothing: {problem}. {remedy}"
    return "If the contract asks for the expected result, name this test in `counter_examples`."
