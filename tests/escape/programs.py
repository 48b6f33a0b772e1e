"""Programs that attack the kernel's interfaces. Each prints `reached` or `blocked`; success does no harm."""

from __future__ import annotations

import platform

IS_X86 = platform.machine() == "x86_64"

_CALL = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(4096)
result = libc.syscall({call})
refused = result < 0 and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS, errno.EACCES)
print("blocked" if refused else "reached")
"""
_MACHINE_CODE = """
import ctypes, mmap, os
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex({code!r}))
function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
print("reached" if function() in (os.getpid(), os.getppid()) else "blocked")
"""
_OPEN = """
import os
try:
    {action}
    print("reached")
except OSError:
    print("blocked")
"""


def call(arguments: str) -> str:
    """A system call by its number, with arguments."""
    return _CALL.format(call=arguments)


def act(action: str) -> str:
    """A statement that raises `OSError` when it is refused."""
    return _OPEN.format(action=action)


# Numbers of x86_64; `tests/integrations/sandbox/test_seccomp.py` covers both processors.
CALLS = {
    "bpf": call("321, 0, 0, 0"),
    "perf_event_open": call("298, buffer, 0, -1, -1, 0"),
    "userfaultfd": call("323, 0"),
    "io_uring_setup": call("425, 1, buffer"),
    "io_uring_enter": call("426, -1, 0, 0, 0, 0"),
    "keyctl": call("250, 0, -3, 0"),
    "add_key": call("248, b'user', b'x', b'x', 1, -2"),
    "request_key": call("249, b'user', b'x', 0, -2"),
    "unshare": call("272, 0x10000000"),
    "setns": call("308, -1, 0"),
    "clone3": call("435, 0, 0"),
    "open_tree": call("428, -100, b'/', 0x80000"),
    "fsopen": call("430, b'tmpfs', 0"),
    "mount": call("165, b'x', b'/nonexistent', b'tmpfs', 0, 0"),
    "pivot_root": call("155, b'/nonexistent', b'/nonexistent'"),
    "pidfd_getfd": call("438, -1, 0, 0"),
    "process_vm_readv": call("310, __import__('os').getpid(), 0, 0, 0, 0, 0"),
    "process_vm_writev": call("311, __import__('os').getpid(), 0, 0, 0, 0, 0"),
    "name_to_handle_at": call("303, -100, b'/', buffer, buffer, 0"),
    "open_by_handle_at": call("304, -1, buffer, 0"),
    "personality": call("135, 0x0040000"),
    "quotactl": call("179, 0x800001, b'/nonexistent', 0, buffer"),
    "syslog": call("103, 10, 0, 0"),
    "kexec_load": call("246, 0, 1000, 0, 0"),
    "chroot": call("161, b'/nonexistent'"),
    "vsock": act("import socket; socket.socket(40, 1)"),
    "algorithm socket": act("import socket; socket.socket(38, 5)"),
    "packet socket": act("import socket; socket.socket(17, 3)"),
    "netlink audit": act("import socket; socket.socket(16, 3, 9)"),
    "pair of TIPC sockets": act("import socket; socket.socketpair(30, 2)"),
}
"""Name: program. All but the last can succeed for a process outside of a sandbox."""

FOREIGN = {
    "i386 by int 0x80": _MACHINE_CODE.format(code="b814000000cd80c3"),  # mov eax, getpid; int 0x80; ret
    "x32": call("0x40000000 + 39"),
}

FILES = {
    "memory of process 1": act("os.close(os.open('/proc/1/mem', os.O_RDWR))"),
    "root of process 1": act("os.listdir('/proc/1/root/etc')"),
    "folder of process 1": act("os.listdir('/proc/1/cwd')"),
    "open files of process 1": act("os.listdir('/proc/1/fd')"),
    "program of process 1": act("os.readlink('/proc/1/exe')"),
    "kernel memory": act("os.close(os.open('/proc/kcore', os.O_RDONLY))"),
    "kernel log": act("os.read(os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK), 1)"),
    "sysctl": act("os.close(os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY))"),
    "sysrq": act("os.close(os.open('/proc/sysrq-trigger', os.O_WRONLY))"),
    "cgroups": act("os.listdir('/sys/fs/cgroup')"),
    "terminal": act("os.close(os.open('/dev/console', os.O_WRONLY))"),
    "disks": act("os.listdir('/dev/disk'); os.listdir('/sys/block')"),
    "fuse": act("os.close(os.open('/dev/fuse', os.O_RDWR))"),
    "file capability": act("open('x', 'w'); os.setxattr('x', 'security.capability', bytes([1,0,0,2]+[255]*4+[0]*12))"),
    "trusted attribute": act("open('x', 'w'); os.setxattr('x', 'trusted.overlay.opaque', b'y')"),
    "device file": act("os.mknod('device', 0o60600, os.makedev(8, 0))"),
    "larger limit": act("import resource; resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))").replace(
        "except OSError", "except (OSError, ValueError)"
    ),
    "hard link to a program": act("os.link('/usr/bin/env', 'program')"),
}
"""Paths and files. A process of root outside of a sandbox reaches most of them."""
