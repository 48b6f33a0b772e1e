"""The checker's own tests: files that it writes run with the candidate, in a fresh tree that is then gone.

Called by `jobs.roles.checker`. A test that fails is a counter-example if its control passes and it fails again when
Loopline repeats it. It decides the criterion, so code that is right only for the tested values is not done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from integrations.git.changes import Side
from integrations.git.tree_policy import FILE
from integrations.ports.agent_runner import Entry, ToolResult, ToolSpec
from integrations.proof import COUNTER_EXAMPLE, CounterExample, Measured, OwnTestFile
from jobs.roles.fresh_trees import FreshTrees, Stopped
from jobs.roles.slice import Slice
from jobs.roles.submission import STRICT, HostTool, IsStopped, parse_form

MOST_TESTS, MOST_FILES, MOST_CHARACTERS = 20, 20, 100_000
_KEPT_CHARACTERS = 4_000
_CANNOT_RUN = (126, 127)
"""bash(1): the command cannot be executed, or is not found."""


class OwnFile(BaseModel):
    """A file to add, with its white space."""

    model_config = ConfigDict(extra="forbid")
    path: str = Field(min_length=1, max_length=300, description="a new path from the repository's root")
    text: str = Field(max_length=MOST_CHARACTERS)


class OwnTest(BaseModel):
    """A test of the checker."""

    model_config = STRICT
    criterion: str = Field(description="the criterion's id, as in the contract")
    files: list[OwnFile] = Field(default=[], max_length=MOST_FILES, description="files that are added to the candidate")
    command: str = Field(min_length=1, max_length=5_000, description="exits with 0 only if the criterion holds")
    control: str = Field(
        default="",
        max_length=5_000,
        description="a command that runs the same test with an input that the change's own tests use, and has to pass",
    )
    shows: str = Field(
        min_length=1, max_length=500, description="one clause: the input, what is expected and why the contract asks it"
    )


TEST_TOOL = ToolSpec(
    "run_own_test",
    "Run a test of your own with the commit under review: the files are added to a fresh copy of it, the command runs, "
    "and both are gone. If the command fails, its control passes, and it fails again when it is repeated, the "
    f"criterion is not met. At most {MOST_TESTS} calls.",
    OwnTest.model_json_schema(),
)


def build_test_tool(run: Slice) -> HostTool:
    """The tool of one run."""
    return HostTool(TEST_TOOL, lambda given, stopped: _run_own_test(run, given, stopped))


def list_examples(entries: Sequence[Entry]) -> tuple[CounterExample, ...]:
    """The confirmed counter-examples of the transcript, the last one of each criterion."""
    notes = (entry.data for entry in entries if entry.kind == "note")
    found = [COUNTER_EXAMPLE.from_builtins(note["example"]) for note in notes if "example" in note]
    return tuple({one.criterion: one for one in found}.values())


def _run_own_test(run: Slice, arguments: Mapping[str, Any], stopped: IsStopped) -> ToolResult:
    test = parse_form(OwnTest, arguments)
    if isinstance(test, ToolResult):
        return test
    if problem := _find_problem(run, test):
        return ToolResult(problem, is_error=True)
    trees, start = FreshTrees(run), run.spec.start_sha
    sides = {one.path: Side(FILE, "", len(one.text.encode()), one.text) for one in test.files}
    trees.clear()
    try:
        trees.prepare(start)
        ran = trees.execute(test.command, start, sides, start).measure()
        control = (
            trees.execute(test.control, start, sides, start).measure() if _is_failure(ran) and test.control else None
        )
        again = (
            trees.execute(test.command, start, sides, start).measure() if control and not control.exit_code else None
        )
    except Stopped:
        return ToolResult("The run was stopped.", is_error=True)
    finally:
        trees.clear()
    answer = f"{ran.output}\n[exit {ran.exit_code}]"
    if control:
        answer += f"\nThe control: {control.output[-1000:]}\n[exit {control.exit_code}]"
    note: dict[str, Any] = {"text": f"$ {test.command}\n{answer[-2000:]}", "own_test": test.command}
    if again and _is_failure(again):
        note["example"] = COUNTER_EXAMPLE.to_builtins(_build_example(test, again))
        answer += f"\nConfirmed by a second run: {test.criterion} is not met."
    run.conversation.append(Entry("note", note))
    return ToolResult(answer + _explain(ran, control, again))


def _find_problem(run: Slice, test: OwnTest) -> str:
    """Why the test cannot be run, empty if it can."""
    used = sum("own_test" in entry.data for entry in run.conversation.entries() if entry.kind == "note")
    if used >= MOST_TESTS:
        return f"All {MOST_TESTS} calls of run_own_test are used up. Give your verdict."
    if test.criterion not in [criterion.id for criterion in run.spec.contract.criteria]:
        return f"{test.criterion} is not in the contract: use one of its ids."
    paths = [one.path for one in test.files]
    bad = [p for p in paths if p.startswith("/") or {"", ".", "..", ".git"} & set(p.split("/"))]
    if bad:
        return f"{bad[0]} is not a path in the repository: start at its root, without `.` and `..`."
    existing = set(run.mirror.list_objects(run.spec.start_sha))
    folders = {str(parent) for path in existing for parent in PurePosixPath(path).parents}
    taken = [p for p in paths if p in existing or p in folders or existing & {str(x) for x in PurePosixPath(p).parents}]
    return f"{taken[0]} exists in the commit under review: choose a new path." if taken else ""


def _is_failure(ran: Measured) -> bool:
    """Whether the test ran and failed: not if it could not be run, or was ended by a limit."""
    return ran.exit_code != 0 and ran.exit_code not in _CANNOT_RUN and not ran.limit


def _explain(ran: Measured, control: Measured | None, again: Measured | None) -> str:
    if not _is_failure(ran) or (again and _is_failure(again)):
        return ""
    if control is None:
        return "\nWithout a `control` that passes this decides nothing."
    return (
        "\nThe control fails too, so this decides nothing: correct the test."
        if again is None
        else ("\nIt passed when it was repeated, so this decides nothing.")
    )


def _build_example(test: OwnTest, ran: Measured) -> CounterExample:
    files = tuple(OwnTestFile(path=one.path, text=one.text[:_KEPT_CHARACTERS]) for one in test.files)
    return CounterExample(
        criterion=test.criterion, command=test.command[:_KEPT_CHARACTERS], shows=" ".join(test.shows.split()),
        files=files, exit_code=ran.exit_code, output=ran.output[-_KEPT_CHARACTERS:],
    )  # fmt: skip
