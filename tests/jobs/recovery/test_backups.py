"""A Redis or a home folder from a backup: what was done since is not done again, and what was lost is made again."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import requests
from redis import Redis

from integrations.ports.tracker import Attachment
from integrations.results import Judgement
from integrations.values import Identifier, Ticket, TicketId
from jobs.clock import run as run_clock
from jobs.config.settings import Settings
from jobs.loop.board_memory import is_ahead, metadata_of
from jobs.loop.comments import Comments
from jobs.loop.state import Loop, PullRequestState, Stage
from jobs.recovery import older_redis
from jobs.runtime import epoch, keys, notices, queues
from jobs.runtime.epoch import Mark, compare
from jobs.runtime.lease import hold
from jobs.store.ledger import read_day_micro_usd, restore_day
from jobs.sweep import sweep
from tests.jobs import story
from tests.jobs.board import Board
from tests.jobs.story import BUG, in_review, said
from tests.loops import changed, loop_with

KNOWN = Mark("us", 50, "2026-11-26", 7_000_000)


@pytest.mark.parametrize(
    ("found", "known", "state"),
    [
        (None, None, "new"),
        (None, KNOWN, "empty"),
        (Mark("us", 49), KNOWN, "older"),
        (Mark("us", 0), KNOWN, "older"),
        (Mark("us", 50), KNOWN, "current"),
        (Mark("us", 51), KNOWN, "current"),
        (Mark("us", 9_000), KNOWN, "current"),
        (Mark("them", 50), KNOWN, "foreign"),
        (Mark("them", 51), KNOWN, "foreign"),
        (Mark("them", 1), None, "new home"),
    ],
)
def test_epoch_comparison(found: Mark | None, known: Mark | None, state: str) -> None:
    assert compare(found, known) == state


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"installation": "us"}', '{"number": 1, "x": 2}', "\x00"])
def test_epoch_file_that_is_damaged_counts_as_missing(settings: Settings, content: str) -> None:
    settings.home.mkdir()
    (settings.home / epoch.FILE).write_text(content)

    assert epoch.read_file(settings.home) is None


def test_epoch_is_raised_in_redis_and_in_the_home_folder(redis: Redis, settings: Settings) -> None:
    settings.home.mkdir()
    assert older_redis.prepare(redis, settings.home)
    for _ in range(3):
        older_redis.raise_epoch(redis, settings.home, 0.0)

    mark, known = epoch.read_mark(redis), epoch.read_file(settings.home)
    assert mark and known
    assert (known.installation, known.number) == (mark.installation, mark.number)
    assert older_redis.prepare(redis, settings.home)
    assert epoch.read_mark(redis) == mark


def test_redis_of_another_installation_is_neither_used_nor_changed(redis: Redis, settings: Settings) -> None:
    settings.home.mkdir()
    older_redis.prepare(redis, settings.home)
    (settings.home / epoch.FILE).write_text('{"installation": "us", "number": 5}')
    redis.set("loop:t1", "theirs")

    assert not older_redis.prepare(redis, settings.home)
    assert redis.get("loop:t1") == b"theirs"


def test_older_redis_is_forgotten_but_for_history_and_the_days_spending(redis: Redis, settings: Settings) -> None:
    settings.home.mkdir()
    redis.hset(keys.EPOCH, mapping={"installation": "us", "number": 20, "at": 5_000})
    (settings.home / epoch.FILE).write_text(
        '{"installation": "us", "number": 50, "day": "2026-11-26", "day_micro_usd": 7000000}'
    )
    for name in ("loop:t1", "mailbox:t1", "outbox:inner:t1", "outbox:outer:t1", "events:t1", "rebuilt", "wake:x"):
        redis.set(name, 1)
    for name in ("fence:t1", "transcript:r1", "seen:linear:id:1", "dead-letters", "rq:job:1", "index:branch:a/b:c"):
        redis.set(name, 1)
    redis.xadd(keys.INBOX, {"old": 1}, id="4000-0")
    redis.xadd(keys.INBOX, {"new": 1}, id="90000-0")
    restore_day(redis, "2026-11-26", 2_000_000)

    assert older_redis.prepare(redis, settings.home)
    assert older_redis.prepare(redis, settings.home)  # the second process finds nothing to do

    left = {key.decode() for key in redis.scan_iter()}
    assert left == {
        *("fence:t1", "transcript:r1", "seen:linear:id:1", "dead-letters", "rq:job:1", "index:branch:a/b:c"),
        *(keys.EPOCH, keys.INBOX, keys.day_ledger("2026-11-26"), keys.notice("redis")),
    }
    assert redis.xrange(keys.INBOX) == [(b"90000-0", {b"new": b"1"})]
    assert read_day_micro_usd(redis, "2026-11-26") == 7_000_000
    assert epoch.read_mark(redis) == Mark("us", 60)
    assert notices.list_notices(redis) == [older_redis.OLDER]


def test_empty_redis_keeps_the_days_spending(redis: Redis, settings: Settings) -> None:
    settings.home.mkdir()
    older_redis.prepare(redis, settings.home)
    restore_day(redis, "1970-01-01", 3_000_000)
    older_redis.raise_epoch(redis, settings.home, 0.0)
    redis.flushall()

    assert older_redis.prepare(redis, settings.home)

    assert read_day_micro_usd(redis, "1970-01-01") == 3_000_000
    assert epoch.read_mark(redis)


@pytest.fixture
def watched(settings: Settings) -> Iterator[None]:
    settings.home.mkdir()
    epoch.watch(settings.home)
    yield
    epoch._guard.__init__()  # type: ignore[misc]


@pytest.mark.usefixtures("watched")
def test_lease_is_refused_in_a_process_that_has_seen_a_newer_redis(redis: Redis) -> None:
    redis.hset(keys.EPOCH, mapping={"installation": "us", "number": 30})
    with hold(redis, "t1") as lease:
        assert lease
    for older in ({"installation": "us", "number": 29}, {"installation": "them", "number": 31}):
        redis.hset(keys.EPOCH, mapping=older)  # type: ignore[arg-type]
        with hold(redis, "t1") as lease:
            assert lease is None
        assert not redis.exists(keys.lease("t1"))
    redis.delete(keys.EPOCH)
    with hold(redis, "t1") as lease:
        assert lease is None
    redis.hset(keys.EPOCH, mapping={"installation": "us", "number": 30})
    with hold(redis, "t1") as lease:
        assert lease


def test_board_memory_is_ahead_of_an_older_loop_only() -> None:
    loop = loop_with(Ticket(id=TicketId("t1"), identifier=Identifier("ENG-1"), title="x"), generation=2, revision=1)
    spend = changed(loop.spend, usage=changed(loop.spend.usage, model_calls=5))
    loop = changed(loop, spend=spend, comments=Comments(last_at=100.0), pull_request=PullRequestState(number=3))
    newer = [
        changed(loop, generation=3),
        changed(loop, revision=2),
        changed(loop, pull_request=PullRequestState(number=4)),
        changed(loop, spend=changed(spend, usage=changed(spend.usage, model_calls=6))),
        changed(loop, comments=Comments(last_at=101.0)),
        changed(loop, generation=3, revision=0, comments=Comments()),
    ]

    assert not is_ahead(metadata_of(loop), loop)
    for other in newer:
        assert is_ahead(metadata_of(other), loop)
        assert not is_ahead(metadata_of(loop), other)
    assert not is_ahead({}, loop)
    assert not is_ahead({"generation": "999", "model_calls": "many"}, loop)


def written(board: Board) -> Counter[str]:
    """Everything that was created on the code host."""
    log = requests.get(f"{board.urls['pull_requests']}/_log", timeout=5).json()
    return Counter(entry["operation"] for entry in log if entry["actor"] == "loopline-bot")


def copy(redis: Redis) -> dict[bytes, bytes]:
    passing = (b"lease:", b"retry:")
    return {key: redis.dump(key) or b"" for key in redis.scan_iter() if not key.startswith(passing)}


def put_back(board: Board, backup: dict[bytes, bytes]) -> None:
    """The service is stopped, Redis and home folder are restored (with equal epochs), the service is started."""
    redis = board.world.redis
    redis.flushall()
    for key, value in backup.items():
        redis.restore(key, 0, value)
    board.world.compared.clear()


BACKUPS = {
    "making": lambda board: story.hand_over(board, BUG),
    "gating": story.gating,
    "checking": story.checking,
    "publishing": story.publishing,
}


@pytest.mark.parametrize("before", BACKUPS.values(), ids=BACKUPS)
def test_loop_from_a_backup_of_everything_repeats_nothing(board: Board, before: Callable[[Board], Loop]) -> None:
    loop = before(board)
    backup = copy(board.world.redis)
    board.world.redis.delete(keys.retry_at(loop.ticket.id))
    if loop.stage is Stage.MAKING:
        loop = story.finish(board, loop, head_sha=story.candidate(board, loop))
    if loop.stage is Stage.GATING:
        loop = story.finish(board, loop, evidence=story.passed(loop))
    if loop.stage is Stage.JUDGING:
        loop = story.finish(board, loop, judgement=Judgement(done=True))
    if loop.stage is Stage.CHECKING:
        loop = story.finish(board, loop, verdict=story.verdict(loop))
    after = board.drive(BUG)
    assert after
    assert after.stage is Stage.REVIEW
    host, words = written(board), said(board, BUG)

    put_back(board, backup)
    sweep()
    again = board.drive(BUG)

    assert again
    assert (again.stage, again.generation) == (Stage.REVIEW, after.generation)
    assert (written(board), said(board, BUG)) == (host, words)
    assert board.ana.board()[BUG]["column"] == "In Review"


def test_merge_that_a_backup_does_not_know_is_not_repeated(board: Board) -> None:
    in_review(board)
    backup = copy(board.world.redis)
    story.say(board, BUG, "/approve")
    story.say(board, BUG, "/merge")
    board.drive(BUG)
    host, words = written(board), said(board, BUG)
    assert board.ana.board()[BUG]["column"] == "Done"

    put_back(board, backup)
    sweep()
    loop = board.drive(BUG)

    assert loop
    assert loop.stage is Stage.DONE
    assert (written(board), said(board, BUG)) == (host, words)


@pytest.mark.parametrize("given", [{"repository": "acme/other"}, {"branch": "main"}, {"schema": 99}, {"criteria": "{"}])
def test_loop_is_kept_when_the_newer_board_memory_cannot_be_used(
    board: Board, given: dict[str, str | int | float]
) -> None:
    known = in_review(board)
    (memory,) = [a for a in board.world.tracker.attachments(known.ticket.id) if a.title == "Loopline"]
    odd = Attachment(memory.url, memory.title, "", {**memory.metadata, "generation": 9, **given})
    board.world.tracker.attach(known.ticket.id, odd)
    board.world.compared.clear()

    assert board.drive(BUG) == known


def test_ticket_handed_over_after_the_backup_of_everything_is_found(board: Board) -> None:
    board.world.redis.set(keys.REBUILT, 1)
    epoch.begin(board.world.redis, KNOWN)
    board.world.redis.hset(keys.EPOCH, "at", 1_000)
    backup = copy(board.world.redis)
    known = story.hand_over(board, BUG)

    put_back(board, backup)
    assert older_redis.prepare(board.world.redis, board.world.settings.home)
    sweep()
    loop = board.drive(BUG)

    assert loop
    assert (loop.stage, loop.generation) == (Stage.MAKING, known.generation + 1)


def test_candidate_that_is_lost_with_the_mirrors_is_made_again(board: Board) -> None:
    known = story.gating(board)
    shutil.rmtree(board.world.settings.home / "repos")
    board.world.compared.clear()

    loop = board.drive(BUG)

    assert loop
    assert (loop.stage, loop.generation) == (Stage.MAKING, known.generation + 1)
    assert (loop.candidate.head_sha, board.ana.board()[BUG]["column"]) == ("", "In Progress")


def test_comments_are_not_read_again_when_a_clock_jump_has_expired_the_known_events(board: Board) -> None:
    in_review(board)
    story.say(board, BUG, "/budget 1")
    loop = board.drive(BUG)
    assert loop
    board.world.redis.delete(keys.known_events(loop.ticket.id))

    sweep()
    again = board.drive(BUG)

    assert again
    assert again.spend.extra_usd == loop.spend.extra_usd == 1.0


def test_clock_forgets_an_older_redis_before_it_wakes_anything(redis: Redis, settings: Settings) -> None:
    settings.home.mkdir()
    redis.hset(keys.EPOCH, mapping={"installation": "us", "number": 20})
    (settings.home / epoch.FILE).write_text('{"installation": "us", "number": 50}')
    redis.sadd(keys.READY, "t1")
    redis.sadd(keys.RUNS, "r1")
    stop = _StopAfter(2)

    run_clock(settings, redis, stop)  # type: ignore[arg-type]

    jobs = [job.func_name for name in (queues.EVENTS, queues.AGENTS) for job in queues.open_queue(redis, name).jobs]
    assert set(jobs) == {queues.SWEEP, queues.REDELIVER, queues.INFORM}


class _StopAfter:
    """An event that is set after so many questions."""

    def __init__(self, questions: int) -> None:
        self._left = questions

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0

    def wait(self, timeout: float) -> bool:
        return self.is_set()
