"""New dependencies are named, for every common manifest; a new version of one is not new."""

from __future__ import annotations

import pytest

from jobs.evidence.dependencies import find_new_dependencies
from tests.jobs.evidence.changes import make_changes as changes

MANIFESTS = {
    "package.json": ('{"dependencies": {"left-pad": "1.0.0"}}',
                     '{"dependencies": {"left-pad": "1.1.0"}, "devDependencies": {"@acme/new": "1"}}', "@acme/new"),
    "composer.json": ('{"require": {"php": ">=8"}}', '{"require": {"php": ">=8.1", "acme/new": "1"}}', "acme/new"),
    "pyproject.toml": ('[project]\ndependencies = ["Flask>=3"]\n',
                       '[project]\ndependencies = ["flask>=3.1", "new[x]"]\n',
                       "new"),
    "a/pyproject.toml": ('[tool.poetry.dependencies]\npython = "3"\n',
    '[tool.poetry.dependencies]\npython = "3"\nnew = "1"\n',
                         "new"),
    "requirements-dev.txt": ("a==1 # x\n", "a==2\n# b\n-r c.txt\nnew==1 --hash=sha256:00\n", "new"),
    "Pipfile": ('[packages]\na = "*"\n', '[packages]\na = "1"\nnew = "*"\n', "new"),
    "Cargo.toml": ('[dependencies]\nserde = "1"\n', '[dependencies]\nserde = "2"\n[dev-dependencies]\nnew = "1"\n',
    "new"),
    "go.mod": ("module acme.test/a\ngo 1.22\nrequire acme.test/b v1.0.0\n",
               "module acme.test/a\ngo 1.22\nrequire (\n\tacme.test/b v1.1.0\n\tacme.test/new/v2 v2.0.0\n)\n",
               "acme.test/new/v2"),
    "pom.xml": ("<project></project>",
                "<project><dependency><groupId>g</groupId><artifactId>new</artifactId></dependency></project>",
                "g:new"),
    "build.gradle.kts": ("", 'dependencies {\n  testImplementation("g:new:1.0")\n}\n', "g:new"),
    "Gemfile": ("gem 'rails', '7'\n", "gem 'rails', '8'\ngem \"new\"\n", "new"),
    "src/a.csproj": ("", '<PackageReference Include="New" Version="1" />', "New"),
}  # fmt: skip


@pytest.mark.parametrize("path", MANIFESTS)
def test_dependency_that_is_new_is_named_with_its_manifest(path: str) -> None:
    before, after, name = MANIFESTS[path]
    assert find_new_dependencies(changes({path: before}, {path: after})) == (f"{name} ({path})",)
    assert find_new_dependencies(changes({path: after}, {path: before})) == ()


@pytest.mark.parametrize("path", [path for path in MANIFESTS if path != "requirements-dev.txt"])  # every line is valid
@pytest.mark.parametrize(
    "text", ["{", "[]", "[[[", "null", '{"dependencies": 3, "require": []}', 'project = 1\nx = "', "<dependency>"]
)
def test_dependencies_of_a_broken_manifest_are_none(path: str, text: str) -> None:
    assert find_new_dependencies(changes({}, {path: text})) == ()


def test_dependencies_of_other_files_are_none() -> None:
    assert find_new_dependencies(changes({}, {"src/app.py": "import new", "notes.txt": "new==1"})) == ()
