"""Signs commits with an OpenPGP key: gpg in a home folder that exists for one command. Called by `signing`.

The agent of gpg ends with the folder. A signature has the time of its commit, so that a retry writes the same one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ARMOR = b"-----BEGIN PGP PRIVATE KEY BLOCK-----"
_SECONDS = 30.0
_WRAPPER = """\
#!/bin/sh
exec {gpg} --homedir '{home}' --batch --no-tty --pinentry-mode=loopback --passphrase '' --no-auto-check-trustdb \\
    --ignore-time-conflict --faked-system-time={when}! "$@"
"""


@dataclass(frozen=True)
class OpenPgpKey:
    """A key that gpg can sign with; `program` takes the place of gpg for git."""

    fingerprint: str
    program: Path


def is_openpgp(content: bytes) -> bool:
    """Whether the file has an armored private key of OpenPGP."""
    return ARMOR in content


@contextmanager
def open_key(content: bytes, when: int) -> Iterator[OpenPgpKey | None]:
    """The key, for signatures at `when` (Unix seconds); None if gpg cannot import it."""
    home = Path(tempfile.mkdtemp(prefix="gpg-"))  # a short path: gpg's agent has a socket in it
    try:
        program = home / "gpg"
        program.write_text(_WRAPPER.format(gpg=shutil.which("gpg") or "gpg", home=home, when=when))
        program.chmod(0o700)
        imported = _run(program, "--status-fd=1", "--import", stdin=content).stdout.decode(errors="replace")
        found = [line.split() for line in imported.splitlines() if line.startswith("[GNUPG:] IMPORT_OK ")]
        yield OpenPgpKey(found[0][3], program) if found else None
    finally:
        _end_agent(home)
        shutil.rmtree(home, ignore_errors=True)


def find_openpgp_problem(content: bytes, when: int) -> str:
    """Return the reason and the fix when gpg cannot sign with the key; empty if it can."""
    if not shutil.which("gpg"):
        return "has an OpenPGP key, which needs the program gpg; install GnuPG, or use an SSH key"
    with open_key(content, when) as key:
        if key is None:
            return "has an OpenPGP key that gpg cannot import; export it with gpg --armor --export-secret-keys"
        signed = _run(key.program, "--detach-sign", "--local-user", key.fingerprint, stdin=b"x")
    if signed.returncode:
        return "has an OpenPGP key that cannot sign: it has a passphrase, is expired or is not for signing; use another"
    return ""


def _run(program: Path, *arguments: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8"}
    try:
        return subprocess.run(
            (program, *arguments), input=stdin, env=environment, capture_output=True, timeout=_SECONDS
        )
    except (subprocess.TimeoutExpired, OSError):
        return subprocess.CompletedProcess(arguments, 1, b"", b"")


def _end_agent(home: Path) -> None:
    if program := shutil.which("gpgconf"):
        subprocess.run(
            (program, "--homedir", str(home), "--kill", "all"), env={"PATH": os.defpath}, capture_output=True
        )
