"""Network access in an image without Python: the relay runs with the host's."""

from __future__ import annotations

from pathlib import Path

from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Sandbox
from integrations.sandbox.environment import Environment
from tests.integrations.egress.conftest import authority, running
from tests.integrations.egress.internet import FILES, Internet
from tests.integrations.images.conftest import VERSIONS
from tests.integrations.sandbox.conftest import plain, sandbox

__all__ = ["authority", "plain", "running", "sandbox"]

GET = f"""
exec 3<>/dev/tcp/127.0.0.1/3128
printf 'GET http://{FILES}/ HTTP/1.1\\r\\n\\r\\n' >&3
tail -n 1 <&3
"""


def test_commands_in_an_image_reach_permitted_hosts(
    sandbox: Sandbox, plain: Workspace, lua_roots: dict[str, Path], running: Internet, tmp_path: Path
) -> None:
    with running.gateway(tmp_path / "egress", FILES) as gateway:
        environment = Environment(image=lua_roots[VERSIONS[0]], network=gateway.socket)
        command = ["bash", "-c", GET]
        result = sandbox.run(command, plain, timeout=20, environment=environment)
    assert (result.exit_code, result.output) == (0, b"hello")
