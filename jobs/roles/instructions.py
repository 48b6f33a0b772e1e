"""A repository's instructions for agents: AGENTS.md or CLAUDE.md of each folder, and skills (SKILL.md files).

Read from the base commit through the mirror and never from an agent's tree, so that no change can instruct its own
review. Unreadable files are skipped and logged: they must not block the work. Loopline runs nothing of a skill: an
agent can run its scripts in its own sandbox, and `allowed-tools` in the front matter grants nothing. Unknown keys are
ignored, because vendors differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from integrations.errors import Rejected
from integrations.git.mirror import Mirror
from integrations.ports.agent_runner import ToolResult, ToolSpec
from integrations.sandbox.environment import TREE
from integrations.values import CommitSha
from jobs.evidence.provenance import SKILL_TOOL
from jobs.loop.front_matter import FrontMatterError, read_front_matter
from jobs.roles.submission import HostTool, IsStopped

INSTRUCTION_FILES = ("AGENTS.md", "CLAUDE.md")
MAX_INSTRUCTIONS = 32_768
MAX_READ = 200
FOLDERS = (".agents/skills", ".claude/skills", ".codex/skills", "skills")
FILE = "SKILL.md"
MOST_FOLDERS = 100
"""Folders whose instructions are searched for one run or one call."""
DEEPEST = 20
MOST_LISTED = 50
"""Files of a skill that are named."""
MAX_SKILLS = 40
MAX_BODY = 24_000
MAX_DESCRIPTION = 1_024
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Skill:
    """One skill; `folder` has its other files, relative to the repository's root."""

    name: str
    description: str
    body: str
    folder: str
    files: tuple[str, ...] = ()
    """Its other files, relative to `folder`."""


@dataclass(frozen=True)
class InstructionFile:
    """The instructions of one folder and everything below it."""

    path: str
    text: str

    @property
    def folder(self) -> str:
        """'' for the root."""
        return self.path.rpartition("/")[0]


@dataclass(frozen=True)
class Instructions:
    """`files` are those of the root and of the folders on the way to the work, the root first."""

    files: tuple[InstructionFile, ...] = ()
    skills: tuple[Skill, ...] = ()

    @property
    def text(self) -> str:
        """All files, within `MAX_INSTRUCTIONS` characters without the headings."""
        return format_files(self.files)


def read_instructions(mirror: Mirror, sha: str, paths: Iterable[str] = ()) -> Instructions:
    """The instructions at this commit for work on `paths`; the same for every call with the same arguments."""
    return Instructions(read_chain(mirror, sha, ["", *paths]), _read_skills(mirror, sha))


def read_chain(
    mirror: Mirror, sha: str, paths: Iterable[str], known: Collection[str] = ()
) -> tuple[InstructionFile, ...]:
    """The instruction files of the folders from the root to each path, outer ones first, without those in `known`.

    Of each folder the first of `INSTRUCTION_FILES` that can be read counts, as in the command-line agents."""
    folders = list_folders(paths)
    candidates = {folder: [f"{folder}/{name}".lstrip("/") for name in INSTRUCTION_FILES] for folder in folders}
    present = set(mirror.files(sha, *(path for names in candidates.values() for path in names)) if folders else ())
    found = []
    for names in candidates.values():
        texts = ((path, _read_text(mirror, sha, path)) for path in names if path in present)
        if chosen := next(((path, text) for path, text in texts if text), None):
            found.append(InstructionFile(*chosen))
    return tuple(file for file in found if file.path not in known)


def list_folders(paths: Iterable[str]) -> list[str]:
    """The folders from the root ('') to each path, which can itself be a folder; outer ones first, bounded. A path that
    leaves the tree or cannot be printed has none."""
    folders: dict[str, None] = {}
    for path in paths:
        parts = path.removeprefix(f"{TREE}/").strip("/").split("/")[:DEEPEST]
        if path.isprintable() and not {".", "..", ".git"} & set(parts):
            folders |= dict.fromkeys("/".join(parts[:depth]) for depth in range(len(parts) + 1))
    return sorted(list(folders)[:MOST_FOLDERS], key=lambda folder: folder.split("/"))


def format_files(files: Sequence[InstructionFile], limit: int = MAX_INSTRUCTIONS) -> str:
    """The texts with a heading for each folder but the root. Long ones are cut, so that each has a fair part."""
    parts, left = dict[str, str](), limit
    for number, file in enumerate(sorted(files, key=lambda one: len(one.text))):
        most = left // (len(files) - number)
        left -= min(len(file.text), most)
        cut = f"{file.text[:most]}\n[{len(file.text) - most} characters cut: the file is {file.path}]"
        parts[file.path] = file.text if len(file.text) <= most else cut
    return "\n\n".join(
        (f"Instructions for {file.folder}/, from {file.path}:\n\n" if file.folder else "") + parts[file.path].strip()
        for file in files
    )


