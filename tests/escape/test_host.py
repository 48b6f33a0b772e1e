"""Attacks on the host's own programs: files that they would run, follow or connect to later."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from integrations.git import trash
from integrations.git.export import commit_leftovers, export_pack
from integrations.git.mirror import Mirror
from integrations.git.tree_policy import TreeLimits
from integrations.git.work_tree import WorkTreeDigest
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Sandbox
from tests.integrations.sandbox.conftest import (
    Run,
    empty_mirror,
    host,
    mirror,
    plain,
    run,
    sandbox,
    upstream,
    workspace,
)
from tests.support.privileges import HOST_PYTHON

__all__ = ["empty_mirror", "host", "mirror", "plain", "run", "sandbox", "upstream", "workspace"]

CANARY = "canary-5f3a"
ROUNDS = int(os.environ.get("LOOPLINE_TEST_RACES", "20"))
PLANT = r"""
printf '#!/bin/sh\ntouch %s/$(basename $0)\n' "$MARKS" > run
for name in git python3 python bash sh bwrap nsenter ls env ssh; do cp run $name; done; chmod +x run *
code="import pathlib; pathlib.Path('$MARKS/python').touch()"
for name in sitecustomize usercustomize json; do echo "$code" > $name.py; done
echo "import pathlib; pathlib.Path('$MARKS/pth').touch()" > a.pth
for name in .bashrc .bash_profile .profile .envrc; do echo "touch $MARKS/rc" | tee $name > ~/$name; done
cat > ~/.gitconfig <<END
[core]
    fsmonitor = touch $MARKS/fsmonitor; false
    hooksPath = $PWD
    sshCommand = touch $MARKS/ssh
    pager = touch $MARKS/pager
[diff]
    external = touch $MARKS/external
[filter "x"]
    clean = touch $MARKS/clean; cat
    smudge = touch $MARKS/smudge; cat
[diff "x"]
    textconv = touch $MARKS/textconv; cat
    command = touch $MARKS/driver
[alias]
    status = !touch $MARKS/alias
END
cat ~/.gitconfig >> /run/git/config
mkdir -p /run/git/info; echo '* filter=x diff=x merge=x' | tee .gitattributes > /run/git/info/attributes
for name in pre-commit post-checkout post-merge reference-transaction fsmonitor-watchman; do cp run $name; done
git add -A -f; git -c core.hooksPath=/dev/null commit -qm planted
"""
"""$MARKS: a folder of the host in which each planted file leaves a mark, if a program of the host runs it."""


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    return folder


def test_host_runs_nothing_that_an_agent_planted(
    mirror: Mirror, workspace: Workspace, sandbox: Sandbox, marks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.folder)
    sandbox.run(["bash", "-c", PLANT, "x"], workspace, timeout=30, variables={"MARKS": str(marks)})
    assert (workspace.upper / "sitecustomize.py").exists()
    WorkTreeDigest(workspace).compute(lambda: False)
    commit_leftovers(sandbox, workspace, "leftovers")
    tip, pack = export_pack(sandbox, workspace, workspace.base_sha, 10_000_000)
    assert tip != workspace.base_sha
    mirror.receive(pack, tip, workspace.base_sha, TreeLimits())
    mirror.diff(workspace.base_sha, tip, 100_000)
    mirror.create_workspace(tmp_path / "runs" / "ENG-2", tip, workspace.base_sha)
    mirror.remove_workspace(workspace.folder)
    assert [path.name for path in marks.iterdir()] == []


def test_host_would_run_planted_files_in_the_work_tree(workspace: Workspace, sandbox: Sandbox, marks: Path) -> None:
    """What the test above shows to be unreachable works for programs that trust the tree."""
    sandbox.run(["bash", "-c", PLANT, "x"], workspace, timeout=30, variables={"MARKS": str(marks)})
    subprocess.run([HOST_PYTHON, "-c", ""], env={"PYTHONPATH": str(workspace.upper)}, timeout=20, check=False)
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": str(workspace.git / "config")}
    subprocess.run(["git", "status"], cwd=marks, env=environment, capture_output=True, timeout=20, check=False)
    subprocess.run(["bash", "-c", "true"], env={"BASH_ENV": str(workspace.upper / ".bashrc")}, timeout=20, check=False)
    assert {"rc"} <= {path.name for path in marks.iterdir()}


@pytest.fixture
def services(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Sockets of a desktop and of agents as environment variables of the host."""
    names = ("DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK", "DOCKER_HOST", "WAYLAND_DISPLAY", "GPG_AGENT_INFO")
    with ExitStack() as stack:
        found = {}
        for name in names:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(tmp_path / name[:6]))
            listener.listen()
            found[name] = str(tmp_path / name[:6])
        yield found


