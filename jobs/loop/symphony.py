"""Sections of `WORKFLOW.md` that belong to Symphony's format, so that one file serves both tools. Pure.

Keys with a meaning here are read; the others are named once, as notes. Source: SPEC.md of openai/symphony, section 5.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from integrations.explain import show_name
from jobs.loop.front_matter import FrontMatter, FrontMatterError
from jobs.loop.policy_fields import Lines, OptionalCommand

_FOREIGN_KEYS = ConfigDict(extra="ignore")
"""Sections that other tools own too can hold keys that Loopline does not know."""
MOST_NAMED = 12
"""Keys that one note names."""
_CLONE = re.compile(
    r"\bgit\s+clone\b(?:\\\n|[^\n;&|])*?[ \t]+(?:\\\n[ \t]*)?"  # options and address
    r"['\"]?(?:\./?|\$PWD|\$\{PWD\}|\$\(pwd\))['\"]?(?=\s*(?:$|[\n;&|]))"  # the current folder
)
"""`git clone` into the current folder, up to the end of the command."""
CLONE_NOTE = "`git clone` in hooks.after_create is left out, because the worktree has the files already"


@dataclass(frozen=True, config=_FOREIGN_KEYS)
class AgentPolicy:
    """Symphony's `agent` section, as far as Loopline shares its meaning."""

    max_turns: int | None = Field(default=None, ge=1, le=1000)
    """Model calls of one run at most; None is the service's default."""
    max_concurrent_agents: int | None = Field(default=None, ge=1, le=1000)
    """Runs of this repository that agents advance at the same time; None is as many as there are slots."""


@dataclass(frozen=True, config=_FOREIGN_KEYS)
class HooksPolicy:
    """Symphony's `hooks` section; `after_create` is the last setup command of the environment."""

    after_create: OptionalCommand = ""
    """The last setup command of the environment, without a `git clone` into the current folder."""


@dataclass(frozen=True, config=_FOREIGN_KEYS)
class TrackerPolicy:
    """Symphony's `tracker` section. The service's settings determine the tracker and the column that starts work."""

    required_labels: Annotated[Lines, Field(max_length=20)] = ()
    """Labels that a ticket needs all of, in any case of letters; without them it is not started."""
    active_states: Lines = ()
    """Columns, beside those of the service's settings, to which a ticket can be moved without stopping the work."""

    def find_missing_labels(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Return the required labels that are not among `labels`."""
        present = {label.strip().lower() for label in labels}
        return tuple(label for label in self.required_labels if label.lower() not in present)

    def is_active(self, column: str) -> bool:
        """Whether the column is one of `active_states`."""
        return column.lower() in {state.lower() for state in self.active_states}


SECTIONS: Mapping[str, type[Any]] = {"agent": AgentPolicy, "hooks": HooksPolicy, "tracker": TrackerPolicy}


def without_clone(command: str) -> str:
    """Return the command with each `git clone` into the current folder replaced by `:`; empty if nothing is left."""
    kept = _CLONE.sub(":", command)
    return "" if re.fullmatch(r"(?:[ \t]*(?:#.*|:|set -\w+)?[ \t]*\n)*[ \t]*(?:#.*|:|set -\w+)?[ \t]*", kept) else kept


def split_keys(head: FrontMatter, own: Collection[str]) -> tuple[dict[str, Any], list[tuple[int, str]]]:
    """Return the values of the keys that have a meaning here, and (line, key) of the others in the order of the file.

    `own` are Loopline's own top-level keys. Raises `FrontMatterError` for a top-level key that is nearly one of them:
    to ignore it would be to ignore all checks."""
    kept: dict[str, Any] = {}
    ignored: list[tuple[int, str]] = []
    for name, value in head.values.items():
        line = head.find_line((name,))
        if name in own:
            kept[name] = value
        elif name not in SECTIONS:
            if near := get_close_matches(name.lower(), own, n=1, cutoff=0.75):
                problem = f"it is an unknown key; the nearest one is {near[0]}"
                raise FrontMatterError(f"line {line}, {show_name(name)}: {problem}")
            ignored.append((line, show_name(name)))
        elif isinstance(value, dict):
            known = {field.name for field in fields(SECTIONS[name])}
            kept[name] = {key: part for key, part in value.items() if key in known and part is not None}
            unknown = (key for key in value if key not in known)
            ignored += [(head.find_line((name, key)), f"{name}.{show_name(key)}") for key in unknown]
        elif value is not None:
            kept[name] = value
    return kept, ignored


def list_notes(ignored: Sequence[tuple[int, str]], after_create: str) -> Iterator[str]:
    """Yield one sentence for all keys without a meaning, and one for a `git clone` that is left out."""
    if names := [name for _, name in ignored]:
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        yield f"Keys without a meaning here: {', '.join(names[:MOST_NAMED])}{more}"
    if _CLONE.search(after_create):
        yield CLONE_NOTE
