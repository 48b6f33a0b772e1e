"""Probe of the notification targets: a test message to each of them, on request only, because people get it."""

from __future__ import annotations

from collections.abc import Iterator

from integrations.notifications import name_target, send
from integrations.ports.setup import Finding, found_ok, found_problem
from jobs.config.settings import Settings
from jobs.messages.notifications import TEST_BODY, TEST_TITLE


def probe_notifications(settings: Settings, *, send_test: bool) -> Iterator[Finding]:
    """Each target of each team by its scheme; a target of several teams is tested once."""
    tested: set[str] = set()
    for team, targets in settings.notify.items():
        subject = f"Notifications of {team}"
        urls = [one.get_secret_value() for one in (*targets.escalations, *targets.digest)]
        names = ", ".join(dict.fromkeys(map(name_target, urls))) or "no target"
        if not send_test:
            yield found_ok(subject, f"sent to {names}; loopline doctor --notify sends a test")
            continue
        for url in urls:
            if url not in tested:
                tested.add(url)
                yield _test(subject, url)


def _test(subject: str, url: str) -> Finding:
    sent, name = send(url, TEST_TITLE, TEST_BODY), name_target(url)
    if sent.outcome == "sent":
        return found_ok(subject, f"a test was sent to {name}")
    return found_problem(subject, f"a test could not be sent to {name}: {sent.reason}", "correct LOOPLINE_NOTIFY")
