"""The hosts of registries, asked of clients that are scripts here; the real ones are asked by the sandbox's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.egress.registries import Registries, find_registries
from tests.service.loopline import loopline

PIP = """#!/bin/sh
case "$*" in
"config list") printf "%s\\n" "$CONFIG" ;;
"install --help") echo "  -i  Base URL of the index (default https://index.acme.test/simple)." ;;
*"-i https://broken.acme.test"*) echo "ERROR: https://me:hush@broken.acme.test is down" >&2; exit 1 ;;
*) [ "$PIP_CONFIG_FILE" = /dev/null ] && [ -z "$PIP_FIND_LINKS" ] && [ "$PIP_CERT" = "$WANTED_CERT" ] || exit 3
   echo '{"install": [{"download_info": {"url": "https://files.acme.test/pip.whl"}}]}' ;;
esac
"""
NPM = """#!/bin/sh
case "$1" in
config) echo '{"registry": "https://npm.acme.test/", "@acme:registry": "https://scoped.acme.test/x/", "cert": null}' ;;
view) echo "https://tarballs.acme.test/npm.tgz" ;;
esac
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    for name, script in (("pip", PIP), ("npm", NPM)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    return f"{tmp_path}:/usr/bin:/bin"


def test_registries_are_those_of_the_configuration_and_of_the_files(path: str) -> None:
    config = "\n".join(
        (
            "global.index-url='https://me:hush@pypi.acme.test/simple'",
            "global.extra-index-url='https://more.acme.test/simple file:///srv/wheels'",
            "global.cert='/etc/ca.pem'",
            ":env:.find-links='/opt/wheels'",
        )
    )
    environ = {"PATH": path, "CONFIG": config, "PIP_FIND_LINKS": "/opt/wheels", "WANTED_CERT": "/etc/ca.pem"}
    names = ("pypi", "files", "more", "npm", "scoped", "tarballs")
    assert find_registries(environ) == Registries(tuple(f"{name}.acme.test" for name in names), ())


def test_registries_without_configuration_are_the_clients_defaults(path: str) -> None:
    found = find_registries({"PATH": path, "CONFIG": ""})
    assert found.hosts[:2] == ("index.acme.test", "files.acme.test")


def test_registries_of_one_client_are_listed_when_the_other_fails(path: str, tmp_path: Path) -> None:
    environ = {"PATH": path, "CONFIG": "global.index-url='https://broken.acme.test/simple'"}
    found = find_registries(environ)
    assert "npm.acme.test" in found.hosts
    assert found.problems == (
        "pip does not name the hosts of its registry: pip install failed: ERROR: https://broken.acme.test is down",
    )
    ended = loopline("service", "registries", **environ)
    assert (ended.returncode, ended.stderr) == (1, f"{found.problems[0]}.\n")
    assert ended.stdout == f"LOOPLINE_REGISTRIES={','.join(found.hosts)}\n"


def test_registries_of_a_client_with_unreadable_answers_are_a_problem(path: str, tmp_path: Path) -> None:
    (tmp_path / "npm").write_text("#!/bin/sh\necho '[not json'\n")
    (tmp_path / "pip").write_text("#!/bin/sh\necho 'global.index-url=no literal'\n")
    found = find_registries({"PATH": path})
    assert found.hosts == ()
    assert [problem.partition(" ")[0] for problem in found.problems] == ["pip", "npm"]


def test_registries_without_clients_are_none(tmp_path: Path) -> None:
    assert find_registries({"PATH": str(tmp_path / "missing")}) == Registries((), ())
