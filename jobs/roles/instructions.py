"""A repository's instructions for agents: AGENTS.md or CLAUDE.md, and skills (SKILL.md files).

Read from the base commit through the mirror and never from an agent's tree, so that no change can instruct its own
review. Unreadable files are skipped and logged: they must not block the work. Skills are text and never run, and
`allowed-tools` in the front matter grants nothing. Unknown keys are ignored, because vendors differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from integrations.errors import Rejected
from integrations.git.mirror import Mirror
from integrations.ports.agent_runner import ToolResult, ToolSpec
from jobs.loop.front_matter import FrontMatterError, read_front_matter
from jobs.roles.submission import HostTool, IsStopped

INSTRUCTION_FILES = ("AGENTS.md", "CLAUDE.md")
MAX_INSTRUCTIONS = 32_768
MAX_READ = 200
FOLDERS = (".agents/skills", ".claude/skills", ".codex/skills")
FILE = "SKILL.md"
TOOL = "read_skill"
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


@dataclass(frozen=True)
class Instructions:
    """`text` is that of the first of `INSTRUCTION_FILES` that exists, empty without one."""

    text: str = ""
    skills: tuple[Skill, ...] = ()


def read_instructions(mirror: Mirror, sha: str) -> Instructions:
    """The instructions at this commit; the same for every call with the same commit."""
    found = (text for name in INSTRUCTION_FILES if (text := _read_text(mirror, sha, name)))
    return Instructions(next(found, "")[:MAX_INSTRUCTIONS], _read_skills(mirror, sha))


def _read_skills(mirror: Mirror, sha: str) -> tuple[Skill, ...]:
    """In the order of `FOLDERS`, so that the first of a name wins; symbolic links are ignored."""
    found = [path for path in mirror.files(sha, *FOLDERS) if path.count("/") == 3 and path.endswith(f"/{FILE}")]
    ordered = [path for folder in FOLDERS for path in found if path.startswith(f"{folder}/")]
    skills = []
    for path in ordered[:MAX_READ]:
        text = _read_text(mirror, sha, path)
        try:
            skills.append(parse_skill(path, text))
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
    return f"Skills of this repository; read one with `{TOOL}` before you do what it is about:\n{lines}"


def build_skill_tools(skills: Sequence[Skill]) -> tuple[HostTool, ...]:
    """The tool that shows a skill's text; none without skills."""
    by_name = {skill.name: skill for skill in skills}

    def take(arguments: Mapping[str, Any], stopped: IsStopped) -> ToolResult:
        skill = by_name.get(str(arguments.get("name")))
        if skill is None:
            return ToolResult(f"name: has to be one of {', '.join(by_name)}.", is_error=True)
        return ToolResult(f"{skill.body or '(empty)'}\n\n[its other files, if any, are in {skill.folder}]")

    name = {"type": "string", "enum": list(by_name)}
    spec = ToolSpec(
        TOOL,
        "Show the text of one of the repository's skills, as it is on the base branch.",
        {"type": "object", "properties": {"name": name}, "required": ["name"]},
    )
    return (HostTool(spec, take),) if by_name else ()
