"""The rules for the contents of an agent's commit. Called by `quarantine` before objects reach the mirror; pure.

A change that breaks one is refused; paths that a person can allow are in `jobs.evidence.protected`.

On Linux git itself refuses few of these names (`index-pack --strict` covers .git and .., not gitlinks, escaping links
or look-alikes), so every entry that the commit adds, changes or removes is checked here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from integrations.errors import ExceededLimit

FILE, PROGRAM, LINK, GITLINK = "100644", "100755", "120000", "160000"

# Code points that HFS+ ignores in names (git's utf8.c, next_hfs_char), so that '.g<ZWJ>it' is .git there.
_HFS_IGNORED = dict.fromkeys([*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_MAX_LISTED = 5


@dataclass(frozen=True)
class TreeLimits:
    """Limits of one change. `max_pack_bytes` limits the pack from the sandbox, `max_blob_bytes` one file,
    `max_total_bytes` all changed files together."""

    max_files: int = 500
    max_blob_bytes: int = 5 * 2**20
    max_total_bytes: int = 50 * 2**20
    max_pack_bytes: int = 64 * 2**20


@dataclass(frozen=True)
class TreeEntry:
    """A changed path. `mode` is git's, empty for a removed path; `size` is the blob's, in bytes; `target` is that of a
    symbolic link. `old_mode` and `old_sha` are those before the change, `pointer` whether either side is a pointer of
    Git LFS."""

    path: bytes
    mode: str
    sha: str = ""
    size: int = 0
    target: bytes = b""
    old_mode: str = ""
    old_sha: str = ""
    pointer: bool = False

    @property
    def is_outside(self) -> bool:
        """Whether the content is not in the repository: a submodule of the base, or a file of Git LFS."""
        return self.pointer or self.old_mode == GITLINK


def parse_raw_diff(raw: bytes) -> list[TreeEntry]:
    """Parse the output of `git diff-tree -r -z --raw --no-renames`; size and target stay empty."""
    fields = raw.split(b"\0")
    entries = []
    for head, path in zip(fields[0::2], fields[1::2], strict=False):
        old_mode, mode, old_sha, sha, status = head.decode("ascii").removeprefix(":").split(" ")
        entries.append(TreeEntry(path, "" if status == "D" else mode, sha, old_mode=old_mode, old_sha=old_sha))
    return entries


def find_violations(entries: Iterable[TreeEntry], limits: TreeLimits) -> list[str]:
    """One sentence for each broken rule and exceeded limit; empty when the change is allowed."""
    entries = list(entries)
    found = [f"{_escape_path(entry.path)} {fault}" for entry in entries for fault in _find_faults(entry, limits)]
    return found + [sentence for _, sentence in find_exceeded_limits(entries, limits)]


def find_exceeded_limits(entries: Sequence[TreeEntry], limits: TreeLimits) -> list[tuple[ExceededLimit, str]]:
    """Each exceeded limit with one sentence."""
    found: list[tuple[ExceededLimit, str]] = [
        ("file", f"{_escape_path(e.path)} has {e.size} bytes, more than the {limits.max_blob_bytes} allowed")
        for e in entries
        if e.size > limits.max_blob_bytes
    ]
    if len(entries) > limits.max_files:
        found.append(("files", f"the change touches {len(entries)} files, more than the {limits.max_files} allowed"))
    total = sum(entry.size for entry in entries)
    if total > limits.max_total_bytes:
        found.append(("total", f"the change holds {total} bytes, more than the {limits.max_total_bytes} allowed"))
    return found


def format_violations(found: Sequence[str]) -> str:
    """The first few violations in one sentence."""
    more = f" and {len(found) - _MAX_LISTED} more" if len(found) > _MAX_LISTED else ""
    return f"the change is refused: {'; '.join(found[:_MAX_LISTED])}{more}"


def _escape_path(path: bytes) -> str:
    """A printable form of an untrusted path, for messages."""
    text = path.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)[:200]


def _find_faults(entry: TreeEntry, limits: TreeLimits) -> Iterator[str]:
    path = entry.path.decode(errors="replace")
    if entry.mode and path.encode() != entry.path:
        yield "is not UTF-8"
        return
    if GITLINK in (entry.mode, entry.old_mode):
        yield "is a submodule or a nested repository, which an agent cannot change"
    if entry.pointer:
        yield "is a file of Git LFS, which an agent cannot change"
    if path.rsplit("/")[-1] == ".gitmodules":
        yield "is the list of submodules, which an agent cannot change"
    if entry.mode:
        if path != unicodedata.normalize("NFC", path):
            yield "is not in Unicode normal form C"
        yield from filter(None, map(_check_component, path.split("/")))
        yield from _find_content_faults(path, entry, limits)


def _check_component(component: str) -> str:
    if component in ("", ".", ".."):
        return "has an empty, . or .. component"
    if is_git_alias(component):
        return "is another spelling of .git or .gitmodules"
    if any(unicodedata.category(c) in _INVISIBLE for c in component) or "\\" in component:
        return "has an invisible character or a backslash in its name"
    if component.startswith("-"):
        return "has a component that starts with - and could be read as an option"
    return "has a component longer than 255 bytes" if len(component.encode()) > 255 else ""


def is_git_alias(component: str) -> bool:
    """Whether a file system treats this name as .git or .gitmodules: case, HFS+ ignorables, NTFS short names."""
    name = _fold(component).split(":", 1)[0].rstrip(". ")
    return name in (".git", ".gitmodules") or re.fullmatch(r"git~[0-9]+|gitmod~[0-9]+|gi7eba~[0-9]", name) is not None


def _fold(text: str) -> str:
    """Normalize the spellings that some file system treats as the same name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.translate(_HFS_IGNORED)).casefold())


