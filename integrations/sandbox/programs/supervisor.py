"""Process 1 of a sandbox: runs commands for the host, and ends everything that a command leaves behind.

Its only argument is the number of a SOCK_SEQPACKET socket. Each message of the host is one command: the file
descriptors of the request, of the command's channel, and of its standard streams (0, 1, 2, …). The request is a list of
fields that end with NUL: working directory, resource limits (`number:value`, joined by commas), number of arguments,
arguments, variables. When the host closes the socket, this program exits, and the kernel ends all other processes.

Each command has a keeper, a fork of this program: it is the command's parent and the subreaper of its descendants, so
none can leave the tree. The keeper sends `exit <wait status>` on the channel after the last of them has ended. The host
ends a command by closing its side of the channel.

Commands have the same user as this program, but cannot read, write or trace it: it is not dumpable. Process 1 ignores
signals from inside; a keeper that they kill sends nothing, and process 1 kills its tree.

Standard library only, and little of it: `socket`, `signal` and `ctypes` would double the time to start.
"""

from __future__ import annotations

import _ctypes
import _signal  # type: ignore[import-not-found]
import _socket
import fcntl
import os
import resource
import select
import sys

PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36  # linux/prctl.h
MAX_FDS = 16
OOM_SCORE = "800"  # of 1000, as in `cgroup`
HIGH_FD = 100  # above the standard streams of every command
NOT_EXECUTABLE, NOT_FOUND = 126, 127
ENOEXEC = 8


class Command:
    """A request of the host, parsed."""

    def __init__(self, content: bytes) -> None:
        folder, limits, count, *fields = content.split(b"\0")[:-1]
        self.folder = folder
        self.limits = [tuple(map(int, pair.split(b":"))) for pair in limits.split(b",") if pair]
        self.argv = fields[: int(count)]
        self.variables = dict(field.split(b"=", 1) for field in fields[int(count) :])


class Waker:
    """A poll that also returns when a child has ended."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        _signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        self._poll = select.poll()
        for each in (fd, self._reader):
            self._poll.register(each, select.POLLIN)

    def wait(self) -> bool:
        """Wait for input on `fd` or the end of a child; returns whether there is input."""
        ready = [fd for fd, _ in self._poll.poll()]
        if self._reader in ready:
            os.read(self._reader, 4096)
        return self._fd in ready


def prctl(option: int, value: int) -> None:
    """Call prctl(2) of the C library."""
    address = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type]
    if _ctypes.call_function(address, (option, value, 0, 0, 0)):
        raise OSError(f"prctl {option} failed")


def main(control_fd: int) -> None:
    give_way()
    prctl(PR_SET_DUMPABLE, 0)
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    os.set_inheritable(control_fd, False)
    control = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, control_fd)
    waker = Waker(control_fd)
    keepers: set[int] = set()
    control.send(b"ready")
    while True:
        if waker.wait():
            fds = receive_fds(control)
            if not fds:
                return
            start_keeper(control, fds, keepers)
        ended = reap()
        while any(ended.get(pid) for pid in keepers):  # a keeper was killed
            keepers.difference_update(ended)
            ended = end_descendants(keepers)
        keepers.difference_update(ended)


def give_way() -> None:
    """End before the host's services when memory is short. Inherited; the host cannot set it without being root."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 -- pathlib is slow to import
            file.write(OOM_SCORE)
    except OSError:  # the host has set a higher one
        pass


def receive_fds(control: _socket.socket) -> list[int]:
    """The file descriptors of the host's next message; empty when it has closed the socket."""
    space = _socket.CMSG_SPACE(4 * MAX_FDS)
    message, ancillary, _, _ = control.recvmsg(1, space, _socket.MSG_CMSG_CLOEXEC)
    return [fd for _, _, data in ancillary for fd in memoryview(data).cast("i")] if message else []


def start_keeper(control: _socket.socket, fds: list[int], keepers: set[int]) -> None:
    try:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                control.close()
                keep(*fds)
                code = 0
            finally:
                os._exit(code)
        keepers.add(pid)
    except OSError as error:
        report(fds[1], error)
    for fd in fds:
        os.close(fd)


