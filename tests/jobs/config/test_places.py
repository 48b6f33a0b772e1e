from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.config.environment import Role, find_problems, find_warnings, parse_settings
from tests.jobs.config.test_settings import ENOUGH, create_rsa_key
from tests.support.checkout import REPOSITORY
from tests.support.privileges import drop_privileges


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


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"])
@pytest.mark.parametrize(
    "value",
    ["garbage", "::::", "http://", "http://proxy:0", "http://proxy:x", "socks5://hush:1080", "ftp://x:1", "a b:1"],
)
def test_proxy_that_no_client_can_use_is_refused(name: str, value: str) -> None:
    sentence = find(name, value)
    assert sentence.startswith(f"{name} is a text that is not a proxy; write a URL such as http://")
    assert "hush" not in sentence


@pytest.mark.parametrize(
    "value", ["", " ", "http://proxy:3128", "proxy:3128", "https://me:hush@proxy", "http://[::1]:1/"]
)
def test_proxy_of_every_usual_form_is_accepted(value: str) -> None:
    assert find("https_proxy", value) == ""


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"])
def test_certificates_that_cannot_be_loaded_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no certificate")
    (tmp_path / "empty").write_text("")

    assert find(name, "") == find(name, tmp_path) == ""
    for path in (tmp_path / "missing", tmp_path / "text", tmp_path / "empty", "/dev/null", "x" * 5_000):
        assert find(name, path).startswith(f"{name} is a path without usable certificates (")


@pytest.mark.parametrize("path", ["", "/nonexistent", "nowhere:"])
def test_start_without_the_program_git_is_refused(path: str) -> None:
    assert find("PATH", path) == "PATH has no folder with the program git; install git, or add its folder."
    assert find_problems("web", ENOUGH | {"PATH": path}) == []


def test_home_relative_to_a_removed_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert find("LOOPLINE_HOME", tmp_path) == ""
    for given in ({}, {"LOOPLINE_HOME": "home"}, {"LOOPLINE_HOME": "./home"}):
        (sentence,) = find_problems("up", ENOUGH | given)
        assert sentence.startswith("LOOPLINE_HOME cannot be used: it is a relative path while the current folder")


@pytest.mark.parametrize("name", ["LOOPLINE_APPROVERS", "LOOPLINE_MORE_RUNNERS", "LOOPLINE_SANDBOX_READ_ONLY"])
@pytest.mark.parametrize("value", [",", ",,", " , , "])
def test_list_without_entries_is_refused(name: str, value: str) -> None:
    assert "it is a list without entries" in find(name, value)


@pytest.mark.parametrize(
    "value", ["redis://:hush@host", "https://me:hush@host", "a@b, c@@d", "<a@b>", "a@b@c", "a@-/b"]
)
def test_approver_that_is_no_address_is_refused(value: str) -> None:
    assert find("LOOPLINE_APPROVERS", value).startswith("LOOPLINE_APPROVERS, item ")


@pytest.mark.parametrize("name", ["redis", "logs", "spool", "repos", "journal"])
def test_home_with_a_file_in_place_of_a_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    assert find("LOOPLINE_HOME", tmp_path) == ""
    (tmp_path / name).rmdir()
    for make in (lambda path: path.write_text(""), lambda path: path.symlink_to("nothing"), os.mkfifo):
        make(tmp_path / name)
        assert find("LOOPLINE_HOME", tmp_path) == (
            f"LOOPLINE_HOME is a path that has an entry {name} that is not a folder; remove that entry."
        )
        (tmp_path / name).unlink()


@pytest.mark.parametrize("name", ["up.lock", "up.json", "epoch.json"])
def test_home_with_a_folder_in_place_of_a_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    assert f"has an entry {name} that is not a regular file; remove that entry." in find("LOOPLINE_HOME", tmp_path)


def test_home_with_an_entry_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir(mode=0o500)
    command = [*drop_privileges(), sys.executable, "-m", "service", "check", "--env-file", "none"]
    environ = {"PATH": os.environ["PATH"], "LOOPLINE_HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True)
    assert done.returncode == 2
    assert "has an entry redis that this user cannot write to; change its owner" in done.stderr


def test_signing_key_is_checked_for_the_agent_process_alone(tmp_path: Path) -> None:
    file = tmp_path / "key"

    def problem(role: Role = "agent", **more: str) -> str:
        return "".join(find_problems(role, ENOUGH | {"LOOPLINE_SIGNING_KEY_FILE": str(file)} | more))

    assert "cannot be read (No such file" in problem() and problem() == problem("up")
    assert problem("worker") == problem("web") == ""
    file.write_text("no key")
    file.chmod(0o600)
    assert problem() == (
        "LOOPLINE_SIGNING_KEY_FILE is the path of a file that has no private key of OpenSSH or OpenPGP; create one "
        "with ssh-keygen -t ed25519."
    )
    file.unlink()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    assert problem() == ""
    assert "commands in the sandbox can read" in problem(LOOPLINE_SANDBOX_READ_ONLY=str(tmp_path))
    assert "LOOPLINE_COMMIT_EMAIL cannot be used" in problem(LOOPLINE_COMMIT_EMAIL="a@b>\nx")


def test_automations_have_to_be_in_a_folder(tmp_path: Path) -> None:
    def problems(role: Role, folder: Path) -> list[str]:
        return find_problems(role, ENOUGH | {"LOOPLINE_AUTOMATIONS": str(folder)})

    assert problems("worker", tmp_path) == []
    assert problems("worker", tmp_path / "none") == [
        "LOOPLINE_AUTOMATIONS is a path that is no readable folder; create it, or correct the path."
    ]
    assert problems("web", tmp_path / "none") == []
