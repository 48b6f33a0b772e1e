"""What a path is to the checks: their configuration, a snapshot, a script that a command names. Pure; names only."""

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
_CHECK_WORD = re.compile(r"check|lint|test|verify|validate|audit|(?<![a-z])ci(?![a-z])")
_CHECK_FOLDER = re.compile(r"(^|/)(scripts?|tools?|ci|hack|infra|\.ci|checks?)/")
_DOCUMENT = re.compile(r".*\.(md|rst|adoc)|.*(^|/)(README|LICENSE|CHANGELOG)[^/]*", re.IGNORECASE)
_TEST_RUNNERS = frozenset({"pytest", "unittest", "nose2", "jest", "vitest", "mocha", "ava", "rspec", "phpunit", "bats"})
_SEPARATORS = frozenset({"&&", "||", ";", "|", "(", ")", "&"})


_RUNNERS = re.compile(
    r"(src/)?(pytest|_pytest|pluggy|unittest|doctest|nose2?|coverage|ruff|mypy|flake8|pylint|tox|nox|compileall)(\.py|/.*)"
    r"|(.*/)?(node_modules|\.?venv)/.*|GNUmakefile|makefile"
)


def shadows(path: str) -> bool:
    """Whether a new file of this name would be run in place of a tool: `python -m pytest` looks here first."""
    return _RUNNERS.fullmatch(path) is not None


def configuration_kind(path: str) -> TamperKind | None:
    """Which part of the checks is set up by a file of this name; None for all others."""
    return next((kind for kind, patterns in _CONFIGURATION.items() if find_protecting_pattern(path, patterns)), None)


def is_snapshot(path: str) -> bool:
    """Whether a test runner wrote the file to compare with later."""
    return bool(find_protecting_pattern(path, _SNAPSHOTS))


def is_document(path: str) -> bool:
    """Prose, which no test depends on."""
    return _DOCUMENT.fullmatch(path) is not None


def words_of(command: str) -> list[str]:
    """The words of a shell command; split at spaces where its quoting is broken."""
    try:
        return list(shlex.shlex(command, posix=True, punctuation_chars=True))
    except ValueError:
        return command.split()


def named_in(command: str) -> set[str]:
    """The paths that a command names, as `tests/test_a.py` of `pytest tests/test_a.py::test_b`; modules of
    `python -m unittest tests.test_a` too."""
    found = set()
    for word in words_of(command):
        path = word.partition("::")[0].removeprefix("./")
        found.add(path)
        if re.fullmatch(r"\w+(\.\w+)+", word):
            parts = word.split(".")
            found |= {"/".join(parts[:n]) + ".py" for n in range(1, len(parts) + 1)}
    return {f for f in found if "/" in f or "." in f}


def programs_of(command: str) -> set[str]:
    """The names of the programs that a command starts."""
    words, found, first = words_of(command), set(), True
    for word in words:
        if first and not re.match(r"\w+=", word):
            found.add(PurePosixPath(word).name)
        first = word in _SEPARATORS or (first and re.match(r"\w+=", word) is not None)
    return found


def is_check_script(path: str, contract: Contract) -> bool:
    """Whether a command of the contract goes through this file, so that changing it changes what is checked.

    A program that the ticket is about may be named in its criteria too; a script of the checks is known by its name or
    folder."""
    return any(_goes_through(path, criterion) for criterion in contract.criteria if criterion.command)


def _goes_through(path: str, criterion: Criterion) -> bool:
    tools = [p for program in programs_of(criterion.command) for p in _TOOLS.get(program, ())]
    if find_protecting_pattern(path, tools):
        return True
    if path not in named_in(criterion.command):
        return False
    of_repository = criterion.id.startswith("k")
    shell = path.endswith((".sh", ".bash")) or bool(_CHECK_FOLDER.search(path))
    return bool(_CHECK_WORD.search(PurePosixPath(path).name)) or (of_repository and shell)


def is_named_test(path: str, contract: Contract) -> bool:
    """Whether a command of the contract hands this file to a test runner."""
    for criterion in contract.criteria:
        for part in _simple_commands(criterion.command):
            if _TEST_RUNNERS & set(words_of(part)) and path in named_in(part):
                return True
    return False


def _simple_commands(command: str) -> list[str]:
    return re.split(r"&&|\|\||;|\|", command)


def is_test(path: str, patterns: Sequence[str]) -> bool:
    """Whether the policy counts the path as a test."""
    return bool(find_protecting_pattern(path, patterns))
