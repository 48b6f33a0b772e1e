"""What a repository tells agents: AGENTS.md or CLAUDE.md, and skills. Called by `jobs.roles.slice` for every role.

Read from the base commit through the mirror and never from an agent's tree, so that no change can give itself orders.
What cannot be read is left out and logged: a broken file must not keep anybody from working.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from integrations.errors import Rejected
from integrations.git.mirror import Mirror
from jobs.roles.skills import FILE, FOLDERS, Skill, first_of_each_name, skill_in

INSTRUCTION_FILES = ("AGENTS.md", "CLAUDE.md")
MAX_INSTRUCTIONS = 32_768
MAX_READ = 200
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Instructions:
    """`text` is the first of `INSTRUCTION_FILES` that there is, empty without one."""

    text: str = ""
    skills: tuple[Skill, ...] = ()


def read_instructions(mirror: Mirror, sha: str) -> Instructions:
    """What the repository says at this commit; the same commit always gives the same."""
    found = (text for name in INSTRUCTION_FILES if (text := _text(mirror, sha, name)))
    return Instructions(next(found, "")[:MAX_INSTRUCTIONS], _skills(mirror, sha))


def _skills(mirror: Mirror, sha: str) -> tuple[Skill, ...]:
    """In the order of `FOLDERS`, so that the first of a name wins; a link is no skill."""
    there = [path for path in mirror.files(sha, *FOLDERS) if path.count("/") == 3 and path.endswith(f"/{FILE}")]
    ordered = [path for folder in FOLDERS for path in there if path.startswith(f"{folder}/")]
    skills = []
    for path in ordered[:MAX_READ]:
        text = _text(mirror, sha, path)
        skill = skill_in(path, text) if text else None
        if skill is None:
            _log.warning("a skill is left out: its front matter needs name and description", path=path, commit=sha)
        else:
            skills.append(skill)
    return first_of_each_name(skills)


def _text(mirror: Mirror, sha: str, path: str) -> str:
    try:
        return mirror.read(sha, path) or ""
    except Rejected as error:
        _log.warning("a file of instructions is left out", path=path, commit=sha, reason=str(error))
        return ""
