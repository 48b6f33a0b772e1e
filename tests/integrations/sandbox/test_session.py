"""A sandbox that stays up for several commands."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from integrations.errors import Rejected, Unavailable
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import CommandResult, Limits, Sandbox, Session, default_read_only, find_bwrap
from integrations.sandbox.shell import Shell
from tests.integrations.sandbox.test_bubblewrap import processes, seconds, wait_for

__all__ = ["seconds"]

MIB = 2**20
CALLER = """
import time
from pathlib import Path, PosixPath
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Sandbox, find_bwrap
from integrations.sandbox.shell import Shell
with Sandbox(find_bwrap()).open({workspace!r}) as session:
    Shell(session).run("setsid sleep {seconds} & disown", timeout=10, stopped=lambda: False)
    print("ready", flush=True)
    time.sleep(60)
"""


def never() -> bool:
    return False


@pytest.fixture
def session(sandbox: Sandbox, plain: Workspace) -> Iterator[Session]:
    with sandbox.open(plain) as session:
        yield session


@pytest.fixture
def shell(session: Session) -> Shell:
    return Shell(session)


def bash(session: Session, script: str, timeout: float = 20) -> CommandResult:
    return session.run(["bash", "-c", script], timeout=timeout)


def call(shell: Shell, text: str, timeout: float = 20, stopped: Callable[[], bool] = never) -> CommandResult:
    return shell.run(text, timeout=timeout, stopped=stopped)


def limited(**bounds: int) -> Sandbox:
    return Sandbox(find_bwrap(), default_read_only(), Limits(**bounds))


def test_session_keeps_its_sandbox_between_commands(session: Session) -> None:
    assert bash(session, "echo kept > /tmp/x").exit_code == 0
    assert bash(session, "cat /tmp/x").output == b"kept\n"


def test_session_ends_all_processes(sandbox: Sandbox, plain: Workspace) -> None:
    with sandbox.open(plain) as session:
        call(Shell(session), "setsid sh -c 'while :; do echo >> beat; sleep 0.01; done' &")
        wait_for((plain.upper / "beat").exists)
    size = (plain.upper / "beat").stat().st_size
    time.sleep(0.15)
    assert (plain.upper / "beat").stat().st_size == size


def test_session_without_a_command_starts_no_sandbox(plain: Workspace) -> None:
    with Sandbox(find_bwrap().with_name("no-such-bwrap")).open(plain):
        pass


def test_session_that_started_in_a_thread_stays_up_after_it(session: Session) -> None:
    """The kernel kills a child with the thread that started it."""
    thread = threading.Thread(target=bash, args=(session, "touch /tmp/x"))
    thread.start()
    thread.join()
    assert bash(session, "ls /tmp/x").exit_code == 0


def test_session_runs_commands_of_several_threads(session: Session) -> None:
    def work(number: int) -> bytes:
        return session.run(["cat"], stdin=b"%d" % number, timeout=20).output

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == [b"%d" % number for number in range(40)]


def test_session_command_that_is_killed_leaves_the_others_alone(session: Session, shell: Shell) -> None:
    call(shell, "x=1; sleep 60 &")
    assert bash(session, "sleep 60", timeout=0.2).timed_out
    assert session.run(["sleep", "60"], timeout=20, stopped=lambda: True).stopped
    assert session.capture(["yes"], timeout=20, max_bytes=1000).truncated
    assert call(shell, "echo $x; jobs -r | wc -l").output == b"1\n1\n"


def test_session_error_in_the_stop_callback_ends_the_command(session: Session) -> None:
    def broken() -> bool:
        raise Unavailable("Redis is unavailable")

    with pytest.raises(Unavailable):
        session.run(["sleep", "60"], timeout=20, stopped=broken)
    assert bash(session, "pgrep sleep").exit_code == 1


def test_session_dies_with_its_caller(plain: Workspace, seconds: str) -> None:
    command = f"sleep\0{seconds}".encode()
    script = CALLER.format(workspace=plain, seconds=seconds)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as caller:
        assert caller.stdout and caller.stdout.readline() == b"ready\n"
        wait_for(lambda: processes(command) != [])
        caller.kill()
    wait_for(lambda: processes(command) == [])


def test_session_ends_a_background_process_that_exceeds_its_memory_between_commands(plain: Workspace) -> None:
    with limited(memory=200 * MIB).open(plain) as session:
        shell = Shell(session)
        for _ in range(3):
            call(shell, 'python3 -c "x = bytearray(100 << 20); import time; time.sleep(60)" & touch begun')
        wait_for(lambda: not session.is_running)
        result = call(shell, "jobs -r | wc -l")
        assert (
            result.output.startswith(b"0\n") and "started again: the command was killed because it used" in result.note
        )


def test_session_ends_a_background_process_that_fills_the_disk_between_commands(plain: Workspace) -> None:
    with limited(tree=20 * MIB).open(plain) as session:
        call(Shell(session), "(sleep 0.3; for i in $(seq 100); do head -c 1000000 /dev/zero > f$i; done; sleep 60) &")
        wait_for(lambda: not session.is_running)
        assert "20 MiB allowed" in bash(session, "true").note


def test_session_of_a_removed_workspace_is_refused(session: Session, plain: Workspace) -> None:
    plain.folder.rename(plain.folder.with_name("gone"))
    with pytest.raises(Rejected, match="no workspace at"):
        bash(session, "true")


def test_session_leaves_no_open_file_and_no_thread(sandbox: Sandbox, plain: Workspace) -> None:
    def count() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    sandbox.run(["true"], plain, timeout=10)  # root's sandboxes share a mount namespace, which stays open
    before = count()
    for _ in range(3):
        with sandbox.open(plain) as session:
            shell = Shell(session)
            for text in ("true", "exit 3", "true"):
                call(shell, text)
            assert call(shell, "sleep 60", timeout=0.05).timed_out
            session.capture(["cat"], stdin=b"x", timeout=10, max_bytes=10)
    assert count() == before


def test_shell_keeps_folder_variables_and_functions(shell: Shell) -> None:
    call(shell, "mkdir -p a/b; cd a/b; x=1; declare -A map=([k]=v); greet() { echo hello $1; }; set -u; alias l=ls")
    assert call(shell, "basename $PWD; echo $x ${map[k]}; greet you").output == b"b\n1 v\nhello you\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [("true", 0), ("false", 1), ("(exit 7)", 7), ("kill -9 $BASHPID & wait $!", 137), ("no-such", 127), ("if", 2),
     ("echo 'unfinished", 2), ("false || true", 0), ("! true", 1)],
)  # fmt: skip
def test_shell_returns_the_exit_code(shell: Shell, text: str, code: int) -> None:
    call(shell, "x=kept")
    assert call(shell, text).exit_code == code
    assert call(shell, "echo $x").output == b"kept\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [("exit 3", 3), ("set -e; false", 1), ("kill -9 $$", 137), ("exec sh -c 'sleep 0.2; exit 4'", 4), ("break", 0)],
)
def test_shell_that_ends_is_replaced(shell: Shell, text: str, code: int) -> None:
    call(shell, "x=1")
    assert call(shell, text).exit_code == code
    assert not shell.is_running or text == "break"
    assert call(shell, "echo ok").output == b"ok\n"


@pytest.mark.parametrize(
    "text",
    ["echo $((++n)); true", "set -x; : ; set +x", "read x; echo $x", "cat", "exec 3>&1; echo y >&3", "IFS=,; echo a",
     "echo() { builtin echo mine; }; echo", "trap 'builtin echo bye' EXIT", "head -c 300000 /dev/zero | wc -c"],
)  # fmt: skip
def test_shell_output_belongs_to_its_command(shell: Shell, text: str) -> None:
    first = call(shell, text)
    assert first.exit_code in {0, 1} and not first.timed_out
    assert call(shell, "builtin echo after").output == b"after\n"


def test_shell_command_of_many_bytes_runs(shell: Shell) -> None:
    assert call(shell, f"x={'y' * 120_000}; echo ${{#x}}").output == b"120000\n"


def test_shell_output_of_a_background_process_comes_with_the_next_command(
    session: Session, shell: Shell, plain: Workspace
) -> None:
    call(shell, "(while [ ! -e go ]; do sleep 0.01; done; echo late; touch gone) &")
    session.run(["touch", "go"], timeout=20)
    wait_for((plain.upper / "gone").exists)
    assert call(shell, "echo now").output == b"late\nnow\n"


@pytest.mark.parametrize("text", ["sleep 60", "trap '' TERM INT; while :; do :; done", "set -n", "kill -STOP $$"])
def test_shell_command_at_its_timeout_ends_with_the_shell(shell: Shell, text: str) -> None:
    call(shell, "sleep 60 & x=1")
    result = call(shell, text, timeout=0.3)
    assert result.timed_out and result.seconds < 1.5 and not shell.is_running
    assert call(shell, "echo -n $x; pgrep sleep").output == b""


def test_shell_command_that_is_stopped_ends_with_the_shell(shell: Shell, plain: Workspace) -> None:
    result = call(shell, "echo begun; touch begun; sleep 60", stopped=(plain.upper / "begun").exists)
    assert result.stopped and result.output == b"begun\n" and not shell.is_running


def test_shell_with_too_much_output_ends(plain: Workspace) -> None:
    with limited(output=MIB, head=1000, tail=1000).open(plain) as session:
        shell = Shell(session)
        result = call(shell, "yes")
        assert result.exit_code == 137 and "more than 1048576 bytes" in result.note
        assert call(shell, "echo ok").output == b"ok\n"


def test_shell_commands_of_several_threads_run_one_after_another(shell: Shell) -> None:
    def work(number: int) -> bytes:
        return call(shell, f"n={number}; sleep 0.01; echo $n").output

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(12))) == [b"%d\n" % number for number in range(12)]


def test_shell_command_that_waits_for_another_can_be_stopped(session: Session, shell: Shell, plain: Workspace) -> None:
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(call, shell, "touch begun; while [ ! -e go ]; do sleep 0.01; done")
        wait_for((plain.upper / "begun").exists)
        assert call(shell, "touch never", stopped=lambda: True).stopped
        session.run(["touch", "go"], timeout=20)
        assert other.result().exit_code == 0
    assert not (plain.upper / "never").exists()


def test_session_restores_the_access_to_a_tree_that_an_agent_made_inaccessible(session: Session) -> None:
    assert session.run(["bash", "-c", "touch kept; chmod 0 ."], timeout=20).exit_code == 0
    result = session.run(["bash", "-c", "ls; touch new"], timeout=20)
    assert (result.exit_code, result.output) == (0, b"kept\n")
