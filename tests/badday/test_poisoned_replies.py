"""One ticket whose model replies cannot be used, beside healthy tickets, on the real service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.standins.demo.person import Ana
from jobs.store.breaker import current_outage
from tests.crash.stack import FragileStack, free_ports

pytestmark = pytest.mark.timeout(240)
POISONED, HEALTHY, VAGUE = "ENG-1", "ENG-2", "ENG-3"
TITLE = "Shares lose a cent when an amount does not divide evenly"
MAKER = "bug"  # the playbook of that ticket's maker


@pytest.fixture
def stack(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FragileStack]:
    extra: dict[str, str] = getattr(request, "param", {})
    with FragileStack(tmp_path / "demo", free_ports(23_000), latency=0.05, extra=extra) as started:
        yield started


def until(stack: FragileStack, what: Callable[[], Any], seconds: float = 90) -> None:
    """Wait until `what` is true; the breaker must stay closed all the time."""
    deadline = time.monotonic() + seconds
    with stack.redis() as redis:
        while not what():
            assert (outage := current_outage(redis)) is None, outage
            assert time.monotonic() < deadline, f"nothing came of it within {seconds:.0f} s"
            time.sleep(0.2)


def restart(stack: FragileStack, extra: dict[str, str]) -> None:
    """Start the service again, with other settings."""
    stack.extra = extra
    _, service = stack._processes[-1]
    service.terminate()
    service.wait(60)
    deadline = time.monotonic() + 60
    while True:
        with suppress(requests.RequestException):
            if requests.get(f"{stack.urls['web']}/readyz", timeout=2).ok:
                return
        assert time.monotonic() < deadline, "the service is not ready"
        time.sleep(0.2)


def escalations(ana: Ana, identifier: str) -> list[str]:
    return [c["body"] for c in ana.board()[identifier]["comments"] if c["body"].startswith("**Needs you:")]


def calls(stack: FragileStack, fault: str) -> list[dict[str, Any]]:
    return [entry for entry in stack.log("model") if entry["input"]["fault"] == fault]


def test_poisoned_ticket_escalates_once_and_the_others_reach_their_end(stack: FragileStack) -> None:
    ana, begun = Ana(stack), time.monotonic()
    stack.misbehave("model", kind="call_without_id", operation=MAKER, times=1)
    stack.misbehave("model", kind="bad_utf8", operation=MAKER, times=1_000)
    for identifier in (POISONED, HEALTHY, VAGUE):
        ana.drag(identifier, "Agent")

    until(stack, lambda: ana.board()[POISONED]["column"] == "Needs Human")
    until(stack, lambda: ana.board()[HEALTHY]["column"] == "In Review")
    until(stack, lambda: any("acceptance criteria" in c["body"] for c in ana.board()[VAGUE]["comments"]))

    assert time.monotonic() - begun < 60
    (call,) = escalations(ana, POISONED)
    assert call.startswith("**Needs you: infrastructure problem.**") and "reply" in call and "3 model calls" in call
    poisoned = [len(calls(stack, kind)) for kind in ("call_without_id", "bad_utf8")]
    assert poisoned == [1, 2], "each is a retry of one run"
    assert "$0.00" not in call


@pytest.mark.long
def test_poisoned_usage_and_text_end_no_ticket(stack: FragileStack) -> None:
    ana = Ana(stack)
    for kind in ("no_usage", "usage_huge", "surrogate_text"):
        stack.misbehave("model", kind=kind, operation=TITLE, times=1)
    ana.drag(POISONED, "Agent")
    until(stack, lambda: ana.board()[POISONED]["column"] == "In Review")
    assert not escalations(ana, POISONED)
    assert any("estimated)" in c["body"] for c in ana.board()[POISONED]["comments"])


@pytest.mark.long
@pytest.mark.parametrize("stack", [{"LOOPLINE_MAKER_MODEL": "gpt-17"}], indirect=True)
def test_model_that_does_not_exist_is_one_escalation_per_ticket_and_costs_no_call(stack: FragileStack) -> None:
    ana = Ana(stack)
    for identifier in (POISONED, HEALTHY):
        ana.drag(identifier, "Agent")
    until(stack, lambda: all(ana.board()[i]["column"] == "Needs Human" for i in (POISONED, HEALTHY)))

    for identifier in (POISONED, HEALTHY):
        (call,) = escalations(ana, identifier)
        assert "LOOPLINE_MAKER_MODEL" in call and "gpt-17" in call and "nothing yet" in call
    assert {entry["input"]["playbook"] for entry in stack.log("model")} == {"scout"}
    log = (stack.service_home / "logs" / "agent-1.log").read_text()
    assert "model check failed" in log and "LOOPLINE_MAKER_MODEL" in log

    restart(stack, {})
    ana.say(POISONED, "/retry")
    until(stack, lambda: ana.board()[POISONED]["column"] == "In Review")
    assert not any("attempt 2" in c["body"] for c in ana.board()[POISONED]["comments"])


@pytest.mark.long
def test_conversation_that_the_provider_always_fails_stops_no_other_ticket(stack: FragileStack) -> None:
    ana = Ana(stack)
    stack.misbehave("model", kind="500", operation=TITLE, times=1_000)
    for identifier in (POISONED, HEALTHY):
        ana.drag(identifier, "Agent")
    until(stack, lambda: ana.board()[HEALTHY]["column"] == "In Review")
    until(stack, lambda: any("Waiting until" in c["body"] for c in ana.board()[POISONED]["comments"]))
    assert not escalations(ana, POISONED), "a provider that is unavailable fails no run"
