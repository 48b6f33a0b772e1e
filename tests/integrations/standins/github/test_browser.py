"""A person in Chromium: reads, reviews, merges, and sees what others do without a reload."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.integrations.standins.github.world import SHOP, World


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_context().new_page()
    page.set_default_timeout(20_000)
    yield page
    page.context.close()


def test_a_person_reviews_and_merges(github: World, page: Page) -> None:
    github.pull()
    page.goto(github.url)
    page.get_by_test_id("pr-row").get_by_role("link").click()
    expect(page.get_by_test_id("pr-title")).to_have_text("Fix add")
    expect(page.get_by_test_id("diff")).to_contain_text("return a + b")
    page.get_by_test_id("review-text").fill("Good")
    page.get_by_test_id("approve").click()
    expect(page.get_by_test_id("timeline-item").last).to_contain_text("approved these changes")
    page.get_by_test_id("merge").click()
    expect(page.get_by_test_id("pr-state")).to_have_text("Merged")
    assert github.person().get(f"{SHOP}/pulls/1").json()["merged_by"]["login"] == "ada"


def test_what_others_do_appears_and_what_is_typed_stays(github: World, page: Page) -> None:
    sha = github.pull()["head"]["sha"]
    page.goto(f"{github.url}/acme/shop/pull/1")
    page.get_by_test_id("review-text").fill("Half a sen")
    github.bot().post(f"{SHOP}/statuses/{sha}", json={"state": "success", "context": "loopline/contract"})
    expect(page.get_by_test_id("status")).to_contain_text("loopline/contract", timeout=15_000)
    expect(page.get_by_test_id("review-text")).to_have_value("Half a sen")


def test_choosing_a_person_is_enough(github: World, page: Page) -> None:
    github.pull(by="bob")
    page.goto(f"{github.url}/acme/shop/pull/1")
    page.get_by_test_id("person").select_option("bob")
    expect(page.get_by_test_id("review-box")).to_contain_text("Review as bob")
    expect(page.get_by_test_id("approve")).to_have_count(0)


def test_a_page_with_a_refusal_stays_alive(github: World, page: Page) -> None:
    github.pull()
    page.goto(f"{github.url}/acme/shop/pull/1")
    page.get_by_test_id("request-changes").click()
    expect(page.get_by_test_id("problem")).to_contain_text("can not be blank")
    github.person("bob").post(f"{SHOP}/issues/1/comments", json={"body": "Still there?"})
    expect(page.get_by_test_id("timeline-item").last).to_contain_text("Still there?", timeout=15_000)
