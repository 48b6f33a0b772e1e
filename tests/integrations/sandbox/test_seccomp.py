"""The system call filter, run by a small interpreter of its own language, for both processors."""

from __future__ import annotations

import struct

import pytest

from integrations.sandbox.seccomp import ALLOW, ENOSYS, EPERM, ERRNO, KILL, MACHINES, Machine, program
from tests.integrations.sandbox.conftest import Run

REFUSED, MISSING = ERRNO | EPERM, ERRNO | ENOSYS


def verdict(machine: Machine, number: int, *arguments: int, arch: int | None = None) -> int:
    """What the kernel would answer. linux/filter.h: LD, JEQ, JGE, JSET and RET are all that we use."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number, machine.arch if arch is None else arch, 0, *padded)
    lines = list(struct.iter_unpack("<HBBI", program(machine)))
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


def test_ordinary_calls_are_allowed(machine: Machine) -> None:
    refused = {*machine.refused, machine.clone3, machine.personality, machine.socket}
    assert {verdict(machine, number) for number in set(range(425)) - refused} == {ALLOW}


def test_listed_calls_are_refused(machine: Machine) -> None:
    assert {verdict(machine, number) for number in machine.refused} == {REFUSED}
    assert verdict(machine, machine.clone3) == MISSING


def test_a_foreign_architecture_is_killed(machine: Machine) -> None:
    assert verdict(machine, 1, arch=0x40000003) == KILL


def test_the_x32_abi_is_killed() -> None:
    assert verdict(MACHINES["x86_64"], 0x40000000 + 1) == KILL


@pytest.mark.parametrize("flag", [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000])
def test_clone_makes_no_namespace(machine: Machine, flag: int) -> None:
    assert verdict(machine, machine.clone, flag | 17) == REFUSED
    assert verdict(machine, machine.clone, 0x003D0F00) == ALLOW  # a thread


@pytest.mark.parametrize(
    ("family", "protocol", "answer"),
    [(1, 0, ALLOW), (2, 6, ALLOW), (10, 0, ALLOW), (16, 0, ALLOW), (16, 12, REFUSED), (17, 0, REFUSED),
     (38, 0, REFUSED),
     (40, 0, REFUSED), (0, 0, REFUSED)],
)  # fmt: skip
def test_socket_families(machine: Machine, family: int, protocol: int, answer: int) -> None:
    assert verdict(machine, machine.socket, family, 1, protocol) == answer


@pytest.mark.parametrize("command", [0x5412, 0x541C, 0xFFFFFFFF00005412])
def test_terminal_injection_is_refused_also_with_high_bits(machine: Machine, command: int) -> None:
    assert verdict(machine, machine.ioctl, 0, command) == REFUSED
    assert verdict(machine, machine.ioctl, 0, 0x5401) == ALLOW


@pytest.mark.parametrize(("value", "answer"), [(0, ALLOW), (0xFFFFFFFF, ALLOW), (8, REFUSED), (0x40000, REFUSED)])
def test_personality_may_only_be_asked(machine: Machine, value: int, answer: int) -> None:
    assert verdict(machine, machine.personality, value) == answer


def test_jumps_fit_into_a_byte_and_the_program_into_the_kernel(machine: Machine) -> None:
    assert len(program(machine)) // 8 < 4096


SYSCALL = "import ctypes; libc = ctypes.CDLL(None, use_errno=True); libc.syscall({}); print(ctypes.get_errno())"


@pytest.mark.skipif(__import__("platform").machine() != "x86_64", reason="the numbers below are those of x86_64")
@pytest.mark.parametrize(
    ("call", "errno"),
    [("425, 1, 0", 1), ("250, 0, -3, 0", 1), ("321, 0, 0, 0", 1), ("323, 0", 1), ("435, 0, 0", 38), ("39", 0)],
)
def test_the_kernel_agrees(python: Run, call: str, errno: int) -> None:
    assert python(SYSCALL.format(call)).output == b"%d\n" % errno
