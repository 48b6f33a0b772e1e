from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from integrations.agents.anthropic.provider import ANTHROPIC
from integrations.code_hosts.github.provider import GITHUB
from integrations.registry import providers
from integrations.trackers.linear.provider import LINEAR
from jobs.config.environment import Role, filter_environment, find_problems, load, parse_settings, read_environment
from jobs.config.reference import list_rows, render_env_example
from jobs.config.settings import Settings, list_fields
from tests.support.checkout import REPOSITORY

ENOUGH = {
    "LOOPLINE_TEAMS": '{"ENG": {"repository": "acme/shop"}}',
    "LINEAR_API_KEY": "lin_api_hush",
    "LINEAR_WEBHOOK_SECRETS": "lin_wh_hush_hush",
    "GITHUB_TOKEN": "ghp_hush",
    "GITHUB_WEBHOOK_SECRETS": "gh_wh_hush_hush",
    "ANTHROPIC_API_KEY": "sk-ant-hush",
}
SURROUNDINGS = {"PATH": "/bin", "HOME": "/root", "LANG": "C", "LC_ALL": "C", "PYTHONPATH": ".", "TMPDIR": "/tmp"}
EXAMPLE = (REPOSITORY / ".env.example").read_text()


def seen_by(role: Role) -> set[str]:
    return set(filter_environment(role, ENOUGH | SURROUNDINGS | {"AWS_SECRET_ACCESS_KEY": "x"})) - set(SURROUNDINGS)


def create_rsa_key() -> bytes:
    key = generate_private_key(public_exponent=65537, key_size=1024)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_settings_need_six_variables_only() -> None:
    assert find_problems("up", ENOUGH) == []


@pytest.mark.parametrize("name", list(ENOUGH))
def test_settings_name_the_missing_variable(name: str) -> None:
    (sentence,) = find_problems("up", {key: value for key, value in ENOUGH.items() if key != name})
    assert name in sentence


@pytest.mark.parametrize(
    ("role", "secrets"),
    [
        ("web", {"LINEAR_WEBHOOK_SECRETS", "GITHUB_WEBHOOK_SECRETS"}),
        ("worker", {"LINEAR_API_KEY", "GITHUB_TOKEN"}),
        ("agent", {"ANTHROPIC_API_KEY"}),
        ("dashboard", set()),
        ("clock", set()),
        ("egress", set()),
        ("mcp", set()),
    ],
)
def test_environment_of_a_role_has_its_own_secrets_only(role: Role, secrets: set[str]) -> None:
    assert seen_by(role) == secrets | {"LOOPLINE_TEAMS"}
    assert find_problems(role, filter_environment(role, ENOUGH)) == []


def test_environment_of_a_role_has_system_variables_and_no_foreign_ones() -> None:
    assert set(SURROUNDINGS) <= set(filter_environment("agent", SURROUNDINGS))
    assert filter_environment("up", {"AWS_SECRET_ACCESS_KEY": "x"}) == {}


def test_settings_do_not_hold_secrets_of_other_roles() -> None:
    settings = load("agent", ENOUGH)
    assert settings.secret_values() == {"sk-ant-hush"}


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("LOOPLINE_AGENTS_SLOTS", "LOOPLINE_AGENT_SLOTS"),
        ("LOOPLINE_SOMETHING_ELSE", "LOOPLINE_"),
        ("LINEAR_KEY", "LINEAR_API_KEY"),
        ("loopline_home", "LOOPLINE_HOME"),
        ("Linear_Api_Key", "LINEAR_API_KEY"),
        ("github_token", "GITHUB_TOKEN"),
        ("GITHUB_TOKN", "GITHUB_TOKEN"),
        ("LOPLINE_HOME", "LOOPLINE_HOME"),
        ("REDISURL", "REDIS_URL"),
        ("LOOPLINEHOME", "LOOPLINE_HOME"),
        ("ANTHROPIC_API_KEYS", "ANTHROPIC_API_KEY"),
    ],
)
def test_settings_suggest_a_name_for_a_misspelt_one(wrong: str, right: str) -> None:
    (sentence,) = find_problems("up", ENOUGH | {wrong: "hush"})
    assert sentence.startswith(f"Unknown setting {wrong}. Did you mean ")
    assert right in sentence
    assert "hush" not in sentence


