"""Files of ended runs on disk: removed by age and by size, the least recently used first, never those of a run."""

from __future__ import annotations

import os
import threading
import time
from io import StringIO
from pathlib import Path

import pytest
from redis import Redis

from integrations.disk import Disk
from integrations.errors import Paused
from jobs.config.settings import Settings
from jobs.runtime import keys
from jobs.runtime.disk import check_disk
from jobs.runtime.lease import hold
from jobs.runtime.run_folders import apply_bounds, describe_ended, list_ended, reclaim, watch_run_folders
from service.operator import reclaim_run_folders

DAY = 86_400
SIZE = 100_000


class Runs:
    """Folders of runs as agents leave them."""

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self.settings, self.redis = settings, redis
        redis.set(keys.REBUILT, 1)

    def make(self, ticket: str, run: str, *, days: float = 0.0, active: bool = False) -> Path:
        folder = self.settings.home / "runs" / ticket / run
        (folder / "tree").mkdir(parents=True)
        (folder / "work").mkdir()
        (folder / "tree" / "file").write_bytes(os.urandom(SIZE))
        when = time.time() - days * DAY
        for path in (folder / "tree", folder / "work", folder):
            os.utime(path, (when, when))
        if active:
            self.redis.sadd(keys.RUNS, run)
        return folder

    @property
    def left(self) -> set[str]:
        return {path.name for path in self.settings.home.glob("runs/[!.]*/*")}


@pytest.fixture
def runs(settings: Settings, redis: Redis) -> Runs:
    return Runs(settings, redis)


def bounds(runs: Runs, **fields: float) -> None:
    runs.settings = runs.settings.model_copy(update=fields)


def test_run_folders_of_forgotten_tickets_are_removed_after_their_age(runs: Runs) -> None:
    """Four tickets were stopped and forgotten; one was used yesterday, one waits in a backoff for a month."""
    for number in range(4):
        runs.make(f"ENG-{number}", f"ENG-{number}-g1-r0-i1-maker", days=8)
    runs.make("ENG-7", "ENG-7-g1-r0-i1-maker", days=1)
    runs.make("ENG-8", "ENG-8-g1-r0-i1-maker", days=30, active=True)

    removed = apply_bounds(runs.settings, runs.redis)

    assert [folder.ticket for folder in removed] == ["ENG-0", "ENG-1", "ENG-2", "ENG-3"]
    assert runs.left == {"ENG-7-g1-r0-i1-maker", "ENG-8-g1-r0-i1-maker"}


def test_run_folders_beyond_their_size_are_removed_least_recently_used_first(runs: Runs) -> None:
    for days, run in enumerate(("newest", "middle", "oldest")):
        runs.make("ENG-1", run, days=days)
    runs.make("ENG-2", "active", days=6, active=True)
    bounds(runs, run_gigabytes=2.5 * SIZE / 1e9)

    assert [folder.run_id for folder in apply_bounds(runs.settings, runs.redis)] == ["oldest"]
    assert runs.left == {"newest", "middle", "active"}


def test_run_folder_counts_as_used_when_a_command_has_run_in_it(runs: Runs) -> None:
    folder = runs.make("ENG-1", "old", days=30)
    (folder / "work" / "scratch").mkdir()
    assert apply_bounds(runs.settings, runs.redis) == [] and runs.left == {"old"}


def test_run_folder_of_a_gate_with_several_checkouts_belongs_to_its_run(runs: Runs) -> None:
    for end in ("", ".tree0", ".tree1"):
        runs.make("ENG-1", f"gate{end}", days=30, active=not end)
    assert reclaim(runs.settings.home, runs.redis, 0, time.time()) == []
    runs.redis.srem(keys.RUNS, "gate")
    assert len(reclaim(runs.settings.home, runs.redis, 0, time.time())) == 3


def test_run_folder_whose_run_an_agent_holds_or_that_can_continue_after_a_rebuild_stays(runs: Runs) -> None:
    runs.make("ENG-1", "held", days=30)
    with hold(runs.redis, "run:held") as lease:
        assert lease and apply_bounds(runs.settings, runs.redis) == []
    runs.redis.delete(keys.REBUILT)
    assert apply_bounds(runs.settings, runs.redis) == [] and list_ended(runs.settings.home, runs.redis) == []
    runs.redis.set(keys.REBUILT, 1)
    assert len(apply_bounds(runs.settings, runs.redis)) == 1


def test_run_folders_make_room_before_the_budget_of_the_disk_pauses_work(runs: Runs) -> None:
    runs.make("ENG-1", "old", days=3)
    runs.make("ENG-1", "active", days=6, active=True)
    bounds(runs, disk_gigabytes=1.5 * SIZE / 1e9)
    check_disk(Disk(runs.settings.home), runs.settings, runs.redis, begins=True)
    assert runs.left == {"active"}


def test_run_folder_that_is_still_being_deleted_does_not_count_and_an_agents_own_folder_of_that_name_does(
    runs: Runs,
) -> None:
    bounds(runs, disk_gigabytes=1.5 * SIZE / 1e9)
    being_deleted = runs.settings.home / "runs" / ".trash" / "1"
    being_deleted.mkdir(parents=True)
    (being_deleted / "file").write_bytes(os.urandom(2 * SIZE))
    check_disk(Disk(runs.settings.home), runs.settings, runs.redis, begins=True)

    hidden = runs.make("ENG-1", "active", active=True) / "tree" / ".trash"
    hidden.mkdir()
    (hidden / "file").write_bytes(os.urandom(2 * SIZE))
    runs.redis.delete(keys.DISK_USED)
    with pytest.raises(Paused, match="use their budget"):
        check_disk(Disk(runs.settings.home), runs.settings, runs.redis, begins=True)


def test_run_folders_are_removed_by_a_thread_of_the_agent_process(runs: Runs) -> None:
    runs.make("ENG-1", "old", days=30)
    stop = threading.Event()
    stop.set()
    watch_run_folders(runs.settings, runs.redis, stop)
    assert runs.left == set()


def test_reclaim_command_removes_ended_runs_now_and_status_names_what_is_kept(runs: Runs) -> None:
    assert describe_ended(runs.settings, runs.redis) == ""
    runs.make("ENG-1", "one", days=2)
    runs.make("ENG-2", "two", days=1)
    runs.make("ENG-2", "active", active=True)
    kept = describe_ended(runs.settings, runs.redis)
    assert kept.startswith("Files of ended runs: 2 folders, 0.2 MB, the oldest unused for 2.0 days.")
    assert kept.endswith("They are removed after 7 days or beyond 5 GB, or by `loopline reclaim`.")

    out = StringIO()
    assert reclaim_run_folders(runs.settings, runs.redis, out, "ENG-2") == 0
    assert out.getvalue().startswith("ENG-2     two  0.1 MB\n1 folders removed, 0.1 MB.") and runs.left == {
        "one",
        "active",
    }
    assert reclaim_run_folders(runs.settings, runs.redis, out, "") == 0 and runs.left == {"active"}
