"""Places that need approval, and similar ones that do not."""

from __future__ import annotations

import json

import pytest

from jobs.evidence.protected import find_protected
from tests.jobs.evidence.changes import Files
from tests.jobs.evidence.changes import make_changes as changes


def found(before: Files, after: Files, *more: str) -> dict[str, str]:
    """Path and reason."""
    return {one.path: one.text for one in find_protected(changes(before, after), more)}


PLACES = {
    "continuous integration": (
        ".github/workflows/ci.yml", ".github/workflows/a/b", ".GitHub/Workflows/x", ".github", ".github/workflows",
        ".github/actions/x/action.yml", "tools/action.yml", ".gitlab-ci.yml", "ci/build.gitlab-ci.yml",
        ".circleci/config.yml",
        ".travis.yml", "azure-pipelines.yml", "azure-pipelines-release.yaml", "Jenkinsfile", "deploy/Jenkinsfile.prod",
        ".buildkite/pipeline.yml", "bitbucket-pipelines.yml", ".drone.yml", ".woodpecker.yml", ".woodpecker/a.yaml",
        "appveyor.yml", ".semaphore/semaphore.yml", ".cirrus.yml", "buildspec.yml", "cloudbuild.yaml",
        ".tekton/pr.yaml",
        ".teamcity/settings.kts", ".forgejo/workflows/x.yml", ".gitea/workflows/x.yml", ".builds/a.yml",
    ),
    "who reviews": ("CODEOWNERS", "docs/CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", ".mergify.yml",
    "pkg/OWNERS"),
    "updates dependencies": (
        ".github/dependabot.yml", ".github/dependabot.yaml", "renovate.json", "renovate.json5", ".renovaterc",
        ".github/renovate.json5",
    ),
    "machine of a developer": (
        ".husky/pre-commit", "web/.husky/pre-commit", ".githooks/post-checkout", ".pre-commit-config.yaml",
        "lefthook.yml",
        ".envrc", ".devcontainer/devcontainer.json", ".devcontainer.json", ".gitpod.yml", "mise.toml",
    ),
    "an editor": (".vscode/tasks.json", ".idea/runConfigurations/x.xml", "app/.idea/a", "x.code-workspace", ".exrc"),
    "agents": (
        "AGENTS.md", "pkg/AGENTS.md", "Claude.md", "CLAUDE.local.md", "GEMINI.md", ".github/copilot-instructions.md",
        ".github/instructions/a.instructions.md", ".cursorrules", ".cursor/rules/a.mdc", ".windsurfrules",
        ".clinerules",
        ".clinerules/a.md", ".aider.conf.yml", ".claude/settings.json", "pkg/.claude/x", ".claude", ".mcp.json",
        ".codex/config.toml", ".gemini/settings.json", ".roo/rules/x", ".junie/guidelines.md", ".kiro/steering/a.md",
    ),
    "start of the interpreter": ("sitecustomize.py", "src/usercustomize.py", "lib/evil.pth"),
    "package manager": (
        ".npmrc", "web/.npmrc", ".yarnrc.yml", ".yarn/releases/yarn.cjs", ".pnpmfile.cjs", "pip.conf",
        ".cargo/config.toml",
        "crates/x/.cargo/config", ".pypirc", "nuget.config", ".mvn/jvm.config", ".netrc", "pnpm-workspace.yaml",
    ),
    "how git": (".gitattributes", "a/.gitattributes", ".lfsconfig"),
    "policy": ("WORKFLOW.md", "workflow.md"),
    "hold secrets": (".env", ".env.local", "app/.env", "prod.env"),
}  # fmt: skip


@pytest.mark.parametrize(("reason", "path"), [(reason, path) for reason, paths in PLACES.items() for path in paths])
def test_protected_path_needs_approval_when_added_changed_or_removed(reason: str, path: str) -> None:
    assert reason in found({}, {path: "x"})[path]
    assert reason in found({path: "x"}, {path: "y"})[path]
    assert reason in found({path: "x"}, {})[path]


