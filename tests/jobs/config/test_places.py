from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from jobs.config.environment import find_problems, find_warnings, parse_settings
from tests.jobs.config.test_settings import ENOUGH, create_rsa_key


def find(name: str, value: object) -> str:
    """The only problem, or an empty text."""
    problems = find_problems("up", ENOUGH | {name: str(value)})
    assert len(problems) <= 1
    return "".join(problems)


@pytest.mark.parametrize("home", ["/", "/etc", "/tmp", "/tmp/", "/var/../etc", "~root", ".", "..", "/usr/local"])
def test_home_that_others_use_is_refused(home: str) -> None:
    assert find("LOOPLINE_HOME", home).startswith(
        "LOOPLINE_HOME is a path that other programs or Loopline's own code use"
    )


def test_home_of_a_user_is_refused_unless_it_is_for_loopline_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".cache").mkdir()
    assert find("LOOPLINE_HOME", "~") == ""
    (tmp_path / "Documents").mkdir()
    assert "other programs" in find("LOOPLINE_HOME", "~")
    (tmp_path / "up.lock").write_text("")
    assert find("LOOPLINE_HOME", "~") == ""


def test_home_is_missing_or_a_writable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "etc").symlink_to("/etc")

    assert [find("LOOPLINE_HOME", path) for path in (tmp_path, tmp_path / "link", tmp_path / "new/er")] == ["", "", ""]
    assert "is not a folder" in find("LOOPLINE_HOME", tmp_path / "file")
    assert "leads through a file" in find("LOOPLINE_HOME", tmp_path / "file/home")
    assert "does not exist" in find("LOOPLINE_HOME", tmp_path / "dangling")
    assert "LOOPLINE_HOME" in find("LOOPLINE_HOME", tmp_path / "loop")
    assert "other programs" in find("LOOPLINE_HOME", tmp_path / "etc")
    assert "File name too long" in find("LOOPLINE_HOME", tmp_path / ("x" * 300))
    assert "more than 1000 bytes" in find("LOOPLINE_HOME", tmp_path / ("x/" * 500))
    assert not (tmp_path / "new").exists()


def test_home_that_others_can_change_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert "can be changed by every user" in find("LOOPLINE_HOME", tmp_path)
    tmp_path.chmod(0o770)
    assert find("LOOPLINE_HOME", tmp_path) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_home_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 12_345, 12_345)
    assert "belongs to another user" in find("LOOPLINE_HOME", tmp_path / "theirs")


def test_sandbox_folders_exist_and_do_not_contain_the_home(tmp_path: Path) -> None:
    home, tools = tmp_path / "home", tmp_path / "tools"
    tools.mkdir()
    (tmp_path / "link").symlink_to(tmp_path)

    def problem(path: object) -> str:
        problems = find_problems(
            "agent", ENOUGH | {"LOOPLINE_HOME": str(home), "LOOPLINE_SANDBOX_READ_ONLY": str(path)}
        )
        return "".join(problems)

    assert problem(tools) == problem("/usr") == ""
    for path in ("/", tmp_path, tmp_path / "link", home.parent / "tools/.."):
        assert "item 1, is a path that contains Loopline's data" in problem(path)
    home.mkdir()
    assert "contains Loopline's data" in problem(home)
    assert "item 2, is a path that cannot be read (No such file" in problem(f"{tools},{tmp_path}/none")
    assert "it is a relative path" in problem("tools") and "it is a relative path" in problem("-x")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"x" * 70_000, "has no RSA private key"),
        (b"not a key", "has no RSA private key"),
        (b"\xff\xfe\0", "has no RSA private key"),
        (b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "has no RSA private key"),
    ],
)
def test_key_file_without_a_key_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "app.pem").write_bytes(content)
    assert problem in find_app_problem(tmp_path / "app.pem")


def test_key_file_that_is_no_file_is_refused_without_a_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none", Path("/dev/zero")):
        assert find_app_problem(path).startswith("GITHUB_APP_PRIVATE_KEY_FILE is the path of a file that ")


def test_key_file_that_others_can_change_is_refused_and_one_they_can_read_is_warned_about(tmp_path: Path) -> None:
    file = tmp_path / "app.pem"
    file.write_bytes(create_rsa_key())
    settings = parse_settings(app_settings(file))

    file.chmod(0o646)
    assert "can be changed by every user" in find_app_problem(file)
    file.chmod(0o644)
    assert find_app_problem(file) == ""
    assert "GITHUB_APP_PRIVATE_KEY_FILE" in "".join(find_warnings(settings, None))
    file.chmod(0o600)
    assert list(find_warnings(settings, None)) == []


def app_settings(file: Path) -> dict[str, str]:
    return {**ENOUGH, "GITHUB_TOKEN": "", "GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY_FILE": str(file)}


def find_app_problem(file: Path) -> str:
    problems = find_problems("worker", app_settings(file))
    assert len(problems) <= 1
    return "".join(problems)


@pytest.mark.parametrize("web", ["127.0.0.1:8701", "localhost:8701", "0.0.0.0:8701", "[::]:8701"])
def test_addresses_of_both_processes_have_to_differ(web: str) -> None:
    assert "LOOPLINE_WEB_BIND and LOOPLINE_DASHBOARD_BIND have the same port 8701" in find("LOOPLINE_WEB_BIND", web)


def test_addresses_on_different_hosts_can_have_the_same_port() -> None:
    assert find("LOOPLINE_WEB_BIND", "127.0.0.2:8701") == ""


def test_address_of_another_machine_is_refused() -> None:
    assert "this machine does not have" in find("LOOPLINE_WEB_BIND", "192.0.2.1:8700")


def test_address_that_is_in_use_is_no_wrong_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert find("LOOPLINE_WEB_BIND", f"127.0.0.1:{server.getsockname()[1]}") == ""


def test_address_whose_host_cannot_be_resolved_is_refused() -> None:
    assert "cannot be resolved" in find("LOOPLINE_WEB_BIND", "loopline.invalid:8700")
