"""Recognizes files that no person reads in a review: lock files, generated files. Pure.

By name, and by the base commit's `.gitattributes`, in which `linguist-generated` marks or unmarks a path
(https://docs.github.com/en/repositories/working-with-files/managing-files/customizing-how-changed-files-appear-on-github).
The change's own `.gitattributes` does not count, so that an agent cannot hide a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from integrations.git.tree_policy import matches_any

ATTRIBUTES = ".gitattributes"
_LOCK_FILES = frozenset({
    "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "deno.lock",
    "poetry.lock", "uv.lock", "pdm.lock", "pipfile.lock", "pixi.lock", "cargo.lock", "go.sum", "gemfile.lock",
    "composer.lock", "mix.lock", "pubspec.lock", "podfile.lock", "package.resolved", "packages.lock.json",
    "gradle.lockfile", "flake.lock", "conan.lock", ".terraform.lock.hcl", "module.bazel.lock",
})  # fmt: skip
_MARK = re.compile(r"(?P<unset>-)?linguist-generated(?:=(?P<value>\S+))?")
_LINE = re.compile(r'^(?:"(?P<quoted>(?:[^"\\]|\\.)+)"|(?P<plain>[^\s#"]\S*))[ \t]+(?P<attributes>.+)$', re.MULTILINE)
_MOST_RULES = 500


def is_lock_file(path: str) -> bool:
    """Whether a package manager writes this file, in any folder."""
    return PurePosixPath(path).name.lower() in _LOCK_FILES


def find_generated(paths: Iterable[str], attributes: str = "") -> frozenset[str]:
    """The lock files, and the paths that `attributes` marks as generated; the last matching line counts."""
    rules = _read_rules(attributes)
    return frozenset(path for path in paths if is_lock_file(path) or _is_marked(path, rules))


def _read_rules(attributes: str) -> list[tuple[str, bool]]:
    """The patterns, with whether they mark a path as generated, the last first."""
    found = []
    for line in _LINE.finditer(attributes):
        for mark in map(_MARK.fullmatch, line["attributes"].split()):
            if mark:
                found.append((line["quoted"] or line["plain"], not mark["unset"] and mark["value"] != "false"))
    return found[: -_MOST_RULES - 1 : -1]


def _is_marked(path: str, rules: Iterable[tuple[str, bool]]) -> bool:
    return next((is_generated for pattern, is_generated in rules if matches_any(path, [pattern])), False)
