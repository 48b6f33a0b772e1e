"""Classifies paths by the layouts of the common ecosystems. Called by everything that treats tests and product source
differently. Pure; reads no files.

`loop.proof.layout` and `loop.tests` of `WORKFLOW.md` come before this table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from integrations.git.tree_policy import find_protecting_pattern
from jobs.evidence.dependencies import is_manifest
from jobs.evidence.protected import LOCK_FILES
from jobs.loop.policy import LoopPolicy
from jobs.loop.proof_policy import LayoutPolicy

PathKind = Literal["product", "test", "data", "configuration", "manifest", "document"]
"""test: code of tests and of their support. data: fixtures, snapshots and tables of tests. configuration: files that
configure checks, builds, runners or CI. manifest: lists dependencies, also lock files."""

_TEST_FOLDERS = frozenset({
    "test", "tests", "spec", "specs", "__tests__", "__test__", "e2e", "testdata", "test-data", "test_data", "cypress",
    "integration-test", "integration-tests", "functional-tests", "androidtest", "__mocks__", "__fixtures__",
})  # fmt: skip
_TEST_SOURCE = re.compile(r"(.*/)?src/\w*[tT]est\w*/.*")
"""Source sets of Maven and Gradle: src/test, src/integrationTest, src/testFixtures."""
_TEST_NAME = re.compile(
    r"(test_|tests_).*\.\w+|conftest\.py|tests?\.\w+|.*[._-](tests?|spec|e2e|cy)\.\w+|.*[._-](tests?|spec)\.[cm]?[jt]sx?"
    r"|\w*(Tests?|TestCase|Spec|IT|ITCase)\.(java|kt|kts|scala|groovy|cs|fs|vb|swift|php|dart)|\w+_(spec|steps)\.rb"
    r"|(spec|rails|test)_helper\.(rb|exs)|\w+\.(t|bats)"
)
_DATA_FOLDERS = frozenset({"testdata", "fixtures", "__fixtures__", "golden", "goldens", "snapshots", "__snapshots__"})
_DATA_NAME = re.compile(r".*\.(snap|ambr|golden|approved\.\w+|received\.\w+|storyshot)")
_CODE = frozenset({
    "py", "pyi", "pyx", "rb", "rake", "go", "rs", "java", "kt", "kts", "scala", "groovy", "clj", "cs", "fs", "vb",
    "swift", "m", "mm", "c", "h", "cc", "cpp", "cxx", "hpp", "hh", "js", "cjs", "mjs", "jsx", "ts", "cts", "mts", "tsx",
    "vue", "svelte", "php", "ex", "exs", "erl", "hs", "ml", "mli", "lua", "pl", "pm", "t", "r", "jl", "dart", "zig",
    "nim", "d", "sh", "bash", "zsh", "bats", "ps1", "sql", "el", "coffee", "feature", "robot",
})  # fmt: skip
_DOCUMENT = re.compile(
    r".*\.(md|rst|adoc|asciidoc|markdown|mdx)|(.*/)?(readme|license|licence|copying|notice|changelog|changes|history"
    r"|authors|contributors|contributing|security|code_of_conduct)[^/]*|(docs?|documentation)/.*\.(txt|png|svg|jpe?g|gif)",
    re.IGNORECASE,
)
_CONFIGURATION = (
    "sitecustomize.py", "usercustomize.py", "*.pth", "pytest.ini", ".pytest.ini", "pytest.toml", "tox.ini",
    "noxfile.py", "/tasks.py", "dodo.py", "fabfile.py", "jest.config.*", "jest-preset.*", "vitest.config.*",
    "vitest.workspace.*", "playwright.config.*", "cypress.config.*", "cypress.json", "karma.conf.*", "wdio.conf.*",
    "ava.config.*", "*.config.js", "*.config.cjs", "*.config.mjs", "*.config.ts", "*.config.mts", "*.config.json",
    "phpunit.xml*", "phpunit.dist.xml", "phpstan.neon*", "psalm.xml*", "phpcs.xml*", "junit-platform.properties",
    "**/META-INF/services/org.junit*", "**/test/**/META-INF/services/**", "testng.xml", "nextest.toml", "build.rs",
    "clippy.toml", "rustfmt.toml", "rust-toolchain*", "ruff.toml", "mypy.ini", "pylintrc", "pyrightconfig.json",
    "tsconfig*.json", "jsconfig.json", "biome.json*", "tslint.json", "checkstyle*.xml", "detekt.yml", "codecov.yml",
    "azure-pipelines*.yml", "Jenkinsfile*", "appveyor.yml", "bitbucket-pipelines.yml", "Makefile", "makefile",
    "GNUmakefile", "*.mk", "justfile", "Justfile", "Rakefile", "Taskfile.y*ml", "magefile.go", "CMakeLists.txt",
    "CMakePresets.json", "meson.build", "meson_options.txt", "BUILD.bazel", "configure.ac", "Dockerfile*",
    "docker-compose*.y*ml", "compose.y*ml", "lefthook*.y*ml", "lerna.json", "nx.json", "turbo.json", "deno.jsonc",
    "babel.config.*", "gradle.properties", "settings.gradle*", "gradlew*", "mvnw*", "WORKFLOW.md", ".*",
)  # fmt: skip
_MANIFESTS = ("setup.py", "setup.cfg", "*.gemspec", "build.sbt", "mix.exs", "Package.swift", "go.work", "deno.json")
_SHADOWS = re.compile(
    r"(src/)?(pytest|_pytest|pluggy|unittest|doctest|nose2?|coverage|ruff|mypy|flake8|pylint|tox|nox|minitest|rspec)"
    r"(\.(py|rb)|/.*)|(lib/)?(minitest|rspec)(/.*_plugin)?\.rb|(.*/)?minitest/\w+_plugin\.rb|(.*/)?(node_modules|\.?venv)/.*"
)
"""Added files that a runner loads in place of a tool, or as its plug-in."""


@dataclass(frozen=True)
class Layout:
    """The table with the repository's own patterns before it. `tests` are those of `loop.tests`."""

    own: LayoutPolicy = field(default_factory=LayoutPolicy)
    tests: Sequence[str] = ()

    @classmethod
    def of(cls, policy: LoopPolicy) -> Layout:
        return cls(policy.proof.layout, policy.tests)

    def classify(self, path: str) -> PathKind:
        """What the file is for, by its path."""
        if find_protecting_pattern(path, self.own.configuration):
            return "configuration"
        if find_protecting_pattern(path, self.own.tests):
            return "test" if is_code(path) else "data"
        if find_protecting_pattern(path, self.own.product):
            return "product"
        if is_configuration(path):
            return "configuration"
        if is_document(path):
            return "document"
        if is_manifest(path) or find_protecting_pattern(path, (*_MANIFESTS, *LOCK_FILES)):
            return "manifest"
        if self._is_of_tests(path):
            return "test" if is_code(path) and not _is_data(path) else "data"
        return "product"

    def _is_of_tests(self, path: str) -> bool:
        return is_test_path(path) or bool(find_protecting_pattern(path, self.tests))

    def is_test(self, path: str) -> bool:
        """Whether the file is a test, its support or its data."""
        return self.classify(path) in ("test", "data")


