"""A repository's instructions for agents: AGENTS.md or CLAUDE.md, and skills.

Read from the base commit through the mirror and never from an agent's tree, so that no change can instruct its own
review. Unreadable files are skipped and logged: they must not block the work.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from integrations.errors import Rejected
from integrations.git.mirror import Mirror
from jobs.roles.skills import FILE, FOLDERS, Skill, drop_duplicates, parse_skill

INSTRUCTION_FILES = ("AGENTS.md", "CLAUDE.md")
MAX_INSTRUCTIONS = 32_768
MAX_READ = 200
_log = structlog.get_logger(__name__)


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
        skill = parse_skill(path, text) if text else None
        if skill is None:
            _log.warning("skill skipped: front matter needs name and description", path=path, commit=sha)
        else:
            skills.append(skill)
    return drop_duplicates(skills)


def _read_text(mirror: Mirror, sha: str, path: str) -> str:
    try:
        return mirror.read(sha, path) or ""
    except Rejected as error:
        _log.warning("instruction file skipped", path=path, commit=sha, reason=str(error))
        return ""
