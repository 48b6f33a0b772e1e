"""Chooses the files of a commit that its environment depends on. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from integrations.errors import Rejected
from integrations.git.tree_policy import matches_any

MOST_INPUTS = 2_000


@dataclass(frozen=True)
class _Ecosystem:
    """`locks` pin versions. A file of `manifests` counts where its folder and those above it have no lock."""

    locks: str
    manifests: str


_ECOSYSTEMS = (
    _Ecosystem(  # Python
        r"uv\.lock|poetry\.lock|pdm\.lock|Pipfile\.lock|pylock(\..+)?\.toml|conda-lock\.yml"
        r"|(.+[-_.])?requirements([-_.].+)?\.(txt|in)|(.+[-_.])?constraints([-_.].+)?\.txt",
        r"pyproject\.toml|setup\.py|setup\.cfg|Pipfile|environment\.ya?ml",
    ),
    _Ecosystem(r"package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|yarn\.lock|bun\.lockb?", r"package\.json"),
    _Ecosystem(r"Gemfile\.lock|gems\.locked", r"Gemfile|gems\.rb|.+\.gemspec"),
    _Ecosystem(r"go\.(sum|mod|work|work\.sum)", r"(?!)"),
    _Ecosystem(r"Cargo\.lock", r"Cargo\.toml"),
    _Ecosystem(  # Java
        r"gradle\.lockfile|gradle-wrapper\.properties|maven-wrapper\.properties|verification-metadata\.xml"
        r"|.+\.versions\.toml|(build|settings)\.gradle(\.kts)?|pom\.xml",
        r"(?!)",
    ),
    _Ecosystem(r"composer\.lock", r"composer\.json"),
    _Ecosystem(  # .NET
        r"packages\.lock\.json|Directory\.Packages\.props|paket\.lock|packages\.config|nuget\.config",
        r".+\.(cs|fs|vb)proj",
    ),
    _Ecosystem(r"mix\.lock|rebar\.lock", r"mix\.exs|rebar\.config"),
)
_VERSIONS = re.compile(
    r"\.tool-versions|\.?mise\.toml|\.(nvmrc|npmrc|sdkmanrc)|\.(node|python|ruby|java|go|php)-version|\.yarnrc\.yml"
    r"|pnpm-workspace\.yaml|rust-toolchain(\.toml)?|runtime\.txt|global\.json",
    re.IGNORECASE,
)
_LOCKS = tuple(re.compile(one.locks, re.IGNORECASE) for one in _ECOSYSTEMS)
_MANIFESTS = tuple(re.compile(one.manifests, re.IGNORECASE) for one in _ECOSYSTEMS)
_FOREIGN = frozenset({"node_modules", "vendor", "third_party"})
"""Folders with the lock files of other projects."""


def choose_inputs(paths: Iterable[str], globs: Sequence[str] = ()) -> list[str]:
    """The files of `paths` that match one of `globs`, sorted; without globs the known lock and version files.

    Raises `Rejected` for more than `MOST_INPUTS`."""
    chosen = sorted(path for path in paths if matches_any(path, globs)) if globs else _choose_known(paths)
    if len(chosen) > MOST_INPUTS:
        raise Rejected(
            f"loop.environment.inputs in WORKFLOW.md matches {len(chosen)} files, more than {MOST_INPUTS}: name fewer"
        )
    return chosen


def _choose_known(paths: Iterable[str]) -> list[str]:
    chosen: list[str] = []
    locked: set[tuple[int, PurePosixPath]] = set()
    manifests: list[tuple[int, PurePosixPath]] = []
    for text in paths:
        kind, number = _classify(text.rpartition("/")[2])
        path = PurePosixPath(text)
        if not kind or any(part in _FOREIGN or part.startswith(".") for part in path.parts[:-1]):
            continue
        if kind == "manifest":
            manifests.append((number, path))
            continue
        chosen.append(text)
        if kind == "lock":
            locked.add((number, path.parent))
    chosen += [str(path) for number, path in manifests if not locked & {(number, folder) for folder in path.parents}]
    return sorted(chosen)


@lru_cache(maxsize=100_000)
def _classify(name: str) -> tuple[str, int]:
    """lock, version, manifest or nothing, and the number of the ecosystem."""
    for kind, patterns in (("lock", _LOCKS), ("manifest", _MANIFESTS)):
        for number, pattern in enumerate(patterns):
            if pattern.fullmatch(name):
                return kind, number
    return ("version", -1) if _VERSIONS.fullmatch(name) else ("", -1)
