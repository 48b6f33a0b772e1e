"""Environments of the example pages, built with the real clients where this machine has the tools.

Those that install from registries take up to a minute: `LOOPLINE_TEST_REGISTRIES=1 infra/test -k example`. Those of Go
and Gradle are not built.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.egress.authorities import write_authorities
from integrations.egress.dial import Dialer
from integrations.egress.registries import find_registries
from integrations.outbound import read_outbound
from integrations.sandbox.environment import Environment
from jobs.loop.policy import LoopPolicy, read_policy
from jobs.roles.environment import EnvironmentFailed
from tests.integrations.egress.internet import run_proxy
from tests.jobs.roles.test_environment import Shop, shop
from tests.support.checkout import REPOSITORY

__all__ = ["shop"]

IGNORE = b".venv\nnode_modules\ntarget\n"
PACKAGE = {"name": "web", "version": "1.0.0", "dependencies": {"left-pad": "1.3.0"}}
INTEGRITY = "sha512-XI5MPzVNApjAyhQzphX8BkmKsKUxD4LdyK24iZeQGinBN9yTQT3bFlCBy/aVx2HrNcqQGsdot8ghrjyrvMCoEA=="
LOCK = {
    "name": "web", "version": "1.0.0", "lockfileVersion": 3,
    "packages": {"": PACKAGE, "node_modules/left-pad": {"version": "1.3.0", "integrity": INTEGRITY}},
}  # fmt: skip
NODE = {"package.json": json.dumps(PACKAGE).encode(), "package-lock.json": json.dumps(LOCK).encode()}
UV_LOCK = b"""version = 1
requires-python = ">=3.11"

[[package]]
name = "orders"
version = "0.1.0"
source = { virtual = "." }
"""
POM = b"""<project><modelVersion>4.0.0</modelVersion><groupId>test.acme</groupId><artifactId>shop</artifactId>
<version>1</version></project>"""

BUILT: dict[str, tuple[dict[str, bytes], str]] = {
    "python": (
        {"requirements.txt": b"six\n", "requirements-dev.txt": b"iniconfig\n"},
        "python -c 'import six, iniconfig' && pip --version | grep -o /workspace/.venv",
    ),
    "python-uv": (
        {"pyproject.toml": b'[project]\nname = "orders"\nversion = "0.1.0"\n', "uv.lock": UV_LOCK},
        "uv --offline sync --frozen && command -v python | grep -o /workspace/.venv",
    ),
    "node": (NODE, "node -p 'require(\"left-pad\")(1, 3, 0)' && git status --short"),
    "monorepo": (
        {"api/requirements.txt": b"six\n"} | {f"web/{name}": content for name, content in NODE.items()},
        "cd api && python -c 'import six' && cd ../web && node -p 'require(\"left-pad\")(1, 3, 0)'",
    ),
}
"""Files of a repository of each kind, and a command that uses the result."""


def read_example(name: str) -> LoopPolicy:
    file = REPOSITORY / "infra/docs/examples" / name / "WORKFLOW.md"
    return read_policy(file.read_text(), name).loop


def choose_fields(loop: LoopPolicy) -> dict[str, Any]:
    own = loop.environment
    return {name: getattr(own, name) for name in ("setup", "maintain", "inputs", "network", "variables", "secrets")}


@pytest.fixture
def online(shop: Shop) -> Iterator[Shop]:
    """The shop with an egress proxy to the real internet, as the egress process builds it."""
    outbound, folder = read_outbound(os.environ), shop.world.settings.home / "egress"
    with run_proxy(folder, Dialer(proxy=outbound.proxies.get("https"), no_proxy=outbound.no_proxy)):
        write_authorities(outbound.find_bundle(), folder)
        yield shop


@pytest.mark.skipif(not os.environ.get("LOOPLINE_TEST_REGISTRIES"), reason="LOOPLINE_TEST_REGISTRIES is not set")
@pytest.mark.parametrize("name", BUILT)
def test_example_builds_its_environment_and_a_second_ticket_works_offline(online: Shop, name: str) -> None:
    if name in ("node", "monorepo") and not shutil.which("npm", path="/usr/bin"):
        pytest.skip("npm is not on this machine")
    found = find_registries(os.environ)
    assert found.problems == ()
    online.world.settings = online.world.settings.model_copy(update={"registries": found.hosts})
    files, command = BUILT[name]
    sha = online.commit(**{".gitignore": IGNORE, **files})
    fields = choose_fields(read_example(name))

    first = online.prepare("ENG-1", sha, **fields)
    second = online.prepare("ENG-2", sha, **fields)

    assert first.layer == second.layer and first.layer and second.network is None
    result = online.execute(second, command, sha)
    assert result.exit_code == 0, result.output.decode()
    assert result.output.decode().strip().splitlines()[-1] in {"/workspace/.venv", "001"}


def test_maven_example_asks_the_proxy_for_its_repository(online: Shop) -> None:
    """The build itself is not run, because not every machine reaches a repository of Maven."""
    if not shutil.which("mvn", path="/usr/bin"):
        pytest.skip("Maven is not on this machine")
    sha = online.commit(**{"pom.xml": POM})

    with pytest.raises(EnvironmentFailed) as failed:
        online.prepare("ENG-1", sha, **choose_fields(read_example("maven")) | {"network": ("maven.acme.test",)})

    assert failed.value.blocked, failed.value.output


def test_settings_of_the_host_s_maven_are_not_in_the_sandbox(shop: Shop) -> None:
    if not Path("/etc/maven/settings.xml").exists():
        pytest.skip("Debian's Maven is not on this machine")
    assert shop.show(Environment(), "ls /etc/maven").split() == ["logging", "m2.conf"]
