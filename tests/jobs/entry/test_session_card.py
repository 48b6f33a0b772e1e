"""A person works with Loopline in the agent session on the card, in a browser: delegate, steer, choose, stop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from jobs.loop.state import Stage
from tests.jobs.live_sessions import Live
from tests.jobs.story import BUG, finish, looked_around


@pytest.fixture
def card(browser: Browser, live: Live) -> Iterator[Page]:
    """The opened card."""
    page = browser.new_page(viewport={"width": 1100, "height": 1000})
    page.goto(f"{live.board.urls['board']}/acme/issue/{BUG}")
    yield page
    page.close()


@contextmanager
def written(card: Page) -> Iterator[None]:
    """Wait until the board has answered the write of the block: its webhooks are scheduled then."""
    with card.expect_response("**/graphql"):
        yield


def test_card_delegates_steers_and_stops(card: Page, live: Live) -> None:
    with written(card):
        card.get_by_label("Delegate").select_option(label="Loopline")
    expect(card.get_by_test_id("session-state")).to_have_text("pending")
    loop = live.arrive()
    assert loop
    loop = looked_around(live.board, loop)
    expect(card.get_by_test_id("session-state")).to_have_text("active")
    expect(card.get_by_test_id("session-link")).to_have_text("Open Loopline")
    expect(card.get_by_test_id("session-current")).to_have_text("Working · attempt 1, iteration 1")
    expect(card.get_by_test_id("session-plan").get_by_role("listitem").first).to_have_text(
        "☑ Agree on acceptance criteria"
    )
    card.get_by_test_id("session-reply").fill("Please keep the tests.")
    with written(card):
        card.get_by_test_id("session-reply").press("Enter")
    expect(card.get_by_test_id("comment-body").last).to_have_text("Please keep the tests.")
    steered = live.arrive()
    assert steered
    assert [one.text for one in steered.comments.pending] == ["Please keep the tests."]
    with written(card):
        card.get_by_test_id("session-stop").click()
    expect(card.get_by_test_id("session-current")).to_have_count(0)
    stopped = live.arrive()
    assert stopped
    assert (stopped.stage, live.board.world.runs.must_stop(loop.run_id)) == (Stage.STOPPED, True)
    expect(card.get_by_test_id("session-state")).to_have_text("complete")
    expect(card.get_by_test_id("comment-body").last).to_contain_text("Stopped:")


def test_card_offers_the_choices_of_an_escalation(card: Page, live: Live) -> None:
    loop = looked_around(live.board, live.delegate())
    finish(live.board, loop, outcome="budget", at=time.time())
    expect(card.get_by_test_id("session-state")).to_have_text("awaitingInput")
    with written(card):
        card.get_by_role("button", name="Add $3 and continue").click()
    expect(card.get_by_test_id("session-choice")).to_have_count(0)
    again = live.arrive()
    assert again
    assert (again.spend.extra_usd, again.generation) == (3.0, 2)
