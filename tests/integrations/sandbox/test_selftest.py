"""The self-test passes on this machine, and detects each guarantee that is removed from the real profile."""

from __future__ import annotations

import resource
import sys
import textwrap
from pathlib import Path

import pytest

import integrations
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Sandbox, SandboxUnavailable, default_read_only, find_bwrap
from integrations.sandbox.selftest import GUARANTEES, explain, run_self_test, run_self_test_once

# Takes bubblewrap's place, changes its arguments and executes it.
STAND_IN = """#!{python}
import os, sys
from pathlib import Path
args, environment = sys.argv[1:], {{}}
def at(*options):
    return next(i for i in range(len(args)) if tuple(args[i : i + len(options)]) == options)
def drop(*options, more=0):
    del args[at(*options) : at(*options) + len(options) + more]
def allow_all():  # one instruction: return SECCOMP_RET_ALLOW
    args[at('--seccomp') + 1] = str(fd := os.memfd_create('filter', 0))
    os.pwrite(fd, bytes([6, 0, 0, 0, 0, 0, 255, 127]), 0)
def ending(suffix):
    return next(i for i, argument in enumerate(args) if argument.endswith(suffix))
if '--unshare-user' in args:  # else root prepares a mount namespace
{change}
os.execve({bwrap!r}, [{bwrap!r}, *args], environment)
"""
READ_ONLY_TREE = "i = at('--overlay'); args[i : i + 3] = ['--overlay-src', args[i + 1], '--ro-overlay']"
BAD_ROOT = "drop('--remount-ro', '/')"
SHOW_SECRET = """
i, up = at('--overlay-src'), Path(args[at('--overlay') + 1]).parent.parent
args[i:i] = ['--file', str(os.memfd_create('secret', 0)), f'{up}/secret']
"""


def weakened(tmp_path: Path, change: str) -> Sandbox:
    script = tmp_path / "bwrap"
    script.write_text(
        STAND_IN.format(python=sys.executable, change=textwrap.indent(change, "    "), bwrap=str(find_bwrap()))
    )
    script.chmod(0o755)
    return Sandbox(script, default_read_only())


def measure_processor_seconds() -> float:
    """Of this process and its children, which a busy machine does not change much."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def test_selftest_passes_quickly_and_cleans_up(sandbox: Sandbox, tmp_path: Path) -> None:
    begin = measure_processor_seconds()
    run_self_test(sandbox, tmp_path / "runs")
    assert measure_processor_seconds() - begin < 0.3
    assert list((tmp_path / "runs").iterdir()) == []


def test_selftest_runs_once_for_each_run(tmp_path: Path) -> None:
    sandbox = weakened(tmp_path, BAD_ROOT)
    with pytest.raises(SandboxUnavailable, match="a read-only root"):
        run_self_test_once(sandbox, tmp_path / "runs", "1")
    weakened(tmp_path, "pass")
    run_self_test_once(sandbox, tmp_path / "runs", "1")  # a failure is not remembered
    weakened(tmp_path, BAD_ROOT)
    run_self_test_once(sandbox, tmp_path / "runs", "1")
    with pytest.raises(SandboxUnavailable, match="a read-only root"):
        run_self_test_once(sandbox, tmp_path / "runs", "2")


def test_self_test_stand_in_alone_changes_nothing(tmp_path: Path) -> None:
    run_self_test(weakened(tmp_path, "pass"), tmp_path / "runs")


@pytest.mark.parametrize(
    ("guarantee", "change"),
    [
        ("no network", "drop('--unshare-net')"),
        ("separate namespaces", "drop('--unshare-ipc')"),
        ("no open files of the host", "os.set_inheritable(os.open('/usr/bin/env', os.O_RDONLY), True)"),
        ("no files of the host", SHOW_SECRET),
        ("a read-only root", "drop('--remount-ro', '/')"),
        ("a read-only root", "drop('--remount-ro', '/dev')"),
        ("private temporary folders", "i = at('--tmpfs', '/tmp'); args[i - 4 : i + 2] = ['--dir', '/tmp']"),
        ("a writable worktree", READ_ONLY_TREE),
        ("a read-only .git file", "i = ending('/workspace/.git'); del args[i - 2 : i + 1]"),
        ("a read-only repository", "args[ending('/run/repository/objects') - 2] = '--bind'"),
        ("no nested user namespace", "drop('--disable-userns'); allow_all()"),
        ("no privileges", "args[at('--cap-drop')] = '--cap-add'"),
        ("a system call filter", "drop('--seccomp', more=1)"),
    ],
)  # fmt: skip
def test_selftest_names_a_missing_guarantee(tmp_path: Path, guarantee: str, change: str) -> None:
    assert guarantee in GUARANTEES
    with pytest.raises(SandboxUnavailable, match=guarantee):
        run_self_test(weakened(tmp_path, change), tmp_path / "runs")


def test_environment_of_bubblewrap_is_out_of_reach_even_if_it_is_not_empty(tmp_path: Path, plain: Workspace) -> None:
    sandbox = weakened(tmp_path, "drop('--clearenv'); environment['TOKEN'] = 'canary-5f3a'")
    result = sandbox.run(["bash", "-c", "env; cat /proc/*/environ"], plain, timeout=20)
    assert b"LANG=" in result.output and b"canary" not in result.output


def test_selftest_reports_why_the_sandbox_did_not_start(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="did not start: bwrap: Unknown option --nonsense"):
        run_self_test(weakened(tmp_path, "args[0:0] = ['--nonsense']"), tmp_path / "runs")


INSIDE = """
from pathlib import Path
from integrations.sandbox.bubblewrap import Sandbox, find_bwrap
from integrations.sandbox.selftest import run_self_test
run_self_test(Sandbox(find_bwrap()), Path("/tmp"))
"""


def test_selftest_refuses_a_machine_without_user_namespaces(plain: Workspace) -> None:
    """Run inside the sandbox itself, which forbids them."""
    checkout = Path(integrations.__file__).parent.parent
    packages = Path(pytest.__file__).parent.parent
    sandbox = Sandbox(find_bwrap(), [*default_read_only(), checkout / "integrations", packages])
    path = {"PYTHONPATH": f"{checkout}:{packages}"}
    result = sandbox.run(["python3", "-c", INSIDE], plain, timeout=30, variables=path)
    assert b"SandboxUnavailable: the sandbox did not start: bwrap: No permissions" in result.output
    assert b"allow user namespaces" in result.output


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("kernel.unprivileged_userns_clone", "0", "set kernel.unprivileged_userns_clone=1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "set kernel.apparmor_restrict_unprivileged_userns=0"),
        ("user.max_user_namespaces", "0", "set user.max_user_namespaces=10000"),
    ],
)
def test_selftest_names_the_kernel_setting_to_change(name: str, value: str, advice: str) -> None:
    assert explain("no", {name: value}, confined=True).endswith(f"{advice} with sysctl")


def test_selftest_names_the_container_when_the_kernel_allows_namespaces() -> None:
    settings = {"user.max_user_namespaces": "96365"}
    assert "seccomp=unconfined" in explain("no", settings, confined=True)
    assert explain("no", settings, confined=False) == "no"
