"""Attacks on the kernel's interfaces from inside the sandbox, each shown to be one that the filter or a mount stops."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from integrations.sandbox.bubblewrap import Sandbox, Session, default_read_only, find_bwrap
from tests.escape.programs import CALLS, FILES, FOREIGN, IS_X86
from tests.support.privileges import HOST_PYTHON
from tests.support.workspaces import create_plain

BAD_SYSTEM_CALL = 128 + 31  # SIGSYS
HARMLESS = ("userfaultfd", "io_uring_setup", "keyctl", "bpf", "clone3", "personality", "process_vm_readv", "setns")
"""Calls that any process can make, unless it is in a sandbox already."""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    workspace = create_plain(tmp_path_factory.mktemp("kernel"))
    with Sandbox(find_bwrap(), default_read_only()).open(workspace) as session:
        yield session


def run_on_host(program: str, folder: Path) -> str:
    """The result outside of a sandbox."""
    return subprocess.run(
        [HOST_PYTHON, "-c", program], cwd=folder, capture_output=True, text=True, timeout=20, check=False
    ).stdout.strip()


def is_filtered() -> bool:
    """Whether this machine filters system calls already, as containers do."""
    return "Seccomp:\t2" in Path("/proc/self/status").read_text()


@pytest.mark.skipif(not IS_X86, reason="the numbers are those of x86_64")
@pytest.mark.parametrize("name", CALLS)
def test_kernel_call_is_refused(session: Session, name: str) -> None:
    result = session.run(["python3", "-c", CALLS[name]], timeout=20)
    assert result.output == b"blocked\n"


@pytest.mark.skipif(not IS_X86 or is_filtered(), reason="needs x86_64 without a filter")
@pytest.mark.parametrize("name", HARMLESS)
def test_kernel_call_succeeds_outside(tmp_path: Path, name: str) -> None:
    if os.geteuid() != 0 and name in ("userfaultfd", "bpf"):
        pytest.skip("depends on the machine for ordinary users")
    assert run_on_host(CALLS[name], tmp_path) == "reached"


@pytest.mark.skipif(not IS_X86, reason="these are the other interfaces of x86_64")
@pytest.mark.parametrize("name", FOREIGN)
def test_kernel_call_of_another_abi_ends_the_process(session: Session, name: str) -> None:
    assert session.run(["python3", "-c", FOREIGN[name]], timeout=20).exit_code == BAD_SYSTEM_CALL


@pytest.mark.parametrize("name", FILES)
def test_kernel_file_is_out_of_reach(session: Session, name: str) -> None:
    assert session.run(["python3", "-c", FILES[name]], timeout=20).output == b"blocked\n"


@pytest.mark.parametrize("name", ["file capability", "hard link to a program", "cgroups"])
def test_kernel_file_is_in_reach_outside(name: str) -> None:
    with TemporaryDirectory(dir="/var/tmp") as folder:  # temporary files can be in memory, where programs are not
        if os.geteuid() != 0 or Path(folder).stat().st_dev != Path("/usr/bin/env").stat().st_dev:
            pytest.skip("needs root, and one file system for the program and this test")
        assert run_on_host(FILES[name], Path(folder)) == "reached"


def test_kernel_filter_cannot_be_replaced(session: Session) -> None:
    """A filter of the command's own that allows everything, with a listener or without one, changes nothing."""
    program = """
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
code = ctypes.create_string_buffer(struct.pack("<HBBI", 6, 0, 0, 0x7FFF0000))
filter = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", 1, ctypes.addressof(code)))
for flags in (0, 8):
    libc.syscall(317, 1, flags, filter)
print(libc.prctl(22, 0, 0, 0, 0), libc.syscall(323, 0))
"""
    if not IS_X86:
        pytest.skip("the numbers are those of x86_64")
    assert session.run(["python3", "-c", program], timeout=20).output == b"-1 -1\n"


def test_kernel_crash_leaves_no_core_file(session: Session) -> None:
    script = "ulimit -c unlimited; bash -c 'kill -SEGV $$'; ls -A | grep -c core"
    assert session.run(["bash", "-c", script], timeout=20).output.splitlines()[-1] == b"0"


def test_kernel_set_user_id_bit_gives_no_rights(session: Session) -> None:
    script = "cp /usr/bin/id own; chmod 6755 own; ./own -u; ./own -G; rm own"
    assert session.run(["bash", "-c", script], timeout=20).output.split()[0] == b"1000"
