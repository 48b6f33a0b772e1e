"""Building an environment on a home folder whose disk becomes full."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from integrations.errors import Paused
from jobs.config.settings import Settings
from jobs.roles.environment import prepare_environment
from tests.crash.disk import SmallDisk, can_mount, replay_in_namespace, small_disk
from tests.jobs.roles.test_environment import Shop, shop

__all__ = ["shop"]


@pytest.fixture
def settings(settings: Settings) -> Iterator[Settings]:
    """The home folder is a disk of its own."""
    with ExitStack() as stack:
        if can_mount():
            stack.enter_context(small_disk(settings.home, megabytes=100))
        yield settings


def test_environment_waits_for_space_when_setup_fills_the_disk_and_leaves_nothing(
    shop: Shop, request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    disk = SmallDisk(shop.world.settings.home)
    disk.fill(leave=20_000_000)
    run = shop.run(setup=("head -c 40000000 /dev/urandom > big && sync big",))
    with pytest.raises(Paused, match=r"cannot be built: the command wrote .*Free space on the disk"):
        prepare_environment(run, shop.base)
    assert shop.layers == [] and list(shop.world.settings.home.glob("environments/*/.new-*")) == []

    disk.free()
    assert shop.show(prepare_environment(run, shop.base), "stat -c %s big") == "40000000"
