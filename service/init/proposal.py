"""Proposes a `WORKFLOW.md` from the files of a repository: setup commands and checks by its languages. Pure.

Only files at the root count; a monorepo needs a person. The result is validated by `jobs.loop.policy`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import yaml

READ = ("package.json", "pyproject.toml", "requirements.txt", "requirements-dev.txt", "Makefile")
"""Files whose text the proposal depends on."""
_NPM_PLACEHOLDER = "no test specified"


@dataclass
class Proposal:
    """Parts of the file as they are found; `found` names the reasons for the pull request."""

    setup: list[str] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    checks: dict[str, str] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)


def propose(paths: Collection[str], texts: Mapping[str, str]) -> Proposal:
    """`paths` are all files, `texts` those of `READ` that exist."""
    root = {path for path in paths if "/" not in path}
    proposal = Proposal()
    for look in (_look_for_python, _look_for_node, _look_for_go, _look_for_rust, _look_for_java):
        look(proposal, root, paths, texts)
    if not proposal.checks and re.search(r"^test:", texts.get("Makefile", ""), re.MULTILINE):
        proposal.checks["tests"] = "make test"
        proposal.found.append("a Makefile with the target test")
    return proposal


def render(proposal: Proposal) -> str:
    """The text of the file."""
    loop: dict[str, object] = {}
    if proposal.setup:
        loop["environment"] = {"setup": proposal.setup}
        if proposal.path:
            loop["environment"] = {"setup": proposal.setup, "variables": {"PATH": ":".join(proposal.path)}}
    loop["checks"] = [{"name": name, "run": command} for name, command in proposal.checks.items()]
    head = yaml.safe_dump({"loop": loop}, sort_keys=False, allow_unicode=True, width=118)
    return f"---\n{head}---\n\nInstructions for agents that work on this repository, beside those of AGENTS.md.\n"


def explain(proposal: Proposal, place: str = "", failed: Mapping[str, str] | None = None, problem: str = "") -> str:
    """The description of the pull request. `failed` has the last line of each check that failed at `place`, `problem`
    is why none could be tried."""
    found = "".join(f"- {reason}\n" for reason in proposal.found) or "- nothing that it knows; please name the checks\n"
    tried = f"The setup and the checks were run on {place} and passed.\n\n" if place and proposal.checks else ""
    if problem:
        tried = f"The checks were not tried: {_quote(problem)}\n\n"
    elif failed:
        lines = "".join(f"- `{proposal.checks[name]}`: {_quote(line)}\n" for name, line in failed.items())
        tried = f"Left out, because they fail on {place}:\n\n{lines}\nThe other checks passed there.\n\n"
    return (
        f"Loopline reads this file from the default branch. It was proposed from what the repository has:\n\n{found}\n"
        f"{tried}"
        "Checks are commands that must exit with 0 before work counts as done. They are run on the base commit before "
        "each ticket; a check that fails there does not count against the work.\n"
    )


def _quote(line: str) -> str:
    """A line of a command's output as inert code."""
    return f"`{' '.join(line.replace('`', chr(39)).split())}`"


