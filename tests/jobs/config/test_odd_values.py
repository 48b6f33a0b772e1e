"""Every declared setting against a table of odd values: it works within its bounds, or one sentence names it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies
from pydantic import SecretStr

from integrations.explain import CONTROLS
from integrations.settings import find_bounds, is_secret, split_address
from jobs.config.environment import find_problems, parse_settings
from jobs.config.field_types import Team
from jobs.config.informing import TeamDigest, TeamTargets
from jobs.config.settings import Settings, list_fields
from tests.jobs.config.test_settings import ENOUGH, create_rsa_key

FIELDS = list_fields()
CANARY = "tweet"
NUMBERS = [name for name, field in FIELDS.items() if field.annotation in (int, float)]
ODD_NUMBERS = [
    *("0", "-0", "-1", "+1", "1", "1.5", "1.", ".5", "007", "010", "1_000", "1,000", "0x10", "0b1", "1e3", "1e309"),
    *("1e-320", "0.0000001", "inf", "-inf", "Infinity", "nan", "NaN", "١٢", "１２", "²", "½", "9" * 15, "9" * 16),
    *("9" * 5_000, "1" + "0" * 400 + ".5", " 12 ", "12 13", "2147483648", "true", "null", "1:30", "$5", "5 USD"),
]
ODD_TEXTS = [
    *("x", "-x", "--help", "None", "on", "yes", "'", '"', '"quoted value"', "<your key here>", "a b", "a\tb", "a\nb"),
    *("key with\r\nInjected: header", "a\0b", "\x7f", "\x1b[31m", "\ud800", "\udcff\udcfe", "\ufeffabc", "\u202eabc"),
    *(
        "\u2028",
        "é" * 20,
        "x" * 5_000,
        "x" * 200_000,
        "${HOME}",
        "$(id)",
        "`id`",
        ",",
        ",,,",
        "a,b,,",
        ",".join("a" * 999),
    ),
]
ODD_PATHS = [
    *("/", "//", "/etc", "/etc/passwd", "/etc/passwd/x", "/tmp", "/var", "/dev/null", "/proc/self", "/proc/1/root/x"),
    *("/sys/x", ".", "..", "../..", "./x", "~", "~root", "~nobody-at-home", "~/x/../..", "-rf", "/nonexistent/a/b"),
    *("/tmp/" + "y" * 300, "/tmp/" + "y/" * 1_000, "C:\\x", "file:///x", "/tmp/../etc", "/usr", "/usr/bin"),
]
ODD_URLS = [
    *("http://", "https://", "https:///x", "http://example.com", "HTTP://example.com", "http://127.0.0.1.example.com"),
    *("http://localhost.example.com", "http://127.0.0.1:9", "http://[::1]:9", "http://[::1", "http://localhost:99999"),
    *("https://u:p@example.com", "https://example.com/#x", "https://example.com/?x", "https://example.com:0", "//x.y"),
    *(
        "https://exa mple.com",
        "https://\\x",
        "ftp://example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://é",
    ),
    *("http://127.1", "http://0", "http://2130706433", "http://127.0.0.1@example.com", "https://example.com//"),
    *(
        "redis//x",
        "redis://",
        "redis://127.0.0.1:6379/0",
        "redis://h/x",
        "redis://h/99999",
        "redis://h:0",
        "redis://h?x=1",
    ),
    *(
        "rediss://:pass@h/1",
        "redis://:pa#ss@h",
        "redis://:pa/ss@h",
        "unix:x",
        "unix://x",
        "unix://me:secret@/run/x.sock",
        "unix:///run/x?db=1",
        "unix:///x?a",
    ),
]
ODD_ADDRESSES = [
    *("127.0.0.1", "127.0.0.1:", ":8700", "8700", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:99999", "127.0.0.1:-1"),
    *(
        "127.0.0.1:8700",
        "127.0.0.1:8701",
        "localhost:8700",
        "localhost:8701",
        "0.0.0.0:8700",
        "0.0.0.0:8701",
        "[::]:8701",
    ),
    *(
        "::1:8700",
        "[::1]:99",
        "[::1",
        "[]:80",
        "[127.0.0.1]:80",
        "[fe80::1%eth0]:80",
        "192.0.2.1:80",
        "127.0.0.1:٨٠",
        "*:80",
    ),
    *("127.1:80", "0:80", "999.1.1.1:80", "-x:80", "a..b:80", "http://127.0.0.1:80", "127.0.0.1:80/x", "127.0.0.1:080"),
]
ODD_TEAMS = [
    *("{}", "[]", "null", "1", '"ENG"', "{", "[" * 50_000),
    *('{"ENG": null}', '{"ENG": []}', '{"ENG": {}}', '{"ENG": "a/b"}'),
    '{"ENG": {"repository": "a/b"}, "ENG": {"repository": "a/c"}}',
    '{"ENG": {"repository": "a/b", "repository": "a/c"}}',
    '{"ENG": {"repository": "a/b", "columns": {"done": "A", "done": "B"}}}',
    '{"ENG": {"repository": "a/b"},\n "OPS": {"repository": "a/b"}}',
    *(f'{{"{key}": {{"repository": "a/b"}}}}' for key in ("", " ", "eng", "E G", "É", "1", "E\\n", "E" * 99)),
    *(
        f'{{"ENG": {{"repository": "{name}"}}}}'
        for name in ("", "/", "..", "../..", "./x", "a/..", "a/.", ".git/x", "a/.git", "-x/y", "a/-y", "a/b.git")
    ),
    *(
        f'{{"ENG": {{"repository": "{name}"}}}}'
        for name in ("a/b/c", "https://github.com/a/b", "a b/c", "a/b ", "a/b\\n", "é/b", "\\u017f/b", "a/" + "b" * 999)
    ),
    *(
        f'{{"ENG": {{"repository": "a/b", "columns": {{"done": {name}}}}}}}'
        for name in ('""', '" "', '" Done"', '"D\\u0000"', '"D\\nE"', "1", '"in progress"', '"' + "D" * 999 + '"')
    ),
]  # fmt: skip
ODD = [*ODD_NUMBERS, *ODD_TEXTS, *ODD_PATHS, *ODD_URLS, *ODD_ADDRESSES, *ODD_TEAMS]


WITH_APP = {**ENOUGH, "GITHUB_TOKEN": "", "GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY_FILE": "app.pem"}
KEY = create_rsa_key()


@pytest.fixture(autouse=True)
def start_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths begin here."""
    (tmp_path / "app.pem").write_bytes(KEY)
    monkeypatch.chdir(tmp_path)


