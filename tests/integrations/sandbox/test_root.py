"""Tool chains of the host whose settings lie outside of /usr."""

from __future__ import annotations

import shutil

import pytest

from tests.integrations.sandbox.conftest import Run

_TOOLS = {
    "java": ("for java in /usr/lib/jvm/*/bin/java; do $java -version || exit; done", "Runtime Environment"),
    "keytool": ("keytool -list -cacerts -storepass changeit | grep -c trustedCert || true", ""),
    "php": ("php -m", "Core"),
    "phpunit": ("phpunit --version", "PHPUnit"),
    "mvn": ("mvn --version", "Java version"),
}


@pytest.mark.parametrize("tool", [name for name in _TOOLS if shutil.which(name)])
def test_tool_of_the_host_finds_its_settings(run: Run, tool: str) -> None:
    script, shown = _TOOLS[tool]

    result = run(f"{script} 2>&1", timeout=60)

    output = result.output.decode()
    assert (result.exit_code, shown in output, "warning" in output.lower()) == (0, True, False), output
