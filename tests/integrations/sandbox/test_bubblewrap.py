"""Results of sandboxed commands, timeouts, limits, and crashes of the caller."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from integrations.errors import Rejected, Unavailable
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import (
    Limits,
    Sandbox,
    SandboxUnavailable,
    default_read_only,
    find_bwrap,
)  # fmt: skip
from integrations.sandbox.leftovers import kill_sandboxes
from integrations.sandbox.output import Output
from tests.integrations.sandbox.conftest import Run


def limited(**bounds: int) -> Sandbox:
    return Sandbox(find_bwrap(), default_read_only(), Limits(**bounds))


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("nosuchcommand", 127)],
)
def test_sandbox_returns_the_commands_exit_code(run: Run, script: str, code: int) -> None:
    assert run(script).exit_code == code


def test_sandbox_returns_a_result_for_a_missing_program(sandbox: Sandbox, plain: Workspace) -> None:
    result = sandbox.run(["no-such-program"], plain, timeout=5)
    assert result.exit_code == 127
    assert b"no-such-program" in result.output


def test_sandbox_interleaves_stdout_and_stderr_and_hashes_them(run: Run) -> None:
    result = run("echo a; echo b >&2; echo c")
    assert result.output == b"a\nb\nc\n"
    assert result.digest == hashlib.sha256(b"a\nb\nc\n").hexdigest()
    assert not (result.truncated or result.timed_out or result.stopped or result.note)


def test_sandbox_capture_separates_stdout(sandbox: Sandbox, plain: Workspace) -> None:
    result = sandbox.capture(["bash", "-c", "echo a; echo b >&2"], plain, max_bytes=10, timeout=10)
    assert (result.output, result.stderr) == (b"a\n", b"b\n")


def test_sandbox_passes_stdin_and_environment(run: Run) -> None:
    assert run('cat; echo "$TEXT"', stdin=b"in\n" * 100_000, variables={"TEXT": "out"}).output.endswith(b"in\nout\n")
    assert run("cat").output == b""


def test_sandbox_working_directory_is_the_persistent_worktree(run: Run, plain: Workspace) -> None:
    assert run("pwd; echo kept > file").output == b"/workspace\n"
    assert (plain.upper / "file").read_text() == "kept\n"


def test_sandbox_read_only_run_cannot_change_the_workspace(run: Run, plain: Workspace) -> None:
    targets = ["/workspace/x", "/run/git/x", "/run/repository/objects/x"]
    for target in targets:
        assert run(f"echo x > {target}", writable=False).exit_code != 0
    assert run("echo x > /tmp/x", writable=False).exit_code == 0


def test_sandbox_has_python_and_git_without_prompts_or_pager(run: Run) -> None:
    output = (
        run("python3 -V; git --version; echo $PAGER $LANG $HOME; whoami; hostname; umask").output.decode().split("\n")
    )
    assert output[2:5] == ["cat C.UTF-8 /home/agent", "agent", "sandbox"]


@pytest.mark.parametrize("script", ["sleep 60", "trap '' TERM INT HUP; while :; do :; done", "exec >&- 2>&-; sleep 60"])
def test_sandbox_timeout_ends_the_command_within_half_a_second(run: Run, script: str) -> None:
    result = run(script, timeout=0.3)
    assert result.timed_out
    assert result.exit_code == 124
    assert result.seconds < 0.3 + 0.5


def test_sandbox_stop_ends_the_command_within_half_a_second(run: Run) -> None:
    begin = time.monotonic()
    result = run("echo begun; sleep 60", stopped=lambda: time.monotonic() > begin + 0.3)
    assert result.stopped
    assert (result.exit_code, result.output) == (130, b"begun\n")
    assert result.seconds < 0.3 + 0.5


def test_sandbox_error_in_the_stop_callback_ends_the_command(run: Run, plain: Workspace) -> None:
    def broken() -> bool:
        raise Unavailable("Redis is unavailable")

    with pytest.raises(Unavailable):
        run("sleep 0.5; touch late", stopped=broken)
    time.sleep(0.7)
    assert not (plain.upper / "late").exists()


@pytest.mark.parametrize(
    "script", ["setsid {} & exit", "({} &) & exit", "nohup {} >/dev/null 2>&1 & disown; exit", "{}"]
)
def test_sandbox_kills_all_processes_with_the_command(run: Run, plain: Workspace, script: str) -> None:
    daemon = "sh -c 'trap \"\" TERM HUP; while :; do echo >> beat; sleep 0.01; done'"
    run(script.format(daemon) if script != "{}" else daemon, timeout=0.4)
    beat = plain.upper / "beat"
    size = beat.stat().st_size if beat.exists() else 0
    time.sleep(0.15)
    assert (beat.stat().st_size if beat.exists() else 0) == size


def test_sandbox_kills_a_command_with_too_much_output(plain: Workspace) -> None:
    result = limited(output=2**20, head=1000, tail=1000).run(["yes"], plain, timeout=20)
    assert result.exit_code == 137
    assert result.truncated
    assert "more than 1048576 bytes" in result.note
    assert result.note.encode() in result.output
    assert len(result.output) < 2500


def test_sandbox_output_keeps_head_and_tail_and_the_full_digest(plain: Workspace) -> None:
    result = limited(head=10, tail=10).run(["seq", "100000"], plain, timeout=20)
    whole = "".join(f"{n}\n" for n in range(1, 100_001)).encode()
    assert result.exit_code == 0
    assert result.output == whole[:10] + b"\n[... %d bytes cut ...]\n" % (len(whole) - 20) + whole[-10:]
    assert result.digest == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("pieces", [[b"abc"], [b"a"] * 30, [b"x" * 7, b"", b"y" * 50], [b"z" * 1000]])
def test_output_buffer_is_bounded(pieces: list[bytes]) -> None:
    output, whole = Output(5, 5), b"".join(pieces)
    for piece in pieces:
        output.feed(piece)
    assert output.read().startswith(whole[:5])
    assert output.read().endswith(whole[-5:])
    assert output.truncated == (len(whole) > 10)
    assert output.digest == hashlib.sha256(whole).hexdigest()


def test_sandbox_capture_returns_all_bytes_of_stdout(sandbox: Sandbox, plain: Workspace) -> None:
    result = sandbox.capture(["head", "-c", "300000", "/dev/zero"], plain, max_bytes=300_000, timeout=10)
    assert result.output == bytes(300_000)
    assert not result.truncated
    assert result.exit_code == 0


def test_sandbox_capture_kills_a_command_above_the_limit(sandbox: Sandbox, plain: Workspace) -> None:
    result = sandbox.capture(["yes"], plain, max_bytes=1000, timeout=10)
    assert result.truncated
    assert result.exit_code == 137
    assert result.seconds < 5


def test_sandbox_is_thread_safe(sandbox: Sandbox, plain: Workspace) -> None:
    def work(number: int) -> bytes:
        return sandbox.run(["cat"], plain, stdin=b"%d" % number, timeout=20).output

    work(0)  # the first one of a process keeps a mount namespace open
    before = len(list(Path("/proc/self/fd").iterdir()))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == [b"%d" % number for number in range(40)]
    assert len(list(Path("/proc/self/fd").iterdir())) == before


CALLER = """
from pathlib import Path, PosixPath
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Sandbox, find_bwrap
Sandbox(find_bwrap()).run(["sleep", {seconds!r}], {workspace!r}, timeout=60)
"""


@pytest.fixture
def seconds() -> str:
    """The seconds that a caller's command sleeps: unique among concurrent tests, so that it can be found."""
    return f"77.{uuid.uuid4().int}"


