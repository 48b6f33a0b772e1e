"""Signed candidate commits, verified by git as a code host verifies them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from integrations.errors import Misconfigured
from integrations.git.mirror import Mirror
from integrations.git.signing_key import find_key_problem
from tests.integrations.git.hosting import GitHost, commit, git

EMAIL = "bot@example.com"


def create_key(file: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(file)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return file


def make_candidate(mirror: Mirror, upstream: Path, message: str = "ENG-1: title\n\nwhy\n") -> str:
    base = mirror.head("main")
    tip = commit(upstream, {"b": b"2"}, branch="topic")
    mirror.fetch("topic")
    made = mirror.write_candidate(tip, base, message, "Loopline", EMAIL, 1_700_000_000)
    assert mirror.write_candidate(tip, base, message, "Loopline", EMAIL, 1_700_000_000) == made, "not idempotent"
    return made


@pytest.fixture
def signer(tmp_path: Path, host: GitHost, upstream: Path) -> Mirror:
    url = f"{host.url}/acme/shop.git"
    mirror = Mirror(tmp_path / "repos" / "acme__shop.git", url, signing_key=tmp_path / "key")
    mirror.fetch("main")
    return mirror


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_signed_candidate_is_verified_with_the_public_key(
    signer: Mirror, upstream: Path, tmp_path: Path, kind: str
) -> None:
    public = create_key(tmp_path / "key", kind).with_suffix(".pub").read_text()
    (tmp_path / "allowed").write_text(f'{EMAIL} namespaces="git" {public}')
    (tmp_path / "others").write_text(f"{EMAIL} {create_key(tmp_path / 'other').with_suffix('.pub').read_text()}")
    made = make_candidate(signer, upstream)

    folder = tmp_path / "repos" / "acme__shop.git"
    git(folder, "-c", f"gpg.ssh.allowedSignersFile={tmp_path / 'allowed'}", "verify-commit", made)
    with pytest.raises(subprocess.CalledProcessError):
        git(folder, "-c", f"gpg.ssh.allowedSignersFile={tmp_path / 'others'}", "verify-commit", made)


def test_candidate_without_a_signing_key_is_not_signed(mirror: Mirror, upstream: Path, tmp_path: Path) -> None:
    made = make_candidate(mirror, upstream)
    assert b"gpgsig" not in git(tmp_path / "repos" / "acme__shop.git", "cat-file", "commit", made)


def test_signing_key_that_is_lost_after_the_start_is_named(signer: Mirror, upstream: Path, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"LOOPLINE_SIGNING_KEY_FILE .* cannot be read \(No such file") as caught:
        make_candidate(signer, upstream)
    assert caught.value.kind == "credentials"
    create_key(tmp_path / "key")
    assert make_candidate(signer, upstream)


def test_signing_key_problems_name_the_fix(tmp_path: Path) -> None:
    good = create_key(tmp_path / "good")
    assert find_key_problem(good) == ""
    assert "no private key of OpenSSH or OpenPGP" in find_key_problem(_close(tmp_path / "good.pub"))
    assert "neither Ed25519 nor RSA" in find_key_problem(create_key(tmp_path / "ecdsa", "ecdsa"))
    assert "passphrase" in find_key_problem(create_key(tmp_path / "locked", passphrase="a b c d e"))
    good.chmod(0o640)
    assert "chmod 600" in find_key_problem(good)


def _close(file: Path) -> Path:
    file.chmod(0o600)
    return file


def create_openpgp_key(folder: Path, file: Path, passphrase: str = "", kind: str = "ed25519") -> bytes:
    """Write an armored private key to `file`, with gpg in `folder`; returns the public one."""
    folder.mkdir(mode=0o700)

    def gpg(*arguments: str) -> bytes:
        options = ("--batch", "--pinentry-mode=loopback", "--passphrase", passphrase)
        command = ("gpg", "--homedir", str(folder), *options, "--faked-system-time=1600000000!", *arguments)
        return subprocess.run(command, capture_output=True, check=True).stdout

    try:
        gpg("--quick-generate-key", EMAIL, kind, "sign", "never")
        file.write_bytes(gpg("--armor", "--export-secret-keys", EMAIL))
        file.chmod(0o600)
        return gpg("--export", EMAIL)
    finally:
        subprocess.run(("gpgconf", "--homedir", str(folder), "--kill", "all"), check=True)


needs_gpg = pytest.mark.skipif(not shutil.which("gpg"), reason="GnuPG is not installed")


@needs_gpg
@pytest.mark.parametrize("kind", ["ed25519", "rsa2048"])
def test_signed_candidate_with_an_openpgp_key_is_verified_by_gpg(
    signer: Mirror, upstream: Path, tmp_path: Path, kind: str
) -> None:
    with tempfile.TemporaryDirectory() as short:
        public = create_openpgp_key(Path(short) / "maker", tmp_path / "key", kind=kind)
        made = make_candidate(signer, upstream)
        home = Path(short) / "verifier"
        home.mkdir(mode=0o700)
        subprocess.run(("gpg", "--homedir", home, "--batch", "--import"), input=public, capture_output=True, check=True)
        git(tmp_path / "repos" / "acme__shop.git", "verify-commit", made, GNUPGHOME=str(home))


@needs_gpg
def test_openpgp_key_problems_name_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as short:
        create_openpgp_key(Path(short) / "good", tmp_path / "good")
        create_openpgp_key(Path(short) / "locked", tmp_path / "locked", passphrase="a b c d e")
    assert find_key_problem(tmp_path / "good") == ""
    assert "it has a passphrase" in find_key_problem(tmp_path / "locked")
    broken = tmp_path / "broken"
    broken.write_text("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nnothing\n")
    assert "gpg cannot import" in find_key_problem(_close(broken))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "needs the program gpg; install GnuPG, or use an SSH key" in find_key_problem(tmp_path / "good")
