"""A repository's automations in Redis: one that has run, one that is off, and a declaration that cannot be used."""

from __future__ import annotations

from redis import Redis

from jobs.loop.automation import Automation, Schedule
from jobs.loop.automation_state import AUTOMATION_STATE, AutomationState, RunRecord
from jobs.runtime import keys

SHOP = "acme/shop"
BROKEN = ".loopline/automations/bad.md in acme/shop at main cannot be used: line 2, scedule: it is an unknown key."
RECORD = RunRecord(
    id="acme__shop-ci-triage-1", automation="ci-triage", cause="schedule", started_at=1_795_766_400.0,
    ended_at=1_795_766_460.0, outcome="filed", found=3, duplicates=1, filed=2, cost_usd=0.1234,
    note="One\x1b[31m note.",
)  # fmt: skip
STATE = AutomationState(
    repository=SHOP,
    team="ENG",
    base_branch="main",
    automations=(
        Automation(name="ci-triage", description="<b>CI</b>", schedule=Schedule(cron="0 9 * * *")),
        Automation(name="off", enabled=False, origin=".loopline/automations/off.md"),
    ),
    problems=(BROKEN,),
    next_slots={"ci-triage": 1_795_852_800.0},
    history=(RECORD,),
)


def store_state(redis: Redis, state: AutomationState = STATE) -> None:
    redis.set(keys.automations(state.id), AUTOMATION_STATE.encode(state))
    redis.sadd(keys.AUTOMATIONS, state.id)


def list_requests(redis: Redis) -> list[bytes]:
    """The requests in the mailbox."""
    found: list[bytes] = redis.lrange(keys.mailbox(STATE.id), 0, -1)  # type: ignore[assignment]
    return found
