"""Reads a `.env` file strictly: every line counts, or the file is refused with the numbers of its wrong lines.

Called by `jobs.config.environment` for the commands of operators. Syntax: https://pypi.org/project/python-dotenv/.
"""

from __future__ import annotations

import errno
import os
import stat
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from integrations.explain import CONTROLS, show_name

DEFAULT = Path(".env")
NONE = ("none", os.devnull)
"""Values of `--env-file` for a start without a file."""
LARGEST = 1_000_000
"""Bytes: a thousand times the usual size."""


class UnusableFile(Exception):
    """The file cannot be used; `sentences` name the reasons and the fixes, without values."""

    def __init__(self, *sentences: str) -> None:
        super().__init__(*sentences)
        self.sentences = sentences


def read_env_file(given: Path | None) -> dict[str, str]:
    """Return the variables of the file `given` by `--env-file`, or of `.env`, the only one that can be missing.

    Raises `UnusableFile`."""
    path = given or DEFAULT
    if str(given) in NONE or (given is None and not os.path.lexists(DEFAULT)):
        return {}
    shown = show_name(str(path), longest=1_000)
    try:
        content = _read(path, shown)
    except OSError as error:
        fix = "create it, or start with --env-file none" if error.errno == errno.ENOENT else "correct the path"
        raise UnusableFile(f"The settings file {shown} cannot be read ({error.strerror}); {fix}.") from None
    return _parse(content, shown)


def is_exposed(given: Path | None) -> bool:
    """Whether every user of this host can read the file."""
    if str(given) in NONE:
        return False
    try:
        return bool((given or DEFAULT).stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _read(path: Path, shown: str) -> str:
    """Raises `OSError` and `UnusableFile`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer does not block
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnusableFile(f"The settings file {shown} is not a regular file; name a file of lines NAME=value.")
        if problem := find_owner_problem(status):
            raise UnusableFile(f"The settings file {shown} {problem}.")
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise UnusableFile(f"The settings file {shown} has more than {LARGEST} bytes; name a file of lines NAME=value.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnusableFile(f"The settings file {shown} is not UTF-8 text (line {line}); save it as UTF-8.") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UnusableFile(f"The settings file {shown} has a NUL character in line {line}; save it as UTF-8 text.")
    return text


def find_owner_problem(status: os.stat_result) -> str:
    """Return the reason and the fix when another user can change the file or folder; empty if none can."""
    if status.st_uid not in (0, os.geteuid()):
        return f"belongs to another user (uid {status.st_uid}); change its owner to the user that runs Loopline"
    if status.st_mode & stat.S_IWOTH:
        return "can be changed by every user of this host; remove that permission with chmod o-w"
    return ""


def _parse(text: str, shown: str) -> dict[str, str]:
    found: dict[str, tuple[int, str]] = {}
    problems = []
    for binding in parse_stream(StringIO(text)):
        line, name = _find_line(binding), binding.key
        if binding.error or (name is not None and (binding.value is None or CONTROLS.search(name))):
            problems.append(
                f"The settings file {shown} has no NAME=value in line {line}; correct it, or begin it with #."
            )
        elif name in found:
            first = found[name][0]
            twice = f"sets {show_name(name)} twice, in lines {first} and {line}"
            problems.append(f"The settings file {shown} {twice}; remove one of them.")
        elif name is not None:
            found[name] = (line, binding.value or "")
    if problems:
        raise UnusableFile(*problems)
    return {name: value for name, (_, value) in found.items() if value}


def _find_line(binding: Binding) -> int:
    """The first line of the binding that is not blank."""
    original = binding.original
    blank = original.string[: len(original.string) - len(original.string.lstrip())]
    return original.line + len(blank.splitlines()) - (not blank.endswith(("\n", "\r")) and bool(blank))
