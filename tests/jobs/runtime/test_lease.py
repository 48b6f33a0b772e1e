from __future__ import annotations

import time
from pathlib import Path

from jobs.config.settings import Settings
from jobs.runtime import keys
from jobs.runtime.connection import connect
from jobs.runtime.lease import LIFE_MS, hold
from service.supervisor import embedded_redis


def test_lease_released_while_redis_is_down_is_freed_on_reconnect(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with connect(settings, retries=0) as client:
        with embedded_redis.start(settings.redis_socket) as server:
            embedded_redis.wait_for(client, server)
            with hold(client, "t1") as lease:
                assert lease
                server.kill()
                server.wait()
        time.sleep(1)
        with embedded_redis.start(settings.redis_socket) as server:
            embedded_redis.wait_for(client, server)
            back, worst = time.monotonic(), LIFE_MS / 1000 / 3
            while client.exists(keys.lease("t1")):
                assert time.monotonic() - back < worst
                time.sleep(0.05)
            server.kill()
