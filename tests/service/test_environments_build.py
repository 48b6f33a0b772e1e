"""`loopline environments build`, on stand-ins: the same build as that of a run, one line for each step."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from redis import Redis

from integrations.environments.store import EnvironmentStore, Layer
from jobs.config.environment import parse_settings
from service.environments import build_environment
from tests.integrations.git.hosting import commit
from tests.jobs.board import Board, board
from tests.service.loopline import loopline
from tests.support.checkout import REPOSITORY

__all__ = ["board"]
NAME = "acme/tally"
SETUP = "mkdir -p node_modules && cat package-lock.json > node_modules/lock && date +%N > node_modules/stamp"


def workflow(*setup: str, network: str = "[]") -> bytes:
    lines = "".join(f"      - {command}\n" for command in setup)
    return f"---\nloop:\n  environment:\n    network: {network}\n    setup:\n{lines}---\n".encode()


class Tally:
    """The repository of the stand-in with setup commands, and the command on it."""

    def __init__(self, board: Board, redis: Redis, tmp_path: Path) -> None:
        self.environ, self.redis = (
            board.environ | {"LINEAR_WEBHOOK_SECRETS": "l" * 16, "ANTHROPIC_API_KEY": "key-of-the-model"},
            redis,
        )
        self.environ |= {"GITHUB_WEBHOOK_SECRETS": "g" * 16}
        (self.bare,) = (tmp_path / "github").glob(f"**/{NAME}.git")
        self.home = Path(self.environ["LOOPLINE_HOME"])
        self.commit({"package-lock.json": b"1\n", "WORKFLOW.md": workflow("echo start", SETUP)})

    def commit(self, files: dict[str, bytes | str | None], branch: str = "main") -> None:
        commit(self.bare, files, branch)

    def build(self, repository: str = NAME, branch: str = "", **environ: str) -> tuple[int, str]:
        out = StringIO()
        code = build_environment(parse_settings(self.environ | environ), self.redis, repository, branch, out)
        return code, out.getvalue()

    @property
    def layers(self) -> list[Layer]:
        return EnvironmentStore(self.home / "environments").list_layers()


@pytest.fixture
def tally(board: Board, redis: Redis, tmp_path: Path) -> Tally:
    return Tally(board, redis, tmp_path)


def test_environment_is_built_by_the_command_with_one_line_for_each_step(tally: Tally) -> None:
    code, text = tally.build()
    began, first, second, end = text.splitlines()
    assert code == 0 and began.startswith(f"Building the environment of {NAME} at main (")
    assert (first, second) == ("Running echo start", f"Running {SETUP}")
    assert f"{tally.layers[0].digest[:12]}, " in end and "is built: " in end
    code, text = tally.build()
    assert code == 0 and text.startswith(f"The environment of {NAME} at main (") and " exists: " in text
    assert len(text.splitlines()) == len(tally.layers) == 1


def test_environment_of_a_branch_has_its_lock_file_and_the_base_branch_policy(tally: Tally) -> None:
    hostile = workflow("touch node_modules/hostile")
    tally.commit({"package-lock.json": b"2\n", "WORKFLOW.md": hostile}, "feature")
    code, text = tally.build(branch="feature")
    assert code == 0 and f"{NAME} at feature (" in text
    assert (tally.layers[0].path / "tree" / "node_modules" / "lock").read_text() == "2\n"
    assert not (tally.layers[0].path / "tree" / "node_modules" / "hostile").exists()


def test_environment_that_two_commands_build_at_once_is_built_once(tally: Tally) -> None:
    tally.commit({"WORKFLOW.md": workflow(SETUP, "sleep 1")})
    command = [sys.executable, "-m", "service", "environments", "build", NAME, "--env-file", "none"]
    both = [
        subprocess.Popen(command, env=tally.environ, cwd=REPOSITORY, stdout=-1, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ended = [(*process.communicate(timeout=60), process.returncode) for process in both]
    assert [code for _, _, code in ended] == [0, 0] and len(tally.layers) == 1
    text = "".join(out for out, _, _ in ended)
    assert text.count(f"Running {SETUP}") == 1 and text.count(" is built: ") + text.count(" exists: ") == 2


def test_environment_that_fails_ends_with_the_command_and_the_fix(tally: Tally) -> None:
    tally.commit({"WORKFLOW.md": workflow("echo before; no-such-tool --install")})
    code, text = tally.build()
    assert code == 1 and tally.layers == []
    end = text.splitlines()[-1]
    assert end.startswith("Not built: The setup command") and "no-such-tool" in end and "exit 127" in end


@pytest.mark.parametrize(
    ("repository", "branch", "reason"),
    [
        ("tally", "", "'tally' is not a repository: write OWNER/NAME"),
        ("acme/\x1b[2J", "", "is not a repository: write OWNER/NAME"),
        ("acme/lost", "", "Check the repository acme/lost in LOOPLINE_TEAMS"),
        (NAME, "lost", f"{NAME} has no branch lost: push it"),
        (NAME, "a..b", "a..b"),
    ],
)
def test_environment_build_names_what_is_wrong(tally: Tally, repository: str, branch: str, reason: str) -> None:
    code, text = tally.build(repository, branch)
    assert code == 1 and text.startswith("Not built: ") and reason in text
    assert len(text.splitlines()) == 1 and "\x1b" not in text


def test_environment_build_names_a_missing_proxy_and_a_freeze(tally: Tally, board: Board) -> None:
    tally.commit({"WORKFLOW.md": workflow(SETUP, network="[files.acme.test]")})
    code, text = tally.build()
    assert code == 1 and "the egress proxy does not run" in text.splitlines()[-1]
    (tally.home / "freeze").touch()
    code, text = tally.build()
    assert code == 1 and text.startswith("Not built: ") and "frozen" in text.lower()


def test_environment_build_without_setup_has_nothing_to_do(tally: Tally) -> None:
    tally.commit({"WORKFLOW.md": b"---\nloop: {}\n---\n"})
    code, text = tally.build()
    assert code == 0 and text.startswith("Nothing to build for acme/tally at main (") and tally.layers == []


def test_environment_build_without_redis_is_one_sentence(tally: Tally) -> None:
    given = tally.environ | {"REDIS_URL": "redis://127.0.0.1:9"}
    ended = loopline("service", "environments", "--env-file", "none", "build", NAME, **given)
    assert ended.returncode == 1 and "Redis does not respond" in ended.stderr and "Traceback" not in ended.stderr
