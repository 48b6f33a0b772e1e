"""The proposed `WORKFLOW.md` names the package manager and the checks that the repository has."""

from __future__ import annotations

import json

import pytest

from jobs.loop.policy import inspect_policy
from service.init.proposal import explain, propose, render


@pytest.mark.parametrize(
    ("paths", "texts", "setup", "checks"),
    [
        (["tests/test_a.py"], {}, "", "python3 -m unittest -q"),
        (
            ["pyproject.toml", "uv.lock", "tests/test_a.py"],
            {"pyproject.toml": '[dependency-groups]\ndev = ["pytest", "ruff"]\n'},
            "uv sync --frozen",
            "pytest -q, ruff check .",
        ),
        (
            ["requirements.txt", "requirements-dev.txt", "a_test.py"],
            {"requirements-dev.txt": "pytest\nmypy\n"},
            "pip install --no-cache-dir -r requirements-dev.txt -r requirements.txt",
            "pytest -q, mypy .",
        ),
        (
            ["package.json", "package-lock.json"],
            {"package.json": json.dumps({"scripts": {"test": "vitest run", "lint": "eslint .", "start": "x"}})},
            "npm ci",
            "npm run test, npm run lint",
        ),
        (
            ["package.json", "pnpm-lock.yaml"],
            {
                "package.json": json.dumps(
                    {"scripts": {"test": 'echo "Error: no test specified" && exit 1', "build": "tsc"}}
                )
            },
            "pnpm install --frozen-lockfile",
            "pnpm run build",
        ),
        (["package.json"], {"package.json": "not json"}, "", ""),
        (["go.mod"], {}, "go mod download", "go vet ./..., go test ./..."),
        (["Cargo.toml", "Cargo.lock"], {}, "cargo fetch --locked", "cargo test --offline"),
        (["pom.xml"], {}, "mvn -B -q verify", "mvn -B -q -o verify"),
        (["Makefile"], {"Makefile": "build:\n\tcc\ntest: build\n\t./t\n"}, "", "make test"),
        (["README.md"], {}, "", ""),
        ([], {}, "", ""),
    ],
)
def test_proposal_fits_the_files(paths: list[str], texts: dict[str, str], setup: str, checks: str) -> None:
    proposal = propose(paths, texts)
    found = inspect_policy(render(proposal))
    assert found.policy and not found.notes and not found.problems
    assert setup in " ".join(found.policy.setup_commands())
    assert ", ".join(check.run for check in found.policy.loop.checks) == checks
    assert explain(proposal).count("\n- ") == max(1, len(proposal.found))


def test_proposal_for_two_languages_has_both() -> None:
    texts = {"package.json": json.dumps({"scripts": {"test": "jest"}}), "requirements.txt": "pytest\n"}
    policy = inspect_policy(render(propose([*texts, "test_a.py", "yarn.lock"], texts))).policy
    assert policy and {check.name: check.run for check in policy.loop.checks} == {
        "tests": "pytest -q",
        "tests (node)": "yarn run test",
    }
    assert policy.loop.environment.variables == {"PATH": ".venv/bin:node_modules/.bin"}
