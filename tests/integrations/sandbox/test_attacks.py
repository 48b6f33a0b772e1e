"""Attacks from inside the sandbox. Each works for a program on this machine that is not sandboxed."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Limits, Sandbox, default_read_only, find_bwrap
from integrations.sandbox.cgroup import (
    CONTROLLERS,
    create_group,
    explain_polling,
    find_folders,
    find_parents,
    find_polled_bounds,
    remove_stale_groups,
)
from integrations.sandbox.identity import find_user
from tests.integrations.sandbox.conftest import Run

MIB = 2**20
CANARY = "canary-5f3a"


def limited(**bounds: int) -> Sandbox:
    return Sandbox(find_bwrap(), default_read_only(), Limits(**bounds))


def shell(sandbox: Sandbox, workspace: Workspace, script: str, timeout: float = 30) -> tuple[int, str]:
    result = sandbox.run(["bash", "-c", script], workspace, timeout=timeout)
    return result.exit_code, result.output.decode(errors="replace")


def test_sandbox_hides_the_environment_of_the_host(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", CANARY)
    output = run("env; cat /proc/*/environ /proc/*/task/*/environ /proc/*/cmdline").output
    assert b"LANG=C.UTF-8" in output
    assert CANARY.encode() not in output


def test_sandbox_does_not_inherit_open_files_of_the_host(run: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(CANARY)
    with (tmp_path / "secret").open() as secret, socket.create_server(("127.0.0.1", 0)) as listener:
        for file in (secret.fileno(), listener.fileno()):
            os.set_inheritable(file, True)
        output = run("ls -l /proc/*/fd; for f in /proc/*/fd/*; do timeout 0.2 head -c 100 $f; done 2>/dev/null").output
    assert CANARY.encode() not in output
    assert b"socket:" not in output
    assert b"secret" not in output


@pytest.mark.parametrize(
    "path",
    ["/etc/shadow", "/etc/hostname", "/etc/resolv.conf", "/root/.ssh", "/home", "/run/secrets", "/var/lib", "/sys",
     "/srv",
     "/etc/ssl/private", "/proc/1/root/home/agent/../../etc/shadow", "/boot", "/mnt", "/var/run/docker.sock"],
)  # fmt: skip
def test_sandbox_hides_files_of_the_host(run: Run, path: str) -> None:
    assert run(f"ls {path}/* || cat {path}").exit_code != 0 or run(f"ls {path}").output == b"agent\n"


def test_sandbox_hides_other_runs_and_the_data_folder(run: Run, plain: Workspace, tmp_path: Path) -> None:
    (tmp_path / "runs" / "2").mkdir()
    (tmp_path / "runs" / "2" / "secret").write_text(CANARY)
    (tmp_path / "redis.sock").touch()
    assert run(f"cat {tmp_path}/runs/2/secret").exit_code != 0
    assert run(f"ls {tmp_path}").exit_code != 0


CONNECT = """
import socket, sys
kind, address = {kind}, {address!r}
try:
    s = socket.socket(*kind); s.settimeout(1)
    s.connect(address); s.send(b'x'); print('reached')
except OSError as error:
    print('blocked', error)
