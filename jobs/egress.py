"""The egress process: the proxy through which commands in the sandbox reach the hosts that their policy names.

Started by `python -m jobs egress`, once per machine. It has no credentials but those of the company's own proxy.
"""

from __future__ import annotations

import threading
from ipaddress import ip_network
from pathlib import Path

import structlog
from redis import Redis
from redis.exceptions import RedisError

from integrations.egress.authorities import write_authorities
from integrations.egress.dial import Dialer
from integrations.egress.policy import MEGABYTE, EgressLimits
from integrations.egress.server import create_folder, serve
from integrations.errors import Unavailable
from integrations.outbound import get_outbound, parse_proxy
from jobs.config.settings import Settings
from jobs.runtime.heartbeats import EGRESS, HEARTBEAT_SECONDS, remove_heartbeat, send_heartbeat

FOLDER = "egress"
"""The proxy's folder in LOOPLINE_HOME."""
_log = structlog.get_logger(__name__)


def run(settings: Settings, redis: Redis, stop: threading.Event) -> None:
    """Serve until `stop` is set. Waits while another process serves the same home folder."""
    folder = settings.home / FOLDER
    _write_authorities(folder)
    while not stop.is_set():
        try:
            serve(folder, build_dialer(settings), build_limits(settings), stop, lambda: _note_ready(redis, stop))
        except Unavailable as error:
            _log.warning("egress proxy waits", reason=str(error))
            stop.wait(HEARTBEAT_SECONDS)
    remove_heartbeat(redis, EGRESS)


def _write_authorities(folder: Path) -> None:
    try:
        create_folder(folder)
        write_authorities(get_outbound().find_bundle(), folder)
    except OSError as error:
        _log.error("certificate authorities not written", reason=str(error))


def _note_ready(redis: Redis, stop: threading.Event) -> None:
    threading.Thread(target=_send_heartbeats, args=[redis, stop], name="heartbeats", daemon=True).start()
    _log.info("working")


def _send_heartbeats(redis: Redis, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            send_heartbeat(redis, EGRESS)
        except (RedisError, OSError) as error:
            _log.warning("heartbeat failed", queue=EGRESS, error=str(error))
        stop.wait(HEARTBEAT_SECONDS)


def build_dialer(settings: Settings) -> Dialer:
    """The proxy's access to other hosts: direct, or through the company's proxy."""
    outbound = get_outbound()
    system = outbound.proxies.get("https") or outbound.proxies.get("http")
    return Dialer(
        networks=tuple(map(ip_network, settings.egress_networks)),
        proxy=parse_proxy(settings.egress_proxy.get_secret_value()) or system,
        no_proxy=outbound.no_proxy,
        ca_file=outbound.ca_file,
    )


def build_limits(settings: Settings) -> EgressLimits:
    """The limits of one command."""
    return EgressLimits(
        connections=settings.egress_connections,
        upload=settings.egress_upload_megabytes * MEGABYTE,
        download=settings.egress_download_megabytes * MEGABYTE,
    )
