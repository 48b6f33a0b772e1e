"""Writes the certificate authorities that commands in the sandbox trust: those of this machine.

In two formats: PEM, and PKCS #12 for Java. The names are those that `integrations.sandbox.network` mounts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

from integrations.sandbox.network import AUTHORITIES, JAVA_AUTHORITIES

_END = b"-----END CERTIFICATE-----"


def write_authorities(bundle: Path | None, folder: Path) -> None:
    """Write the bundle's certificates to the folder; without a bundle remove those of an earlier start.

    Raises `OSError`."""
    certificates = list(_read_certificates(bundle.read_bytes())) if bundle else []
    pem, java = folder / AUTHORITIES.name, folder / JAVA_AUTHORITIES.name
    if not certificates:
        for file in (pem, java):
            file.unlink(missing_ok=True)
        return
    _replace(pem, b"".join(one.public_bytes(Encoding.PEM) for one in certificates))
    entries = [PKCS12Certificate(one, f"authority-{number}".encode()) for number, one in enumerate(certificates)]
    _replace(java, serialize_java_truststore(entries, NoEncryption()))


def _read_certificates(content: bytes) -> Iterator[x509.Certificate]:
    """The certificates of a PEM file, without those that cannot be parsed: bundles of systems have old ones."""
    for block in content.split(_END)[:-1]:
        start = block.find(b"-----BEGIN CERTIFICATE-----")
        try:
            with warnings.catch_warnings(action="ignore"):
                yield x509.load_pem_x509_certificate(block[max(start, 0) :] + _END + b"\n")
        except ValueError:
            continue


def _replace(file: Path, content: bytes) -> None:
    draft = file.with_suffix(".new")
    draft.write_bytes(content)
    draft.chmod(0o644)
    draft.replace(file)
