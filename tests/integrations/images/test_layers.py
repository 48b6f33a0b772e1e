"""Unpacking of hostile and ordinary layers."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from integrations.errors import Rejected
from integrations.images.layers import Unpacker
from tests.integrations.images.archive import Layer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    return root


def unpack(root: Path, *layers: Layer, max_bytes: int = 2**20) -> None:
    unpacker = Unpacker(root, max_bytes)
    for layer in layers:
        unpacker.apply(io.BytesIO(layer.read()))


def test_layers_replace_and_hide_what_lower_ones_hold(root: Path) -> None:
    lower = Layer().folder("a").file("a/kept", "1").file("a/gone", "1").folder("b").file("b/x", "1").file("c", "1")
    upper = Layer().file("a/.wh.gone").folder("b").file("b/new", "2").file("b/.wh..wh..opq").file("c", "2")
    unpack(root, lower, upper)
    found = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}
    assert found == {"a/kept": "1", "b/new": "2", "c": "2"}


def test_layer_entries_follow_links_inside_of_the_root_as_chroot_does(root: Path) -> None:
    layer = Layer().folder("usr").folder("usr/lib").link("lib", "usr/lib").link("abs", "/usr").file("lib/x", "1")
    unpack(root, layer.file("abs/y", "2").link("up", "../../../usr").file("up/z", "3"))
    assert [(root / "usr" / name).read_text() for name in ("lib/x", "y", "z")] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (Layer().file("/etc/passwd", "x"), "outside of its root"),
        (Layer().file("../outside/x", "x"), "outside of its root"),
        (Layer().file("a/../../outside/x", "x"), "outside of its root"),
        (Layer().file(".wh...", "x"), "outside of its root"),
        (Layer().file("a").file("a/b"), "not a folder"),
        (Layer().link("a", "b").link("b", "a").file("a/x"), "loop of symbolic links"),
        (Layer().link("a", "../outside/secret", tarfile.LNKTYPE), "outside of its root"),
        (Layer().link("a", "missing", tarfile.LNKTYPE), "hard link to a file that is not there"),
        (Layer().folder("d").link("a", "d", tarfile.LNKTYPE), "hard link to a file that is not there"),
        (Layer().file("n" * 300), "too long"),
        (Layer().file("big", "x" * 2**21), "more than the 1048576 bytes"),
        (Layer().file("x", pax_headers={"comment": "x" * 2**21}), "a header of"),
    ],
)
def test_layer_that_leaves_the_root_or_its_bounds_is_refused(root: Path, layer: Layer, reason: str) -> None:
    before = sorted((root.parent / "outside").iterdir())
    with pytest.raises(Rejected, match=reason):
        unpack(root, layer)
    assert sorted((root.parent / "outside").iterdir()) == before
    assert (root.parent / "outside" / "secret").read_text() == "secret"


def test_layer_cannot_write_through_a_link_that_it_brought(root: Path) -> None:
    outside = root.parent / "outside"
    unpack(root, Layer().link("a", str(outside)).file("a/secret", "overwritten"), Layer().link("b", str(outside)))
    unpack(root, Layer().file("b", "a file in its place"))
    assert (outside / "secret").read_text() == "secret"
    assert (root / str(outside).lstrip("/") / "secret").read_text() == "overwritten"


def test_layer_loses_devices_and_special_bits(root: Path) -> None:
    layer = Layer().file("su", "x", mode=0o6755, uid=0).folder("t", mode=0o3700).file("shadow", "x", mode=0o000)
    for name, kind in (("null", tarfile.CHRTYPE), ("disk", tarfile.BLKTYPE), ("pipe", tarfile.FIFOTYPE)):
        layer.add(name, kind)
    unpack(root, layer)
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in root.iterdir()}
    assert modes == {"su": 0o755, "t": 0o755, "shadow": 0o444}


def test_damaged_layer_is_refused(root: Path) -> None:
    content = Layer().file("a", "x" * 5000).read()
    for bytes_ in (content[:3000], b"not a tar" * 100, os.urandom(2048)):
        with pytest.raises(Rejected, match="damaged"):
            Unpacker(root, 2**20).apply(io.BytesIO(bytes_))
