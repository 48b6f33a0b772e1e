"""Submodules fetched by the host from the same code host, and their files in base trees and layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.errors import NotFound, Rejected
from integrations.git.export import commit_leftovers, export_pack
from integrations.git.mirror import Mirror
from integrations.git.submodules import resolve_url
from integrations.git.workspace import Workspace
from integrations.ports.code_host import GitCredentials
from integrations.sandbox.bubblewrap import Sandbox
from integrations.values import CommitSha
from tests.integrations.git.hosting import GitHost, commit, git

BASE = "https://git.acme.test/acme/shop.git"
PATH = "vendor/rates"


def gitmodules(url: str, path: str = PATH) -> bytes:
    return f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n'.encode()


@pytest.fixture
def rates(host: GitHost) -> Path:
    """The repository acme/rates, which the submodule is of."""
    return host.create("acme/rates")


@pytest.fixture
def fetched(mirror: Mirror, upstream: Path, rates: Path, tmp_path: Path, host: GitHost) -> Mirror:
    """A mirror whose main has a submodule with one of its own, fetched."""
    inner = commit(host.create("acme/units"), {"units.txt": b"EUR\n"})
    outer = commit(rates, {"rates.py": b"euro = 1\n", ".gitmodules": gitmodules("../units", "units"), "units": inner})
    commit(rates, {"rates.py": b"euro = 2\n"})  # the submodule is not at the head of its branch
    commit(upstream, {".gitmodules": gitmodules("../rates.git"), PATH: outer})
    made = Mirror(tmp_path / "repos" / "acme__shop.git", f"{host.url}/acme/shop.git", submodules=True)
    made.fetch("main")
    made.fetch_submodules([made.head("main")], lambda name: None)
    return made


def open_workspace(mirror: Mirror, folder: Path, sha: str = "", base: str = "") -> Workspace:
    return mirror.create_workspace(folder, CommitSha(sha or mirror.head("main")), CommitSha(base))


def test_submodules_are_plain_files_of_the_base_tree(fetched: Mirror, tmp_path: Path) -> None:
    tree = open_workspace(fetched, tmp_path / "run").lower
    assert (tree / PATH / "rates.py").read_text() == "euro = 1\n"
    assert (tree / PATH / "units" / "units.txt").read_text() == "EUR\n"
    assert not (tree / PATH / ".git").exists()
    assert fetched.find_unfetched(fetched.head("main")) == ([], [])


def test_submodule_switch_has_a_base_tree_for_each_position(fetched: Mirror, host: GitHost, tmp_path: Path) -> None:
    off = Mirror(tmp_path / "repos" / "acme__shop.git", f"{host.url}/acme/shop.git")
    tree = open_workspace(off, tmp_path / "off").lower
    assert list((tree / PATH).iterdir()) == []
    assert off.find_unfetched(off.head("main")) == ([PATH], [])
    assert (open_workspace(fetched, tmp_path / "on").lower / PATH / "rates.py").exists()
    assert list((tree / PATH).iterdir()) == []


def test_submodule_fetch_is_idempotent_and_asks_the_code_host_once(fetched: Mirror, host: GitHost) -> None:
    host.requests.clear()
    fetched.fetch_submodules([fetched.head("main")], lambda name: None)
    assert host.requests == []


def test_submodule_is_fetched_with_the_credentials_of_its_repository(
    fetched: Mirror, upstream: Path, rates: Path
) -> None:
    asked = list[str]()

    def get_credentials(name: str) -> GitCredentials | None:
        asked.append(name)
        return None

    commit(upstream, {PATH: commit(rates, {"rates.py": b"euro = 3\n"})})
    fetched.fetch("main")
    fetched.fetch_submodules([fetched.head("main")], get_credentials)
    assert asked == ["acme/rates"]


def test_submodule_stays_as_it_is_in_the_commit_of_an_agent(fetched: Mirror, sandbox: Sandbox, tmp_path: Path) -> None:
    workspace = open_workspace(fetched, tmp_path / "run")
    script = f"cat {PATH}/rates.py && git status --porcelain && echo 1 > {PATH}/rates.py && echo 2 > new.txt"
    assert sandbox.run(("sh", "-c", script), workspace, timeout=60).output == b"euro = 1\n"
    commit_leftovers(sandbox, workspace, "work")
    tip, pack = export_pack(sandbox, workspace, workspace.base_sha, 2**20)
    changed = git(workspace.git, "-c", "safe.directory=*", "diff-tree", "-r", "--name-only", workspace.base_sha, tip,
                  GIT_ALTERNATE_OBJECT_DIRECTORIES=str(workspace.objects))  # fmt: skip
    assert changed == b"new.txt\n" and pack


def test_submodule_of_a_layer_is_the_one_of_its_own_commit(
    fetched: Mirror, upstream: Path, rates: Path, tmp_path: Path
) -> None:
    base = fetched.head("main")
    equal = commit(upstream, {"a": b"1"})
    moved = commit(upstream, {PATH: commit(rates, {"rates.py": b"euro = 3\n"})})
    fetched.fetch("main")
    fetched.fetch_submodules([CommitSha(moved)], lambda name: None)
    layer = open_workspace(fetched, tmp_path / "equal", equal, base)
    assert (layer.lower_sha, (layer.lower / PATH / "rates.py").read_text()) == (base, "euro = 1\n")
    other = open_workspace(fetched, tmp_path / "moved", moved, base)
    assert (other.lower_sha, (other.lower / PATH / "rates.py").read_text()) == (moved, "euro = 3\n")
    assert open_workspace(fetched, tmp_path / "moved", moved, base) == other, "reused"


def test_submodule_that_is_not_in_the_mirror_is_no_empty_folder(
    mirror: Mirror, upstream: Path, host: GitHost, tmp_path: Path
) -> None:
    commit(upstream, {".gitmodules": gitmodules("../rates"), PATH: "a" * 40})
    made = Mirror(tmp_path / "repos" / "acme__shop.git", f"{host.url}/acme/shop.git", submodules=True)
    made.fetch("main")
    with pytest.raises(NotFound, match=r"submodule vendor/rates is not in the mirror .* retry"):
        open_workspace(made, tmp_path / "run")
    assert [path.name for path in (tmp_path / "repos" / "acme__shop.git.trees").iterdir() if path.name[0] != "."] == []


@pytest.mark.parametrize(
    ("modules", "reason"),
    [
        (b"", "no url in .gitmodules"),
        (gitmodules("../gone"), "cannot be fetched: "),
        (gitmodules("https://example.com/acme/rates"), "same code host"),
        (gitmodules("../../../../etc"), "leads out"),
        (gitmodules("ssh://git@127.0.0.1/acme/rates"), "same code host"),
        (b'[submodule "x"\n', "its .gitmodules cannot be read"),
    ],
)
def test_submodule_that_cannot_be_fetched_is_named_with_the_fix(
    mirror: Mirror, upstream: Path, host: GitHost, modules: bytes, reason: str
) -> None:
    commit(upstream, {".gitmodules": modules, PATH: "a" * 40})
    host.requests.clear()
    mirror.fetch("main")
    with pytest.raises(Rejected, match=rf"submodule vendor/rates .*{reason}.* remove loop.submodules"):
        mirror.fetch_submodules([mirror.head("main")], lambda name: None)


@pytest.mark.parametrize(
    ("url", "absolute"),
    [
        ("../rates.git", "https://git.acme.test/acme/rates.git"),
        ("../../other/rates", "https://git.acme.test/other/rates"),
        ("./../rates/", "https://git.acme.test/acme/rates"),
        ("https://GIT.acme.test/acme/rates/", "https://GIT.acme.test/acme/rates"),
    ],
)
def test_submodule_url_is_resolved_against_the_repository(url: str, absolute: str) -> None:
    assert resolve_url(url, BASE) == absolute


@pytest.mark.parametrize(
    "url",
    [
        *("", "/etc", "file:///etc/x", "ext::sh -c id", "ssh://git@git.acme.test/acme/x", "git@git.acme.test:acme/x"),
        *("http://git.acme.test/acme/x", "https://git.acme.test:444/acme/x", "https://git.acme.test.evil.test/a/x"),
        *(
            "https://u:p@git.acme.test/acme/x",
            "https://evil.test/acme/x",
            "//git.acme.test/acme/x",
            "git://git.acme.test/a/x",
        ),
        *("https://git.acme.test/acme/../../x", "https://git.acme.test/acme/%2e%2e/x", "https://git.acme.test/x"),
        *(
            "../../../x/y",
            "../x?y",
            "../x#y",
            "../x y",
            "../x\ny",
            "../-x",
            "--upload-pack=id",
            "../..x/../../..",
            "[::1",
        ),
        *("https://[x/acme/y", "../x\\y", "../x\u202e"),
    ],
)
def test_submodule_url_of_another_place_is_refused(url: str) -> None:
    with pytest.raises(Rejected, match="its url"):
        resolve_url(url, BASE)