def is_test_path(path: str) -> bool:
    """Whether a file of this path belongs to the tests, by the conventions of the ecosystems."""
    pure = PurePosixPath(path)
    folders = {part.lower() for part in pure.parts[:-1]}
    named = _TEST_NAME.fullmatch(pure.name) is not None
    return named or bool(folders & _TEST_FOLDERS) or _TEST_SOURCE.fullmatch(path) is not None or _is_snapshot(pure)


def _is_snapshot(path: PurePosixPath) -> bool:
    return bool(_DATA_NAME.fullmatch(path.name)) or "__snapshots__" in path.parts


def _is_data(path: str) -> bool:
    pure = PurePosixPath(path)
    return _is_snapshot(pure) or bool(_DATA_FOLDERS & set(pure.parts[:-1]))


def is_code(path: str) -> bool:
    """Whether the file is a program's text, by its suffix."""
    return PurePosixPath(path).suffix.removeprefix(".").lower() in _CODE


def is_configuration(path: str) -> bool:
    """Whether the file configures checks, builds, runners or CI, or is loaded in place of one of these tools."""
    return bool(find_protecting_pattern(path, _CONFIGURATION)) or _SHADOWS.fullmatch(path) is not None


def is_document(path: str) -> bool:
    """Whether the file is documentation, on which no test depends."""
    return _DOCUMENT.fullmatch(path) is not None