def test_sandbox_command_dies_with_its_caller(plain: Workspace, seconds: str) -> None:
    command = f"sleep\0{seconds}".encode()
    with subprocess.Popen([sys.executable, "-c", CALLER.format(workspace=plain, seconds=seconds)]) as caller:
        wait_for(lambda: processes(command) != [])
        caller.kill()
    wait_for(lambda: processes(command) == [])


DIES = """
import os, subprocess, time
class DyingPopen(subprocess.Popen):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        time.sleep({wait})
        os.kill(os.getpid(), 9)
subprocess.Popen = DyingPopen
"""


@pytest.mark.parametrize("wait", [0, 0.002, 0.005, 0.01, 0.02, 0.05])
def test_sandbox_of_a_caller_killed_during_set_up_never_runs_its_command(
    plain: Workspace, seconds: str, wait: float
) -> None:
    """The caller dies `wait` seconds after it started bubblewrap, which is not bound to its life at first."""
    caller = DIES.format(wait=wait) + CALLER.format(workspace=plain, seconds=seconds)
    assert subprocess.run([sys.executable, "-c", caller], check=False).returncode == -signal.SIGKILL
    assert_nothing_remains(plain, seconds)


def test_sandbox_of_a_caller_killed_before_set_up_never_runs_its_command(plain: Workspace, seconds: str) -> None:
    def named() -> list[int]:
        return [pid for pid, line in processes(str(find_bwrap()).encode()) if str(plain.folder).encode() in line]

    with subprocess.Popen([sys.executable, "-c", CALLER.format(workspace=plain, seconds=seconds)]) as caller:
        wait_for(lambda: named() != [])
        caller.kill()
    assert_nothing_remains(plain, seconds)


