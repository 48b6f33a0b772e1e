from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.config.env_file import LARGEST, UnusableFile, read_env_file
from jobs.config.environment import find_warnings, parse_settings
from tests.jobs.config.test_settings import ENOUGH
from tests.support.checkout import REPOSITORY


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.env"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"A=1\nB=\n# C=3\n\nD='4'\n", {"A": "1", "D": "4"}),
        (b"\xef\xbb\xbfA=1\r\nexport B=2\r\n", {"A": "1", "B": "2"}),
        (b'A="x # y" # z\nB=$HOME\nC="a\\nb"', {"A": "x # y", "B": "$HOME", "C": "a\nb"}),
        ('A=é "quoted" inside\n'.encode(), {"A": 'é "quoted" inside'}),
        (b"", {}),
        (b"\n\n#\n", {}),
    ],
)
def test_env_file_is_read(file: Path, content: bytes, found: dict[str, str]) -> None:
    file.write_bytes(content)

    assert read_env_file(file) == found


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        (b"A=1\n\x00\n", ["has a NUL character in line 2"]),
        (b"A=1\nB=\xff\n", ["is not UTF-8 text (line 2)"]),
        ("A=1\n".encode("utf-16"), ["is not UTF-8 text (line 1)"]),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 9, ["has a NUL character in line 1"]),
        (b"#" * (LARGEST + 1), [f"has more than {LARGEST} bytes"]),
        (b"\n\nA=1\n# x\n\nA=2\n", ["sets A twice, in lines 3 and 6"]),
        (b"A=1\nexport A=1\n", ["sets A twice, in lines 1 and 2"]),
        (b"A\n", ["has no NAME=value in line 1"]),
        (b"A=1\n\n  B C=2\n", ["has no NAME=value in line 3"]),
        (b"A=1\n=2\nB='x\nC=3\n", ["has no NAME=value in line 2", "has no NAME=value in line 3"]),
        ("A=1\n\u200bB=2\n".encode(), ["has no NAME=value in line 2"]),
        ("\u201cA\u201d=1\n".encode(), ["has no NAME=value in line 1"]),
        (b"A: 1\n{}\n", ["has no NAME=value in line 1", "has no NAME=value in line 2"]),
    ],
)
def test_env_file_that_cannot_be_parsed_is_refused_with_the_lines(
    file: Path, content: bytes, problems: list[str]
) -> None:
    file.write_bytes(content)

    with pytest.raises(UnusableFile) as error:
        read_env_file(file)

    assert len(error.value.sentences) == len(problems)
    for sentence, problem in zip(error.value.sentences, problems, strict=True):
        assert sentence.startswith(f"The settings file {file} {problem}")


def test_env_file_that_is_no_file_is_refused_without_a_wait(file: Path) -> None:
    (file.parent / "loop").symlink_to("loop")
    (file.parent / "dangling").symlink_to("nothing")
    os.mkfifo(file)

    for path in (file, file.parent, file.parent / "loop", file.parent / "dangling", Path("/dev/zero"), Path("x" * 999)):
        with pytest.raises(UnusableFile, match="The settings file"):
            read_env_file(path)


def test_env_file_can_be_missing_only_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert read_env_file(None) == {}
    assert read_env_file(Path("none")) == read_env_file(Path(os.devnull)) == {}
    with pytest.raises(UnusableFile, match=r"(?s)\.env .*--env-file none"):
        read_env_file(Path(".env"))
    Path(".env").symlink_to("moved")
    with pytest.raises(UnusableFile, match=r"\.env cannot be read"):
        read_env_file(None)


def test_env_file_of_others_is_refused(file: Path) -> None:
    file.write_text("A=1\n")
    file.chmod(0o646)
    with pytest.raises(UnusableFile, match="can be changed by every user of this host"):
        read_env_file(file)
    file.chmod(0o660)
    assert read_env_file(file) == {"A": "1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_env_file_of_another_user_is_refused(file: Path) -> None:
    file.write_text("A=1\n")
    os.chown(file, 12_345, 12_345)
    with pytest.raises(UnusableFile, match="belongs to another user"):
        read_env_file(file)


def test_env_file_with_secrets_that_all_can_read_is_warned_about(file: Path) -> None:
    file.write_text("A=1\n")
    with_secrets, without = parse_settings(ENOUGH), parse_settings({})

    file.chmod(0o644)
    assert "chmod 600" in "".join(find_warnings(with_secrets, file))
    assert list(find_warnings(without, file)) == []
    file.chmod(0o640)
    assert list(find_warnings(with_secrets, file)) == []


@pytest.mark.parametrize(
    ("bind", "url", "warned"),
    [
        ("127.0.0.1:8702", "", False),
        ("0.0.0.0:8702", "https://loop.acme.test", False),
        ("0.0.0.0:8702", "", True),
        ("0.0.0.0:8702", "http://loop.acme.test", True),
    ],
)
def test_mcp_server_for_other_hosts_without_tls_is_warned_about(bind: str, url: str, warned: bool) -> None:
    settings = parse_settings({"LOOPLINE_MCP_BIND": bind, "LOOPLINE_MCP_URL": url})
    assert any("LOOPLINE_MCP_BIND" in one for one in find_warnings(settings, None)) == warned


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("redis://db:6379", True),
        ("redis://:secret@db", False),
        ("rediss://db", False),
        ("redis://127.0.0.1:1", False),
        ("redis://[::1]:1", False),
        ("unix:///run/redis.sock", False),
        ("", False),
    ],
)
def test_redis_on_another_host_without_tls_or_password_is_warned_about(url: str, warned: bool) -> None:
    assert any("REDIS_URL" in one for one in find_warnings(parse_settings({"REDIS_URL": url}), None)) == warned


@pytest.mark.parametrize("command", ["up", "check", "status", "rebuild", "dead-letters", "redrive"])
def test_cli_ends_with_2_and_one_sentence_for_a_binary_settings_file(command: str, file: Path) -> None:
    file.write_bytes(bytes(range(256)))
    arguments = [sys.executable, "-m", "service", command, *(["--all"] if command == "redrive" else [])]

    ended = subprocess.run(
        [*arguments, "--env-file", str(file)], cwd=REPOSITORY, env={}, capture_output=True, text=True, timeout=60
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"The settings file {file} is not UTF-8 text (line 2); save it as UTF-8.\n"