def _look_for_python(
    proposal: Proposal, root: Collection[str], paths: Collection[str], texts: Mapping[str, str]
) -> None:
    project, requirements = texts.get("pyproject.toml", ""), sorted(name for name in root if _is_requirements(name))
    is_python = bool(project or requirements or "setup.py" in root)
    has_tests = any(re.search(r"(^|/)(test_[^/]*|[^/]*_test)\.py$", path) for path in paths)
    if not is_python and not has_tests:
        return
    if "uv.lock" in root:
        proposal.setup += ["python3 -m venv ~/tools && ~/tools/bin/pip install --no-cache-dir uv"]
        proposal.setup += ["~/tools/bin/uv sync --frozen --no-cache"]
    elif "poetry.lock" in root:
        proposal.setup += ["python3 -m venv ~/tools && ~/tools/bin/pip install --no-cache-dir poetry"]
        proposal.setup += ["POETRY_VIRTUALENVS_IN_PROJECT=1 ~/tools/bin/poetry install --no-interaction"]
    elif requirements:
        files = " ".join(f"-r {name}" for name in requirements)
        proposal.setup += ["python3 -m venv .venv", f".venv/bin/pip install --no-cache-dir {files}"]
    elif "[project]" in project and "dependencies" in project:
        proposal.setup += ["python3 -m venv .venv", ".venv/bin/pip install --no-cache-dir -e ."]
    if proposal.setup:
        proposal.path.append(".venv/bin")
    tools = project + "".join(text for name, text in texts.items() if _is_requirements(name))
    if has_tests:
        proposal.checks["tests"] = "pytest -q" if "pytest" in tools else "python3 -m unittest -q"
    for tool, name, command in (("ruff", "lint", "ruff check ."), ("mypy", "types", "mypy .")):
        if re.search(rf"\b{tool}\b", tools):
            proposal.checks[name] = command
    proposal.found.append(f"Python ({', '.join(proposal.setup[-1:]) or 'without packages'})")


def _is_requirements(name: str) -> bool:
    return re.fullmatch(r"requirements(-dev|-test)?\.txt", name) is not None


def _look_for_node(proposal: Proposal, root: Collection[str], paths: Collection[str], texts: Mapping[str, str]) -> None:
    try:
        package = json.loads(texts.get("package.json", ""))
    except ValueError:
        return
    scripts = package.get("scripts") if isinstance(package, dict) else None
    if not isinstance(scripts, dict):
        scripts = {}
    runners = {
        "pnpm-lock.yaml": ("pnpm", "corepack pnpm install --frozen-lockfile"),
        "yarn.lock": ("yarn", "corepack yarn install --frozen-lockfile"),
        "package-lock.json": ("npm", "npm ci --no-audit --no-fund && rm -rf ~/.npm"),
    }
    runner, install = next((found for lock, found in runners.items() if lock in root), ("npm", ""))
    if install:
        proposal.setup.append(install)
        proposal.path.append("node_modules/.bin")
    for script, name in (("test", "tests"), ("lint", "lint"), ("typecheck", "types"), ("build", "build")):
        if (command := scripts.get(script)) and _NPM_PLACEHOLDER not in str(command):
            proposal.checks[name if name not in proposal.checks else f"{name} (node)"] = f"{runner} run {script}"
    proposal.found.append(f"Node.js with {runner}")


def _look_for_go(proposal: Proposal, root: Collection[str], paths: Collection[str], texts: Mapping[str, str]) -> None:
    if "go.mod" in root:
        proposal.setup += ["go mod download", "go build ./... || true"]
        proposal.checks |= {"vet": "go vet ./...", "go tests": "go test ./..."}
        proposal.found.append("Go (go.mod)")


def _look_for_rust(proposal: Proposal, root: Collection[str], paths: Collection[str], texts: Mapping[str, str]) -> None:
    if "Cargo.toml" in root:
        proposal.setup.append("cargo fetch" + (" --locked" if "Cargo.lock" in root else ""))
        proposal.checks["cargo tests"] = "cargo test --offline"
        proposal.found.append("Rust (Cargo.toml)")


def _look_for_java(proposal: Proposal, root: Collection[str], paths: Collection[str], texts: Mapping[str, str]) -> None:
    if "pom.xml" in root:
        proposal.setup.append("mvn -B -q verify -Dmaven.test.failure.ignore && mvn -B -q clean")
        proposal.checks["build"] = "mvn -B -q -o verify"
        proposal.found.append("Java with Maven (pom.xml)")
    elif "gradlew" in root:
        proposal.setup.append("./gradlew --no-daemon build || ./gradlew --no-daemon testClasses")
        proposal.checks["build"] = "./gradlew --no-daemon --offline build"
        proposal.found.append("Java with Gradle (gradlew)")