def _find_content_faults(path: str, entry: TreeEntry, limits: TreeLimits) -> Iterator[str]:
    if entry.mode not in (FILE, PROGRAM, LINK, GITLINK):
        yield f"has the mode {entry.mode}"
    if entry.mode == LINK and (fault := _check_link(path, entry.target)):
        yield fault


def _check_link(path: str, target: bytes) -> str:
    """Only a leading '..' can be resolved without following other links: in a/.., a can itself be a link."""
    try:
        parts = target.decode().split("/")
    except UnicodeDecodeError:
        return "is a link whose target is not UTF-8"
    up = 0
    while up < len(parts) and parts[up] in (".", ".."):
        up += 1
    if not target or parts[0] == "" or "\0" in target.decode() or parts[:up].count("..") > path.count("/"):
        return "is a link that leaves the repository"
    if ".." in parts[up:]:
        return "is a link with .. in the middle of its target"
    return "is a link into .git" if any(is_git_alias(part) for part in parts) else ""


def find_protecting_pattern(path: str, patterns: Sequence[str]) -> str:
    """The first of `patterns` that protects `path`, else empty. Ignores case and Unicode spelling."""
    folded = _fold(path)
    for pattern in patterns:
        if _compile_glob(pattern).fullmatch(folded) or _is_parent_of_protected(folded, pattern):
            return pattern
    return ""


def _is_parent_of_protected(path: str, pattern: str) -> bool:
    """Whether a file at `path` takes the place of the protected folder or of one of its parents."""
    if "/" not in pattern or pattern.startswith("**"):
        return False
    parts = path.split("/")
    return parts == _split_folder(pattern)[: len(parts)]


@lru_cache(maxsize=512)
def _split_folder(pattern: str) -> list[str]:
    return _fold(pattern).removesuffix("/**").split("/")


@lru_cache(maxsize=512)
def _compile_glob(pattern: str) -> re.Pattern[str]:
    """A regular expression for the path and everything below it.

    Each part behind a `*` or `**` takes its first place (atomic groups), so that no pattern takes exponential time."""
    folded = _fold(pattern).rstrip("/")
    parts = (folded if "/" in folded else f"**/{folded}").strip("/").removesuffix("/**").split("/")
    first, *others = [list(group) for is_any, group in groupby(["", *parts, ""], "**".__eq__) if not is_any]
    sections = ["/".join(map(_compile_segment, filter(None, section))) for section in (first, *others)]
    *outer, last = [(f"(?:[^/]*/)*?{one}" if one else ".*") if number else one for number, one in enumerate(sections)]
    return re.compile("".join(f"(?>{one}/)" for one in outer if one) + last + "(?:/.*)?", re.DOTALL)


def _compile_segment(segment: str) -> str:
    first, *others = (re.escape(part).replace(r"\?", "[^/]") for part in re.split(r"\*+", segment))
    return (
        first + "".join(f"(?>[^/]*?{part})" for part in others[:-1]) + "".join(f"[^/]*{last}" for last in others[-1:])
    )


def matches_any(path: str, patterns: Sequence[str]) -> bool:
    """Whether one of the globs, as in .gitignore, names `path` or a folder above it. Ignores case."""
    folded = _fold(path)
    return any(_compile_glob(pattern).fullmatch(folded) for pattern in patterns)
