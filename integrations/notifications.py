"""Sends notifications through apprise: to Slack, e-mail, Teams and about a hundred other services.

A target is a URL that holds secrets: neither it nor apprise's own log lines are shown. People see its scheme.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from integrations.failpoints import fail
from integrations.settings import is_loopback

if TYPE_CHECKING:
    from apprise import NotifyBase

LONGEST_TITLE, LONGEST_BODY = 250, 20_000
LONGEST_TIMEOUT = 10.0
"""Seconds for a connection, and for a response; a URL can set less with `cto` and `rto`."""
Outcome = Literal["sent", "failed", "unknown"]
_SECRET_PART = re.compile(r"[A-Za-z0-9_~+-]{16,}")
_CERTAINLY_SECRET = 32
"""Characters; no host and no account has a name of that length in one part."""
_AMBIGUOUS = re.compile(
    r"read timed out|read operation timed out|(?<!connection to )\btimed out\b(?!.*connect timeout)"
    r"|connection aborted|remotedisconnected|connection reset|connection unexpectedly closed",
    re.IGNORECASE,
)
"""In apprise's log of a failed attempt: the request was sent, and its response is missing."""
_STATUS = re.compile(r"error=(\d{3})|Exception: \((\d{3}),")
"""The status of an HTTP response, or of one of an SMTP server."""


@dataclass(frozen=True)
class Sent:
    """Result of one attempt. unknown: the service may have the message, so that another attempt could duplicate it."""

    outcome: Outcome
    reason: str = ""


def name_target(url: str) -> str:
    """The scheme of a target, which is safe to show."""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]{0,30})://", url)
    return scheme[1].lower() if scheme else "an unknown scheme"


def identify_target(url: str) -> str:
    """An id of the target that does not reveal it: 12 hex digits."""
    return sha256(url.encode()).hexdigest()[:12]


def list_secrets(url: str) -> frozenset[str]:
    """The URL and the parts of it that look like a token or password, for the logs to redact."""
    rest = url.partition("://")[2]
    parts = [one for one in _SECRET_PART.findall(rest) if any(map(str.isdigit, one)) and one != one.lower()]
    parts += [one for one in _SECRET_PART.findall(rest) if len(one) >= _CERTAINLY_SECRET]
    credentials = re.match(r"[^:/@]*:([^/@]{8,})@", rest)
    return frozenset({url, *parts, *(credentials.groups() if credentials else ())})


def check_target(url: str) -> None:
    """Raise `ValueError`, without the URL, for a target that apprise does not know or that is not encrypted."""
    name = name_target(url)
    if not re.fullmatch(r"[!-~]{1,4096}", url):
        raise ValueError("it is no URL of one line without white space; write one such as slack://... or mailtos://...")
    target = _build(url)
    if target is None:
        raise ValueError(f"apprise does not accept this address of {name}; see its documentation for the form")
    if len(target) > 1:
        raise ValueError(
            f"it is an address of {name} with several recipients; write one for each, so that a retry repeats nothing"
        )
    if is_loopback(_find_host(target)):
        return
    is_secure = target.secure or (target.secure_protocol and not target.protocol)
    if not is_secure or getattr(target, "secure_mode", "") == "insecure":
        raise ValueError(f"it is an address of {name} without TLS to another host; write {_name_secure(target)}")
    if not target.verify_certificate:
        raise ValueError(f"it is an address of {name} with verify=no; remove that, and set LOOPLINE_CA_FILE if needed")


def find_plain_address(url: str) -> str:
    """The address of a target of this machine that is sent to over HTTP without TLS, empty for any other. An HTTP proxy
    must not get it."""
    target = _build(url)
    is_plain = target is not None and not target.secure and not hasattr(target, "smtp_host")
    host = _find_host(target) if target is not None and is_plain else ""
    return f"http://{f'[{host}]' if ':' in host else host}/" if is_loopback(host) else ""


def _find_host(target: NotifyBase) -> str:
    return str(getattr(target, "smtp_host", "") or target.host or "")


def send(url: str, title: str, body: str) -> Sent:
    """One attempt to send a plain text. Takes seconds at most; raises nothing."""
    from apprise import Apprise, NotifyFormat

    target = _build(url)
    if target is None:
        return Sent("failed", "apprise does not accept the address")
    service = Apprise()
    service.add(target)
    fail("notification.send", "before")
    with _capture_log() as lines:
        is_sent = service.notify(title=title[:LONGEST_TITLE], body=body[:LONGEST_BODY], body_format=NotifyFormat.TEXT)
    fail("notification.send", "done")
    return Sent("sent") if is_sent else _explain("\n".join(lines))


def _explain(log: str) -> Sent:
    """The reason in words of Loopline: apprise's lines can hold the URL, and the response of a service."""
    if found := _STATUS.search(log):
        return Sent("failed", f"it responded with status {found[1] or found[2]}")
    if _AMBIGUOUS.search(log):
        return Sent("unknown", "its response is missing")
    return Sent("failed", "it cannot be reached" if "Exception" in log else "it did not accept the message")


def _name_secure(target: NotifyBase) -> str:
    """The scheme with TLS of the same service, if it has one."""
    secure = target.secure_protocol
    name = secure if isinstance(secure, str) or not secure else secure[0]
    return f"{name}://" if name else "a target of another service"


def _build(url: str) -> NotifyBase | None:
    """The target with Loopline's rules in place of those that the URL can set: no retries, no redirects, a timeout."""
    from apprise import Apprise, AppriseAsset, OverflowMode

    asset = AppriseAsset(app_id="Loopline", app_desc="Loopline", app_url="", plugin_paths=[], http_redirects=False)
    with _capture_log():
        target = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if target is None or isinstance(target, str):
        return None
    target.retry, target.redirects, target.optional = 0, False, False
    target.overflow_mode = OverflowMode.TRUNCATE
    target.socket_connect_timeout = min(target.socket_connect_timeout or LONGEST_TIMEOUT, LONGEST_TIMEOUT)
    target.socket_read_timeout = min(target.socket_read_timeout or LONGEST_TIMEOUT, LONGEST_TIMEOUT)
    return target


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _capture_log() -> Iterator[list[str]]:
    """Keep apprise's log lines, which hold URLs, in memory and out of every log of this process."""
    logger, handler = logging.getLogger("apprise"), _Lines()
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