def _read_skills(mirror: Mirror, sha: str) -> tuple[Skill, ...]:
    """In the order of `FOLDERS`, so that the first of a name wins; symbolic links are ignored."""
    files = mirror.files(sha, *FOLDERS)
    found = [path for path in files if path.endswith(f"/{FILE}")]
    ordered = [path for folder in FOLDERS for path in found if path.rsplit("/", 2)[0] == folder]
    skills = []
    for path in ordered[:MAX_READ]:
        text, prefix = _read_text(mirror, sha, path), path.removesuffix(FILE)
        others = tuple(one.removeprefix(prefix) for one in files if one.startswith(prefix) and one != path)
        try:
            skills.append(replace(parse_skill(path, text), files=others[:MOST_LISTED]))
        except FrontMatterError as error:
            _log.warning("skill skipped", path=path, commit=sha, reason=str(error))
    return drop_duplicates(skills)


def _read_text(mirror: Mirror, sha: str, path: str) -> str:
    try:
        return mirror.read(sha, path) or ""
    except Rejected as error:
        _log.warning("instruction file skipped", path=path, commit=sha, reason=str(error))
        return ""


def parse_skill(path: str, text: str) -> Skill:
    """The skill in a SKILL.md. Raises `FrontMatterError` if its front matter is invalid or has no description.

    The folder's name replaces an invalid one (lower-case letters, digits, single hyphens, at most 64 characters)."""
    folder = path.rpartition("/")[0]
    head = read_front_matter(text)
    given = [head.values.get("name"), folder.rpartition("/")[2].lower()]
    name = next((n for n in given if isinstance(n, str) and len(n) <= 64 and _NAME.fullmatch(n)), "")
    described = head.values.get("description")
    description = " ".join(described.split())[:MAX_DESCRIPTION] if isinstance(described, str) else ""
    if not name or not description:
        raise FrontMatterError("front matter needs name and description")
    body = head.body.strip()
    cut = f"{body[:MAX_BODY]}\n[{len(body) - MAX_BODY} characters cut: the file is {path}]"
    return Skill(name, description, body if len(body) <= MAX_BODY else cut, folder)


def drop_duplicates(skills: Sequence[Skill]) -> tuple[Skill, ...]:
    """The first skill of each name, at most `MAX_SKILLS`."""
    by_name: dict[str, Skill] = {}
    for skill in skills:
        by_name.setdefault(skill.name, skill)
    return tuple(by_name.values())[:MAX_SKILLS]


def format_catalogue(skills: Sequence[Skill]) -> str:
    """Name and description of each skill, for the system text; empty without any."""
    if not skills:
        return ""
    lines = "\n".join(f"- {skill.name}: {skill.description}" for skill in skills)
    return f"Skills of this repository; read one with `{SKILL_TOOL}` before you do what it is about:\n{lines}"


def build_skill_tools(
    skills: Sequence[Skill], base_sha: CommitSha, is_changed: Callable[[str], bool]
) -> tuple[HostTool, ...]:
    """The tool that shows a skill's text; none without skills. `is_changed`: the work tree has other files in this
    folder than the base commit."""
    by_name = {skill.name: skill for skill in skills}

    def take(arguments: Mapping[str, Any], stopped: IsStopped) -> ToolResult:
        skill = by_name.get(str(arguments.get("name")))
        if skill is None:
            return ToolResult(f"name: has to be one of {', '.join(by_name)}.", is_error=True)
        files = _describe_files(skill, base_sha, is_changed=bool(skill.files) and is_changed(skill.folder))
        return ToolResult(f"{skill.body or '(empty)'}\n\n[{files}]")

    name = {"type": "string", "enum": list(by_name)}
    spec = ToolSpec(
        SKILL_TOOL,
        "Show the text of one of the repository's skills, as it is on the base branch.",
        {"type": "object", "properties": {"name": name}, "required": ["name"]},
    )
    return (HostTool(spec, take),) if by_name else ()


def _describe_files(skill: Skill, base_sha: CommitSha, *, is_changed: bool) -> str:
    """Where the skill's other files are, for commands in the sandbox: scripts run with `bash`, by these paths."""
    if not skill.files:
        return "it has no other files"
    place, listed = f"{TREE}/{skill.folder}", ", ".join(skill.files)
    if not is_changed:
        return f"its other files, in {place}: {listed}"
    copy = f"git -C {TREE} archive {base_sha} {skill.folder} | tar -x -C /tmp/skills"
    return (
        f"its other files: {listed}. Those in {place} were changed by this work: get the base branch's with "
        f"`mkdir -p /tmp/skills && {copy}`, and use /tmp/skills/{skill.folder}"
    )
