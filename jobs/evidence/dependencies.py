"""Names the dependencies that a change adds to a manifest, for the pull request. Called by `jobs.roles.gate`. Pure.

Direct dependencies of the common ecosystems; an entry that only changes its version is not new.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from integrations.git.changes import Change, Side

MOST_DEPENDENCIES = 100
_NAME = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")
_GEM = re.compile(r"^\s*(?:gem|\w+\.add_(?:\w+_)?dependency)[\s(]+['\"]([\w.-]{1,200})['\"]", re.MULTILINE)
_GRADLE = re.compile(
    r"(?i)\b(?:\w*(?:implementation|api|compileOnly|runtimeOnly|classpath|kapt))[\s(]+['\"]([\w.-]+:[\w.-]+)"
)
_MAVEN = re.compile(
    r"<(?:dependency|plugin|extension|parent)>(.{0,2000}?)</(?:dependency|plugin|extension|parent)>", re.DOTALL
)
_GO = re.compile(r"^\s*(?:require\s+)?([\w-]+\.[\w./~-]+)\s+v[\w.+-]+", re.MULTILINE)
_NUGET = re.compile(r"<PackageReference\s[^>]{0,300}?Include=\"([\w.-]{1,200})\"", re.IGNORECASE)


def find_new_dependencies(changes: Sequence[Change]) -> tuple[str, ...]:
    """Each new dependency as 'name (manifest)', sorted; at most 100."""
    found = {f"{name} ({change.path})" for change in changes for name in _compare(change)}
    return tuple(sorted(found)[:MOST_DEPENDENCIES])


def is_manifest(path: str) -> bool:
    """Whether the file lists dependencies."""
    return _find_reader(path) is not None


def _find_reader(path: str) -> Callable[[str], Iterator[str]] | None:
    name = PurePosixPath(path).name
    return next((read for pattern, read in _READERS if fnmatchcase(name, pattern)), None)


def _compare(change: Change) -> set[str]:
    read = _find_reader(change.path)
    return _read(read, change.after) - _read(read, change.before) if read else set()


def _read(read: Callable[[str], Iterator[str]], side: Side | None) -> set[str]:
    try:
        return set(read(side.text or "")) if side else set()
    except (ValueError, RecursionError, AttributeError, TypeError):  # not a manifest of this kind
        return set()


def _read_package_json(text: str) -> Iterator[str]:
    parsed = json.loads(text)
    for key in ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies"):
        yield from parsed.get(key) or {}


def _read_composer(text: str) -> Iterator[str]:
    parsed = json.loads(text)
    yield from (name for key in ("require", "require-dev") for name in parsed.get(key) or {} if "/" in name)


def _read_pyproject(text: str) -> Iterator[str]:
    parsed = tomllib.loads(text)
    project, tool = parsed.get("project", {}), parsed.get("tool", {})
    groups: list[Sequence[Any]] = [project.get("dependencies", []), parsed.get("build-system", {}).get("requires", [])]
    groups += [*project.get("optional-dependencies", {}).values(), *parsed.get("dependency-groups", {}).values()]
    groups.append(tool.get("uv", {}).get("dev-dependencies", []))
    yield from (name for group in groups for entry in group if isinstance(entry, str) for name in _find_name(entry))
    poetry = tool.get("poetry", {})
    tables = [poetry.get("dependencies", {}), poetry.get("dev-dependencies", {})]
    tables += [group.get("dependencies", {}) for group in poetry.get("group", {}).values()]
    yield from (name.lower() for table in tables for name in table if name != "python")


def _read_requirements(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if not line.strip().startswith(("#", "-")):
            yield from _find_name(line)
        elif line.strip().startswith(("-e ", "--editable")):
            yield line.strip()[:200]


def _find_name(requirement: str) -> Iterator[str]:
    """The name of a requirement (PEP 508), normalized (PEP 503)."""
    if found := _NAME.match(requirement):
        yield re.sub(r"[-_.]+", "-", found[1]).lower()


def _read_pipfile(text: str) -> Iterator[str]:
    parsed = tomllib.loads(text)
    yield from (name for key in ("packages", "dev-packages") for name in parsed.get(key, {}))


def _read_cargo(text: str) -> Iterator[str]:
    parsed = tomllib.loads(text)
    places: list[Mapping[str, Any]] = [parsed, parsed.get("workspace", {}), *parsed.get("target", {}).values()]
    for place in places:
        for key in ("dependencies", "dev-dependencies", "build-dependencies"):
            yield from place.get(key, {})


def _read_maven(text: str) -> Iterator[str]:
    for block in _MAVEN.findall(text):
        parts = [re.search(rf"<{tag}>\s*([^<\s]{{1,200}})\s*<", block) for tag in ("groupId", "artifactId")]
        if parts[1]:
            yield ":".join(part[1] for part in parts if part)


_READERS: tuple[tuple[str, Callable[[str], Iterator[str]]], ...] = (
    ("package.json", _read_package_json),
    ("composer.json", _read_composer),
    ("pyproject.toml", _read_pyproject),
    ("*requirements*.txt", _read_requirements),
    ("*requirements*.in", _read_requirements),
    ("Pipfile", _read_pipfile),
    ("Cargo.toml", _read_cargo),
    ("go.mod", lambda text: iter(_GO.findall(text))),
    ("pom.xml", _read_maven),
    ("*.gradle", lambda text: iter(_GRADLE.findall(text))),
    ("*.gradle.kts", lambda text: iter(_GRADLE.findall(text))),
    ("Gemfile", lambda text: iter(_GEM.findall(text))),
    ("*.gemspec", lambda text: iter(_GEM.findall(text))),
    ("*.csproj", lambda text: iter(_NUGET.findall(text))),
)
