"""Turns the files that setup commands wrote into a layer that other runs can share. Called by `build`.

No process of the sandbox runs meanwhile. Links are never followed.
"""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from integrations.disk import walk
from integrations.errors import Rejected
from integrations.git.trash import delete as delete_tree

_CHUNK = 2**20
_BITS = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX


def clean_layer(tree: Path, tracked: Collection[str]) -> None:
    """Remove the `tracked` files of the commit and the git link from `tree`, and all that `clean_folder` removes.

    A tracked file always comes from a commit, so a change to it by setup is dropped."""
    folders = {str(folder) for path in tracked for folder in Path(path).parents} - {"."}
    for path, state in list(walk(str(tree))):
        name = os.path.relpath(path, tree)
        is_folder = stat.S_ISDIR(state.st_mode)
        if name == ".git" or name in tracked or (name in folders and not is_folder):
            delete_tree(Path(path))
    clean_folder(tree)
    for name in sorted(folders, key=len, reverse=True):
        with suppress(OSError):  # setup created files in it
            (tree / name).rmdir()


def clean_folder(folder: Path) -> None:
    """Remove devices, which include overlayfs's whiteouts, sockets and FIFOs; drop setuid, setgid and sticky bits and
    overlayfs's own attributes; let the owner list and delete every folder."""
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) & ~_BITS | stat.S_IRWXU)
    pending = [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in list(entries):
                mode = entry.stat(follow_symlinks=False).st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                    Path(entry.path).unlink()
                    continue
                if stat.S_ISLNK(mode):
                    continue
                wanted = stat.S_IMODE(mode) & ~_BITS | (stat.S_IRWXU if stat.S_ISDIR(mode) else stat.S_IRUSR)
                if wanted != stat.S_IMODE(mode):
                    Path(entry.path).chmod(wanted)
                _drop_attributes(entry.path)
                if stat.S_ISDIR(mode):
                    pending.append(Path(entry.path))
    _drop_attributes(str(folder))


def _drop_attributes(path: str) -> None:
    with suppress(OSError):  # a file system without extended attributes
        for name in os.listxattr(path, follow_symlinks=False):
            if name.startswith(("user.overlay.", "trusted.overlay.", "security.capability")):
                os.removexattr(path, name, follow_symlinks=False)


def check_secrets(layer: Path, secrets: Mapping[str, str]) -> None:
    """Raise `Rejected` with the file's path if one of the secrets (value by name) is in a file, a name or a link."""
    wanted = {form: name for name, value in secrets.items() for form in find_forms(value)}
    if not wanted:
        return
    longest = max(map(len, wanted))
    for path, state in walk(str(layer)):
        name = os.path.relpath(path, layer)
        texts: Iterable[bytes] = [os.fsencode(name)]
        if stat.S_ISLNK(state.st_mode):
            texts = [*texts, os.fsencode(Path(path).readlink())]
        elif stat.S_ISREG(state.st_mode):
            texts = [*texts, *_read_chunks(path, longest)]
        if found := next((wanted[form] for text in texts for form in wanted if form in text), ""):
            shown = name if find_secret_name(name, secrets) == "" else "a file whose name contains it"
            place = f"~/{shown.removeprefix('home/')}" if shown.startswith("home/") else shown.removeprefix("tree/")
            raise Rejected(
                f"the setup commands leave the value of the secret {found} in {place}: let them delete it at the end, "
                f"or read it from the variable {found} only"
            )


def find_secret_name(text: str, secrets: Mapping[str, str]) -> str:
    """The name of a secret whose value is in the text; empty without one."""
    found = (name for name, value in secrets.items() for form in find_forms(value) if form.decode() in text)
    return next(found, "")


def find_forms(secret: str) -> tuple[bytes, ...]:
    """The secret in plain and in Base64, as npm and pip configuration files have it."""
    plain = secret.encode()
    return (plain, base64.b64encode(plain).rstrip(b"=")) if plain else ()


def hide_secrets(text: str, secrets: Mapping[str, str]) -> str:
    """The text with each secret replaced by its name."""
    for name, value in secrets.items():
        for form in find_forms(value):
            text = text.replace(form.decode(), f"[secret {name}]")
    return text


def _read_chunks(path: str, longest: int) -> Iterable[bytes]:
    """The file in pieces that overlap, so that no value of `longest` bytes lies on a border."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        last = b""
        while chunk := file.read(_CHUNK):
            yield last + chunk
            last = chunk[-longest:]


def measure(folder: Path) -> tuple[int, int]:
    """Bytes on disk and number of entries below the folder."""
    sizes = [state.st_blocks * 512 for _, state in walk(str(folder))]
    return sum(sizes), len(sizes)