@pytest.mark.parametrize("name", ["GITHUB_RUN_ID", "GITHUB_REPOSITORY", "ANTHROPIC_MODEL", "REDIS_HOST"])
def test_settings_ignore_variables_of_other_programs(name: str) -> None:
    assert find_problems("up", ENOUGH | {name: "x"}) == []


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("LOOPLINE_TEAMS", "{ENG", "JSON"),
        ("LOOPLINE_TEAMS", '{"ENG": {"repository": "shop"}}', "owner/name"),
        ("LOOPLINE_TEAMS", '{"ENG": {"repository": "a/b", "columns": {"agent": "Done"}}}', "its own column"),
        ("LOOPLINE_TEAMS", '{"ENG": {"repository": "a/b", "columns": {"dnoe": "Done"}}}', "dnoe"),
        ("LOOPLINE_TEAMS", '{"ENG": {}}', "no repository"),
        ("LOOPLINE_TEAMS", '{"ENG": {"repositories": []}}', "no repository"),
        ("LOOPLINE_TEAMS", '{"ENG": {"repositories": ["shop"]}}', "owner/name"),
        ("LOOPLINE_TEAMS", '{"ENG": {"repositories": ["a/b", "a/b"]}}', "named once"),
        ("LOOPLINE_TEAMS", '{"ENG": {"repositories": [1]}}', "named once"),
        ("LOOPLINE_TEAMS", '{"ENG": {"repository": "a/b", "repositories": {"A/b": {}}}}', "occurs twice"),
        ("LOOPLINE_TEAMS", '{"ENG": {"repositories": {"a/b": {"label": ["x"]}}}}', "label"),
        (
            "LOOPLINE_TEAMS",
            '{"ENG": {"repository": "a/b", "repositories": {"a/c": {"default": true}}}}',
            "several default",
        ),
        ("LOOPLINE_WEB_BIND", "8700", "host:port"),
        ("LINEAR_API_URL", "api.linear.app", "https://"),
        ("LOOPLINE_AGENT_SLOTS", "many", "whole number from 1 to 200"),
        ("LOOPLINE_AGENT_SLOTS", "0", "a number below 1"),
        ("LOOPLINE_MAX_COST_USD", "-1", "a negative number"),
        ("GITHUB_MERGE_METHOD", "octopus", "'merge', 'squash' or 'rebase'"),
    ],
)
def test_settings_report_an_invalid_value_with_a_hint(name: str, value: str, hint: str) -> None:
    (sentence,) = find_problems("up", ENOUGH | {name: value})
    assert sentence.startswith(name)
    assert hint in sentence


@pytest.mark.parametrize("given", [["ID"], ["PRIVATE_KEY_FILE"], ["INSTALLATION_ID"], ["ID", "INSTALLATION_ID"]])
def test_github_app_with_missing_settings_is_refused(given: list[str]) -> None:
    without_token = {name: value for name, value in ENOUGH.items() if name != "GITHUB_TOKEN"}
    app = {f"GITHUB_APP_{part}": "1" for part in given}
    (sentence,) = find_problems("worker", without_token | app)
    assert f"GITHUB_APP_{given[0]} " in sentence


def test_github_app_replaces_the_token_and_both_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "app.pem"
    file.write_bytes(create_rsa_key())
    app = {"GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY_FILE": str(file)}
    without_token = {name: value for name, value in ENOUGH.items() if name != "GITHUB_TOKEN"}
    assert find_problems("worker", without_token | app) == []
    assert "keep one" in "".join(find_problems("worker", ENOUGH | app))


def test_load_exits_with_2_and_one_sentence_per_problem() -> None:
    command = [sys.executable, "-c", "from jobs.config.environment import load; load('up')"]
    wrong = {"GITHUB_TOKN": "hush", "LOOPLINE_MAX_TURNS": "hush", "GITHUB_TOKEN": ""}
    ended = subprocess.run(command, env=ENOUGH | wrong, cwd=REPOSITORY, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 3
    assert "hush" not in ended.stderr


def test_settings_as_text_show_no_secret() -> None:
    settings = parse_settings(ENOUGH | {"REDIS_URL": "redis://:swordfish@db"})
    assert "hush" not in f"{settings!r} {settings} {settings.model_dump()}"
    assert "swordfish" not in repr(settings)


def test_redis_password_is_a_secret() -> None:
    settings = parse_settings({"REDIS_URL": "redis://:swordfish@db"})
    assert settings.secret_values() == {"redis://:swordfish@db", "swordfish"}


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("LOOPLINE_APPROVERS", " a@x.io, b@x.io ,", "approvers", ("a@x.io", "b@x.io")),
        ("LOOPLINE_SANDBOX_READ_ONLY", "/opt/sdk,/srv", "sandbox_read_only", (Path("/opt/sdk"), Path("/srv"))),
        ("LOOPLINE_HOME", "there", "home", Path.cwd() / "there"),
        ("LOOPLINE_MORE_RUNNERS", "anthropic", "more_runners", ("anthropic",)),
        ("LOOPLINE_I_ACCEPT_WEAK_REDIS", "true", "i_accept_weak_redis", True),
        ("LOOPLINE_WEB_BIND", "[::1]:80", "web_bind", "[::1]:80"),
        ("LOOPLINE_DASHBOARD_BIND", "127.0.0.1:9", "dashboard_url", "http://127.0.0.1:9"),
    ],
)
def test_settings_parse_values(name: str, value: str, field: str, expected: Any) -> None:
    assert getattr(parse_settings({name: value}), field) == expected


