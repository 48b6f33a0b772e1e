"""Attacks on the supervisor inside the sandbox: no command can change the result of another, or outlive its own end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import CommandResult, Limits, Sandbox, Session, default_read_only, find_bwrap

# $TARGET: a process id. Prints one line per attack that works.
TRACE = """
import ctypes, os
target = int(os.environ["TARGET"])
def reached(name, attack):
    try:
        attack()
        print(name)
    except OSError:
        pass
def attach():
    if ctypes.CDLL(None, use_errno=True).ptrace(16, target, None, None):
        raise OSError(ctypes.get_errno(), "ptrace")
reached("read memory", lambda: os.open(f"/proc/{target}/mem", os.O_RDONLY))
reached("write memory", lambda: os.open(f"/proc/{target}/mem", os.O_RDWR))
reached("read environment", lambda: open(f"/proc/{target}/environ").read())
for fd in range(64):
    reached("open file", lambda: os.open(f"/proc/{target}/fd/{fd}", os.O_WRONLY))
reached("attach", attach)
"""
DAEMON = "setsid sh -c 'while :; do echo >> beat; sleep 0.01; done' >/dev/null 2>&1 &"


@pytest.fixture
def session(sandbox: Sandbox, plain: Workspace) -> Iterator[Session]:
    with sandbox.open(plain) as session:
        yield session


def bash(session: Session, script: str, timeout: float = 20, **variables: str) -> CommandResult:
    return session.run(["bash", "-c", script], timeout=timeout, variables=variables)


def assert_no_beat(workspace: Workspace) -> None:
    """Process 1 ends the tree of a killed keeper shortly after the host has the result."""
    beat, deadline = workspace.upper / "beat", time.monotonic() + 10
    size = -1
    while size != (size := beat.stat().st_size if beat.exists() else 0):
        assert time.monotonic() < deadline
        time.sleep(0.15)


@pytest.mark.parametrize("target", ["1", "$PPID"], ids=["process 1", "keeper"])
def test_supervisor_cannot_be_traced_read_or_written(session: Session, target: str) -> None:
    attack = 'TARGET={} python3 -c "$ATTACK"'
    own = bash(session, f"sleep 60 & {attack.format('$!')}", ATTACK=TRACE).output.decode().split("\n")
    assert {"read memory", "write memory", "read environment", "open file", "attach"} <= set(own)
    assert bash(session, attack.format(target), ATTACK=TRACE).output == b""


@pytest.mark.parametrize("signal", ["KILL", "STOP", "INT", "TERM", "QUIT", "HUP", "USR1", "CHLD", "SEGV", "ABRT", "34"])
def test_supervisor_ignores_signals_from_inside(session: Session, signal: str) -> None:
    assert bash(session, f"touch /tmp/same; for i in 1 2 3; do kill -{signal} 1; done; exit 3").exit_code == 3
    result = bash(session, "ls /tmp/same")
    assert (result.exit_code, result.note) == (0, "")


def test_command_that_kills_its_keeper_has_not_succeeded(session: Session, plain: Workspace) -> None:
    result = bash(session, f"{DAEMON} kill -9 $PPID; sleep 0.1; exit 0")
    assert result.exit_code == 137 and "killed from outside" in result.note
    assert_no_beat(plain)
    assert bash(session, "exit 4").exit_code == 4


def test_command_that_stops_its_keeper_ends_with_its_sandbox(session: Session, plain: Workspace) -> None:
    result = bash(session, f"{DAEMON} kill -STOP $PPID; exit 0", timeout=0.5)
    assert result.exit_code == 124 and result.timed_out
    assert_no_beat(plain)
    result = bash(session, "echo fine")
    assert (result.exit_code, result.output) == (0, b"fine\n\n[the sandbox was started again: it was killed]\n")


def test_command_inherits_no_file_but_its_streams(session: Session) -> None:
    assert bash(session, "ls /proc/self/fd").output.split() == [b"0", b"1", b"2", b"3"]
    script = "for fd in $(seq 3 300); do echo 'exit 0' >&$fd; done 2>/dev/null; exec 0<&- 1>&- 2>&-; exit 5"
    assert bash(session, script).exit_code == 5


@pytest.mark.parametrize(
    "leave",
    [
        DAEMON,
        f"(({DAEMON}) &)",
        f"trap '' TERM HUP; {DAEMON} disown",
        f"{DAEMON} pkill -KILL -f -- '-I -S'; sleep 0.2",
        f"for i in $(seq 40); do {DAEMON} done",
    ],
    ids=["daemon", "orphan", "deaf", "keepers killed", "many"],
)
def test_command_leaves_no_process_behind(session: Session, plain: Workspace, leave: str) -> None:
    bash(session, leave)
    assert_no_beat(plain)
    assert bash(session, "pgrep -xc sh; pgrep -xc sleep").output == b"0\n0\n"


def test_command_sees_no_variable_of_the_supervisor(session: Session) -> None:
    assert b"LANG" in bash(session, "env").output
    assert bash(session, "cat /proc/1/environ").exit_code == 1


def test_python_of_the_work_tree_never_runs_the_supervisor(sandbox: Sandbox, plain: Workspace) -> None:
    planted = plain.upper / "bin" / "python3"
    planted.parent.mkdir()
    planted.write_text("#!/bin/sh\ntouch planted\n")
    planted.chmod(0o755)
    variables = {"PATH": "/workspace/bin:/usr/bin:/bin", "PYTHONPATH": "/workspace", "LD_PRELOAD": "/no/such.so"}
    (plain.upper / "select.py").write_text("raise SystemExit('planted')\n")
    result = sandbox.run(["bash", "-c", "exit 6"], plain, timeout=10, variables=variables)
    assert result.exit_code == 6 and not (plain.upper / "planted").exists()


def test_session_survives_a_fork_bomb(plain: Workspace) -> None:
    """The bomb is finite, so the machine survives a failure of the test."""
    sandbox = Sandbox(find_bwrap(), default_read_only(), Limits(processes=60))
    with sandbox.open(plain) as session:
        result = bash(session, "for i in $(seq 800); do sleep 4 & done; wait", timeout=15)
        assert b"Resource temporarily unavailable" in result.output or "more than 60 processes" in result.note
        assert bash(session, "exit 7").exit_code == 7


def test_command_with_a_request_of_many_bytes_is_not_misread(session: Session, plain: Workspace) -> None:
    """Fields end with NUL, which no argument or variable can contain."""
    arguments = ["", "a\nb", "ä", "=", "x" * 100_000, "--", "\udcff"]
    script = "import os, sys; print([os.fsencode(a) for a in sys.argv[1:]] , os.environ['A'])"
    result = session.run(["python3", "-c", script, *arguments], timeout=10, variables={"A": "1=2\n"})
    assert result.output.decode() == f"{[a.encode(errors='surrogateescape') for a in arguments]} 1=2\n\n"
    refused = session.run(["true"], timeout=10, variables={"A": "x\0LD_PRELOAD=y"})
    assert "NUL character" in refused.note


def test_folder_of_the_programs_is_not_visible_inside(session: Session) -> None:
    assert bash(session, f"ls {Path(__file__).parents[3]}/integrations").exit_code != 0
