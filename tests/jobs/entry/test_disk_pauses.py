"""Runs on a home folder whose disk is full, nearly full, or whose budget is used up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis

from integrations.disk import read_disk
from integrations.environments.store import EnvironmentStore, Layer
from integrations.errors import Paused
from integrations.events import UNTIL_RESOLVED
from jobs.config.environment import parse_settings
from jobs.config.settings import Settings
from jobs.effects.world import World
from jobs.runtime import keys
from jobs.runtime.disk import check_disk, compute_budget, compute_room, find_problem
from tests.crash.disk import SmallDisk, can_mount, replay_in_namespace, small_disk
from tests.jobs.entry.test_advance_run import agent, base, begin, events, finished, model, slices
from tests.jobs.model_runs import Model

__all__ = ["agent", "base", "model"]


@pytest.fixture
def settings(settings: Settings) -> Iterator[Settings]:
    """The home folder is a disk of its own."""
    with ExitStack() as stack:
        if can_mount():
            stack.enter_context(small_disk(settings.home, megabytes=50))
        yield settings


@pytest.fixture
def disk(settings: Settings) -> SmallDisk:
    return SmallDisk(settings.home)


@pytest.mark.parametrize("share", [0.92, 1.0])
def test_disk_that_is_nearly_full_parks_a_new_run_until_there_is_space(
    share: float, agent: World, base: str, model: Model, disk: SmallDisk, request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    spec = begin(agent, base)
    disk.fill_to(share)
    slices(agent, spec, 3)
    (parked,) = events(agent.redis, "RunParked")
    assert parked["until"] == UNTIL_RESOLVED and str(disk.folder) in parked["reason"]
    assert not model.log() and events(agent.redis, "RunFinished") == []
    assert find_problem(agent.settings, agent.redis) == read_disk(disk.folder).sentence != ""

    disk.free()
    agent.disk._read_at = -1.0
    slices(agent, spec)
    assert finished(agent.redis).outcome == "done"
    assert [event["until"] for event in events(agent.redis, "RunParked")] == [UNTIL_RESOLVED, 0]


def test_disk_that_is_nearly_full_lets_a_run_continue_that_has_begun(
    agent: World, base: str, disk: SmallDisk, request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    spec = begin(agent, base)
    agent.run_folder("ENG-1", spec.run_id).mkdir(parents=True)
    disk.fill_to(0.92)
    slices(agent, spec)
    assert finished(agent.redis).outcome == "done" and events(agent.redis, "RunParked") == []


def test_disk_that_is_full_parks_the_gate_too(
    agent: World, base: str, disk: SmallDisk, request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    spec = begin(agent, base, role="gate")
    disk.fill()
    slices(agent, spec)
    disk.free()
    agent.disk._read_at = -1.0
    slices(agent, spec)
    assert (finished(agent.redis).role, finished(agent.redis).outcome) == ("gate", "done")
    assert [event["until"] for event in events(agent.redis, "RunParked")] == [UNTIL_RESOLVED, 0]


def test_disk_budget_that_is_used_up_pauses_new_runs_and_names_the_setting(redis: Redis, tmp_path: Path) -> None:
    redis.delete(keys.DISK_USED)
    small = parse_settings({"LOOPLINE_HOME": str(tmp_path), "LOOPLINE_DISK_GIGABYTES": "0.001"})
    healthy = read_disk(tmp_path)
    check_disk(healthy, small, redis, begins=True)
    (tmp_path / "repos").mkdir()
    (tmp_path / "repos" / "pack").write_bytes(b"x" * 2_000_000)
    redis.delete(keys.DISK_USED)
    assert compute_room(small, redis) < 0
    with pytest.raises(Paused, match=r"use their budget of 0.001 GB: no new run starts.*LOOPLINE_DISK_GIGABYTES"):
        check_disk(healthy, small, redis, begins=True)
    assert "LOOPLINE_DISK_GIGABYTES" in find_problem(small, redis)
    check_disk(healthy, small, redis, begins=False)
    (tmp_path / "repos" / "pack").unlink()
    check_disk(healthy, small, redis, begins=True)
    assert find_problem(small, redis) == ""


def test_disk_budget_counts_environments_and_images_and_each_base_tree_once(redis: Redis, tmp_path: Path) -> None:
    redis.delete(keys.DISK_USED)
    own = Settings(home=tmp_path, disk_gigabytes=1.0)
    tree = tmp_path / "trees/acme__shop" / ("a" * 40)
    for folder in ("environments/acme__shop/d/tree", "images/node22/d/root"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").write_bytes(bytes(10_000_000))
    (tree / "tree").mkdir(parents=True)
    (tree / "uses").mkdir()
    (tree / "tree/file").write_bytes(bytes(10_000_000))
    (tree / "bytes").write_text("10000000")

    assert 1_000_000_000 - compute_room(own, redis) == pytest.approx(30_000_000, abs=300_000)


def test_disk_budget_that_is_used_up_evicts_unused_environments_least_recently_used_first(
    redis: Redis, tmp_path: Path
) -> None:
    own = Settings(home=tmp_path, disk_gigabytes=0.025)
    store = EnvironmentStore(tmp_path / "environments")
    layers = [_install(store, digest, 10_000_000) for digest in ("old", "used", "new")]
    for number, layer in enumerate(layers):
        os.utime(layer.path / "lock", (number, number))
    redis.delete(keys.DISK_USED)
    with store.hold(layers[0]):
        os.utime(layers[0].path / "lock", (0, 0))
        check_disk(read_disk(tmp_path), own, redis, begins=True)

    assert {layer.digest for layer in store.list_layers()} == {"old", "new"}


def _install(store: EnvironmentStore, digest: str, size: int) -> Layer:
    draft = store.draft("acme/shop", digest)
    (draft / "tree").mkdir(parents=True)
    (draft / "tree/file").write_bytes(bytes(size))
    return store.publish(draft, Layer(store.place("acme/shop", digest), "acme/shop", digest, "family", size=size))


def test_disk_budget_is_a_share_of_the_disk_by_default(disk: SmallDisk, request: pytest.FixtureRequest) -> None:
    if replay_in_namespace(request):
        return
    assert compute_budget(Settings(home=disk.folder)) == pytest.approx(30 * 2**20, abs=2**20)
    assert compute_budget(Settings(home=disk.folder, disk_gigabytes=2.5)) == 2_500_000_000


def test_disk_budget_counts_space_that_was_lost_since_the_last_measurement(
    redis: Redis, disk: SmallDisk, request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    redis.delete(keys.DISK_USED)
    own = Settings(home=disk.folder)
    before = compute_room(own, redis)
    (disk.folder / "runs").mkdir()
    (disk.folder / "runs" / "x").write_bytes(bytes(10_000_000))
    assert before - compute_room(own, redis) == pytest.approx(10_000_000, abs=100_000)
