"""Images by name: folders, OCI layouts and `docker save` archives."""

from __future__ import annotations

import json
import tarfile
import threading
from pathlib import Path

import pytest

from integrations.errors import Misconfigured
from integrations.images.archives import find_image_problem
from integrations.images.store import Images
from tests.integrations.images.archive import Layer, save, sha, with_bash, write_layout

ENV = ("PATH=/opt/bin:/usr/bin", "LANG=C", "HOME=/root", "BROKEN", "9=x")


def offer(tmp_path: Path, source: Path, max_bytes: int = 2**20) -> Images:
    return Images(tmp_path / "images", {"tools": source}, max_bytes)


def test_image_has_the_same_files_and_digest_from_each_kind_of_archive(tmp_path: Path) -> None:
    layers = [with_bash().read(), Layer().folder("opt").file("opt/tool", "1").read()]
    layout = write_layout(tmp_path / "layout", layers, ENV)
    archive = tmp_path / "layout.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(layout, ".")
    found = []
    for number, source in enumerate((layout, archive, save(tmp_path / "saved.tar", layers, ENV))):
        image = Images(tmp_path / f"images{number}", {"tools": source}, 2**20).open("tools")
        assert (image.root / "opt" / "tool").read_text() == "1"
        assert image.variables == {"PATH": "/opt/bin:/usr/bin", "LANG": "C"}
        found.append(image.digest)
    assert len(set(found)) == 1


def test_image_is_unpacked_once_and_again_when_its_source_changes(tmp_path: Path) -> None:
    source = save(tmp_path / "x.tar", [with_bash().read()])
    images = offer(tmp_path, source)
    first = images.open("tools")
    (first.root / "mark").touch()
    assert (images.open("tools").root / "mark").exists()
    save(source, [with_bash().read(), Layer().file("new").read()])
    second = images.open("tools")
    assert (second.root / "new").exists() and second.digest != first.digest
    assert [path.name for path in (tmp_path / "images" / "tools").iterdir()] == [second.digest]


def test_image_that_several_ask_for_at_once_is_unpacked_once(tmp_path: Path) -> None:
    source = save(tmp_path / "x.tar", [with_bash().read()])
    roots: list[int] = []
    threads = [
        threading.Thread(target=lambda: roots.append(offer(tmp_path, source).open("tools").root.stat().st_ino))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(roots) == 8 and len(set(roots)) == 1


def test_image_left_incomplete_by_a_killed_process_is_unpacked_again(tmp_path: Path) -> None:
    images = offer(tmp_path, save(tmp_path / "x.tar", [with_bash().read()]))
    digest = images.open("tools").digest
    place = tmp_path / "images" / "tools" / digest
    place.rename(place.with_name(f".new-{digest}"))
    (place.with_name(f".new-{digest}") / "image.json").unlink()
    assert (images.open("tools").root / "usr" / "bin" / "bash").exists()
    assert [path.name for path in (tmp_path / "images" / "tools").iterdir()] == [digest]


def damage(tmp_path: Path, kind: str) -> Path:
    layers = [with_bash().read()]
    layout = write_layout(tmp_path / "layout", layers, compress=kind != "layer")
    blobs = layout / "blobs" / "sha256"
    match kind:
        case "layer":
            (blobs / sha(layers[0])).write_bytes(with_bash().file("evil").read())
        case "compressed layer":
            blob = max(blobs.iterdir(), key=lambda path: path.read_bytes()[:2] == b"\x1f\x8b")
            blob.write_bytes(blob.read_bytes()[:-20])
        case "manifest":
            for path in blobs.iterdir():
                if b"schemaVersion" in path.read_bytes():
                    path.write_text(json.dumps({"layers": []}))
        case "digest":
            (layout / "index.json").write_text(json.dumps({"manifests": [{"digest": "sha256:../../../etc/passwd"}]}))
        case "loop":
            (layout / "index.json").write_text("[" * 100_000)
        case "platform":
            (layout / "index.json").write_text(json.dumps({"manifests": [{"digest": "x"}, {"digest": "y"}]}))
        case "no bash":
            return save(tmp_path / "x.tar", [Layer().folder("usr").read()])
        case "other archive":
            (tmp_path / "x.tar").write_bytes(Layer().file("README").read())
            return tmp_path / "x.tar"
        case "no archive":
            (tmp_path / "x.tar").write_bytes(b"hello" * 1000)
            return tmp_path / "x.tar"
        case "folder":
            (tmp_path / "x").mkdir()
            return tmp_path / "x"
        case "link":
            (tmp_path / "x").mkdir()
            (tmp_path / "x" / "usr").symlink_to("/usr")
            return tmp_path / "x"
        case "large":
            return save(tmp_path / "x.tar", [with_bash().file("big", "x" * 2**21).read()])
    return layout


KINDS = (
    "layer", "compressed layer", "manifest", "digest", "loop", "platform", "no bash", "other archive", "no archive",
    "folder", "link", "large",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_unusable_image_is_one_sentence_with_the_setting_and_nothing_stays(tmp_path: Path, kind: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        offer(tmp_path, damage(tmp_path, kind)).open("tools")
    message = str(caught.value)
    assert message.startswith("LOOPLINE_IMAGES, image 'tools', at ") and message.endswith("; correct or replace it")
    assert len(message) < 600 and "\n" not in message
    assert not list((tmp_path / "images").rglob("bash"))


def test_unknown_image_is_one_sentence_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"'node99', which LOOPLINE_IMAGES does not offer; it offers tools"):
        offer(tmp_path, tmp_path).open("node99")


@pytest.mark.parametrize("kind", ["other archive", "no archive", "folder", "link", "digest"])
def test_find_image_problem_names_the_fix_before_anything_starts(tmp_path: Path, kind: str) -> None:
    assert "docker save" in find_image_problem(damage(tmp_path, kind))


def test_find_image_problem_accepts_what_can_be_opened(tmp_path: Path) -> None:
    assert find_image_problem(save(tmp_path / "x.tar", [with_bash().read()])) == ""
    assert find_image_problem(write_layout(tmp_path / "layout", [with_bash().read()])) == ""
    assert "does not exist" in find_image_problem(tmp_path / "missing")
