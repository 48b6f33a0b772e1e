"""The images that the operator offers by name, unpacked once per content. Called by `jobs`.

A source is a root file system in a folder, which is used in place, or an OCI layout or `docker save` archive, which is
unpacked to `<folder>/<name>/<digest>`. An image is unpacked once, also when several processes ask for it, and is
complete as soon as it is there: it is renamed into place.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from integrations.errors import Misconfigured, Rejected
from integrations.git.locks import file_lock
from integrations.git.trash import delete as delete_tree
from integrations.images.archives import Manifest, is_root, open_image
from integrations.images.layers import Unpacker

_MARKER = "image.json"
_DIGITS = 16
_SETTING = "LOOPLINE_IMAGES"


@dataclass(frozen=True)
class Image:
    """A root file system. `digest` identifies its content; `variables` are the image's own, such as PATH."""

    root: Path
    digest: str
    variables: Mapping[str, str]


class Images:
    """Opens images by name. `sources` are the operator's, `folder` is for unpacked ones; an image can have
    `max_bytes`. Thread-safe and shared by processes."""

    def __init__(self, folder: Path, sources: Mapping[str, Path], max_bytes: int) -> None:
        self._folder, self._sources, self._max_bytes = folder, sources, max_bytes

    def open(self, name: str) -> Image:
        """The image of this name; unpacks it on first use, and again when its source has changed.

        Raises `Misconfigured` for an unknown name and for a source that cannot be used."""
        source = self._sources.get(name)
        if source is None:
            known = ", ".join(sorted(self._sources)) or "none"
            raise Misconfigured(
                f"loop.environment.image in WORKFLOW.md is {name!r}, which {_SETTING} does not offer; it "
                f"offers {known}: choose one of these, or let the operator add it"
            )
        try:
            if is_root(source):
                return Image(source, _identify_folder(source), {})
            with open_image(source) as manifest:
                return self._unpack(name, manifest)
        except Rejected as error:
            raise Misconfigured(f"{_SETTING}, image {name!r}, at {source}: {error}; correct or replace it") from error

    def _unpack(self, name: str, manifest: Manifest) -> Image:
        place = self._folder / name / manifest.digest[:_DIGITS]
        image = Image(place / "root", manifest.digest[:_DIGITS], manifest.variables)
        if (place / _MARKER).exists():
            return image
        with file_lock(self._folder / f"{name}.lock"):
            if (place / _MARKER).exists():
                return image
            self._remove_others(name)
            draft = place.with_name(f".new-{place.name}")
            (draft / "root").mkdir(parents=True)
            draft.parent.chmod(0o755)
            try:
                unpacker = Unpacker(draft / "root", self._max_bytes)
                for layer in manifest.open_layers():
                    unpacker.apply(layer)
                if not is_root(draft / "root"):
                    raise Rejected("it holds no root file system: it has no bin/bash and no usr/bin/bash")
                (draft / _MARKER).write_text(json.dumps({"digest": manifest.digest}))
                os.sync()
                draft.rename(place)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        return image

    def _remove_others(self, name: str) -> None:
        """Remove older contents of this image and what a killed process left. A sandbox that uses one keeps its files
        until it ends, because they stay mounted."""
        for path in (self._folder / name).glob("*"):
            trash = path if path.name.startswith(".") else path.with_name(f".old-{path.name}")
            with suppress(FileNotFoundError):
                path.rename(trash)
                delete_tree(trash)
        for path in (self._folder / name).glob(".*"):
            delete_tree(path)


def _identify_folder(root: Path) -> str:
    """Changes when the folder is replaced, or a folder in it gets or loses an entry two levels deep."""
    facts = [str(root.resolve())]
    for path in (root, *sorted(root.glob("*")), *sorted((root / "usr").glob("*")), *sorted((root / "etc").glob("*"))):
        state = path.lstat()
        facts.append(f"{path.relative_to(root)} {state.st_ino} {state.st_ctime_ns} {state.st_size}")
    return hashlib.sha256("\n".join(facts).encode(errors="surrogateescape")).hexdigest()[:_DIGITS]
