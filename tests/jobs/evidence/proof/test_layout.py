"""The table of layouts: what a file is for, by its path."""

from __future__ import annotations

import pytest

from jobs.evidence.proof.layout import Layout, PathKind
from jobs.loop.policy import LoopPolicy
from jobs.loop.proof_policy import LayoutPolicy, ProofPolicy

PATHS: dict[PathKind, str] = {
    "product": (
        "src/app.py src/features/cart.ts lib/latest.py src/contest.js src/spec.rs workspace.py build/gen.py "
        "cmd/a.go src/main/java/a/B.java src/main/resources/data.json docs/conf.py app/tasks.py "
        "static/app.css db/fixtures.sql "
    ),
    "test": (
        "tests/test_a.py conftest.py app/tests.py app/test_views.py spec/foo_spec.rb spec/spec_helper.rb "
        "test/test_helper.rb src/a.test.ts src/a.spec.tsx src/__tests__/a.ts pkg/a_test.go "
        "src/test/java/a/B.java src/integrationTest/kotlin/A.kt a/PaymentIT.java src/tests.rs "
        "tests/common/mod.rs test.sh t/basic.t cypress/e2e/a.cy.js Tests/CartTests.cs test/cart_test.exs "
    ),
    "data": (
        "src/test/resources/data.json tests/data/table.csv pkg/testdata/in.txt src/__snapshots__/a.snap "
        "tests/fixtures/module.py tests/golden/out.txt tests/a.ambr ui/a.golden "
    ),
    "configuration": (
        ".rspec .mocharc.json .github/workflows/ci.yml Makefile jest.config.js tests/jest.config.js build.rs "
        "src/test/resources/META-INF/services/org.junit.jupiter.api.extension.Extension sitecustomize.py "
        "pytest.py "
        "test/minitest/x_plugin.rb tests/pytest.ini tsconfig.build.json .cargo/config.toml junit-platform.properties "
        "tasks.py "
    ),
    "manifest": (
        "pyproject.toml setup.cfg package.json package-lock.json Cargo.toml Cargo.lock go.mod go.sum Gemfile "
        "requirements.txt pom.xml a.gemspec build.gradle.kts composer.json App.csproj "
    ),
    "document": ("README.md docs/index.md CHANGES.rst LICENSE docs/logo.png tests/README.md "),
}


@pytest.mark.parametrize(("path", "kind"), [(path, kind) for kind, paths in PATHS.items() for path in paths.split()])
def test_layout_classifies_the_common_ecosystems(path: str, kind: PathKind) -> None:
    assert Layout().classify(path) == kind


def test_layout_of_a_repository_comes_first() -> None:
    own = LayoutPolicy(product=("tests/lib/**",), tests=("checks/**",), configuration=("env/*.yaml",))
    layout = Layout.of(LoopPolicy(proof=ProofPolicy(layout=own), tests=("qa/**",)))

    assert layout.classify("tests/lib/a.py") == "product"
    assert layout.classify("checks/a.py") == "test"
    assert layout.classify("checks/a.json") == "data"
    assert layout.classify("env/a.yaml") == "configuration"
    assert layout.classify("qa/a.py") == "test"
