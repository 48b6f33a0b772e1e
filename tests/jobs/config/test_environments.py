"""Settings of environments: secrets of setup commands, hosts of agents."""

from __future__ import annotations

import pytest

from jobs.config.environment import filter_environment, find_problems, parse_settings
from jobs.config.environments import find_secret

TOKENS = '{"NPM_TOKEN": "npm_0123456789", "acme/shop:NPM_TOKEN": "shop_0123456789"}'


def test_setup_secret_of_one_repository_comes_first() -> None:
    secrets = parse_settings({"LOOPLINE_SETUP_SECRETS": TOKENS}).setup_secrets

    assert find_secret(secrets, "acme/shop", "NPM_TOKEN") == "shop_0123456789"
    assert find_secret(secrets, "acme/other", "NPM_TOKEN") == "npm_0123456789"
    assert find_secret(secrets, "acme/shop", "OTHER") is None


def test_setup_secret_of_one_repository_is_not_offered_to_another() -> None:
    secrets = parse_settings({"LOOPLINE_SETUP_SECRETS": '{"acme/shop:NPM_TOKEN": "shop_0123456789"}'}).setup_secrets

    assert find_secret(secrets, "acme/other", "NPM_TOKEN") is None


def test_setup_secrets_are_seen_by_agent_processes_alone_and_redacted() -> None:
    environ = {"LOOPLINE_SETUP_SECRETS": TOKENS}

    assert filter_environment("agent", environ) == environ
    assert all("LOOPLINE_SETUP_SECRETS" not in filter_environment(r, environ) for r in ("web", "worker", "clock"))
    assert {"npm_0123456789", "shop_0123456789"} <= parse_settings(environ).secret_values()
    assert "npm_0123456789" not in repr(parse_settings(environ))


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("LOOPLINE_SETUP_SECRETS", '{"NPM_TOKEN": "secret01', "is a text that is not JSON"),
        ("LOOPLINE_SETUP_SECRETS", '["secret01"]', "it is a list of 1"),
        ("LOOPLINE_SETUP_SECRETS", '{"npm": "secret01"}', "write a variable such as NPM_TOKEN"),
        ("LOOPLINE_SETUP_SECRETS", '{"acme:NPM_TOKEN": "secret01"}', "write a variable such as NPM_TOKEN"),
        ("LOOPLINE_SETUP_SECRETS", '{"NPM_TOKEN": "secret"}', "write at least 8"),
        ("LOOPLINE_SETUP_SECRETS", '{"NPM_TOKEN": "secret 01"}', "white space"),
        ("LOOPLINE_AGENT_NETWORK", "registries, *", "item 2, cannot be used: it is a text that is not a host"),
        ("LOOPLINE_AGENT_NETWORK", "*.Acme.test", "in lower case"),
        ("LOOPLINE_AGENT_NETWORK", "10.0.0.1", "is not a host"),
        ("LOOPLINE_SETUP_MINUTES", "0", "below 0.01"),
        ("LOOPLINE_ENVIRONMENT_DAYS", "366", "above 365"),
        ("LOOPLINE_ENVIRONMENT_GIGABYTES", "0", "below 0.001"),
    ],
)
def test_environment_setting_is_refused_with_the_fix_and_without_its_value(name: str, value: str, fix: str) -> None:
    sentences = "\n".join(find_problems("agent", {name: value}))

    assert name in sentences and fix in sentences
    assert "secret01" not in sentences and "secret 01" not in sentences
