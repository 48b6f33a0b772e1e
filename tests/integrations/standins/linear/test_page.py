"""The board page: what it shows, whom it lets act, and that a person can work with it in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.integrations.standins.linear.conftest import Linear

ATTACH = "mutation($input: AttachmentCreateInput!) { attachmentCreate(input: $input) { success } }"
REACT = "mutation($input: ReactionCreateInput!) { reactionCreate(input: $input) { success } }"


def test_a_title_is_text_and_never_markup(linear: Linear) -> None:
    linear.move("ENG-1", title="<script>alert(1)</script>")
    for path in ("/", "/_page/board", "/_page/issue/ENG-1"):
        text = requests.get(f"{linear.url}{path}", timeout=10).text
        assert "&lt;script&gt;alert(1)" in text
        assert "<script>alert" not in text


def test_the_page_loads_nothing_from_elsewhere(linear: Linear) -> None:
    answer = requests.get(linear.url, timeout=10)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert all(
        link.startswith(("/", "data:,", linear.url)) for link in re.findall(r'(?:href|src)="([^"]+)"', answer.text)
    )


def test_the_key_is_in_a_cookie_that_scripts_and_other_sites_cannot_use(linear: Linear) -> None:
    cookie = requests.get(linear.url, timeout=10).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_a_visitor_writes_as_the_first_person_and_can_become_another(linear: Linear) -> None:
    me = {"query": "{ viewer { name } }"}
    with requests.Session() as visitor:
        visitor.get(linear.url, timeout=10)
        assert (
            visitor.post(f"{linear.url}/graphql", json=me, timeout=10).json()["data"]["viewer"]["name"] == "Ana Silva"
        )
        visitor.post(f"{linear.url}/_page/person", data={"person": linear.user_id("ben@example.com")}, timeout=10)
        assert (
            visitor.post(f"{linear.url}/graphql", json=me, timeout=10).json()["data"]["viewer"]["name"] == "Ben Okafor"
        )


@pytest.mark.parametrize("email", ["loopline@oauthapp.linear.app"])
def test_nobody_becomes_the_app(linear: Linear, email: str) -> None:
    answer = requests.post(f"{linear.url}/_page/person", data={"person": linear.user_id(email)}, timeout=10)
    assert answer.status_code == 404


def test_a_form_of_another_site_cannot_write(linear: Linear) -> None:
    with requests.Session() as visitor:
        visitor.get(linear.url, timeout=10)
        form = {"query": 'mutation { issueDelete(id: "ENG-1") { success } }'}
        assert visitor.post(f"{linear.url}/graphql", data=form, timeout=10).status_code == 400
    assert linear.log() == []


def test_an_unknown_issue_is_404(linear: Linear) -> None:
    assert requests.get(f"{linear.url}/_page/issue/ENG-99", timeout=10).status_code == 404


# --- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=[1280, 800])
def page(browser: Browser, linear: Linear, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The board, opened; a page that complains fails the test."""
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": request.param, "height": 800})
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(linear.url)
    yield page
    page.close()
    assert complaints == []


def test_a_dragged_card_moves_the_issue(page: Page, linear: Linear) -> None:
    page.get_by_test_id("card-ENG-1").drag_to(page.get_by_test_id("column-Done"))
    expect(page.get_by_test_id("column-Done").get_by_test_id("card-ENG-1")).to_be_visible()
    document = '{ issue(id: "ENG-1") { state { name } } }'
    expect(page.get_by_label("Move ENG-1 to")).to_have_value(linear.state_id("Done"))
    assert linear.ask(document)["issue"]["state"]["name"] == "Done"


def test_a_card_moves_by_keyboard_too(page: Page) -> None:
    page.get_by_label("Move ENG-2 to").select_option(label="Done")
    expect(page.get_by_test_id("column-Done").get_by_test_id("card-ENG-2")).to_be_visible()


def test_an_opened_card_shows_its_text_links_and_talk(page: Page, linear: Linear) -> None:
    comment = linear.comment(token="lin_oauth_loop", body="**Done** with `ENG-1`")
    linear.ask(REACT, {"input": {"commentId": comment, "emoji": "eyes"}})
    link = {"issueId": "ENG-1", "url": "https://example.com/17", "title": "The pull request", "subtitle": "open"}
    linear.ask(ATTACH, {"input": link})
    page.get_by_role("link", name="Retry the export!").click()
    expect(page.get_by_test_id("description").locator("strong")).to_have_text("fails")
    expect(page.get_by_test_id("comment").locator("strong")).to_have_text("Done")
    expect(page.get_by_test_id("comment-author")).to_have_text("Loopline")
    expect(page.get_by_test_id("reaction")).to_have_text("👀 1")
    expect(page.get_by_test_id("attachment").get_by_role("link")).to_have_attribute("href", link["url"])
    expect(page.get_by_test_id("attachment")).to_contain_text("open")


def test_a_comment_is_sent_and_answers_appear_by_themselves(page: Page, linear: Linear) -> None:
    page.goto(f"{linear.url}/acme/issue/ENG-1/any-words")
    page.get_by_test_id("comment-box").fill("Please *hurry*")
    page.get_by_test_id("comment-send").click()
    expect(page.get_by_test_id("comment")).to_have_count(1)
    expect(page.get_by_test_id("comment-box")).to_have_value("")
    page.get_by_test_id("comment-box").fill("half a thou")
    linear.comment(token="lin_oauth_loop", body="On it")
    expect(page.get_by_test_id("comment")).to_have_count(2)
    expect(page.get_by_test_id("comment-box")).to_have_value("half a thou")


def test_a_person_reacts_to_a_comment_and_takes_it_back(page: Page, linear: Linear) -> None:
    comment = linear.comment(token="lin_oauth_loop", body="Needs you")
    linear.ask(REACT, {"input": {"commentId": comment, "emoji": "+1"}}, token="lin_oauth_loop")
    page.goto(f"{linear.url}/acme/issue/ENG-1")
    page.get_by_test_id("react").click()
    page.get_by_role("button", name="React with eyes").click()
    expect(page.get_by_test_id("reaction")).to_have_text(["👍 1", "👀 1"])
    expect(page.get_by_role("button", name="React with eyes")).to_be_hidden()
    seen = page.get_by_test_id("reaction").last
    expect(seen).to_have_attribute("aria-pressed", "true")
    expect(seen).to_have_attribute("title", "eyes by Ana Silva")
    seen.click()
    expect(page.get_by_test_id("reaction")).to_have_text(["👍 1"])
    page.get_by_test_id("reaction").click()
    expect(page.get_by_test_id("reaction")).to_have_text(["👍 2"])


def test_a_new_issue_appears_in_the_backlog(page: Page) -> None:
    page.get_by_role("button", name="New issue").click()
    page.get_by_label("Title").fill("From the page")
    page.get_by_role("button", name="Create issue").click()
    expect(page.get_by_test_id("column-Backlog").get_by_test_id("card-ENG-3")).to_be_visible()


def test_a_refused_write_is_said(page: Page, linear: Linear) -> None:
    page.get_by_role("link", name="Retry the export!").click()
    page.get_by_test_id("comment-box").fill(" ")
    page.get_by_test_id("comment-send").click()
    expect(page.get_by_role("status")).to_have_text("body should not be empty.")


def test_escape_closes_the_card(page: Page) -> None:
    page.get_by_role("link", name="Retry the export!").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
