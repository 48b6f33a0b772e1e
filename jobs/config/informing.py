"""Types of the settings for messages to people beyond their tickets: notifications, and the morning digest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from integrations.explain import classify
from integrations.notifications import check_target
from jobs.config.field_types import TeamKey, parse_json

_NOTIFY_EXAMPLE = 'write JSON like {"ENG": {"escalations": ["slack://..."], "digest": ["mailtos://..."]}}'
_DIGEST_EXAMPLE = 'write JSON like {"ENG": {"cron": "0 8 * * 1-5", "timezone": "Europe/Berlin"}}'
MessageKind = Literal["escalations", "digest"]
_FIELDS = 5  # a sixth one is for seconds
MOST_TARGETS = 10
"""Targets of one team for one kind of message."""


def _check_target(value: object) -> object:
    """A URL of apprise, without its text in an error."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        raise ValueError(f"it is {classify(text)}; write a URL of apprise, such as slack://...")
    check_target(text)
    return value


Target = Annotated[SecretStr, BeforeValidator(_check_target)]
Targets = Annotated[tuple[Target, ...], Field(max_length=MOST_TARGETS)]


class TeamTargets(BaseModel):
    """Where a team gets its notifications, URLs of apprise by the kind of message."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    escalations: Targets = ()
    digest: Targets = ()


Notify = Annotated[dict[TeamKey, TeamTargets], BeforeValidator(partial(parse_json, _NOTIFY_EXAMPLE))]


def _check_cron(value: str) -> str:
    try:
        if len(value.split()) != _FIELDS:
            raise CronSimError
        CronSim(value, datetime(2026, 1, 1))
    except CronSimError:
        raise ValueError(f"it is {classify(value)} that is no cron expression; write five fields") from None
    return value


def _check_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError
        raise ValueError(f"it is {classify(value)} that is no time zone; write one such as Europe/Berlin") from None
    return value


class TeamDigest(BaseModel):
    """When and where a team gets its digest. `cron` has five fields in `timezone`; `to` is a comment on the team's
    digest ticket, a notification to its targets for digests, or both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cron: Annotated[str, Field(max_length=200), AfterValidator(_check_cron)]
    timezone: Annotated[str, Field(max_length=100), AfterValidator(_check_zone)] = "UTC"
    to: Literal["ticket", "notification", "both"] = "ticket"


Digests = Annotated[dict[TeamKey, TeamDigest], BeforeValidator(partial(parse_json, _DIGEST_EXAMPLE))]


def list_targets(notify: Mapping[str, TeamTargets], team: str, kind: MessageKind) -> tuple[str, ...]:
    """The URLs of the team's targets for this kind of message."""
    found = getattr(notify[team], kind) if team in notify else ()
    return tuple(one.get_secret_value() for one in found)


def list_target_urls(notify: Mapping[str, TeamTargets]) -> list[str]:
    """The URLs of all targets, each once."""
    targets = [one for team in notify.values() for one in (*team.escalations, *team.digest)]
    return list(dict.fromkeys(one.get_secret_value() for one in targets))