"""


@pytest.mark.parametrize(
    ("kind", "address"),
    [("(2, 1)", ("1.1.1.1", 443)), ("(2, 2)", ("8.8.8.8", 53)), ("(10, 1)", ("2606:4700::1111", 443)),
     ("(2, 1)", ("169.254.169.254", 80)), ("(1, 1)", "\0loopline-test"), ("(1, 2)", "\0loopline-test")],
)  # fmt: skip
def test_sandbox_network_reaches_no_outside_address(python: Run, kind: str, address: object) -> None:
    assert python(CONNECT.format(kind=kind, address=address)).output.startswith(b"blocked")


def test_sandbox_network_reaches_no_listener_of_the_host(python: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0loopline-attack-test")
        abstract.listen()
        with socket.socket(socket.AF_UNIX) as named:
            named.bind(str(tmp_path / "s"))
            named.listen()
            targets = [
                ("(2, 1)", tcp.getsockname()),
                ("(1, 1)", "\0loopline-attack-test"),
                ("(1, 1)", str(tmp_path / "s")),
            ]
            for kind, address in targets:
                assert python(CONNECT.format(kind=kind, address=address)).output.startswith(b"blocked")


def test_sandbox_network_reaches_the_commands_own_server_on_loopback(python: Run) -> None:
    script = (
        "from socket import *; s = create_server(('127.0.0.1', 0)); create_connection(s.getsockname()); print('ok')"
    )
    assert python(script).output == b"ok\n"


def test_sandbox_network_resolves_no_names(python: Run) -> None:
    script = "import socket; print(socket.gethostbyname('localhost')); socket.gethostbyname('example.com')"
    result = python(script)
    assert b"127.0.0.1\n" in result.output
    assert result.exit_code == 1


@pytest.mark.parametrize("family", [16, 17, 38, 40, 29, 31, 44, 21], ids=str)
def test_sandbox_network_refuses_exotic_socket_families(python: Run, family: int) -> None:
    script = f"import socket; socket.socket({family}, 3 if {family} in (16, 17) else 2, 12 if {family} == 16 else 0)"
    assert b"Operation not permitted" in python(script).output


@pytest.mark.parametrize(
    "path",
    ["/x", "/usr/x", "/usr/bin/bash", "/etc/x", "/etc/passwd", "/dev/x", "/dev/sda", "/var/x", "/run/x", "/home/x",
     "/bin/sh",
     "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sys/net/ipv4/ip_forward",
     "/proc/sysrq-trigger",
     "/proc/irq/default_smp_affinity",
     "/proc/bus/pci/devices", "/proc/acpi/wakeup", "/proc/mtrr", "/proc/kcore", "/proc/kmsg"],
)  # fmt: skip
def test_sandbox_files_outside_the_worktree_are_not_writable(python: Run, path: str) -> None:
    assert python(f"import os; os.close(os.open({path!r}, os.O_WRONLY | os.O_CREAT))").exit_code == 1


def test_sandbox_keeps_only_the_worktree(run: Run, plain: Workspace, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    folders = f"/ /tmp /dev/shm $HOME /run /run/git/hooks {tmp_path} {plain.folder} {plain.lower}"
    run(f"touch kept; for folder in {folders}; do touch $folder/x; done")
    assert set(tmp_path.rglob("*")) - before == {plain.upper / "kept"}


def test_sandbox_temporary_folders_are_new_for_each_command(run: Run) -> None:
    run("touch /tmp/x /dev/shm/x $HOME/.profile; mkdir -p $HOME/.config")
    assert run("ls -A /dev/shm $HOME; ls /tmp | grep x").output == b"/dev/shm:\n\n/home/agent:\n"


@pytest.mark.parametrize(
    "attack", ["rm -f .git", "mv .git a", "echo x > .git", "ln -sfn /tmp .git", "mv $PWD ../x", "rm -rf $PWD"]
)
def test_sandbox_protects_the_git_file(run: Run, plain: Workspace, attack: str) -> None:
    run(attack)
    assert (plain.lower / ".git").read_text() == "gitdir: x\n"
    assert not (plain.upper / ".git").exists()


@pytest.mark.parametrize(
    "attack",
    ["unshare -U true", "unshare -r true", "unshare -m true", "unshare -n true", "mount -t tmpfs x /tmp", "umount /tmp",
     "mount --bind /tmp /home/agent", "mount -o remount,rw /", "chroot / true", "dmesg", "hostname x",
     "date -s 2020-01-01",
     "mknod /tmp/sda b 8 0", "chown root /tmp", "su -c true", "renice -5 $$", "nsenter -t 1 -m true",
     "setpriv --reuid 0 true"],
)  # fmt: skip
def test_sandbox_privileged_commands_fail(run: Run, attack: str) -> None:
    assert run(attack).exit_code != 0


def test_sandbox_drops_all_capabilities(run: Run) -> None:
    status = run("cat /proc/self/status").output.decode()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (fields["NoNewPrivs"], fields["Seccomp"], fields["Uid"].split()[0]) == ("1", "2", "1000")


def test_sandbox_hides_processes_of_the_host(run: Run) -> None:
    pids = run("ls -d /proc/[0-9]*").output.decode().split()
    assert len(pids) < 8
    assert run(f"kill -0 {os.getpid()}").exit_code != 0


def test_sandbox_has_no_terminal(python: Run) -> None:
    assert b"No such device" in python("open('/dev/tty')").output
    assert b"Operation not permitted" in python("import fcntl, os; fcntl.ioctl(os.openpty()[1], 0x5412, b'x')").output


def test_sandbox_limits_a_fork_bomb(plain: Workspace) -> None:
    """The bomb is finite, so the machine survives a failure of the test."""
    bomb = "for i in $(seq 800); do sleep 4 & done; wait"
    result = limited(processes=60).run(["bash", "-c", bomb], plain, timeout=15)
    assert b"Resource temporarily unavailable" in result.output or "more than 60 processes" in result.note
    assert result.seconds < 10


def test_sandbox_process_limit_does_not_count_the_hosts_processes(plain: Workspace) -> None:
    assert limited(processes=5).run(["sleep", "0.3"], plain, timeout=5).note == ""


@pytest.mark.parametrize(
    "script", ["x = bytearray(400 << 20)", "import os\nfor _ in range(6): os.fork(); x = bytearray(40 << 20)"]
)
def test_sandbox_limits_memory(plain: Workspace, script: str) -> None:
    code = f"{script}\nimport time\ntime.sleep(5)"
    result = limited(memory=200 * MIB).run(["python3", "-c", code], plain, timeout=10)
    assert b"MemoryError" in result.output or "200 MiB of memory" in result.note


@pytest.mark.parametrize("place", ["/dev/shm", "/tmp", "$HOME"])
def test_sandbox_limits_memory_backed_folders(plain: Workspace, place: str) -> None:
    sandbox = limited(shm=MIB, tmp=MIB, home=MIB)
    code, output = shell(sandbox, plain, f"head -c 5000000 /dev/zero > {place}/x; stat -c %s {place}/x; exit 1")
    assert "No space left" in output
    assert output.splitlines()[-1] == str(MIB)
    assert code == 1


def test_sandbox_limits_the_size_of_one_file(plain: Workspace) -> None:
    code, _ = shell(limited(file=MIB), plain, "head -c 3000000 /dev/zero > big; truncate -s 20G sparse")
    assert code != 0
    assert (plain.upper / "big").stat().st_size == MIB


def test_sandbox_limits_the_total_size_of_files(plain: Workspace) -> None:
    script = "for i in $(seq 30); do head -c 1000000 /dev/zero > f$i; done"
    result = limited(file=2 * MIB, tree=10 * MIB).run(["bash", "-c", script], plain, timeout=20)
    assert result.exit_code == 137
    assert b"more than the 10 MiB allowed" in result.output


def test_sandbox_limits_the_number_of_files(plain: Workspace) -> None:
    """Also when the file system as a whole gains files, as here: others delete more than the command creates."""
    spare = [plain.folder.with_name(f"spare-{n}") for n in range(2000)]
    for path in spare:
        path.touch()
    free = threading.Thread(target=lambda: [path.unlink() for path in spare])
    free.start()
    result = limited(tree_files=500).run(["bash", "-c", "mkdir d; cd d; touch $(seq 1500)"], plain, timeout=60)
    free.join()
    assert "500 allowed" in result.note


def test_sandbox_kills_a_running_command_that_fills_the_disk(plain: Workspace) -> None:
    script = "i=0; while :; do i=$((i+1)); head -c 1000000 /dev/zero > f$i; sleep 0.01; done"
    result = limited(tree=10 * MIB).run(["bash", "-c", script], plain, timeout=20)
    assert "MiB allowed" in result.note
    assert result.seconds < 10


def test_sandbox_set_user_id_file_is_unreachable_for_other_users(workspace: Workspace, sandbox: Sandbox) -> None:
    shell(sandbox, workspace, "cp /bin/true x; chmod 6755 x")
    folder = workspace.folder.stat()
    assert folder.st_mode & 0o067 == 0 and (folder.st_mode & 0o010 == 0 or folder.st_gid == find_user())


def test_sandbox_link_out_of_the_worktree_is_dangling(run: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(CANARY)
    assert run(f"ln -s {tmp_path}/secret l; ln -s ../../../secret m; cat l m; ln {tmp_path}/secret n").exit_code != 0


@pytest.mark.parametrize(
    ("root", "point", "path", "folder"),
    [
        ("/", "/sys/fs/cgroup/pids", "/", "/sys/fs/cgroup/pids"),
        ("/", "/sys/fs/cgroup/pids", "/service", "/sys/fs/cgroup/pids/service"),
        ("/docker/1", "/sys/fs/cgroup/pids", "/docker/1/a", "/sys/fs/cgroup/pids/a"),
    ],
)
def test_cgroup_of_this_process_is_found(root: str, point: str, path: str, folder: str) -> None:
    mounts = f"1 2 0:3 / /proc rw - proc proc rw\n4 2 0:5 {root} {point} rw,relatime - cgroup cgroup rw,pids\n"
    assert find_folders(mounts, f"9:pids:{path}\n0::/unified\n") == {"pids": Path(folder)}


def test_cgroup_of_version_2_is_found() -> None:
    mounts = "4 2 0:5 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    assert find_folders(mounts, "0::/service\n") == {"": Path("/sys/fs/cgroup/service")}


def test_cgroup_limits_memory_and_processes_and_is_removed_with_its_sandbox() -> None:
    with create_group(Limits(processes=7, memory=64 * MIB)) as group:
        if not group.is_complete:
            pytest.skip("this user cannot create cgroups here")
        assert (group.folders["pids"] / "pids.max").read_text() == "7\n"
        files = [group.folders["memory"] / name for name in ("memory.max", "memory.limit_in_bytes")]
        assert {int(file.read_text()) for file in files if file.exists()} == {64 * MIB}
    assert not any(folder.exists() for folder in group.folders.values())


def test_cgroups_of_dead_launchers_are_removed(tmp_path: Path) -> None:
    dead, alive = tmp_path / "loopline-999999999-a", tmp_path / f"loopline-{os.getpid()}-b"
    for group in (dead, alive):
        group.mkdir()
    remove_stale_groups(tmp_path)
    assert list(tmp_path.iterdir()) == [alive]


def test_cgroup_bounds_that_are_only_polled_are_named_with_the_fix() -> None:
    assert explain_polling(()) == ""
    sentence = explain_polling(("memory", "pids"))
    assert sentence.startswith("No cgroup limits memory, the number of processes of a sandbox here")
    assert "Delegate=yes" in sentence
    assert set(find_polled_bounds()) == set(CONTROLLERS) - find_parents().keys()
