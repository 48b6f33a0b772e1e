"""The tools inside the real sandbox."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.agents.anthropic.runner import AnthropicApi
from integrations.git.mirror import Mirror
from integrations.git.workspace import Workspace
from integrations.ports.agent_runner import Toolbox, ToolResult
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from jobs.roles.checker import VERDICT_TOOL
from jobs.roles.submission import HostTool
from jobs.roles.tools import MAX_OUTPUT, SandboxTools, shorten
from tests.integrations.agents.doubles import ListConversation, task
from tests.integrations.git.hosting import GitHost, commit
from tests.integrations.standins.model.demo import BUG, DEMO, maker_brief


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(find_bwrap(), default_read_only())


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """A mirror of the demo repository."""
    folder = tmp_path_factory.mktemp("tools")
    with GitHost(folder / "host") as host:
        upstream = host.create("acme/tally")
        files = {str(path.relative_to(DEMO)): path.read_bytes() for path in sorted(DEMO.rglob("*")) if path.is_file()}
        commit(upstream, {name: text for name, text in files.items() if "__pycache__" not in name})
        mirror = Mirror(folder / "repos" / "acme__tally.git", f"{host.url}/acme/tally.git")
        mirror.fetch("main")
    yield mirror


@pytest.fixture
def workspace(mirror: Mirror, tmp_path: Path) -> Workspace:
    return mirror.create_workspace(tmp_path / "run", mirror.head("main"))


@pytest.fixture
def maker(sandbox: Sandbox, workspace: Workspace) -> Iterator[SandboxTools]:
    with sandbox.open(workspace) as session:
        yield SandboxTools(session, command_seconds=3)


@pytest.fixture
def checker(sandbox: Sandbox, workspace: Workspace) -> Iterator[SandboxTools]:
    submission = HostTool(VERDICT_TOOL, lambda given, stopped: ToolResult("taken", final=dict(given)))
    with sandbox.open(workspace, writable=False) as session:
        yield SandboxTools(session, more=(submission,))


def edit(tools: Toolbox, **arguments: Any) -> ToolResult:
    return tools.call("edit", arguments, never)


def bash(tools: Toolbox, command: str) -> ToolResult:
    return tools.call("bash", {"command": command}, never)


def test_bash_runs_in_the_tree_and_returns_the_exit_code(maker: SandboxTools, workspace: Workspace) -> None:
    assert bash(maker, "pwd; false") == ToolResult(f"{workspace.tree}\n[exit 1]", is_error=True)
    assert bash(maker, "true") == ToolResult("(no output)\n[exit 0]")


@pytest.mark.parametrize(
    ("command", "reason"),
    [("echo a\0b", "NUL"), ("echo \ud83d", "surrogate"), (f"echo {'x' * 2**17}", "write a script to a file")],
)
def test_bash_command_that_no_shell_can_get_is_a_result(maker: SandboxTools, command: str, reason: str) -> None:
    result = bash(maker, command)
    assert (
        result.is_error
        and f"the command was not run because it {'has' if 'script' in reason else ''}" in result.content
    )
    assert reason in result.content


@pytest.mark.parametrize(
    "change",
    [
        {"old_str": "\ud83d", "new_str": "x"},
        {"old_str": "def", "new_str": "\udc80"},
        {"path": "\udfff", "old_str": "a"},
    ],
)
def test_edit_with_half_of_a_surrogate_pair_is_a_result(maker: SandboxTools, change: dict[str, str]) -> None:
    result = edit(maker, **{"command": "str_replace", "path": "README.md", "new_str": "x", **change})
    assert result.is_error and "half of a surrogate pair" in result.content


def test_bash_shell_stays_open_between_calls(maker: SandboxTools) -> None:
    bash(maker, "cd tally; X=1; greet() { echo hello; }; sleep 60 & declare -A map=([a]=b)")
    content = bash(maker, "pwd; echo $X ${map[a]}; greet; jobs -r | wc -l").content
    assert content.splitlines()[0].endswith("/tally") and content.splitlines()[1:] == ["1 b", "hello", "1", "[exit 0]"]


def test_bash_restart_starts_a_new_shell(maker: SandboxTools, workspace: Workspace) -> None:
    bash(maker, "cd tally; X=1; sleep 60 &")
    assert "new shell" in maker.call("bash", {"restart": True}, never).content
    assert bash(maker, "pwd; echo -n $X; pgrep sleep").content == f"{workspace.tree}\n[exit 1]"


def test_bash_of_a_checker_is_a_new_process_for_each_call(checker: SandboxTools) -> None:
    bash(checker, "cd tally; export X=1; sleep 60 &")
    assert bash(checker, "echo -n $X; ls tally/cli.py; pgrep sleep").content == "tally/cli.py\n[exit 1]"
    assert "new shell" in checker.call("bash", {"restart": True}, never).content


def test_bash_shell_that_ends_is_replaced(maker: SandboxTools) -> None:
    result = bash(maker, "X=1; exit 3")
    assert result.is_error and "exit 3; the shell has ended" in result.content
    assert bash(maker, "echo x$X").content == "x\n[exit 0]"


def test_bash_command_is_killed_at_the_timeout_with_a_hint(maker: SandboxTools) -> None:
    result = bash(maker, "echo begun; sleep 60")
    assert result.is_error and "begun" in result.content and "killed after 3 s" in result.content


def test_bash_command_ends_when_the_run_is_stopped(maker: SandboxTools) -> None:
    begun = time.monotonic()
    result = maker.call("bash", {"command": "sleep 60"}, lambda: time.monotonic() > begun + 0.3)
    assert result.is_error and "stopped" in result.content and time.monotonic() - begun < 2


def test_bash_output_keeps_head_and_tail(maker: SandboxTools) -> None:
    content = bash(maker, "seq 1 100000").content
    assert content.startswith("1\n2\n") and content.endswith("100000\n[exit 0]") and "left out" in content
    assert len(content) < MAX_OUTPUT + 300


@pytest.mark.parametrize("length", [MAX_OUTPUT, MAX_OUTPUT + 1, 10 * MAX_OUTPUT])
def test_shorten_bounds_every_text(length: int) -> None:
    assert (shorten("x" * length) == "x" * length) == (length <= MAX_OUTPUT) and len(
        shorten("x" * length)
    ) < MAX_OUTPUT + 200


def test_editor_edits_the_tree(maker: SandboxTools, workspace: Workspace) -> None:
    assert not edit(maker, command="create", path="new/a.txt", file_text="one\n").is_error
    assert not edit(maker, command="str_replace", path="new/a.txt", old_str="one", new_str="1").is_error
    assert not edit(maker, command="insert", path="new/a.txt", insert_line=1, insert_text="2").is_error
    assert (workspace.tree / "new" / "a.txt").read_text() == "1\n2\n"
    assert edit(maker, command="view", path="new/a.txt").content == "     1\t1\n     2\t2"


def test_editor_sees_files_of_bash_and_cannot_leave_the_tree(maker: SandboxTools) -> None:
    bash(maker, "ln -s /etc/passwd way; ln -s .. up")
    for path in ("way", "up", "/etc/passwd", "../.."):
        assert "outside" in edit(maker, command="view", path=path).content


def test_editor_does_not_import_a_planted_module(maker: SandboxTools, workspace: Workspace) -> None:
    (workspace.tree / "json.py").write_text("raise SystemExit('planted')\n")
    assert edit(maker, command="view", path="README.md").content.startswith("     1\t# tally")


def test_search_finds_lines(maker: SandboxTools) -> None:
    result = maker.call("search", {"pattern": r"def split\w*", "glob": "*.py", "path": "tally"}, never)
    places = [line.split(": ")[0] for line in result.content.splitlines()]
    assert places == ["tally/shares.py:6", "tally/shares.py:13", "tally/shares.py:18"]


def test_search_with_a_catastrophic_pattern_ends_with_a_hint(maker: SandboxTools) -> None:
    bash(maker, "printf 'a%.0s' {1..40} > bad; echo ! >> bad")
    begun = time.monotonic()
    result = maker.call("search", {"pattern": "(a+)+$"}, lambda: time.monotonic() > begun + 1)
    assert result.is_error and "stopped" in result.content


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("bash", {}, "command"),
        ("bash", {"command": 3}, "command"),
        ("bash", {"command": " "}, "command"),
        ("edit", {}, "command has to be"),
        ("edit", {"command": ["view"]}, "command has to be"),
        ("edit", {"command": "view", "path": "no"}, "does not exist"),
        ("search", {"pattern": "["}, "regular expression"),
        ("submit_verdict", {}, "no tool submit_verdict"),
        ("web", {}, "there are bash, edit, search"),
    ],
)
def test_tool_call_that_is_invalid_returns_an_error(
    maker: SandboxTools, name: str, arguments: dict[str, Any], words: str
) -> None:
    result = maker.call(name, arguments, never)
    assert result.is_error and words in result.content


def test_checker_can_read_and_run_but_not_write(checker: SandboxTools, workspace: Workspace) -> None:
    assert bash(checker, "python3 -m unittest discover -q").content.endswith("[exit 0]")
    assert "Read-only" in bash(checker, "touch x").content and not (workspace.tree / "x").exists()
    assert checker.call("view", {"path": "README.md", "view_range": [1, 1]}, never).content == "     1\t# tally"
    assert checker.call("view", {"path": "x", "command": "create", "file_text": ""}, never).is_error


def test_checker_verdict_is_final(checker: SandboxTools) -> None:
    results = [{"criterion": "c1", "result": "pass", "evidence": "exit 0"}]
    result = checker.call("submit_verdict", {"results": results, "summary": "fine"}, never)
    assert result.final and result.final["results"] == results


def test_tools_are_listed_in_a_fixed_order(maker: SandboxTools, checker: SandboxTools) -> None:
    assert [spec.name for spec in maker.specs()] == ["bash", "edit", "search"]
    assert [spec.name for spec in checker.specs()] == ["bash", "view", "search", "submit_verdict"]


def test_tools_runner_and_playbook_fix_the_demo_together(
    runner: AnthropicApi, maker: SandboxTools, workspace: Workspace
) -> None:
    outcome = runner.advance(task(brief=maker_brief(BUG)), ListConversation(), maker, never, time.monotonic() + 60)
    assert outcome and outcome.kind == "done"
    assert "divmod" in (workspace.tree / "tally" / "shares.py").read_text()
    assert "OK" in bash(maker, "python3 -m unittest tests.test_rounding.EqualShares -q").content


def work(tools: SandboxTools) -> str:
    digest = tools.work_digest(never)
    assert digest and len(digest) == 40
    return digest


def test_work_digest_follows_the_content(maker: SandboxTools) -> None:
    start = work(maker)
    bash(maker, "echo x >> README.md; echo y > new.txt")
    changed = work(maker)
    assert changed != start and work(maker) == changed
    bash(maker, "touch README.md; git add --all; git commit -qm work")
    assert work(maker) == changed, "where it stands in git does not count"
    bash(maker, "git reset -q --hard HEAD~1")
    assert work(maker) == start


def test_work_digest_skips_ignored_files_and_counts_deleted_ones(maker: SandboxTools) -> None:
    start = work(maker)
    bash(maker, "mkdir -p tally/__pycache__; echo x > tally/__pycache__/x.pyc")
    assert work(maker) == start
    bash(maker, "rm README.md")
    assert work(maker) != start


def test_work_digest_leaves_no_traces(maker: SandboxTools) -> None:
    bash(maker, "echo x > new.txt; git add --intent-to-add new.txt")
    before = bash(maker, "git status --short; git count-objects; cat .git; sha1sum $(git rev-parse --git-dir)/index")
    work(maker)
    after = bash(maker, "git status --short; git count-objects; cat .git; sha1sum $(git rev-parse --git-dir)/index")
    assert before == after


def test_work_digest_of_a_broken_repository_is_none(maker: SandboxTools) -> None:
    bash(maker, "rm $(git rev-parse --git-dir)/index")
    assert maker.work_digest(never) is None


def test_work_digest_ends_when_the_run_is_stopped(maker: SandboxTools) -> None:
    assert maker.work_digest(lambda: True) is None


def test_work_digest_of_a_read_only_tree_is_none(checker: SandboxTools) -> None:
    assert checker.work_digest(never) is None
