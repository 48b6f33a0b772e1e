"""`python -m service check` against running stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from integrations.standins.demo.stack import REPOSITORY, Stack
from integrations.standins.github import server as github
from integrations.standins.linear import server as linear
from integrations.standins.wire import serve
from jobs.config.environment import parse_settings
from service.operator import find_problems
from tests.crash.disk import replay_in_namespace, small_disk
from tests.service.loopline import loopline


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings for two running stand-ins."""
    stack = Stack(tmp_path / "stack", 1)
    with (
        closing(serve(linear.create_app(tmp_path / "linear", stack.linear_seed()))) as board,
        closing(serve(github.create_app(tmp_path / "github", stack.github_seed()))) as host,
    ):
        stack.urls |= {"board": board.url, "pull_requests": host.url}
        yield stack.settings()


def test_check_prints_its_report_only(environ: dict[str, str]) -> None:
    ended = loopline("service", "check", "--env-file", "none", **environ | {"PATH": "/usr/bin:/bin"})
    assert (ended.stdout, ended.stderr) == ("No problems found.\n", "")


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ("{}", []),
        ('{"triage": "Backlog"}', []),
        ('{"triage": "Triage"}', ["Linear team ENG has no column 'Triage'"]),
    ],
)
def test_check_looks_for_the_triage_column_only_if_configured(
    environ: dict[str, str], columns: str, found: list[str]
) -> None:
    environ["LOOPLINE_TEAMS"] = f'{{"ENG": {{"repository": "{REPOSITORY}", "columns": {columns}}}}}'
    sentences = find_problems(parse_settings(environ))
    assert len(sentences) == len(found)
    assert all(part in sentence for part, sentence in zip(found, sentences, strict=True))


def test_check_reports_a_full_disk(environ: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "home", megabytes=5) as disk:
        disk.fill_to(0.92)
        (sentence,) = find_problems(parse_settings(environ | {"LOOPLINE_HOME": str(disk.folder)}))
    assert str(disk.folder) in sentence and "no new run starts" in sentence


@pytest.mark.parametrize("value", ["-1", "inf", "nan", "1e300", "much"])
def test_check_refuses_an_unusable_disk_budget(environ: dict[str, str], value: str) -> None:
    ended = loopline("service", "check", "--env-file", "none", **environ | {"LOOPLINE_DISK_GIGABYTES": value})
    assert ended.returncode == 2 and ended.stderr.startswith("LOOPLINE_DISK_GIGABYTES cannot be used:")
