"""Reads declarations of automations: `.loopline/automations/<name>.md`, entries of `loop.automations` in `WORKFLOW.md`.

Pure. Front matter holds the keys, the body is the prompt. A declaration that cannot be used has one sentence, which
names the place and the fix; the others are used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from integrations.explain import classify, show_name
from integrations.ports.source_items import find_filter_problem
from jobs.loop.automation import Automation
from jobs.loop.front_matter import FrontMatter, FrontMatterError, read_front_matter
from jobs.loop.policy import list_problems
from jobs.loop.schedule import find_schedule_problem

FOLDER = ".loopline/automations"
MOST = 50
"""Automations of one repository."""
LONGEST = 131_072
"""Characters of one file."""
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_ADAPTER = TypeAdapter(Automation)
_SHORT = {"schedule": "cron", "into": "column", "start": "policy"}
"""Keys that can be written as a text: it is the value of this key below."""
_INTERNAL = ("name", "origin")


@dataclass(frozen=True)
class Declared:
    """The automations that can be used, by name, and one sentence about each that cannot."""

    automations: tuple[Automation, ...] = ()
    problems: tuple[str, ...] = ()


def read_files(files: Mapping[str, str], where: str, now: float) -> Declared:
    """The automations of files by their path; `where` ('acme/shop at main') is named in problems. The paths of the
    operator's files are absolute."""
    found, problems = [], []
    for path, text in sorted(files.items()):
        name = path.rpartition("/")[2].removesuffix(".md")
        try:
            if len(text) > LONGEST:
                raise FrontMatterError(f"it has {len(text)} characters; write at most {LONGEST}")
            head = read_front_matter(text)
            if "prompt" in head.values:
                line = head.find_line(("prompt",))
                raise FrontMatterError(f"line {line}, prompt: it is no key; write the prompt below the front matter")
            found.append(_read({**head.values, "prompt": head.body.strip()}, name, path, head, now))
        except FrontMatterError as error:
            place = show_name(path, 200) if path.startswith("/") else f"{show_name(path, 200)} in {where}"
            problems.append(f"{place} cannot be used: {error}.")
    return Declared(tuple(found), tuple(problems))


def read_entries(entries: Mapping[str, Any], where: str, now: float) -> Declared:
    """The automations below `loop.automations` of `WORKFLOW.md`."""
    found, problems = [], []
    for name, given in entries.items():
        origin = f"loop.automations.{name} of WORKFLOW.md"
        try:
            if not isinstance(given, dict):
                raise FrontMatterError(f"it is {classify(given)}; write keys with values")
            found.append(_read(given, name, origin, FrontMatter({}, ""), now))
        except FrontMatterError as error:
            problems.append(f"{show_name(origin, 200)} in {where} cannot be used: {error}.")
    return Declared(tuple(found), tuple(problems))


def merge(parts: Iterable[Declared], where: str) -> Declared:
    """All declarations; of one name the first counts, and a second one in the repository itself is a problem."""
    known: dict[str, Automation] = {}
    problems: list[str] = []
    for part in parts:
        problems += part.problems
        for one in part.automations:
            first = known.setdefault(one.name, one)
            if first is not one and not one.origin.startswith("/"):
                problems.append(
                    f"{one.origin} in {where} is not used: {first.origin} declares {one.name} too; remove one of them."
                )
    if len(known) > MOST:
        problems.append(f"{where} has {len(known)} automations; the first {MOST} by name are used, remove the others.")
    return Declared(tuple(known[name] for name in sorted(known)[:MOST]), tuple(problems))


def _read(given: Mapping[str, Any], name: str, origin: str, head: FrontMatter, now: float) -> Automation:
    """Raises `FrontMatterError`, whose message names line, key and fix."""
    if not _NAME.fullmatch(name) or len(name) > 64:
        raise FrontMatterError("its name has other characters than a-z, 0-9 and single hyphens; rename it")
    if given.get("name", name) != name:
        raise FrontMatterError(f"line {head.find_line(('name',))}, name: it differs from {name}; remove the key")
    own = {key: value for key, value in given.items() if key not in _INTERNAL}
    plain = {**{key: _normalize(key, value) for key, value in own.items()}, "name": name, "origin": origin}
    if "quiet_hours" in plain and isinstance(schedule := plain.get("schedule", {}), dict):
        plain["schedule"] = {**schedule, "quiet_hours": plain.pop("quiet_hours")}
    try:
        read = _ADAPTER.validate_json(json.dumps(plain), strict=True)
    except ValidationError as error:
        problem = next(iter(list_problems(error, head, _ADAPTER)))
        raise FrontMatterError(problem if head.lines else problem.partition(", ")[2]) from None
    if problem := _find_problem(read, now):
        key = problem.partition(":")[0].split(".")[0]
        raise FrontMatterError(f"line {head.find_line((key,))}, {problem}" if head.lines else problem)
    return read


def _normalize(key: str, value: Any) -> Any:
    """The long form of a value that can be written short: one trigger, a source's kind, the key of `_SHORT`."""
    if key in _SHORT and isinstance(value, str):
        return {_SHORT[key]: value}
    if key == "on" and isinstance(value, str):
        return [value]
    if key == "sources" and isinstance(value, list):
        return [{"kind": one} if isinstance(one, str) else _normalize_source(one) for one in value]
    return value


def _normalize_source(source: Any) -> Any:
    """The source with its filter as texts: numbers, yes or no, and lists of names can be written as such."""
    given = source.get("filter") if isinstance(source, dict) else None
    if not isinstance(given, dict):
        return source

    def to_text(value: Any) -> Any:
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return ", ".join(value)
        return str(value) if isinstance(value, int) else value

    return {**source, "filter": {key: to_text(value) for key, value in given.items()}}


def _find_problem(read: Automation, now: float) -> str:
    """The problem of keys together; empty for an automation that can run."""
    if read.schedule and (problem := find_schedule_problem(read.schedule, now)):
        return f"schedule.{problem}"
    if read.schedule and not read.schedule.cron and not read.on:
        return "schedule.cron: it is missing; add it, or remove schedule to run the automation on request only"
    if ("label" in read.on) != bool(read.label):
        return "label: it belongs to the trigger label; write both or neither"
    for number, source in enumerate(read.sources, 1):
        if (source.kind == "command") != bool(source.run.strip()):
            return f"sources.{number}.run: it belongs to the kind command; write both or neither"
        if problem := find_filter_problem(source.kind, source.filter):
            return f"sources.{number}.filter: {problem}"
        if source.kind == "tool" and not source.name:
            return f"sources.{number}.name: it is missing; name the tool"
    if read.start.policy == "auto" and not read.start.severities:
        return "start.severities: the policy auto needs them; write those that start at once"
    if read.into.column == "agent":
        return "into: the agent column starts work; name another column, and use start to begin work"
    if not read.sources and not read.skill and not read.prompt:
        return "sources: there is nothing to do; add sources, a skill or a prompt"
    return ""