@pytest.mark.parametrize(
    "path",
    ["workflow.mdx", "github/workflows/x", "env", "src/agents.py", ".github/ISSUE_TEMPLATE/bug.md",
     "src/environment.ts",
     ".env.example", ".env.sample", "app/.env.template", "config/.env.dist", "docs/github.md", "src/main.rs",
     "Makefile",
     ".github/pull_request_template.md", "tests/test_hooks.py", "src/hooks/useCart.ts", "docs/renovation.md",
     "setup.py",
     "ideas/x.md", "src/codeowners.py", "package.json", "Cargo.toml", "pyproject.toml"],
)  # fmt: skip
def test_path_similar_to_a_protected_one_needs_no_approval(path: str) -> None:
    assert found({}, {path: "x"}) == {}


def test_policy_protects_further_paths_and_the_reason_names_its_pattern() -> None:
    assert found({}, {"db/schema.sql": "x", "src/a": "x"}, "db/**") == {
        "db/schema.sql": "is protected by `db/**` in WORKFLOW.md"
    }
    assert "`.env.example`" in found({}, {".env.example": "x"}, ".env.example")[".env.example"]


@pytest.mark.parametrize(
    ("lock", "manifest"),
    [("package-lock.json", "package.json"), ("yarn.lock", "package.json"), ("pnpm-lock.yaml",
     "packages/a/package.json"),
     ("uv.lock", "pyproject.toml"), ("poetry.lock", "pyproject.toml"), ("Cargo.lock", "crates/a/Cargo.toml"),
     ("go.sum", "go.mod"), ("Gemfile.lock", "Gemfile"), ("composer.lock", "composer.json"), ("web/yarn.lock",
     "web/package.json")],
)  # fmt: skip
def test_lock_file_needs_approval_without_a_change_of_its_manifest(lock: str, manifest: str) -> None:
    assert "is a lock file that changes without" in found({lock: "a"}, {lock: "b"})[lock]
    assert found({lock: "a", manifest: "{}"}, {lock: "b", manifest: "{ }"}) == {}
    assert lock in found({lock: "a", "elsewhere/x.toml": "a"}, {lock: "b", "elsewhere/x.toml": "b"})


def test_manifest_of_another_folder_does_not_explain_a_lock_file() -> None:
    before, after = {"a/yarn.lock": "a", "b/package.json": "{}"}, {"a/yarn.lock": "b", "b/package.json": "{ }"}
    assert "a/yarn.lock" in found(before, after)


def package(**keys: object) -> str:
    return json.dumps({"name": "x", **keys})


def test_script_that_runs_at_installation_needs_approval() -> None:
    added = found({"package.json": package()}, {"package.json": package(scripts={"postinstall": "node x.js"})})
    changed = found(
        {"package.json": package(scripts={"prepare": "husky"})}, {"package.json": package(scripts={"prepare": "sh x"})}
    )
    assert "runs commands at installation (postinstall)" in added["package.json"]
    assert "(prepare)" in changed["package.json"]


def test_script_that_only_people_start_needs_no_approval() -> None:
    kept = {"postinstall": "node x.js"}
    before = {"package.json": package(scripts=kept)}
    assert found(before, {"package.json": package(scripts={**kept, "build": "tsc", "test": "vitest"})}) == {}


@pytest.mark.parametrize(
    ("path", "text"),
    [("build.rs", "fn main() {}"), ("native/binding.gyp", "{}"), ("ext/extconf.rb", "x"),
     ("setup.py", "setup(cmdclass={'install': Evil})"),
     ("composer.json", '{"scripts": {"post-install-cmd": "sh x"}}')],
)  # fmt: skip
def test_code_of_the_installation_needs_approval_when_it_is_added(path: str, text: str) -> None:
    assert "install" in found({}, {path: text})[path]


def test_build_script_that_exists_is_code_like_any_other() -> None:
    assert found({"build.rs": "fn main() {}"}, {"build.rs": "fn main() { a(); }"}) == {}


@pytest.mark.timeout(20)
def test_protected_paths_of_a_large_change_take_little_time() -> None:
    many = {f"src/part{n}/module/file{n}.py": "x" for n in range(500)}
    assert found({}, many) == {}
