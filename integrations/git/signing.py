"""Signs the commits that Loopline writes, with an SSH key, or with an OpenPGP key (`openpgp`). Called by `mirror`.

The key file is read by ssh-keygen or gpg on the host only; no sandbox has it. Signatures of Ed25519 and RSA keys are
deterministic, so that a retry writes the same commit; those of ECDSA keys are not.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from integrations.errors import Misconfigured, Rejected
from integrations.git.failures import Damaged
from integrations.git.openpgp import is_openpgp, open_key
from integrations.git.repository import HostRepository
from integrations.git.signing_key import find_key_problem, read_key


def run_signed(
    repository: HostRepository, arguments: Sequence[str], stdin: bytes, environment: Mapping[str, str], key: Path
) -> bytes:
    """Run a git command that writes a commit, with a signature; returns its stdout. Raises `Misconfigured`."""
    command, *rest = arguments
    try:
        with _open_settings(key, environment) as settings:
            return repository.git(command, "-S", *rest, stdin=stdin, environment=environment, settings=settings)
    except Rejected as error:
        if isinstance(error, Damaged):
            raise
        problem = find_key_problem(key) or "does not sign; create a key with ssh-keygen -t ed25519"
        raise Misconfigured(
            f"LOOPLINE_SIGNING_KEY_FILE is the path of a file that {problem}", kind="credentials"
        ) from error


@contextmanager
def _open_settings(key: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """git's settings for the key."""
    content = read_key(key)
    if not is_openpgp(content):
        program = shutil.which("ssh-keygen") or "ssh-keygen"
        yield "gpg.format=ssh", f"gpg.ssh.program={program}", f"user.signingKey={key}"
        return
    when = int(environment["GIT_COMMITTER_DATE"].removeprefix("@").split()[0])
    with open_key(content, when) as own:
        yield ("gpg.format=openpgp", f"gpg.program={own.program}", f"user.signingKey={own.fingerprint}") if own else ()
