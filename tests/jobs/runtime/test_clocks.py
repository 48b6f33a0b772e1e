"""Clock jumps, sleep and stopped processes: what is noticed, and what follows for leases, waits and heartbeats."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from structlog.testing import capture_logs

from integrations.errors import Unavailable
from integrations.values import RunId, TicketId
from jobs.clock import _handle_incident, reconcile
from jobs.runtime import keys, queues
from jobs.runtime.clocks import ClockWatch, Incident, Reading, find_incident, format_seconds, is_set, read_redis_time
from jobs.runtime.heartbeats import list_live_roles, send_heartbeat
from jobs.runtime.lease import LIFE_MS, Lease, hold
from jobs.runtime.notices import list_notices
from jobs.runtime.scripts import LeaseLost, run_script
from jobs.store.breaker import Breaker

BEFORE = Reading(wall=1_795_714_123.0, boot=5_000.0, awake=4_000.0)
DAY = 86_400.0
T1 = TicketId("t1")


def after(seconds: float = 1.0, *, jump: float = 0.0, slept: float = 0.0) -> Reading:
    return Reading(BEFORE.wall + seconds + slept + jump, BEFORE.boot + seconds + slept, BEFORE.awake + seconds)


@pytest.mark.parametrize(
    ("now", "incident"),
    [
        (after(), None),
        (after(jump=1.0), None),  # a leap second
        (after(jump=-1.0), None),
        (after(jump=-0.5, slept=0.5), None),
        (after(jump=600.0), Incident(jump=600.0)),
        (after(jump=-600.0), Incident(jump=-600.0)),
        (after(jump=DAY), Incident(jump=DAY)),
        (after(jump=-DAY), Incident(jump=-DAY)),
        (after(jump=3_600.0), Incident(jump=3_600.0)),  # a clock that is set to local time
        (after(jump=-BEFORE.wall), Incident(jump=-BEFORE.wall)),  # 1970
        (after(jump=2.0**31), Incident(jump=2.0**31)),  # after 2038
        (after(slept=3_600.0), Incident(slept=3_600.0)),
        (after(slept=3_600.0, jump=40.0), Incident(jump=40.0, slept=3_600.0)),
        (after(45.0), Incident(stopped=45.0)),
        (after(9.0), None),
        (after(45.0, jump=-600.0), Incident(jump=-600.0, stopped=45.0)),
    ],
)
def test_incident_between_two_readings(now: Reading, incident: Incident | None) -> None:
    found = find_incident(BEFORE, now)

    assert (found is None) == (incident is None)
    if found and incident:
        assert found.jump == pytest.approx(incident.jump)
        assert (found.slept, found.stopped) == (pytest.approx(incident.slept), pytest.approx(incident.stopped))


@given(elapsed=st.floats(0.0, 8.0), jump=st.floats(-1e10, 1e10), slept=st.floats(0.0, 1e7), continuous=st.booleans())
def test_incident_is_found_exactly_when_a_clock_or_the_host_left_its_course(
    elapsed: float, jump: float, slept: float, continuous: bool
) -> None:
    found = find_incident(BEFORE, after(elapsed, jump=jump, slept=slept), continuous=continuous) or Incident()

    limit = 5.0 + 0.001 * (elapsed + slept)
    assert abs(abs(jump) - limit) < 1e-3 or bool(found.jump) == (abs(jump) > limit)
    assert abs(slept - 5.0) < 1e-3 or bool(found.slept) == (slept > 5.0)
    assert not found.stopped
    assert found.jump == 0 or found.jump == pytest.approx(jump, abs=1e-3)


def test_incident_after_an_expected_pause_is_no_stop_but_still_a_jump() -> None:
    assert find_incident(BEFORE, after(300.0), continuous=False) is None
    assert find_incident(BEFORE, after(300.0, jump=60.0), continuous=False) == Incident(jump=60.0)


def test_incident_is_not_seen_in_hours_of_adjustment_by_a_time_daemon() -> None:
    assert find_incident(BEFORE, after(8 * 3_600.0, jump=0.0005 * 8 * 3_600), continuous=False) is None


@pytest.mark.parametrize(
    ("incident", "start"),
    [
        (Incident(jump=600.0), "The clock went forward by 10 min. "),
        (Incident(jump=-DAY), "The clock went back by 24 h. "),
        (Incident(slept=45.0), "The host slept for 45 s. "),
        (Incident(stopped=200.0), "Loopline or its Redis was stopped for 3 min. "),
        (
            Incident(jump=-8.0, stopped=30.0),
            "The clock went back by 8 s and Loopline or its Redis was stopped for 30 s. ",
        ),
    ],
)
def test_incident_is_one_sentence(incident: Incident, start: str) -> None:
    assert incident.sentence.startswith(start)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (9e8, "10417 days")]
)
def test_durations_have_one_unit(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("wall", "expected"),
    [(0.0, False), (-1.0, False), (1_577_836_800.0, False), (BEFORE.wall, True), (2.0**31, True), (2.0**33, True)],
    ids=["1970", "before 1970", "2020", "2026", "2038", "2242"],
)
def test_clock_without_a_battery_is_found(wall: float, expected: bool) -> None:
    assert is_set(wall) is expected


def test_watch_reports_nothing_on_a_healthy_host(redis: Redis) -> None:
    watch = ClockWatch()

    assert [watch.tick(redis) for _ in range(5)] == [None] * 5


def handle(redis: Redis, incident: Incident) -> list[str]:
    with capture_logs() as logs:
        _handle_incident(redis, incident)
    return [line["event"] for line in logs]


@pytest.mark.parametrize(
    ("incident", "event"),
    [
        (Incident(jump=600.0), "clock jumped"),
        (Incident(jump=-600.0, slept=30.0, stopped=20.0), "clock jumped"),
        (Incident(slept=30.0, stopped=20.0), "host slept"),
        (Incident(stopped=20.0), "processes were stopped"),
    ],
)
def test_incident_is_logged_once_and_shown(redis: Redis, incident: Incident, event: str) -> None:
    assert handle(redis, incident) == [event]
    assert list_notices(redis) == [incident.sentence]


@pytest.mark.parametrize("jump", [-600.0, -DAY, -30 * 365 * DAY])
def test_waits_are_not_longer_after_the_clock_went_back(redis: Redis, jump: float) -> None:
    now = read_redis_time(redis)
    redis.zadd(queues.LATER, {json.dumps([queues.DRIVE, "t1"]): now + 30 - jump})  # as if written before the jump
    redis.set(keys.retry_at("t1"), 1, px=int((30 - jump) * 1000))
    redis.set(queues.wake_flag(queues.DRIVE, "t2"), 1, px=int((1 - jump) * 1000))
    redis.hset(
        keys.BREAKER, mapping={"until": int((now + 60 - jump) * 1000), "kind": "away", "reason": "x", "since": 1}
    )

    handle(redis, Incident(jump=jump))

    assert redis.zscore(queues.LATER, json.dumps([queues.DRIVE, "t1"])) == pytest.approx(now + 30, abs=2)
    assert redis.pttl(keys.retry_at("t1")) == pytest.approx(30_000, abs=2_000)
    assert redis.pttl(queues.wake_flag(queues.DRIVE, "t2")) <= 1_000
    outage = Breaker(redis).look(RunId("r1"))
    assert outage
    assert outage.until == pytest.approx(now + 60, abs=2)


def test_waits_end_early_after_the_clock_went_forward(redis: Redis) -> None:
    """An early retry is harmless; the provider names its wait again."""
    queues.wake_ticket(redis, T1, delay=300)
    handle(redis, Incident(jump=600.0))

    assert queues.enqueue_due(redis, read_redis_time(redis) + 600) == 1


@pytest.mark.parametrize("jump", [600.0, -600.0, DAY, -DAY])
def test_heartbeats_stay_alive_after_a_jump(redis: Redis, jump: float) -> None:
    now = read_redis_time(redis)
    send_heartbeat(redis, "events", now - jump)  # as if sent before the jump
    handle(redis, Incident(jump=jump))

    assert list_live_roles(redis) == {"events"}
    assert list_live_roles(redis, now + 20) == set()


def test_heartbeats_sent_after_a_jump_are_kept_as_they_are(redis: Redis) -> None:
    for jump in (600.0, -600.0):
        send_heartbeat(redis, "events")
        handle(redis, Incident(jump=jump))
        assert list_live_roles(redis) == {"events"}
        assert list_live_roles(redis, read_redis_time(redis) + 20) == set()


@pytest.mark.parametrize("ahead", [2 * DAY, 365 * DAY, 1e10])
def test_delayed_wake_up_further_away_than_the_longest_delay_is_due(redis: Redis, ahead: float) -> None:
    """The clock went back while Loopline was stopped, so no jump was seen."""
    now = read_redis_time(redis)
    redis.zadd(queues.LATER, {json.dumps([queues.DRIVE, "t1"]): now + ahead})

    assert queues.enqueue_due(redis, now) == 1
    assert not queues.has_delayed_wake(redis, T1)


@pytest.mark.parametrize("delay", [1e6, 1e12, float("inf")])
def test_delayed_wake_up_is_at_most_a_day_away(redis: Redis, delay: float) -> None:
    queues.wake_ticket(redis, T1, delay=delay)
    now = read_redis_time(redis)

    assert redis.zscore(queues.LATER, json.dumps([queues.DRIVE, "t1"])) == pytest.approx(now + DAY, abs=5)
    assert queues.enqueue_due(redis, now) == 0


@pytest.mark.parametrize("life", [600_000, int(DAY) * 1000, 10**14])
def test_lease_from_before_the_clock_went_back_expires_like_any_other(redis: Redis, life: int) -> None:
    redis.sadd(keys.READY, "t1")
    redis.set(keys.lease("t1"), "dead:x:1", px=life)
    redis.sadd(keys.RUNS, "r1")
    redis.set(keys.lease("run:r1"), "dead:x:1", px=life)

    reconcile(redis)

    assert 0 < redis.pttl(keys.lease("t1")) <= LIFE_MS
    assert 0 < redis.pttl(keys.lease("run:r1")) <= LIFE_MS


def test_backoff_from_before_the_clock_went_back_lasts_a_day_at_most(redis: Redis) -> None:
    redis.sadd(keys.READY, "t1")
    redis.set(keys.retry_at("t1"), 1, px=10**14)

    reconcile(redis)

    assert redis.pttl(keys.retry_at("t1")) <= DAY * 1000


def test_reconcile_takes_nothing_over_right_after_an_incident(redis: Redis) -> None:
    redis.sadd(keys.READY, "t1")
    redis.sadd(keys.RUNS, "r1")
    queues.wake_ticket(redis, TicketId("t2"), delay=0.01)
    time.sleep(0.02)

    reconcile(redis, take_over=False)

    waiting = [job.args for name in (queues.EVENTS, queues.AGENTS) for job in queues.open_queue(redis, name).jobs]
    assert waiting == [["t2"]]


def test_lease_that_expired_early_is_renewed_by_its_holder(redis: Redis) -> None:
    with hold(redis, "t1") as lease:
        assert lease
        redis.delete(keys.lease("t1"))  # what a clock that jumps forward does
        lease.check()

        assert redis.get(keys.lease("t1")) == lease.token.encode()
        assert not lease.lost


def test_lease_that_another_process_took_and_released_is_lost(redis: Redis) -> None:
    """Its holder cannot know what was done meanwhile."""
    with hold(redis, "t1") as lease:
        assert lease
        redis.delete(keys.lease("t1"))
        with hold(redis, "t1") as other:
            assert other
        with pytest.raises(LeaseLost):
            lease.check()
        assert not redis.exists(keys.lease("t1"))


def test_lease_is_confirmed_by_redis_before_each_effect(redis: Redis) -> None:
    with hold(redis, "t1") as lease:
        assert lease
        lease.check()
        redis.set(keys.lease("t1"), "another:x:2", px=LIFE_MS)
        with pytest.raises(LeaseLost):
            lease.check()


def test_lease_is_not_renewed_after_its_release(redis: Redis) -> None:
    with hold(redis, "t1") as lease:
        assert lease
        lease.release()
        lease.renew()

        assert not redis.exists(keys.lease("t1"))


def test_write_under_a_lease_that_expired_early_is_accepted_until_another_process_takes_it(redis: Redis) -> None:
    names = [keys.lease("t1"), keys.transcript("r1")]  # type: ignore[arg-type]
    with hold(redis, "t1") as lease:
        assert lease
        redis.delete(keys.lease("t1"))
        assert run_script(redis, "append", names, [lease.token, "note", "{}", "m1"])
        with hold(redis, "t1") as other:
            assert other
            with pytest.raises(LeaseLost):
                run_script(redis, "append", names, [lease.token, "note", "{}", "m2"])
        with pytest.raises(LeaseLost):
            run_script(redis, "append", names, [lease.token, "note", "{}", "m3"])


def test_lease_token_of_no_known_epoch_is_rejected(redis: Redis) -> None:
    lease = Lease(redis, "t1", "me:mark:7")
    with pytest.raises(LeaseLost):
        lease.check()


def test_breaker_failures_from_before_a_jump_do_not_count(redis: Redis) -> None:
    for _ in range(4):
        Breaker(redis).record_failure(RunId("r1"), Unavailable("x"))
    handle(redis, Incident(jump=-600.0))
    Breaker(redis).record_failure(RunId("r1"), Unavailable("x"))

    assert Breaker(redis).look(RunId("r1")) is None
