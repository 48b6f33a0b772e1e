"""The system call filter, run by a small BPF interpreter, for both processors."""

from __future__ import annotations

import struct

import pytest

from integrations.sandbox.seccomp import ALLOW, ENOSYS, EPERM, ERRNO, KILL, MACHINES, Machine, build_program
from tests.integrations.sandbox.conftest import Run

REFUSED, MISSING = ERRNO | EPERM, ERRNO | ENOSYS


def verdict(machine: Machine, number: int, *arguments: int, arch: int | None = None) -> int:
    """The kernel's verdict. linux/filter.h: the filter uses LD, JEQ, JGE, JSET and RET only."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number, machine.arch if arch is None else arch, 0, *padded)
    lines = list(struct.iter_unpack("<HBBI", build_program(machine)))
    at = accumulator = 0
    while True:
        code, yes, no, value = lines[at]
        at += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
            continue
        holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
        at += yes if holds else no


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest) -> Machine:
    return MACHINES[request.param]


def test_seccomp_allows_ordinary_calls(machine: Machine) -> None:
    refused = {*machine.refused, machine.clone3, machine.personality, machine.socket, machine.socketpair}
    assert {verdict(machine, number) for number in set(range(425)) - refused} == {ALLOW}


def test_seccomp_refuses_listed_calls(machine: Machine) -> None:
    assert {verdict(machine, number) for number in machine.refused} == {REFUSED}
    assert verdict(machine, machine.clone3) == MISSING


def test_seccomp_kills_a_foreign_architecture(machine: Machine) -> None:
    assert verdict(machine, 1, arch=0x40000003) == KILL


def test_seccomp_kills_the_x32_abi() -> None:
    assert verdict(MACHINES["x86_64"], 0x40000000 + 1) == KILL


@pytest.mark.parametrize("flag", [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000])
def test_seccomp_refuses_clone_with_a_new_namespace(machine: Machine, flag: int) -> None:
    assert verdict(machine, machine.clone, flag | 17) == REFUSED
    assert verdict(machine, machine.clone, 0x003D0F00) == ALLOW  # a thread


@pytest.mark.parametrize(
    ("family", "protocol", "answer"),
    [(1, 0, ALLOW), (2, 6, ALLOW), (10, 0, ALLOW), (16, 0, ALLOW), (16, 12, REFUSED), (17, 0, REFUSED),
     (38, 0, REFUSED),
     (40, 0, REFUSED), (0, 0, REFUSED)],
)  # fmt: skip
def test_seccomp_allows_only_common_socket_families(machine: Machine, family: int, protocol: int, answer: int) -> None:
    assert verdict(machine, machine.socket, family, 1, protocol) == answer


@pytest.mark.parametrize(("family", "answer"), [(1, ALLOW), (2, REFUSED), (30, REFUSED), (16, REFUSED)])
def test_seccomp_allows_pairs_of_unix_sockets_only(machine: Machine, family: int, answer: int) -> None:
    assert verdict(machine, machine.socketpair, family, 1, 0) == answer


@pytest.mark.parametrize("command", [0x5412, 0x541C, 0xFFFFFFFF00005412])
def test_seccomp_refuses_terminal_injection_also_with_high_bits(machine: Machine, command: int) -> None:
    assert verdict(machine, machine.ioctl, 0, command) == REFUSED
    assert verdict(machine, machine.ioctl, 0, 0x5401) == ALLOW


@pytest.mark.parametrize(("value", "answer"), [(0, ALLOW), (0xFFFFFFFF, ALLOW), (8, REFUSED), (0x40000, REFUSED)])
def test_seccomp_allows_only_queries_of_personality(machine: Machine, value: int, answer: int) -> None:
    assert verdict(machine, machine.personality, value) == answer


def test_seccomp_program_fits_the_kernel_limits(machine: Machine) -> None:
    assert len(build_program(machine)) // 8 < 4096


SYSCALL = "import ctypes; libc = ctypes.CDLL(None, use_errno=True); libc.syscall({}); print(ctypes.get_errno())"


@pytest.mark.skipif(__import__("platform").machine() != "x86_64", reason="the numbers below are those of x86_64")
@pytest.mark.parametrize(
    ("call", "errno"),
    [("425, 1, 0", 1), ("250, 0, -3, 0", 1), ("321, 0, 0, 0", 1), ("323, 0", 1), ("435, 0, 0", 38), ("39", 0)],
)
def test_seccomp_filter_works_in_the_kernel(python: Run, call: str, errno: int) -> None:
    assert python(SYSCALL.format(call)).output == b"%d\n" % errno
