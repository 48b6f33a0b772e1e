"""Reads CODEOWNERS: whom a change needs as reviewers. Pure.

The last matching pattern of a file counts, one without owners means none. Patterns are those of .gitignore without
negation and character ranges, with regard to case, and `docs/*` does not match below subfolders
(https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

FILES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""The first one that exists counts."""
MOST_OWNERS, _MOST_RULES, _MOST_PATHS = 15, 5_000, 2_000
_TOKEN = re.compile(r"(?:\\.|[^\s\\#])(?:\\.|[^\s\\])*")
_LOGIN = re.compile(r"@[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})")
_TEAM = re.compile(r"@(?P<owner>[A-Za-z0-9][A-Za-z0-9-]{0,38})/(?P<team>[A-Za-z0-9._-]{1,100})")


@dataclass(frozen=True)
class Owners:
    """Logins, and slugs of teams, each without `@`; those of most files first. `unknown` are e-mail addresses, teams of
    other organizations, and names that are neither."""

    people: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def find_owners(text: str, paths: Iterable[str], organization: str) -> Owners:
    """The owners of these paths, at most 15 people and teams together, as many as a code host requests."""
    rules = _read_rules(text)
    counted = Counter(owner for path in list(paths)[:_MOST_PATHS] for owner in _find_rule(path, rules))
    people, teams, unknown = [], [], []
    for owner, _ in counted.most_common():
        team = _TEAM.fullmatch(owner)
        if _LOGIN.fullmatch(owner):
            people.append(owner[1:])
        elif team and team["owner"].lower() == organization.lower():
            teams.append(team["team"])
        else:
            unknown.append(owner)
    teams = teams[:MOST_OWNERS]
    return Owners(tuple(people[: MOST_OWNERS - len(teams)]), tuple(teams), tuple(unknown[:MOST_OWNERS]))


def _read_rules(text: str) -> list[tuple[re.Pattern[str], tuple[str, ...]]]:
    """Pattern and owners of each line, the last line first. Lines that GitHub skips are skipped."""
    rules = []
    for line in text.splitlines()[-_MOST_RULES:]:
        pattern, *owners = _TOKEN.findall(line.partition(" #")[0]) or [""]
        if pattern and not line.lstrip().startswith("#") and not pattern.startswith("!") and "[" not in pattern:
            rules.append((_compile(re.sub(r"\\(.)", r"\1", pattern)), tuple(owners)))
    return rules[::-1]


def _find_rule(path: str, rules: Iterable[tuple[re.Pattern[str], tuple[str, ...]]]) -> tuple[str, ...]:
    return next((owners for pattern, owners in rules if pattern.fullmatch(path)), ())


@lru_cache(maxsize=_MOST_RULES)
def _compile(pattern: str) -> re.Pattern[str]:
    """A regular expression for the paths that the pattern matches."""
    is_anchored = "/" in pattern.rstrip("/")
    is_folder = pattern.endswith("/")
    parts = [part for part in pattern.strip("/").split("/") if part]
    if not parts:
        return re.compile(r"(?!)")
    expression = "" if is_anchored else "(?:[^/]*/)*?"
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        if part == "**":
            expression += ".*" if is_last else "(?:[^/]*/)*?"
        else:
            expression += _compile_part(part) + ("" if is_last else "/")
    if is_folder:
        expression += "/.*"
    elif parts[-1] not in ("*", "**") or parts == ["*"]:  # a name is also that of a folder
        expression += "(?:/.*)?"
    return re.compile(expression, re.DOTALL)


def _compile_part(part: str) -> str:
    first, *others = (re.escape(piece).replace(r"\?", "[^/]") for piece in re.split(r"\*+", part))
    return first + "".join(f"(?>[^/]*?{one})" for one in others[:-1]) + "".join(f"[^/]*{one}" for one in others[-1:])