CONNECT = """
import os, socket, sys
for path in [*sys.argv[1:], *(os.environ.get(name, "") for name in sys.argv[1:])]:
    try:
        socket.socket(socket.AF_UNIX).connect(path); print("reached")
    except OSError: pass
"""
KNOWN = ["/run/dbus/system_bus_socket", "/var/run/docker.sock", "/run/podman/podman.sock", "/run/systemd/private",
         "/tmp/.X11-unix/X0", "/run/systemd/notify", "/run/user/0/bus"]  # fmt: skip


def test_host_sockets_of_other_services_are_out_of_reach(
    sandbox: Sandbox, plain: Workspace, services: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, path in services.items():
        monkeypatch.setenv(name, path)
    outside = subprocess.run([HOST_PYTHON, "-c", CONNECT, *services], capture_output=True, timeout=20, check=True)
    assert outside.stdout.split() == [b"reached"] * len(services)
    targets = [*services, *services.values(), *KNOWN]
    assert sandbox.run(["python3", "-c", CONNECT, *targets], plain, timeout=20).output == b""


@pytest.mark.parametrize(
    "attack",
    [
        "ln .git own", "ln /run/git/hooks own", "ln /run/repository/objects own", "mv .git own", "mv /workspace /w",
        "mv /run/git/hooks /run/git/own", "mv /run/git /run/own", "mv /run/repository /run/own",
        "rm -rf /run/git/hooks", "ln -sfT /tmp .git", "mkdir .git/hooks", "mv /usr/bin /usr/own",
        "mv /etc/passwd /etc/own",
    ],
)  # fmt: skip
def test_host_file_that_is_protected_cannot_be_moved_or_linked(run: Run, plain: Workspace, attack: str) -> None:
    assert run(attack).exit_code != 0
    assert not os.path.lexists(plain.upper / "own") and (plain.lower / ".git").read_text() == "gitdir: x\n"


def swap(folder: Path, target: Path, stop: threading.Event) -> None:
    """Replace a folder by a link to `target` and back, as a process of a sandbox can at any time."""
    while not stop.is_set():
        try:
            (folder / "real").rename(folder / "victim")
            (folder / "victim").rename(folder / "real")
            (folder / "victim").symlink_to(target)
            (folder / "victim").unlink()
        except OSError:
            (folder / "real").mkdir(parents=True, exist_ok=True)


def test_host_reader_follows_no_link_that_is_swapped_in(workspace: Workspace, tmp_path: Path) -> None:
    """The host reads and deletes the tree while it changes: it never leaves it."""
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "secret").write_text(CANARY)
    before = (outside / "deep" / "secret").stat()
    stop = threading.Event()
    attacker = threading.Thread(target=swap, args=[workspace.upper, outside, stop])
    attacker.start()
    try:
        for number in range(ROUNDS):
            WorkTreeDigest(workspace).compute(lambda: False)
            (workspace.upper / f"made{number}").mkdir(exist_ok=True)
            trash.delete(workspace.upper / f"made{number}")
        for _ in range(ROUNDS):
            trash.delete(workspace.upper / "victim")
    finally:
        stop.set()
        attacker.join()
    after = (outside / "deep" / "secret").stat()
    assert (outside / "deep" / "secret").read_text() == CANARY
    assert (before.st_mode, before.st_uid, before.st_ino) == (after.st_mode, after.st_uid, after.st_ino)