def report(channel: int, error: OSError) -> None:
    """The command could not be started."""
    try:  # noqa: SIM105 -- contextlib is slow to import
        os.write(channel, b"error " + os.fsencode(error.strerror or ""))
    except OSError:  # the host has closed it
        pass


def keep(request: int, channel: int, *streams: int) -> None:
    """Run one command, and end what it leaves behind."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    waker = Waker(channel)
    size = os.fstat(request).st_size
    command = Command(os.pread(request, size, 0))
    try:
        pid = os.fork()
    except OSError as error:
        report(channel, error)
        return
    if pid == 0:
        run(command, streams)
    for fd in (request, *streams):
        os.close(fd)
    ended: dict[int, int] = {}
    while pid not in ended and not waker.wait():
        ended.update(reap())
    ended.update(end_descendants(set()))
    os.write(channel, b"exit %d" % ended.get(pid, _signal.SIGKILL))


def run(command: Command, streams: tuple[int, ...]) -> None:
    """Become the command. Never returns."""
    name, code = command.argv[0], NOT_EXECUTABLE
    try:
        os.setsid()
        for target, fd in enumerate([fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH_FD) for fd in streams]):
            os.dup2(fd, target)
        for kind, value in command.limits:
            resource.setrlimit(kind, (value, value))
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ):  # ignored by Python, and exec would keep that
            _signal.signal(number, _signal.SIG_DFL)
        try:
            os.chdir(command.folder)
        except PermissionError:  # an agent took its own access to the tree
            os.chmod(command.folder, 0o755)  # noqa: PTH101 -- the program imports as little as it can
            os.chdir(command.folder)
        code = execute(command)
    except (OSError, ValueError) as error:
        os.write(2, b"%s: %s\n" % (name, str(getattr(error, "strerror", error)).encode()))
    finally:
        os._exit(code)


def execute(command: Command) -> int:
    """Like execvp: search PATH, and give a file without an interpreter to the shell. Returns only if none is found."""
    name = command.argv[0]
    folders = [b""] if b"/" in name else command.variables.get(b"PATH", b"").split(b":")
    refusal = None
    for path in [folder + b"/" + name if folder else name for folder in folders]:
        try:
            os.execve(path, command.argv, command.variables)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            refusal = error
        except OSError as error:
            if error.errno != ENOEXEC:
                raise
            os.execve(b"/bin/sh", [b"sh", path, *command.argv[1:]], command.variables)
    if refusal is not None:
        raise refusal
    os.write(2, name + b": command not found\n")
    return NOT_FOUND


def reap() -> dict[int, int]:
    """Collect the children that have ended; returns their wait statuses."""
    ended = {}
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended[pid] = status
    except ChildProcessError:
        pass
    return ended


def end_descendants(spared: set[int]) -> dict[int, int]:
    """Kill all descendants but the trees of `spared`. Returns the wait statuses of the children that have ended.

    They are stopped first, so that none can fork while the others are killed."""
    ended = reap()
    stopped: set[int] = set()
    while found := find_descendants(spared):
        new = found - stopped
        send_signal(new or found, _signal.SIGSTOP if new else _signal.SIGKILL)
        stopped |= new
        if not new:
            select.poll().poll(1)
            ended.update(reap())
    return ended


def find_descendants(spared: set[int]) -> set[int]:
    """All processes that come from this one, but the trees of `spared`."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # the usual case, and a subreaper without a child has no descendant
        return set()
    children: dict[int, list[int]] = {}
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    for pid in pids:
        try:
            fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
            state = os.read(fd, 1024)
            os.close(fd)
        except OSError:  # it has ended
            continue
        parent = int(state.rpartition(b")")[2].split()[1])
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    pending = [os.getpid()]
    while pending:
        fresh = [pid for pid in children.get(pending.pop(), ()) if pid not in spared]
        found.update(fresh)
        pending += fresh
    return found


def send_signal(pids: set[int], number: int) -> None:
    for pid in pids:
        try:  # noqa: SIM105 -- contextlib is slow to import
            os.kill(pid, number)
        except ProcessLookupError:
            pass


if __name__ == "__main__":
    main(int(sys.argv[1]))
