"""Server-sent events: order, resuming, heartbeats, end, and the limit of streams."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse
from werkzeug.wrappers import Response

from jobs.config.settings import Settings
from jobs.loop.commands import RunSpec
from jobs.runtime.connection import connect
from jobs.store.runs import Runs
from service.dashboard.live import follow
from service.supervisor import embedded_redis
from tests.crash.slow_clients import slow_clients
from tests.service.dashboard.conftest import open_page, serving
from tests.service.dashboard.story import Story, a_loop, a_run, says


@pytest.fixture
def run(story: Story) -> RunSpec:
    return story.begin(story.remember(a_loop()))


def opened(client: FlaskClient, run: RunSpec, **headers: str) -> TestResponse:
    return client.get(f"/api/runs/{run.run_id}/events", headers={k.replace("_", "-"): v for k, v in headers.items()})


def frames(response: Response) -> Iterator[str]:
    for chunk in response.iter_encoded():
        yield from filter(None, chunk.decode().split("\n\n"))


def entries(given: list[str]) -> list[dict[str, Any]]:
    return [json.loads(frame.split("data: ", 1)[1]) for frame in given if "event: entry" in frame]


def test_stream_of_a_finished_run_sends_all_entries_and_ends(client: FlaskClient, story: Story, run: RunSpec) -> None:
    story.tell(run, says("one"), says("two"))
    story.end(run, summary="all good")
    received = list(frames(opened(client, run)))
    assert [one["text"] for one in entries(received)] == ["one", "two", "all good"]
    assert received[0] == "retry: 2000" and received[-1].startswith("event: end")


def test_stream_sends_entries_as_the_run_writes_them(client: FlaskClient, story: Story, run: RunSpec) -> None:
    with opened(client, run) as response:
        stream = frames(response)
        next(stream)
        story.tell(run, says("now"))
        first = next(frame for frame in stream if "event: entry" in frame)
    assert entries([first])[0]["text"] == "now" and first.startswith(f"id: {entries([first])[0]['id']}\n")


@pytest.mark.parametrize("by_header", [True, False])
def test_stream_continues_after_the_last_entry_seen(
    client: FlaskClient, story: Story, run: RunSpec, by_header: bool
) -> None:
    story.tell(run, says("one"), says("two"))
    story.end(run)
    seen = story.runs.transcript(run.run_id)[0][0]
    path = f"/api/runs/{run.run_id}/events?after={'0-0' if by_header else seen}"
    response = client.get(path, headers={"Last-Event-ID": seen} if by_header else {})
    assert entries(list(frames(response)))[0]["text"] == "two"


def test_stream_of_a_silent_run_sends_heartbeats(client: FlaskClient, run: RunSpec) -> None:
    with opened(client, run) as response:
        stream = frames(response)
        next(stream)
        assert next(stream) == ": heartbeat"


def test_stream_is_not_cached_or_buffered(client: FlaskClient, story: Story, run: RunSpec) -> None:
    story.end(run)
    headers = opened(client, run).headers
    assert headers["Content-Type"].startswith("text/event-stream")
    assert headers["Cache-Control"] == "no-store" and headers["X-Accel-Buffering"] == "no"


def test_stream_over_the_limit_is_503_until_another_is_closed(client: FlaskClient, run: RunSpec) -> None:
    first, second = opened(client, run), opened(client, run)
    refused = opened(client, run)
    assert refused.status_code == 503 and refused.headers["Retry-After"] == "5"
    first.close()
    third = opened(client, run)
    assert third.status_code == 200
    second.close()
    third.close()


def test_stream_slot_is_freed_after_a_head_request(client: FlaskClient, run: RunSpec) -> None:
    for _ in range(5):
        with client.head(f"/api/runs/{run.run_id}/events") as response:
            assert response.status_code == 200


@pytest.mark.parametrize(
    ("run_id", "after", "status"),
    [
        ("unknown", "0-0", 404),
        (None, "yesterday", 400),
        (None, "1-1;DROP", 400),
        (None, "18446744073709551616-0", 400),
        (None, f"0-{'9' * 20}", 400),
        (None, "१-१", 400),
    ],
)
def test_stream_of_an_unknown_run_or_cursor_is_rejected(
    client: FlaskClient, run: RunSpec, run_id: str | None, after: str, status: int
) -> None:
    for kind in ("events", "entries"):
        answer = client.get(f"/api/runs/{run_id or run.run_id}/{kind}?after={after}")
        assert answer.status_code == status and answer.get_json()["error"]


def test_polling_returns_the_same_entries(client: FlaskClient, story: Story, run: RunSpec) -> None:
    story.tell(run, says("one"), says("two"))
    first = client.get(f"/api/runs/{run.run_id}/entries").get_json()
    story.end(run)
    rest = client.get(f"/api/runs/{run.run_id}/entries?after={first['entries'][0]['id']}").get_json()
    assert [one["text"] for one in first["entries"]] == ["one", "two"] and not first["over"]
    assert [one["text"] for one in rest["entries"]] == ["two", ""] and rest["over"]


def test_stream_stops_without_end_event_when_redis_becomes_unavailable(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with (tmp_path / "redis.log").open("wb") as log:
        process = embedded_redis.start(settings.redis_socket, log)
    with process, connect(settings, timeout=5.0, retries=0) as own:
        embedded_redis.wait_for(own, process)
        stream = _stream_of_one_entry(own)
        assert "retry" in next(stream) and "event: entry" in next(stream)
        process.terminate()
        process.wait(timeout=10)
        assert not any("event: end" in frame for frame in stream)


def test_stream_does_not_delay_the_shutdown(run: RunSpec, redis_server: str, tmp_path: Path) -> None:
    with serving(tmp_path, redis_server) as address, ExitStack() as pages:
        page = pages.enter_context(open_page(f"{address}/api/runs/{run.run_id}/events", timeout=10))
        assert page.readline() == b"retry: 2000\n"
        kept = pages.pop_all()
        asked = time.monotonic()
    with kept:
        assert time.monotonic() - asked < 5.0  # the grace period of this process


def _stream_of_one_entry(redis: Redis) -> Iterator[str]:
    story, spec = Story(redis), a_run(a_loop())
    story.runs.start(spec)
    story.tell(spec, says("one"))
    return follow(Runs(redis), spec.run_id, "0-0", heartbeat_seconds=0.1)


def test_stream_and_pages_stay_open_beside_more_silent_clients_than_the_limit(
    tmp_path: Path, redis_server: str, story: Story, run: RunSpec
) -> None:
    with serving(tmp_path, redis_server) as address, ExitStack() as open_pages:
        page = open_pages.enter_context(open_page(f"{address}/api/runs/{run.run_id}/events", timeout=10))
        assert page.readline() == b"retry: 2000\n"
        open_pages.enter_context(slow_clients(int(address.rpartition(":")[2]), 1100, "silent"))
        assert open_pages.enter_context(open_page(f"{address}/healthz", timeout=2)).status == 200
        story.tell(run, says("still here"))
        assert any(b"still here" in page.readline() for _ in range(10))
