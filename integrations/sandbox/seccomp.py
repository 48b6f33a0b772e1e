"""The sandbox's system call filter, as a BPF program. Called by `bubblewrap`; pure.

A deny list of calls that builds and tests never need and attackers do: new namespaces and mounts, the kernel's large
attack surfaces (bpf, io_uring, keyrings, userfaultfd), exotic sockets, terminal injection. Refused calls return EPERM;
clone3 returns ENOSYS so that libc falls back to clone, whose flags the filter can read; a foreign ABI (i386 and x32 on
x86_64) is killed, because its call numbers differ. Format: linux/filter.h, linux/seccomp.h.
"""

from __future__ import annotations

import platform
import struct
from dataclasses import dataclass

KILL, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
EPERM, EINVAL, ENOSYS = 1, 22, 38
LARGEST_SEGMENT = 65536  # bytes of System V shared memory, of which only a cgroup limits the sum; databases use 56
_LOAD = 0x20  # LD|W|ABS
_EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x15, 0x35, 0x45, 0x06  # JMP|JEQ|K, JMP|JGE|K, JMP|JSET|K, RET|K
_NUMBER, _ARCH = 0, 4  # offsets in struct seccomp_data; argument n begins at 16 + 8n, low half first
NEW_NAMESPACE = 0x7E020000  # every CLONE_NEW* but CLONE_NEWTIME, which clone cannot take
SOCKET_FAMILIES = (1, 2, 10)  # UNIX, INET, INET6
NETLINK = 16  # only with protocol 0, NETLINK_ROUTE: `ip`, getifaddrs
TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
PERSONALITIES = (0, 0xFFFFFFFF)  # PER_LINUX, and the query for the current one


@dataclass(frozen=True)
class Machine:
    """One architecture: its audit number, its system call numbers, and where a second ABI's numbers begin."""

    arch: int
    refused: tuple[int, ...]
    clone: int
    clone3: int
    ioctl: int
    socket: int
    socketpair: int
    personality: int
    shmget: int
    foreign_from: int = 0


# bpf perf_event_open userfaultfd keyctl add_key request_key mount umount2 pivot_root setns unshare chroot kexec_load
# kexec_file_load init_module finit_module delete_module swapon swapoff reboot acct quotactl open_by_handle_at
# name_to_handle_at process_vm_readv process_vm_writev syslog settimeofday clock_settime clock_adjtime lookup_dcookie
# nfsservctl vhangup, then on x86_64 alone iopl ioperm uselib
_X86_64 = (321, 298, 323, 250, 248, 249, 165, 166, 155, 308, 272, 161, 246, 320, 175, 313, 176, 167, 168, 169, 163, 179,
           304, 303, 310, 311, 103, 164, 227, 305, 212, 180, 153, 172, 173, 134)  # fmt: skip
_AARCH64 = (280, 241, 282, 219, 217, 218, 40, 39, 41, 268, 97, 51, 104, 294, 105, 273, 106, 224, 225, 142, 89, 60,
            265, 264, 270, 271, 116, 170, 112, 266, 18, 42, 58)  # fmt: skip
# io_uring_setup/enter/register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_getfd mount_setattr
# quotactl_fd open_tree_attr: numbers from 424 on are the same everywhere
_SHARED = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442, 443, 467)

MACHINES = {
    "x86_64": Machine(0xC000003E, _X86_64 + _SHARED, 56, 435, 16, 41, 53, 135, 29, foreign_from=0x40000000),
    "aarch64": Machine(0xC00000B7, _AARCH64 + _SHARED, 220, 435, 29, 198, 199, 92, 194),
}


def _pack(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)


def _load_argument(index: int) -> bytes:
    return _pack(_LOAD, 16 + 8 * index)


def _return_errno(errno: int) -> bytes:
    return _pack(_RETURN, ERRNO | errno)


def _match_call(number: int, rule: bytes) -> bytes:
    """Run `rule`, which must end in a return, when the accumulator holds `number`."""
    return _pack(_EQUAL, number, 0, len(rule) // 8) + rule


def _refuse_values(argument: int, values: tuple[int, ...]) -> bytes:
    refusals = b"".join(_pack(_EQUAL, value, 0, 1) + _return_errno(EPERM) for value in values)
    return _load_argument(argument) + refusals + _pack(_RETURN, ALLOW)


def _allow_values(argument: int, values: tuple[int, ...]) -> bytes:
    allowances = b"".join(_pack(_EQUAL, value, 0, 1) + _pack(_RETURN, ALLOW) for value in values)
    return _load_argument(argument) + allowances


def _build_socket_rule() -> bytes:
    route = _load_argument(2) + _pack(_EQUAL, 0, 0, 1) + _pack(_RETURN, ALLOW)
    netlink = _pack(_EQUAL, NETLINK, 0, len(route) // 8) + route
    return _allow_values(0, SOCKET_FAMILIES) + netlink + _return_errno(EPERM)


def _build_shared_memory_rule() -> bytes:
    """Compares both halves of the size; a refusal looks like a size above kernel.shmmax."""
    refusal = _return_errno(EINVAL)
    high = _pack(_LOAD, 16 + 8 + 4) + _pack(_EQUAL, 0, 1, 0) + refusal
    return high + _load_argument(1) + _pack(_AT_LEAST, LARGEST_SEGMENT + 1, 0, 1) + refusal + _pack(_RETURN, ALLOW)


def build_program(machine: Machine) -> bytes:
    """The filter for `machine`: an array of struct sock_filter, the input of `bwrap --seccomp`."""
    lines = _pack(_LOAD, _ARCH) + _pack(_EQUAL, machine.arch, 1, 0) + _pack(_RETURN, KILL)
    lines += _pack(_LOAD, _NUMBER)
    if machine.foreign_from:
        lines += _pack(_AT_LEAST, machine.foreign_from, 0, 1) + _pack(_RETURN, KILL)
    for number in machine.refused:
        lines += _match_call(number, _return_errno(EPERM))
    lines += _match_call(machine.clone3, _return_errno(ENOSYS))
    namespaces = _load_argument(0) + _pack(_ANY_BIT, NEW_NAMESPACE, 0, 1) + _return_errno(EPERM)
    lines += _match_call(machine.clone, namespaces + _pack(_RETURN, ALLOW))
    lines += _match_call(machine.ioctl, _refuse_values(1, TERMINAL_INJECTION))
    lines += _match_call(machine.socket, _build_socket_rule())
    pairs = _allow_values(0, SOCKET_FAMILIES[:1]) + _return_errno(EPERM)  # socketpair loads modules as socket does
    lines += _match_call(machine.socketpair, pairs)
    lines += _match_call(machine.shmget, _build_shared_memory_rule())
    lines += _match_call(machine.personality, _allow_values(0, PERSONALITIES) + _return_errno(EPERM))
    return lines + _pack(_RETURN, ALLOW)


def build_host_program() -> bytes | None:
    """The filter for this machine; None for an unsupported architecture."""
    machine = MACHINES.get(platform.machine())
    return build_program(machine) if machine else None
