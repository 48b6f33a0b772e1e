"""`loopline doctor` against running stand-ins: each wrong setting ends in one line that names the thing and the fix."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.standins.demo.stack import REPOSITORY, Stack
from integrations.standins.github import server as github
from integrations.standins.linear import server as linear
from integrations.standins.model import server as model
from integrations.standins.wire import serve
from jobs.config.environment import parse_settings
from service.doctor.probes import probe_disk, probe_models, probe_tracker
from service.doctor.report import render_line
from service.doctor.run import list_probes, run_doctor, run_probe
from tests.crash.disk import replay_in_namespace, small_disk
from tests.service.conftest import free_port
from tests.service.loopline import ENOUGH, loopline

WHERE = {
    **dict.fromkeys(("LINEAR_API_KEY", "LINEAR_API_URL"), ("Tracker",)),
    **dict.fromkeys(("LOOPLINE_MAKER_MODEL", "ANTHROPIC_BASE_URL"), ("Model",)),
    "REDIS_URL": ("Redis",),
}
"""The probes that read a setting."""
EMPTY = Path(__file__).parent / "dashboard"


@contextmanager
def running(
    folder: Path,
    repository: Mapping[str, Any] | None = None,
    bot: str = "write",
    team: Mapping[str, Any] | None = None,
) -> Iterator[dict[str, str]]:
    """Settings for running stand-ins; `repository` and `team` are further fields of their seeds, `bot` is Loopline's
    role."""
    stack = Stack(folder / "stack", 1)
    board, host = stack.linear_seed(), stack.github_seed()
    host["repositories"][0] |= dict(repository or {})  # type: ignore[index]
    board["teams"][0] |= dict(team or {})  # type: ignore[index]
    host["users"][1]["permissions"][REPOSITORY] = bot  # type: ignore[index]
    board["users"][1]["admin"] = True  # type: ignore[index]
    linear_hook = linear.Subscription("https://loop.acme.test/webhooks/linear", "lin_wh_hush_hush")
    github_hook = github.Webhook("https://loop.acme.test/webhooks/github", "gh_wh_hush_hush")
    with (
        closing(serve(linear.create_app(folder / "linear", board, webhooks=[linear_hook]))) as tracker,
        closing(serve(github.create_app(folder / "github", host, webhook=github_hook))) as code_host,
        closing(serve(model.create_app(folder / "model"))) as mind,
    ):
        stack.urls |= {"board": tracker.url, "pull_requests": code_host.url, "model": mind.url}
        ports = {"LOOPLINE_WEB_BIND": f"127.0.0.1:{free_port()}", "LOOPLINE_DASHBOARD_BIND": f"127.0.0.1:{free_port()}"}
        yield stack.settings() | ports


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    with running(tmp_path, bot="admin") as settings:
        yield settings


def lines(environ: Mapping[str, str], *names: str) -> list[str]:
    """The problems and warnings of the probes with these names."""
    probes = list_probes(parse_settings(environ))
    found = [one for name in names for one in run_probe(name, probes[name])]
    return [render_line(one) for one in found if one.level != "ok"]


def problems(environ: Mapping[str, str], *names: str) -> list[str]:
    return [line for line in lines(environ, *names) if line.startswith("✗")]


def test_doctor_prints_one_line_per_finding_and_a_summary(environ: dict[str, str]) -> None:
    ended = loopline("service", "doctor", "--env-file", "none", **environ | {"PATH": "/usr/bin:/bin"})
    *found, summary = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert all(line[0] in "✓!" for line in found) and len(found) > 12
    assert summary.startswith("No problems found.")


def test_doctor_as_json_is_one_document(environ: dict[str, str]) -> None:
    out = io.StringIO()
    assert run_doctor(environ | {"GITHUB_TOKEN": "ghp_wrong_one"}, None, out, as_json=True) == 1
    report = json.loads(out.getvalue())
    assert not report["ok"]
    assert {"level", "subject", "text", "fix"} == set(report["findings"][0])
    assert "ghp_wrong_one" not in out.getvalue()


def test_doctor_without_usable_settings_exits_with_2() -> None:
    out = io.StringIO()
    assert run_doctor(ENOUGH | {"LOOPLINE_TEAMS": "ENG"}, None, out, as_json=True) == 2
    (finding,) = json.loads(out.getvalue())["findings"]
    assert finding["level"] == "problem" and finding["text"].startswith("LOOPLINE_TEAMS cannot be used")


def test_doctor_turns_an_unexpected_error_into_a_line() -> None:
    def probe() -> Iterable[Any]:
        raise KeyError("nowhere")

    (finding,) = run_probe("Something", probe)
    assert render_line(finding) == "✗ Something: this check failed (KeyError: 'nowhere') → report it as a defect"


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"LINEAR_API_KEY": "lin_api_wrong"}, "✗ Linear: Linear refused the credential in LINEAR_API_KEY"),
        ({"LINEAR_API_URL": "http://127.0.0.1:9/graphql"}, "check the network and LINEAR_API_URL"),
        (
            {"GITHUB_TOKEN": "ghp_wrong_one"},
            "GitHub refuses the credentials at GET /repos/acme/tally: renew GITHUB_TOKEN",
        ),
        ({"LOOPLINE_TEAMS": '{"XYZ": {"repository": "acme/tally"}}'}, "Linear team 'XYZ' not found"),
        ({"LOOPLINE_TEAMS": '{"ENG": {"repository": "acme/nope"}}'}, "✗ GitHub, acme/nope: does not exist, or"),
        (
            {"LOOPLINE_TEAMS": '{"ENG": {"repository": "acme/tally", "columns": {"agent": "Robot", "review": "QA"}}}'},
            "has no column 'Robot', 'QA'; its columns are Backlog, Agent",
        ),
        ({"LOOPLINE_MAKER_MODEL": "gpt-9"}, "✗ Model: LOOPLINE_MAKER_MODEL (gpt-9): "),
        ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}, "✗ Model: "),
        ({"REDIS_URL": "redis://127.0.0.1:9"}, "✗ Redis: REDIS_URL: Redis does not respond"),
        ({"GITHUB_MERGE_METHOD": "rebase"}, ""),
    ],
)
def test_doctor_names_a_wrong_setting_and_the_fix(environ: dict[str, str], changed: dict[str, str], found: str) -> None:
    reported = problems(environ | changed, *WHERE.get(next(iter(changed)), ("Tracker", "Code host")))
    assert bool(reported) == bool(found) and any(found in line for line in reported or [""])
    assert all("\n" not in line for line in reported)


def test_doctor_warns_of_a_checker_with_the_makers_model(environ: dict[str, str]) -> None:
    same = {"LOOPLINE_CHECKER_MODEL": "claude-sonnet-5-5", "LOOPLINE_MAKER_MODEL": "claude-sonnet-5-5"}
    assert any("overlooks its own mistakes" in line for line in lines(environ | same, "Settings"))


@pytest.mark.parametrize(
    ("repository", "found"),
    [
        ({"archived": True}, "✗ GitHub, acme/tally: is archived"),
        (
            {"merge_methods": ["merge"]},
            "! GitHub, acme/tally: does not allow the merge method squash: /merge uses merge →",
        ),
        (
            {"rules": [{"type": "pull_request", "parameters": {"required_approving_review_count": 2}}]},
            "! GitHub, acme/tally, main: requires 2 approving reviews → approve",
        ),
        (
            {"rules": [{"type": "pull_request", "parameters": {"allowed_merge_methods": ["rebase"]}}]},
            "! GitHub, acme/tally, main: does not allow the merge method squash → set GITHUB_MERGE_METHOD",
        ),
        (
            {
                "rules": [
                    {"type": "required_status_checks", "parameters": {"required_status_checks": [{"context": "ci"}]}}
                ]
            },
            "! GitHub, acme/tally, main: requires the checks ci",
        ),
        ({"rules": [{"type": "required_signatures"}]}, "✗ GitHub, acme/tally, main: requires signed commits"),
        ({"rules": [{"type": "merge_queue"}]}, "! GitHub, acme/tally, main: has a merge queue → /merge adds"),
        ({"protection": {}}, "! GitHub, acme/tally, main: is protected by a classic rule"),
        (
            {"from_folder": str(EMPTY)},
            "✗ WORKFLOW.md of acme/tally: there is none on the default branch → run loopline init",
        ),
    ],
)
def test_doctor_finds_what_the_repository_will_refuse(tmp_path: Path, repository: dict[str, Any], found: str) -> None:
    with running(tmp_path, repository, "admin") as environ:
        assert any(found in line for line in lines(environ, "WORKFLOW.md" if "WORKFLOW" in found else "Code host"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("---\nloop: {atempts: 2}\n---\n", "line 2, loop.atempts: it is an unknown key; the nearest one is attempts"),
        ("---\nloop: {environment: {image: node9}}\n---\n", "loop.environment.image is 'node9', which is not offered"),
        (
            "---\nloop: {environment: {secrets: [NPM_TOKEN]}}\n---\n",
            "names NPM_TOKEN, which LOOPLINE_SETUP_SECRETS does",
        ),
        ("---\nloop: {network: [npm.acme.test]}\n---\n", "names npm.acme.test, which LOOPLINE_AGENT_NETWORK does not"),
        ("---\nloop: {roles: {maker: {runner: codex}}}\n---\n", "chooses the runner 'codex' for the maker"),
        ("---\nloop: {limits: {files: 900000}}\n---\n", "more than the 5000 that LOOPLINE_MAX_CHANGE_FILES allows"),
    ],
)
def test_doctor_reads_the_workflow_of_each_repository(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "WORKFLOW.md").write_text(text)
    with running(tmp_path, {"from_folder": str(tmp_path / "shop")}, "admin") as environ:
        (problem,) = problems(environ, "WORKFLOW.md")
    assert problem.startswith("✗ WORKFLOW.md of acme/tally: ") and found in problem


def test_doctor_finds_a_token_that_can_only_read(tmp_path: Path) -> None:
    with running(tmp_path, bot="read") as environ:
        assert any("GITHUB_TOKEN can read it but not write" in line for line in problems(environ, "Code host"))


def test_doctor_finds_the_webhooks(environ: dict[str, str]) -> None:
    probes = list_probes(parse_settings(environ))
    found = [render_line(one) for name in ("Tracker", "Code host") for one in probes[name]()]
    assert "✓ Linear, webhook: ENG is sent to https://loop.acme.test/webhooks/linear" in found
    assert any("✓ GitHub, webhook of acme/tally: 0 deliveries to https://loop.acme.test" in line for line in found)


def test_doctor_finds_an_address_that_another_program_uses(environ: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        (found,) = problems(environ | {"LOOPLINE_WEB_BIND": bind}, "Addresses")
    assert found.startswith(f"✗ Address: LOOPLINE_WEB_BIND is {bind}, which is not available: Address already in use")


def test_doctor_looks_for_the_triage_column_only_if_configured(environ: dict[str, str]) -> None:
    with_triage = {"LOOPLINE_TEAMS": '{"ENG": {"repository": "acme/tally", "columns": {"triage": "Triage"}}}'}
    assert [one.level for one in probe_tracker(parse_settings(environ))] == ["ok", "ok", "ok"]
    assert any("has no column 'Triage'" in one.text for one in probe_tracker(parse_settings(environ | with_triage)))


def test_doctor_reports_a_full_disk(environ: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "home", megabytes=5) as disk:
        disk.fill_to(0.92)
        (finding,) = probe_disk(parse_settings(environ | {"LOOPLINE_HOME": str(disk.folder)}))
    assert str(disk.folder) in finding.text and "no new run starts" in finding.text


@pytest.mark.parametrize("value", ["-1", "inf", "nan", "1e300", "much"])
def test_doctor_refuses_an_unusable_disk_budget(environ: dict[str, str], value: str) -> None:
    ended = loopline("service", "check", "--env-file", "none", **environ | {"LOOPLINE_DISK_GIGABYTES": value})
    assert ended.returncode == 2 and ended.stderr.startswith("LOOPLINE_DISK_GIGABYTES cannot be used:")


def models(environ: Mapping[str, str]) -> list[str]:
    return [one.text for one in probe_models(parse_settings(environ)) if one.level == "problem"]


def misbehave(environ: dict[str, str], kind: str) -> None:
    fault = {"kind": kind, "operation": "count_tokens", "times": 100}
    requests.post(f"{environ['ANTHROPIC_BASE_URL']}/_faults", json=fault, timeout=5).raise_for_status()


def test_doctor_names_each_setting_with_a_model_that_does_not_exist(environ: dict[str, str]) -> None:
    wrong = {"LOOPLINE_MAKER_MODEL": "gpt-17", "LOOPLINE_PLANNER_MODEL": "gpt-17", "LOOPLINE_STRONG_MODEL": "o9"}
    first, second = models(environ | wrong)
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
def test_doctor_finds_problems_of_the_model_provider_once(
    environ: dict[str, str], kind: str, named: str, number: int
) -> None:
    misbehave(environ, kind)
    sentences = models(environ)
    assert len(sentences) == number and any(named in sentence for sentence in sentences)
    assert all("\n" not in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("url", "named"),
    [("http://127.0.0.1:9", "cannot be reached"), ("https://model.invalid", "host name"), ("{}/v2", "HTTP 404")],
)
def test_doctor_names_the_setting_of_a_model_server_that_is_none(environ: dict[str, str], url: str, named: str) -> None:
    environ["ANTHROPIC_BASE_URL"] = url.format(environ["ANTHROPIC_BASE_URL"])
    (sentence,) = models(environ)
    assert named in sentence and "ANTHROPIC_BASE_URL" in sentence


def test_git_automations_of_the_team_are_reported(tmp_path: Path) -> None:
    automations = {"gitAutomations": {"merge": "Backlog", "start": "Agent", "review": "In Review"}}
    with running(tmp_path, team=automations, bot="admin") as settings:
        found = [one for one in probe_tracker(parse_settings(settings)) if "automation" in one.text]

    (warning, left_alone) = found
    assert (warning.level, left_alone.level) == ("warning", "ok")
    assert "moves tickets to the agent column 'Agent' (event start)" in warning.text
    assert "choose another column" in warning.fix
    assert "'Backlog' (event merge), where Loopline leaves them" in left_alone.text
