"""Checks the file of the key that signs commits. Called by `signing` and `jobs.config.places`."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from integrations.git.openpgp import find_openpgp_problem, is_openpgp

LARGEST_KEY = 65_536  # bytes


def read_key(file: Path) -> bytes:
    """The start of the file; empty if it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST_KEY)
    except OSError:
        return b""


def find_key_problem(file: Path) -> str:
    """Return the reason and the fix when the key in the file cannot sign; empty if it can."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        status = file.stat()
        with file.open("rb") as opened:
            content = opened.read(LARGEST_KEY)
    except OSError as error:
        return f"cannot be read ({error.strerror}); correct the path"
    if status.st_uid == os.geteuid() and status.st_mode & 0o077:
        return "other users can read, which ssh-keygen refuses; run chmod 600 on it"
    if is_openpgp(content):
        return find_openpgp_problem(content, int(time.time()))
    try:
        key = load_ssh_private_key(content, password=None)
    except TypeError:
        return "has a key with a passphrase; create one without, with ssh-keygen -t ed25519 -N ''"
    except (ValueError, UnsupportedAlgorithm):
        return "has no private key of OpenSSH or OpenPGP; create one with ssh-keygen -t ed25519"
    if not isinstance(key, Ed25519PrivateKey | RSAPrivateKey):
        return "has a key that is neither Ed25519 nor RSA; create one with ssh-keygen -t ed25519"
    if not shutil.which("ssh-keygen"):
        return "needs the program ssh-keygen; install the OpenSSH client"
    return ""