def test_provider_settings_are_parsed_by_their_class() -> None:
    given = {"LINEAR_API_URL": "http://localhost:1/graphql/", "GITHUB_APP_PRIVATE_KEY_FILE": "app.pem"}
    settings = parse_settings(given)
    assert settings.provider_settings(LINEAR).api_url == "http://localhost:1/graphql"
    assert settings.provider_settings(LINEAR).webhook_secrets == ()
    assert settings.provider_settings(GITHUB).app_private_key_file == Path.cwd() / "app.pem"
    assert settings.paths()["GITHUB_APP_PRIVATE_KEY_FILE"].is_absolute()
    assert Settings().provider_settings(ANTHROPIC).base_url == ""


@pytest.mark.parametrize("provider", providers(), ids=lambda provider: provider.name)
def test_provider_settings_begin_with_the_name_of_the_provider(provider: Any) -> None:
    assert all(name.startswith(provider.prefix) for name in provider.settings.variables())


@pytest.mark.parametrize("kind", ["TRACKER", "CODE_HOST", "RUNNER"])
def test_settings_list_the_known_providers_for_an_unknown_one(kind: str) -> None:
    (sentence,) = find_problems("up", ENOUGH | {f"LOOPLINE_{kind}": "jira"})
    known = {"TRACKER": "tracker 'jira'; the known ones are: linear.", "CODE_HOST": "code host 'jira'; the known ones"}
    assert sentence.startswith(f"LOOPLINE_{kind} cannot be used: there is no {known.get(kind, 'runner')}")


def test_columns_have_default_names() -> None:
    team = parse_settings({"LOOPLINE_TEAMS": '{"ENG": {"repository": "a/b", "columns": {"done": "Shipped"}}}'}).teams[
        "ENG"
    ]
    assert team.columns.names() == ("Agent", "In Progress", "In Review", "Shipped", "Needs Human")


@pytest.mark.parametrize(
    ("team", "default", "names"),
    [
        ('{"repository": "a/b"}', "a/b", ("a/b",)),
        ('{"repositories": ["a/b"]}', "a/b", ("a/b",)),
        ('{"repositories": ["a/b", "a/c"]}', "", ("a/b", "a/c")),
        ('{"repository": "a/b", "repositories": {"a/c": {"labels": ["web"]}}}', "a/b", ("a/b", "a/c")),
        ('{"repositories": {"a/b": {}, "a/c": {"default": true, "projects": ["P"]}}}', "a/c", ("a/b", "a/c")),
    ],
)
def test_team_can_have_several_repositories(team: str, default: str, names: tuple[str, ...]) -> None:
    parsed = parse_settings({"LOOPLINE_TEAMS": f'{{"ENG": {team}}}'}).teams["ENG"]
    assert (parsed.default_repository, parsed.all_repositories()) == (default, names)


@pytest.mark.parametrize("done", ["null", '""'])
def test_column_for_merged_tickets_can_be_none(done: str) -> None:
    team = f'{{"ENG": {{"repository": "a/b", "columns": {{"done": {done}}}}}}}'
    assert "done" not in parse_settings({"LOOPLINE_TEAMS": team}).teams["ENG"].columns.roles()


def test_settings_made_by_hand_read_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPLINE_AGENT_SLOTS", "9")
    assert Settings(home=Path("x")).agent_slots == 4


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().agent_slots = 5  # type: ignore[misc]


def test_environment_takes_precedence_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("LOOPLINE_AGENT_SLOTS=7\nLOOPLINE_WORKER_SLOTS=8\n# x\nREDIS_URL=\n")
    monkeypatch.setenv("LOOPLINE_WORKER_SLOTS", "9")
    settings = parse_settings(read_environment(tmp_path / ".env"))
    assert (settings.agent_slots, settings.worker_slots) == (7, 9)


def test_environment_is_read_by_the_settings_only() -> None:
    product = [path for folder in ("service", "jobs", "integrations") for path in (REPOSITORY / folder).rglob("*.py")]
    readers = [path for path in product if re.search(r"os\.environ|getenv", path.read_text())]
    # The demo hands its environment on to `loopline up`; it is no part of the product. Reporters run in the sandbox.
    assert [one for one in readers if not {"standins", "programs"} & set(one.parts)] == [
        REPOSITORY / "jobs/config/environment.py"
    ]


@pytest.mark.parametrize("name", list(list_fields()))
def test_settings_have_a_description(name: str) -> None:
    description = list_fields()[name].description or ""
    assert description.splitlines()[0].endswith((".", ".)")), "a docstring with a whole sentence in its first line"


def test_reference_rows_have_name_default_and_first_line() -> None:
    table = {name: (default, line) for name, default, line in list_rows()}
    assert table.keys() == list_fields().keys()
    assert table["LOOPLINE_AGENT_SLOTS"] == ("4", "Runs that one agent process advances at the same time.")
    assert table["LOOPLINE_I_ACCEPT_WEAK_REDIS"][0] == "false"
    assert not any("\n" in line for _, line in table.values())


def test_settings_are_all_in_the_example_file() -> None:
    """`python -m service settings > .env.example` writes it anew."""
    assert render_env_example() == EXAMPLE
    assert set(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", EXAMPLE, re.MULTILINE)) == list_fields().keys()
    assert set(re.findall(r"^([A-Z][A-Z_]+)=", EXAMPLE, re.MULTILINE)) == ENOUGH.keys()
