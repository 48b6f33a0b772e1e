"""Commands in an image: its tools and nothing of the host's."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from integrations.git.workspace import Workspace
from integrations.images.store import Images
from integrations.sandbox.bubblewrap import CommandResult, Sandbox
from integrations.sandbox.environment import Environment
from integrations.sandbox.root import find_interpreter
from tests.integrations.images.archive import save
from tests.integrations.images.conftest import VERSIONS
from tests.integrations.sandbox.conftest import plain, sandbox

__all__ = ["plain", "sandbox"]


def pack(root: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.add(root, ".")
    return content.getvalue()


@pytest.fixture
def environments(lua_roots: dict[str, Path], tmp_path: Path) -> dict[str, Environment]:
    """The older version as a folder, the newer one from an archive."""
    old, new = (lua_roots[version] for version in VERSIONS)
    archive = save(tmp_path / "new.tar", [pack(new)], ["TOOL=new"])
    images = Images(tmp_path / "images", {"old": old, "new": archive}, 2**30)
    opened = (images.open("old"), images.open("new"))
    return {
        version: Environment(image=image.root, variables=image.variables)
        for version, image in zip(VERSIONS, opened, strict=True)
    }


def run(sandbox: Sandbox, plain: Workspace, environment: Environment, script: str) -> CommandResult:
    return sandbox.run(["bash", "-c", script], plain, timeout=20, environment=environment)


def test_commands_see_the_tools_of_their_image(
    sandbox: Sandbox, plain: Workspace, environments: dict[str, Environment]
) -> None:
    for version, environment in environments.items():
        result = run(sandbox, plain, environment, "lua -v 2>&1; echo $TOOL; id -un; echo kept > file")
        assert result.output.decode().startswith(f"Lua {version}"), result.output
        assert result.output.decode().endswith("agent\n") and result.exit_code == 0
    assert b"new" in run(sandbox, plain, environments["5.4"], "echo $TOOL").output
    assert (plain.upper / "file").read_text() == "kept\n"


def test_image_hides_the_host_and_is_read_only(
    sandbox: Sandbox, plain: Workspace, environments: dict[str, Environment], tmp_path: Path
) -> None:
    for environment in environments.values():
        assert environment.image
        script = f"""
        command -v python3 git prlimit-of-host apt-get; ls {tmp_path}/new.tar /etc/shadow /root /var/lib/dpkg/status
        for path in /etc/x /etc/passwd /usr/x /usr/bin/lua /x /var/x; do (echo x > $path) && echo "wrote $path"; done
        """
        result = run(sandbox, plain, environment, script)
        reached = [line for line in result.output.decode().splitlines() if line.startswith(("/", "wrote"))]
        assert not reached, result.output.decode()
        assert not (environment.image / "etc" / "passwd").exists()


def test_image_with_links_into_the_host_reaches_only_itself(
    sandbox: Sandbox, plain: Workspace, lua_roots: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret of the host")
    root = lua_roots["5.1"]
    links = {root / "opt": tmp_path, root / "usr" / "share" / "host": tmp_path}
    for link, target in links.items():
        link.symlink_to(target)
    try:
        result = run(sandbox, plain, Environment(image=root), "cat /opt/secret /usr/share/host/secret")
        assert result.exit_code == 1 and b"secret of the host" not in result.output
    finally:
        for link in links:
            link.unlink()


def test_programs_of_loopline_run_in_an_image_without_python(
    sandbox: Sandbox, plain: Workspace, environments: dict[str, Environment]
) -> None:
    program = "import ctypes, hashlib, json, os, socket, subprocess; print(json.dumps([os.getuid(), os.getcwd()]))"
    for environment in environments.values():
        command = [*find_interpreter(environment.image), "-I", "-c", program]
        result = sandbox.capture(command, plain, max_bytes=1000, timeout=20, environment=environment)
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.output)[0] == 1000 != os.getuid()
