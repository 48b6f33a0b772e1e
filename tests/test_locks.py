"""The lock files match pyproject.toml, pin every file by its hash, and name no index."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.checkout import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
LOCKS = ["requirements.txt", "requirements-test.txt", "requirements-uv.txt"]


def text(lock: str) -> str:
    return (REPOSITORY / "infra" / lock).read_text()


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^ ]+)", text(lock), re.MULTILINE))


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", one)[0].lower() for one in requirements}


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_pin_every_package_with_hashes_and_name_no_address(lock: str) -> None:
    for block in re.split(r"\n(?=\S)", text(lock).strip()):
        assert re.fullmatch(r"[\w.-]+==\S+( ; [^\\\n]+)? \\\n(\s+--hash=sha256:[0-9a-f]{64}( \\\n)?)+", block), block
    assert not re.search(r"https?:|file:|index|find-links", text(lock))


def test_locks_contain_the_dependencies_of_the_project() -> None:
    assert names(PROJECT["project"]["dependencies"]) <= pins("requirements.txt").keys()
    assert names(PROJECT["dependency-groups"]["test"]) <= pins("requirements-test.txt").keys()


def test_locks_of_tests_and_service_agree() -> None:
    assert pins("requirements.txt").items() <= pins("requirements-test.txt").items()


def test_install_without_python_prints_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "infra").mkdir()
    for name in ("bootstrap", *LOCKS):
        (tmp_path / "infra" / name).write_text(text(name))
    for tool in ("dirname", "cmp"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    command = ["/bin/sh", str(tmp_path / "infra/bootstrap")]
    ended = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Loopline needs Python 3.11 or newer")


def test_install_keeps_an_environment_that_matches_the_lock(tmp_path: Path) -> None:
    for folder in ("infra", ".venv"):
        (tmp_path / folder).mkdir()
    for name in ("bootstrap", "requirements.txt"):
        (tmp_path / "infra" / name).write_text(text(name))
    (tmp_path / ".venv/installed-requirements.txt").write_text(text("requirements.txt"))
    ended = subprocess.run(["/bin/sh", str(tmp_path / "infra/bootstrap")], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


def test_install_writes_a_command_that_works_from_any_folder(tmp_path: Path) -> None:
    checkout, elsewhere = tmp_path / "check out", tmp_path / "elsewhere"
    for folder in (checkout / "infra", checkout / ".venv/bin", checkout / "service", elsewhere / "service"):
        folder.mkdir(parents=True)
    for name in ("bootstrap", "requirements.txt"):
        (checkout / "infra" / name).write_text(text(name))
    (checkout / ".venv/installed-requirements.txt").write_text(text("requirements.txt"))
    (checkout / ".venv/bin/python").symlink_to(sys.executable)
    (checkout / "service/__main__.py").write_text("import sys; print('ours', *sys.argv[1:])")
    (elsewhere / "service/__main__.py").write_text("print('of another program')")
    for _ in range(2):
        subprocess.run(["/bin/sh", str(checkout / "infra/bootstrap")], check=True)
    command = [str(checkout / ".venv/bin/loopline"), "doctor", "a b"]
    ended = subprocess.run(command, cwd=elsewhere, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("ours doctor a b\n", "")


@pytest.mark.parametrize("script", ["test", "check", "demo"])
def test_script_explains_itself_without_an_install(tmp_path: Path, script: str) -> None:
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / script).write_text(text(script))
    command = ["/bin/sh", str(tmp_path / "infra" / script), "--help"]
    ended = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert ended.returncode == 0 and not ended.stderr and len(ended.stdout) > 50 and "#" not in ended.stdout


def test_demo_without_git_is_one_sentence(tmp_path: Path) -> None:
    for tool in ("dirname", "sed"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}" if Path(f"/usr/bin/{tool}").exists() else f"/bin/{tool}")
    command = ["/bin/sh", str(REPOSITORY / "infra/demo")]
    ended = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert ended.returncode == 2 and ended.stderr.startswith("The demo needs git") and ended.stderr.count("\n") == 1
