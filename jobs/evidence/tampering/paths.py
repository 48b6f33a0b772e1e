"""Classifies paths: configuration of checks, snapshots, scripts of checks, tests. Pure; reads no files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath

from integrations.git.tree_policy import find_protecting_pattern
from integrations.results import TamperKind
from jobs.loop.state import Contract, Criterion

_CONFIGURATION: dict[TamperKind, tuple[str, ...]] = {
    "exit_trick": ("sitecustomize.py", "usercustomize.py", "*.pth"),
    "test_configuration": (
        ".npmrc", ".yarnrc*", ".pnpmfile.*", "bunfig.toml", "pip.conf",
        "conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", "tox.ini", "noxfile.py", ".coveragerc",
        "jest.config.*", "jest.setup.*", "jest-setup.*", "vitest.config.*", "vitest.setup.*", "vitest.workspace.*",
        "playwright.config.*", "cypress.config.*", "karma.conf.*", ".mocharc*", ".nycrc*", "phpunit.xml*", ".rspec",
        "spec_helper.rb", "rails_helper.rb", "test_helper.rb", "test_helper.exs", "junit-platform.properties",
        ".cargo/config*", "nextest.toml",
    ),
    "ci": (
        ".github/workflows/**", ".github/actions/**", ".gitlab-ci.yml", ".circleci/**", ".travis.yml", ".ci/**",
        "azure-pipelines.yml", "Jenkinsfile", ".buildkite/**", "bitbucket-pipelines.yml", ".drone.yml", "appveyor.yml",
        ".pre-commit-config.yaml", "codecov.yml", ".codecov.yml",
    ),
    "lint_or_types": (
        "ruff.toml", ".ruff.toml", "mypy.ini", ".mypy.ini", ".flake8", ".pylintrc", "pylintrc", "pyrightconfig.json",
        ".isort.cfg", ".bandit", ".eslintrc*", "eslint.config.*", ".eslintignore", "tsconfig*.json", "jsconfig.json",
        "biome.json*", ".prettierrc*", ".prettierignore", "prettier.config.*", ".stylelintrc*", "tslint.json",
        ".golangci.*", "clippy.toml", ".clippy.toml", "rustfmt.toml", ".rustfmt.toml", ".rubocop*.yml", ".rubocop",
        "checkstyle*.xml", "phpstan.neon*", "psalm.xml", ".swiftlint.yml", "detekt.yml", ".semgrepignore",
        ".importlinter",
    ),
    "check_command": ("WORKFLOW.md",),
}  # fmt: skip
_SNAPSHOTS = ("**/__snapshots__/**", "*.snap", "*.ambr", "**/__image_snapshots__/**", "*.approved.*", "*.golden")
_TOOLS: dict[str, tuple[str, ...]] = {
    "make": ("Makefile", "makefile", "GNUmakefile", "*.mk"), "gmake": ("Makefile", "makefile", "GNUmakefile", "*.mk"),
    "just": ("justfile", "Justfile", ".justfile"), "rake": ("Rakefile",), "task": ("Taskfile.y*ml",),
    "invoke": ("tasks.py",), "inv": ("tasks.py",), "doit": ("dodo.py",), "mage": ("magefile.go",),
    "pre-commit": (".pre-commit-config.yaml",),
}  # fmt: skip
_CHECK_NAME = re.compile(r"check|lint|test|verify|validate|audit|(?<![a-z])ci(?![a-z])")
_CHECK_FOLDER = re.compile(r"(^|/)(scripts?|tools?|ci|hack|infra|\.ci|checks?)/")
_DOCUMENT = re.compile(r".*\.(md|rst|adoc)|.*(^|/)(README|LICENSE|CHANGELOG)[^/]*", re.IGNORECASE)
_TEST_RUNNERS = frozenset({"pytest", "unittest", "nose2", "jest", "vitest", "mocha", "ava", "rspec", "phpunit", "bats"})
_SEPARATORS = frozenset({"&&", "||", ";", "|", "(", ")", "&"})


_RUNNERS = re.compile(
    r"(src/)?(pytest|_pytest|pluggy|unittest|doctest|nose2?|coverage|ruff|mypy|flake8|pylint|tox|nox|compileall)(\.py|/.*)"
    r"|(.*/)?(node_modules|\.?venv)/.*|GNUmakefile|makefile"
)


def shadows_tool(path: str) -> bool:
    """Whether a new file of this name shadows a tool: `python -m pytest` searches the current folder first."""
    return _RUNNERS.fullmatch(path) is not None


def configuration_kind(path: str) -> TamperKind | None:
    """Return which kind of check a file of this name configures, or None."""
    return next((kind for kind, patterns in _CONFIGURATION.items() if find_protecting_pattern(path, patterns)), None)


def is_snapshot(path: str) -> bool:
    """Whether the file is a snapshot that a test runner wrote."""
    return bool(find_protecting_pattern(path, _SNAPSHOTS))


def is_document(path: str) -> bool:
    """Whether the file is documentation, which no test depends on."""
    return _DOCUMENT.fullmatch(path) is not None


def split_command(command: str) -> list[str]:
    """Split a shell command into tokens; at spaces if its quoting is invalid."""
    try:
        return list(shlex.shlex(command, posix=True, punctuation_chars=True))
    except ValueError:
        return command.split()


def find_paths(command: str) -> set[str]:
    """Return the paths in a command: `tests/test_a.py` in `pytest tests/test_a.py::test_b`, and modules as in
    `python -m unittest tests.test_a`."""
    found = set()
    for token in split_command(command):
        path = token.partition("::")[0].removeprefix("./")
        found.add(path)
        if re.fullmatch(r"\w+(\.\w+)+", token):
            parts = token.split(".")
            found |= {"/".join(parts[:n]) + ".py" for n in range(1, len(parts) + 1)}
    return {f for f in found if "/" in f or "." in f}


def find_programs(command: str) -> set[str]:
    """Return the names of the programs that a command starts."""
    found, first = set(), True
    for token in split_command(command):
        if first and not re.match(r"\w+=", token):
            found.add(PurePosixPath(token).name)
        first = token in _SEPARATORS or (first and re.match(r"\w+=", token) is not None)
    return found


def is_check_script(path: str, contract: Contract) -> bool:
    """Whether a command of the contract runs this file, so that a change of it changes a check.

    Criteria can also run the program that the ticket is about; a script of a check is recognized by name or folder."""
    return any(_runs_file(path, criterion) for criterion in contract.criteria if criterion.command)


def _runs_file(path: str, criterion: Criterion) -> bool:
    tools = [p for program in find_programs(criterion.command) for p in _TOOLS.get(program, ())]
    if find_protecting_pattern(path, tools):
        return True
    if path not in find_paths(criterion.command):
        return False
    of_repository = criterion.id.startswith("k")
    shell = path.endswith((".sh", ".bash")) or bool(_CHECK_FOLDER.search(path))
    return bool(_CHECK_NAME.search(PurePosixPath(path).name)) or (of_repository and shell)


def is_named_test(path: str, contract: Contract) -> bool:
    """Whether a command of the contract passes this file to a test runner."""
    for criterion in contract.criteria:
        for part in _split_pipeline(criterion.command):
            if _TEST_RUNNERS & set(split_command(part)) and path in find_paths(part):
                return True
    return False


def _split_pipeline(command: str) -> list[str]:
    return re.split(r"&&|\|\||;|\|", command)


def is_test(path: str, patterns: Sequence[str]) -> bool:
    """Whether the path matches the policy's patterns for tests."""
    return bool(find_protecting_pattern(path, patterns))
