"""The user of the sandbox's processes: root takes no number that belongs to an account or to running processes."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator

import pytest

from integrations.git.workspace import Workspace
from integrations.sandbox import identity
from integrations.sandbox.bubblewrap import Sandbox, SandboxUnavailable
from integrations.sandbox.identity import DEFAULT_UID, choose_user

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
FREE = 61_537


@pytest.fixture(autouse=True)
def chosen() -> Iterator[None]:
    before = list(identity._user)
    yield
    identity._user[:] = before


def test_user_by_number_is_not_that_of_an_account() -> None:
    account = next(entry for entry in pwd.getpwall() if entry.pw_uid)
    with pytest.raises(SandboxUnavailable, match=f"{account.pw_uid}, which belongs to the account {account.pw_name}"):
        choose_user(str(account.pw_uid))
    choose_user(account.pw_name)  # the operator names the account on purpose


def test_user_by_number_is_not_that_of_a_running_process() -> None:
    with subprocess.Popen(["setpriv", f"--reuid={FREE}", "sh", "-c", "echo ready; exec sleep 60"], stdout=-1) as other:
        try:
            assert other.stdout and other.stdout.readline() == b"ready\n"
            with pytest.raises(SandboxUnavailable, match=f"cannot be {FREE}, which runs process {other.pid}: choose"):
                choose_user(str(FREE))
        finally:
            other.kill()
    choose_user(str(FREE))


def test_user_of_other_sandboxes_is_free(sandbox: Sandbox, plain: Workspace) -> None:
    with sandbox.open(plain) as session:
        session.run(["true"], timeout=20)
        choose_user(str(identity.find_user() or DEFAULT_UID))


@pytest.mark.parametrize(("name", "reason"), [("0", "user 0"), ("root", "user 0"), ("no-such", "is no account")])
def test_user_with_rights_or_without_an_account_is_refused(name: str, reason: str) -> None:
    with pytest.raises(SandboxUnavailable, match=reason):
        choose_user(name)
