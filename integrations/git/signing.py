"""Signs the commits that Loopline writes, with an SSH key. Called by `mirror`.

The key file is read by ssh-keygen on the host only; no sandbox has it. Signatures of Ed25519 and RSA keys are
deterministic, so that a retry writes the same commit; those of ECDSA keys are not.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from integrations.errors import Misconfigured, Rejected
from integrations.git.failures import Damaged
from integrations.git.repository import HostRepository
from integrations.git.signing_key import find_key_problem


def run_signed(
    repository: HostRepository, arguments: Sequence[str], stdin: bytes, environment: Mapping[str, str], key: Path
) -> bytes:
    """Run a git command that writes a commit, with a signature; returns its stdout. Raises `Misconfigured`."""
    program = shutil.which("ssh-keygen") or "ssh-keygen"
    settings = ("gpg.format=ssh", f"gpg.ssh.program={program}", f"user.signingKey={key}")
    command, *rest = arguments
    try:
        return repository.git(command, "-S", *rest, stdin=stdin, environment=environment, settings=settings)
    except Rejected as error:
        if isinstance(error, Damaged):
            raise
        problem = find_key_problem(key) or "does not sign; create a key with ssh-keygen -t ed25519"
        raise Misconfigured(
            f"LOOPLINE_SIGNING_KEY_FILE is the path of a file that {problem}", kind="credentials"
        ) from error
