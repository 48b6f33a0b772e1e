"""Which runs a ticket has had, and what they wrote last."""

from __future__ import annotations

import pytest
from redis import Redis

from jobs.runtime import keys
from jobs.store.runs import KEPT_SECONDS
from tests.service.dashboard.story import Story, a_loop, says


@pytest.fixture
def story(redis: Redis) -> Story:
    return Story(redis)


def test_ticket_s_runs_are_listed_in_the_order_of_their_start(story: Story) -> None:
    loop = a_loop()
    late = story.begin(loop, "checker", started_at=30.0)
    early = story.begin(loop, "maker", started_at=10.0)
    story.begin(a_loop(13), "maker", started_at=20.0)
    assert story.runs.list_runs(loop.ticket.id) == [early.run_id, late.run_id]


def test_run_that_is_started_twice_is_listed_once(story: Story) -> None:
    loop = a_loop()
    spec = story.begin(loop)
    story.runs.start(spec)
    assert story.runs.list_runs(loop.ticket.id) == [spec.run_id]


def test_ticket_without_runs_has_none(story: Story) -> None:
    assert story.runs.list_runs("unknown") == []


def test_list_is_forgotten_with_its_last_run(story: Story) -> None:
    loop = a_loop()
    story.end(story.begin(loop))
    assert 0 < int(story.redis.ttl(keys.runs_of(loop.ticket.id))) <= KEPT_SECONDS


def test_newest_four_entries_come_first(story: Story) -> None:
    spec, silent = story.begin(a_loop()), story.begin(a_loop(13))
    story.tell(spec, *map(says, ("one", "two", "three", "four", "five")))
    newest = story.runs.latest([spec.run_id, silent.run_id])
    assert [entry.data["text"] for _, entry in newest[spec.run_id]] == ["five", "four", "three", "two"]
    assert newest[silent.run_id] == []


def test_latest_entries_of_no_runs_need_no_request(story: Story) -> None:
    assert story.runs.latest([]) == {}
