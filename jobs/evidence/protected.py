"""Finds changes that need a person's approval for their place: files that run outside of the tests, or instruct agents.

Called by `jobs.roles.gate`. Pure. Such a change is built and checked like any other; `/accept` on the ticket
allows exactly the commit that was checked. `infra/docs/security.md` explains the list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from integrations.git.changes import Change, Side
from integrations.git.protected_places import PROTECTED_PLACES, PUBLIC_NAMES
from integrations.git.tree_policy import find_protecting_pattern
from integrations.results import Tampering

LOCK_FILES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb"),
        ("package.json", "pnpm-workspace.yaml"),
    ),
    **dict.fromkeys(("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml"), ("pyproject.toml",)),
    "Pipfile.lock": ("Pipfile",), "Cargo.lock": ("Cargo.toml",),
    "go.sum": ("go.mod",), "go.work.sum": ("go.work", "go.mod"),
    "Gemfile.lock": ("Gemfile", "*.gemspec"), "composer.lock": ("composer.json",), "mix.lock": ("mix.exs",),
    "gradle.lockfile": ("build.gradle", "build.gradle.kts", "libs.versions.toml"), "flake.lock": ("flake.nix",),
    "packages.lock.json": ("*.csproj", "*.fsproj", "Directory.Packages.props"), "Package.resolved": ("Package.swift",),
    "pubspec.lock": ("pubspec.yaml",), "Podfile.lock": ("Podfile",), "deno.lock": ("deno.json", "deno.jsonc"),
}  # fmt: skip
"""A lock file, and the names of the manifests that it follows."""
_NPM_SCRIPTS = (
    "preinstall", "install", "postinstall", "prepare", "preprepare", "postprepare", "prepublish", "prepublishOnly",
    "prepack", "postpack", "dependencies", "pnpm:devPreinstall",
)  # fmt: skip
"""Scripts that `npm install` or `npm publish` runs by itself (npm docs, Using npm, scripts)."""
_COMPOSER_SCRIPT = re.compile(r"(pre|post)-(install|update|autoload|root-package|create-project|package)-?.*")
_NEW_BUILD = ("build.rs", "binding.gyp", "extconf.rb")
"""Files by whose mere presence an installation runs code. A later change of one is code like any other: the tests and
CI run it already."""


def find_protected(changes: Sequence[Change], more: Sequence[str]) -> Iterator[Tampering]:
    """Yield each change that needs approval for its place, with the reason; `more` are the policy's own globs."""
    touched = {PurePosixPath(change.path) for change in changes}
    for change in changes:
        if reason := next(_find_reasons(change, more, touched), ""):
            yield Tampering(kind="protected", path=change.path, text=reason)


def _find_reasons(change: Change, more: Sequence[str], touched: set[PurePosixPath]) -> Iterator[str]:
    if pattern := find_protecting_pattern(change.path, more):
        yield f"is protected by `{pattern}` in WORKFLOW.md"
    if not find_protecting_pattern(change.path, PUBLIC_NAMES):
        yield from (reason for reason, globs in PROTECTED_PLACES.items() if find_protecting_pattern(change.path, globs))
    path = PurePosixPath(change.path)
    if (manifests := LOCK_FILES.get(path.name)) and not any(_is_manifest(path, one, manifests) for one in touched):
        yield f"is a lock file that changes without {' or '.join(manifests[:2])}"
    yield from _find_install_code(path, change)


def _is_manifest(lock: PurePosixPath, path: PurePosixPath, names: Sequence[str]) -> bool:
    """Whether `path` can be a manifest of this lock file: in a workspace it is in a folder below the lock file."""
    return lock.parent in path.parents and any(path.match(name) for name in names)


def _find_install_code(path: PurePosixPath, change: Change) -> Iterator[str]:
    """Code that runs when the project is installed, before anyone has run its tests."""
    before, after = _read(change.before), _read(change.after)
    if path.name == "package.json":
        yield from _find_scripts(before, after, re.compile("|".join(map(re.escape, _NPM_SCRIPTS))))
        if any(
            _parse(after).get(key) != _parse(before).get(key) for key in ("pnpm", "trustedDependencies", "allowScripts")
        ):
            yield "changes which packages can run scripts at installation"
    if path.name == "composer.json":
        yield from _find_scripts(before, after, _COMPOSER_SCRIPT)
    if path.name in _NEW_BUILD and change.before is None:
        yield "runs when the project is built or installed"
    if path.name == "setup.py" and "cmdclass" in after and after.count("cmdclass") != before.count("cmdclass"):
        yield "adds commands that run at installation (cmdclass)"


def _find_scripts(before: str, after: str, names: re.Pattern[str]) -> Iterator[str]:
    old, new = (parsed if isinstance(parsed := _parse(text).get("scripts"), dict) else {} for text in (before, after))
    if found := [name for name, command in new.items() if names.fullmatch(name) and old.get(name) != command]:
        yield f"runs commands at installation ({', '.join(found[:4])})"


def _parse(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _read(side: Side | None) -> str:
    return (side.text or "") if side else ""
