"""`python -m service check` against running stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from integrations.standins.demo.stack import REPOSITORY, Stack
from integrations.standins.github import server as github
from integrations.standins.linear import server as linear
from integrations.standins.model import server as model
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
        closing(serve(model.create_app(tmp_path / "model"))) as mind,
    ):
        stack.urls |= {"board": board.url, "pull_requests": host.url, "model": mind.url}
        yield stack.settings()


def test_check_prints_its_report_only(environ: dict[str, str]) -> None:
    ended = loopline("service", "check", "--env-file", "none", **environ | {"PATH": "/usr/bin:/bin"})
    assert ended.stdout.startswith("No problems found.\n") and not ended.stderr


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


def misbehave(environ: dict[str, str], kind: str) -> None:
    fault = {"kind": kind, "operation": "count_tokens", "times": 100}
    requests.post(f"{environ['ANTHROPIC_BASE_URL']}/_faults", json=fault, timeout=5).raise_for_status()


def test_check_names_each_setting_with_a_model_that_does_not_exist(environ: dict[str, str]) -> None:
    wrong = {"LOOPLINE_MAKER_MODEL": "gpt-17", "LOOPLINE_PLANNER_MODEL": "gpt-17", "LOOPLINE_STRONG_MODEL": "o9"}
    first, second = find_problems(parse_settings(environ | wrong))
    assert first.startswith("LOOPLINE_PLANNER_MODEL, LOOPLINE_MAKER_MODEL (gpt-17): ")
    assert second.startswith("LOOPLINE_STRONG_MODEL (o9): ")


@pytest.mark.parametrize(
    ("kind", "named", "number"),
    [
        ("401", "ANTHROPIC_API_KEY", 1),
        ("credit", "ANTHROPIC_API_KEY", 1),
        ("403", "ANTHROPIC_API_KEY", 4),
        ("400", "LOOPLINE_MAKER_MODEL", 4),
        ("html", "ANTHROPIC_BASE_URL", 1),
        ("redirect", "ANTHROPIC_BASE_URL", 1),
        ("json", "ANTHROPIC_BASE_URL", 1),
        ("529", "not available now", 1),
    ],
)
def test_check_finds_problems_of_the_model_provider_once(
    environ: dict[str, str], kind: str, named: str, number: int
) -> None:
    misbehave(environ, kind)
    sentences = find_problems(parse_settings(environ))
    assert len(sentences) == number and any(named in sentence for sentence in sentences)
    assert all("\n" not in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("url", "named"),
    [("http://127.0.0.1:9", "cannot be reached"), ("https://model.invalid", "host name"), ("{}/v2", "HTTP 404")],
)
def test_check_names_the_setting_of_a_model_server_that_is_none(environ: dict[str, str], url: str, named: str) -> None:
    environ["ANTHROPIC_BASE_URL"] = url.format(environ["ANTHROPIC_BASE_URL"])
    (sentence,) = find_problems(parse_settings(environ))
    assert named in sentence and "ANTHROPIC_BASE_URL" in sentence
