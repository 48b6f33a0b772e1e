"""The dashboard's list of reviews that wait for people, and of merged lines without a review."""

from __future__ import annotations

import time

from flask.testing import FlaskClient

from integrations.values import Identifier
from jobs.loop.state import Stage
from jobs.loop.wait_state import WaitState
from jobs.store.merged_lines import MergedPullRequest, record_merged
from tests.service.dashboard.story import Story, a_loop

HOUR, DAY = 3_600.0, 86_400.0


def merge(story: Story, number: int, days_ago: float, lines: int, *, reviewed: bool = False) -> None:
    one = MergedPullRequest(
        number=number,
        identifier=Identifier(f"ENG-{number}"),
        at=time.time() - days_ago * DAY,
        lines=lines,
        reviewed=reviewed,
    )
    record_merged(story.redis, "acme/shop", one)


def fill(story: Story) -> None:
    now = time.time()
    link = "https://github.com/acme/shop/pull/{}"
    review = {"stage": Stage.REVIEW}
    story.remember(a_loop(7, number=41, url=link.format(41), shown_at=now - HOUR, **review))
    story.remember(a_loop(3, number=40, url=link.format(40), shown_at=now - 3 * DAY, **review))
    story.remember(a_loop(9, number=42, url="javascript:alert(1)", shown_at=now - DAY, **review))
    story.remember(a_loop(12, stage=Stage.WAITING, wait=WaitState(kind="reviews"), started_at=now - 60))
    merge(story, 1, 0.5, 1_200)
    merge(story, 2, 1, 300, reviewed=True)
    merge(story, 3, 8, 40)


def test_reviews_that_wait_are_listed_the_oldest_first(client: FlaskClient, story: Story) -> None:
    fill(story)

    (shown,) = client.get("/api/loops").get_json()["repositories"]

    assert shown["name"] == "acme/shop"
    assert [one["identifier"] for one in shown["reviews"]] == ["ENG-3", "ENG-9", "ENG-7"]
    assert [bool(one["url"]) for one in shown["reviews"]] == [True, False, True]
    assert (shown["held"], shown["weeks"], shown["merged_lines"]) == (["ENG-12"], [1_200, 40, 0, 0], 1_500)


def test_reviews_and_unreviewed_lines_are_on_the_page(client: FlaskClient, story: Story) -> None:
    fill(story)

    page = " ".join(client.get("/").text.split())

    assert "1,200 of 1,500 merged lines unreviewed in 7 days" in page and "40, 0, 0 in the weeks before" in page
    assert "Not started until there are fewer: ENG-12" in page and "javascript:alert" not in page


def test_repositories_without_reviews_are_not_on_the_page(client: FlaskClient, story: Story) -> None:
    story.remember(a_loop())

    assert client.get("/api/loops").get_json()["repositories"] == []
    assert 'data-testid="repositories"' not in client.get("/").text