def check(name: str, value: str) -> None:
    if is_secret(FIELDS[name]) or FIELDS[name].annotation is SecretStr:
        assert CANARY not in "".join(find_problems("up", ENOUGH | {name: value + CANARY}))
    given = (WITH_APP if name.startswith("GITHUB_APP_") else ENOUGH) | {name: value}
    problems = find_problems("up", given)
    if problems:
        (sentence,) = problems
        assert name in sentence and sentence.endswith((".", "}.")) and not CONTROLS.search(sentence)
        assert len(sentence) < 400
        return
    parsed = parse_settings(given)
    own = dict(parsed.values()) | {n: v for one in parsed.providers.values() for n, v in one.values()}
    assert_works(name, own[name])


def assert_works(name: str, value: Any) -> None:
    """The value can be used where a setting of this type is used."""
    from redis import Redis  # here, as the other tests of this room need no client
    from requests import Request

    match value:
        case bool():
            pass
        case int() | float():
            lowest, highest = find_bounds(FIELDS[name]) or (math.inf, -math.inf)
            assert lowest <= value <= highest
        case SecretStr() if name == "REDIS_URL":
            Redis.from_url(value.get_secret_value()) if value.get_secret_value() else None
        case SecretStr():
            secret = value.get_secret_value()
            assert (
                Request("GET", "http://x.io", headers={"Authorization": secret}).prepare().headers["Authorization"]
                == secret
            )
        case Path():
            assert value.is_absolute()
            os.fsencode(value)
        case dict() if name in ("LOOPLINE_NOTIFY", "LOOPLINE_DIGEST"):
            assert all(isinstance(team, TeamTargets | TeamDigest) for team in value.values())
        case dict():
            assert all(isinstance(team, Team) and len(set(team.columns.names())) >= 4 for team in value.values())
        case tuple():
            for one in value:
                assert_works(name, one)
        case str() if name.endswith("_BIND") and value:
            assert 0 < split_address(value)[1] < 65_536
        case str() if name.endswith("_URL") and value:
            assert Request("GET", f"{value}/x").prepare().url == f"{value}/x".replace("HTTP:", "http:")
        case str():
            assert not CONTROLS.search(value) and len(value) <= 400
        case _:
            assert value is None


