"""`LOOPLINE_DATABASES`: one sentence for each mistake, never with a password, and the secrets that are redacted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs.config.environment import find_problems, parse_settings

URL = "postgresql://reader:s3cret%21pw@db.acme.test/shop"
WRONG: dict[str, tuple[Any, str]] = {
    "no JSON": ("shop", "that is not JSON; write JSON like"),
    "a list": ([], "it is a list"),
    "a name": ({"Shop!": {"url": URL}}, "write a name such as shop"),
    "another server": ({"shop": {"url": URL.replace("postgresql", "mysql")}}, "shop.url cannot be used: it is no URL"),
    "a bracket": ({"shop": {"url": "postgresql://[reader:s3cret%21pw@h/d"}}, "shop.url cannot be used: it is no URL"),
    "a port": ({"shop": {"url": URL.replace("/shop", ":99999/shop")}}, "shop.url cannot be used: it is no URL"),
    "a relative path": ({"shop": {"url": "sqlite://shop.db"}}, "shop.url cannot be used: it is no URL"),
    "no URL": ({"shop": {}}, "shop.url cannot be used: it is missing"),
    "only a URL": ({"shop": URL}, "shop cannot be used: it is a text; write keys with values"),
    "a repository": ({"shop": {"url": URL, "repositories": ["acme"]}}, "write owner/name"),
    "a role": ({"shop": {"url": URL, "roles": ["judge"]}}, "write planner, scout, maker"),
    "too many rows": ({"shop": {"url": URL, "rows": 5_000}}, "write 1000 or less"),
    "an unknown key": ({"shop": {"url": URL, "timeout": 5}}, "shop.timeout cannot be used: it is an unknown key"),
}


@pytest.mark.parametrize(("value", "sentence"), WRONG.values(), ids=WRONG)
def test_databases_that_are_wrong_are_one_sentence(value: Any, sentence: str) -> None:
    given = value if isinstance(value, str) else json.dumps(value)
    problems = find_problems("worker", {"LOOPLINE_TEAMS": '{"ENG": "x"}', "LOOPLINE_DATABASES": given})
    (found,) = [one for one in problems if one.startswith("LOOPLINE_DATABASES")]
    assert sentence in found and "s3cret" not in str(problems)


def test_databases_are_permitted_by_repository_and_role() -> None:
    given = {"shop": {"url": URL, "repositories": ["acme/shop"], "roles": ["maker"]}, "all": {"url": "sqlite:///a.db"}}
    from jobs.effects.build import build_policy  # here, as the other tests of this room need no client

    policy = build_policy(parse_settings({"LOOPLINE_DATABASES": json.dumps(given)}))
    assert policy.list_databases("acme/shop", "maker") == ("shop", "all")
    assert policy.list_databases("acme/shop", "checker") == policy.list_databases("acme/web", "maker") == ("all",)


def test_database_passwords_are_secrets() -> None:
    settings = parse_settings(
        {"LOOPLINE_DATABASES": json.dumps({"shop": {"url": URL}, "file": {"url": "sqlite:///a"}})}
    )
    assert {
        URL,
        "s3cret%21pw",
        "s3cret!pw",
    } <= settings.secret_values() and "sqlite:///a" not in settings.secret_values()
