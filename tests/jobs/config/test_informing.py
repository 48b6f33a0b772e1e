"""Settings of notifications and digests: each wrong value is one sentence that names team, scheme and fix."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs.config.environment import filter_environment, find_problems, parse_settings
from jobs.config.informing import list_targets
from tests.jobs.config.test_settings import ENOUGH

TEAM = {"LOOPLINE_TEAMS": '{"ENG": {"repository": "acme/shop"}}'}
GOOD = {"ENG": {"escalations": ["jsons://hooks.acme.test/canary"], "digest": ["json://127.0.0.1/canary"]}}


def problems(name: str, value: Any, **more: str) -> list[str]:
    return find_problems("up", ENOUGH | TEAM | {name: json.dumps(value)} | more)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (
            {"ENG": {"escalations": ["json://acme.test/canary"]}},
            "LOOPLINE_NOTIFY.ENG.escalations, item 1, cannot be used: it is an address of json without TLS",
        ),
        (
            {"ENG": {"digest": ["json://127.0.0.1/", "slackk://canary"]}},
            "LOOPLINE_NOTIFY.ENG.digest, item 2, cannot be used: apprise does not accept this address of slackk; see",
        ),
        ({"ENG": {"digest": [7]}}, "LOOPLINE_NOTIFY.ENG.digest, item 1, cannot be used: it is a whole number"),
        (
            {"ENG": {"digest": "slack://canary"}},
            "LOOPLINE_NOTIFY.ENG.digest cannot be used: it is a text; write a list",
        ),
        ({"ENG": {"mail": []}}, "LOOPLINE_NOTIFY.ENG.mail cannot be used: it is an unknown key"),
        ({"eng": {}}, "write the key of tickets in capitals"),
        ({"OPS": {}}, "LOOPLINE_NOTIFY names the team OPS, which is not in LOOPLINE_TEAMS"),
        ([], "LOOPLINE_NOTIFY cannot be used: it is a list of 0; write JSON like"),
    ],
)
def test_notify_setting_that_is_wrong_is_one_sentence_without_the_url(value: Any, sentence: str) -> None:
    (found,) = problems("LOOPLINE_NOTIFY", value)
    assert sentence in found
    assert "canary" not in found


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"ENG": {"cron": "8 o'clock"}}, "LOOPLINE_DIGEST.ENG.cron cannot be used: it is a text that is no cron"),
        ({"ENG": {"cron": "0 8 31 2 *"}}, "LOOPLINE_DIGEST.ENG.cron cannot be used: it is a text that is no cron"),
        ({"ENG": {"cron": "0 0 8 * * *"}}, "LOOPLINE_DIGEST.ENG.cron cannot be used: it is a text that is no cron"),
        ({"ENG": {"cron": "0 8 * * *", "timezone": "Berlin"}}, "LOOPLINE_DIGEST.ENG.timezone cannot be used"),
        ({"ENG": {"cron": "0 8 * * *", "timezone": "../../etc/passwd"}}, "LOOPLINE_DIGEST.ENG.timezone cannot be used"),
        ({"ENG": {"cron": "0 8 * * *", "to": "fax"}}, "LOOPLINE_DIGEST.ENG.to cannot be used"),
        ({"ENG": {}}, "LOOPLINE_DIGEST.ENG.cron cannot be used: it is missing; add it."),
        ({"OPS": {"cron": "0 8 * * *"}}, "LOOPLINE_DIGEST names the team OPS"),
        ({"ENG": {"cron": "0 8 * * *", "to": "both"}}, "add a target at LOOPLINE_NOTIFY.ENG.digest"),
    ],
)
def test_digest_setting_that_is_wrong_is_one_sentence(value: Any, sentence: str) -> None:
    (found,) = problems("LOOPLINE_DIGEST", value)
    assert sentence in found


def test_notify_setting_is_read_by_team_and_kind_and_hidden_from_logs() -> None:
    value = {"ENG": {"cron": "0 8 * * 1-5", "timezone": "Europe/Berlin", "to": "both"}}
    assert problems("LOOPLINE_DIGEST", value, LOOPLINE_NOTIFY=json.dumps(GOOD)) == []
    settings = parse_settings(ENOUGH | {"LOOPLINE_NOTIFY": json.dumps(GOOD)})
    assert list_targets(settings.notify, "ENG", "digest") == ("json://127.0.0.1/canary",)
    assert list_targets(settings.notify, "OPS", "digest") == ()
    assert {"json://127.0.0.1/canary", "jsons://hooks.acme.test/canary"} <= settings.secret_values()
    assert "canary" not in repr(settings)


@pytest.mark.parametrize("role", ["web", "agent", "dashboard", "clock"])
def test_notify_setting_is_not_seen_by_processes_that_send_nothing(role: Any) -> None:
    assert "LOOPLINE_NOTIFY" not in filter_environment(role, {"LOOPLINE_NOTIFY": json.dumps(GOOD)})


@pytest.mark.parametrize("no_proxy", ["", "10.0.0.0/8", "127.0.0.1"])
def test_notify_setting_without_tls_is_refused_where_a_proxy_would_get_the_messages(no_proxy: str) -> None:
    found = problems("LOOPLINE_NOTIFY", GOOD, HTTP_PROXY="http://proxy.acme.test:3128", NO_PROXY=no_proxy)
    expected = "LOOPLINE_NOTIFY has an address of json on this machine without TLS, whose messages HTTP_PROXY would get"
    assert found == ([] if no_proxy == "127.0.0.1" else [f"{expected}; add 127.0.0.1 to NO_PROXY."])