@pytest.mark.parametrize(("position", "name"), list(enumerate(FIELDS)), ids=FIELDS)
def test_settings_with_an_odd_value_work_or_are_named_in_one_sentence(position: int, name: str) -> None:
    for value in ODD[position % 4 :: 4]:  # each value meets a quarter of the settings, and each setting all kinds
        check(name, value)


@pytest.mark.long
@pytest.mark.parametrize("name", list(FIELDS))
def test_settings_with_any_odd_value_work_or_are_named_in_one_sentence(name: str) -> None:
    for value in ODD:
        check(name, value)


@pytest.mark.parametrize("name", list(FIELDS))
@settings(max_examples=30, deadline=None)
@given(
    value=strategies.one_of(
        strategies.text(),
        strategies.from_regex(r"[-+]?[0-9_.,e]{1,20}"),
        strategies.builds(lambda odd, more: odd[:99] + more, strategies.sampled_from(ODD), strategies.text(max_size=5)),
    )
)
def test_settings_with_a_random_value_work_or_are_named_in_one_sentence(name: str, value: str) -> None:
    check(name, value)


@pytest.mark.parametrize("name", NUMBERS)
def test_settings_with_a_number_have_finite_bounds_around_the_default(name: str) -> None:
    bounds = find_bounds(FIELDS[name])

    assert bounds, f"{name} needs ge and le in its declaration"
    assert 0 <= bounds[0] <= FIELDS[name].default <= bounds[1] <= 1_000_000


@pytest.mark.parametrize("name", NUMBERS)
def test_settings_with_a_number_accept_both_bounds_and_nothing_beyond(name: str) -> None:
    lowest, highest = find_bounds(FIELDS[name]) or (0, 0)

    assert [find_problems("up", ENOUGH | {name: f"{bound:.9g}"}) for bound in (lowest, highest)] == [[], []]
    (above,) = find_problems("up", ENOUGH | {name: f"{highest + 1:.9g}"})
    assert f"it is a number above {highest}; write a" in above


def test_settings_report_all_problems_at_once() -> None:
    odd = {
        "LOOPLINE_AGENT_SLOTS": "inf",
        "LOOPLINE_HOME": "/",
        "LOOPLINE_WEB_BIND": "x",
        "LINEAR_API_KEY": "",
        "LOOPLINE_X": "1",
    }

    problems = find_problems("up", ENOUGH | odd)

    assert [next(name for name in odd if name in sentence.split(". Did")[0]) for sentence in problems] == [
        "LOOPLINE_X", "LOOPLINE_WEB_BIND", "LOOPLINE_AGENT_SLOTS", "LINEAR_API_KEY", "LOOPLINE_HOME",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["LINEAR_API_KEY", "GITHUB_TOKEN", "ANTHROPIC_API_KEY", "LINEAR_WEBHOOK_SECRETS"])
@pytest.mark.parametrize("around", [" %s", "%s\n", "\r\n%s\r\n", "\t%s\t", "\u00a0%s"])
def test_secrets_lose_surrounding_white_space(name: str, around: str) -> None:
    given = ENOUGH | {name: around % ENOUGH[name]}

    assert find_problems("up", given) == []
    assert parse_settings(given) == parse_settings(ENOUGH)


@pytest.mark.parametrize("name", ["LINEAR_API_KEY", "GITHUB_TOKEN", "ANTHROPIC_API_KEY", "GITHUB_WEBHOOK_SECRETS"])
@pytest.mark.parametrize(
    "wrong", ["hush\nhush-hush-hush", "hush hush hush hush", "hush-hush-hush-é", "'hush-hush-hush'", "hush"]
)
def test_secrets_that_cannot_be_right_are_refused_without_their_value(name: str, wrong: str) -> None:
    (sentence,) = find_problems("up", ENOUGH | {name: wrong})

    assert sentence.startswith(name)
    assert "hush" not in sentence


def test_settings_read_no_file_for_unknown_names_with_odd_characters() -> None:
    (sentence,) = find_problems("up", ENOUGH | {"LOOPLINE_\n\udcff": "x"})

    assert sentence == r"Unknown setting 'LOOPLINE_\n\udcff'. Did you mean LOOPLINE_HOME?"


def test_settings_made_by_hand_keep_the_same_bounds() -> None:
    with pytest.raises(ValueError, match="less than or equal to 200"):
        Settings(agent_slots=201)