def assert_nothing_remains(workspace: Workspace, seconds: str) -> None:
    """The command never runs; bubblewrap's first process can wait forever, until the run is taken over."""
    wait_for(lambda: processes(f"sleep\0{seconds}".encode()) == [])
    time.sleep(0.2)
    assert processes(f"sleep\0{seconds}".encode()) == []
    kill_sandboxes(workspace.folder)
    wait_for(lambda: not [line for _, line in processes() if str(workspace.folder).encode() in line])


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def processes(begin: bytes = b"") -> list[tuple[int, bytes]]:
    """Id and command line of each process whose command line starts with `begin`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.append((int(process.name), (process / "cmdline").read_bytes()))
    return [(pid, line) for pid, line in found if line.startswith(begin)]


def test_sandbox_that_cannot_be_set_up_is_unavailable(plain: Workspace, sandbox: Sandbox) -> None:
    plain.upper.rename(plain.upper.with_name("gone"))
    with pytest.raises(SandboxUnavailable, match=r"did not start: bwrap: .*/tree"):
        sandbox.run(["true"], plain, timeout=5)


@pytest.mark.parametrize("binary", ["/bin/false", "/no/bwrap", "/etc/passwd"])
def test_sandbox_with_a_wrong_binary_is_unavailable(plain: Workspace, binary: str) -> None:
    with pytest.raises(SandboxUnavailable):
        Sandbox(Path(binary)).run(["true"], plain, timeout=5)


def test_sandbox_rejects_a_missing_workspace(sandbox: Sandbox, plain: Workspace) -> None:
    shutil.rmtree(plain.folder)
    with pytest.raises(Rejected, match="no workspace at"):
        sandbox.run(["true"], plain, timeout=5)


@pytest.mark.parametrize("mode", ["000", "400", "077", "311"])
def test_tree_that_an_agent_made_inaccessible_is_accessible_to_the_next_command(run: Run, mode: str) -> None:
    assert run(f"touch kept; chmod {mode} .").exit_code == 0
    result = run("ls; touch new")
    assert (result.exit_code, result.output) == (0, b"kept\n")


def test_command_whose_sandbox_is_killed_from_outside_is_a_result(run: Run) -> None:
    def kill_bubblewrap() -> None:
        files = Path("/proc/self/task").glob("*/children")
        for pid in [pid for file in files for pid in file.read_text().split()]:
            if b"bwrap" in Path("/proc", pid, "cmdline").read_bytes():
                os.kill(int(pid), signal.SIGKILL)

    timer = threading.Timer(1.0, kill_bubblewrap)
    timer.start()
    result = run("echo begun; sleep 15")
    timer.join()
    assert result.exit_code == 137 and b"begun" in result.output
    assert result.note.startswith("the command was killed from outside") and result.seconds < 10
