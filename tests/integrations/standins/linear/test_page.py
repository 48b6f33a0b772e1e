"""The board page: its contents, its permissions, and its use in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import APIResponse, Browser, Page, Route, expect

from tests.integrations.standins.linear.conftest import Linear, state_id, user_id

HOSTILE = "<script>alert(1)</script> [x](javascript:alert(1)) [y](data:text/html,<script>alert(1)</script>)"
ME = {"query": "{ viewer { name } }"}


def test_title_description_and_comment_run_nothing(linear: Linear) -> None:
    linear.move("ENG-1", title=HOSTILE, description=HOSTILE)
    linear.comment(body=HOSTILE)
    for path in ("/", "/_page/board", "/_page/issue/ENG-1"):
        text = requests.get(f"{linear.url}{path}", timeout=10).text
        assert "&lt;script&gt;alert(1)" in text
        assert not re.search(r"<script>alert|href=\"(javascript|data):[^,]", text)


def test_page_loads_nothing_from_elsewhere_and_its_cookie_is_protected(linear: Linear) -> None:
    answer = requests.get(linear.url, timeout=10)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert all(flag in answer.headers["Set-Cookie"] for flag in ("HttpOnly", "SameSite=Strict"))
    links = re.findall(r'(?:href|src)="([^"]+)"', answer.text)
    assert all(link.startswith(("/", "data:,", linear.url)) for link in links)


def test_visitor_writes_as_the_first_person_and_can_become_another(linear: Linear) -> None:
    with requests.Session() as visitor:
        visitor.get(linear.url, timeout=10)
        names = [visitor.post(f"{linear.url}/graphql", json=ME, timeout=10).json()["data"]["viewer"]["name"]]
        visitor.post(f"{linear.url}/_page/person", data={"person": user_id("ben@example.com")}, timeout=10)
        names += [visitor.post(f"{linear.url}/graphql", json=ME, timeout=10).json()["data"]["viewer"]["name"]]
    assert names == ["Ana Silva", "Ben Okafor"]


def test_visitor_cannot_become_the_app(linear: Linear) -> None:
    form = {"person": user_id("loopline@oauthapp.linear.app")}
    assert requests.post(f"{linear.url}/_page/person", data=form, timeout=10).status_code == 404


def test_form_of_another_site_cannot_write(linear: Linear) -> None:
    with requests.Session() as visitor:
        visitor.get(linear.url, timeout=10)
        form = {"query": 'mutation { issueDelete(id: "ENG-1") { success } }'}
        assert visitor.post(f"{linear.url}/graphql", data=form, timeout=10).status_code == 400
    assert linear.log() == []


def test_unknown_issue_is_404(linear: Linear) -> None:
    assert requests.get(f"{linear.url}/_page/issue/ENG-99", timeout=10).status_code == 404


# --- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=[1280, 800])
def page(browser: Browser, linear: Linear, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The board, opened; an error on the console fails the test."""
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": request.param, "height": 800})
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(linear.url)
    yield page
    page.close()
    assert complaints == []


def test_card_that_is_dragged_moves_the_issue(page: Page, linear: Linear) -> None:
    page.get_by_test_id("card-ENG-1").drag_to(page.get_by_test_id("column-Done"))
    expect(page.get_by_test_id("column-Done").get_by_test_id("card-ENG-1")).to_be_visible()
    page.get_by_label("Move ENG-2 to").select_option(label="Done")
    expect(page.get_by_test_id("column-Done").get_by_test_id("card-ENG-2")).to_be_visible()
    expect(page.get_by_label("Move ENG-1 to")).to_have_value(state_id("Done"))
    assert linear.read("state { name }")["state"]["name"] == "Done"


def test_card_that_is_opened_shows_description_links_and_comments(page: Page, linear: Linear) -> None:
    comment = linear.comment(token="lin_oauth_loop", body="**Done** with `ENG-1`")
    linear.write("reactionCreate", input={"commentId": comment, "emoji": "eyes"})
    link = {"issueId": "ENG-1", "url": "https://example.com/17", "title": "The pull request", "subtitle": "open"}
    linear.write("attachmentCreate", input=link)
    page.get_by_role("link", name="Retry the export!").click()
    expect(page.get_by_test_id("description").locator("strong")).to_have_text("fails")
    expect(page.get_by_test_id("comment").locator("strong")).to_have_text("Done")
    expect(page.get_by_test_id("comment-author")).to_have_text("Loopline")
    expect(page.get_by_test_id("reaction")).to_have_text("👀 1")
    expect(page.get_by_test_id("attachment").get_by_role("link")).to_have_attribute("href", link["url"])
    expect(page.get_by_test_id("attachment")).to_contain_text("open")


def test_comment_is_sent_and_new_ones_appear(page: Page, linear: Linear) -> None:
    page.goto(f"{linear.url}/acme/issue/ENG-1/any-words")
    page.get_by_test_id("comment-box").fill("Please *hurry*")
    page.get_by_test_id("comment-send").click()
    expect(page.get_by_test_id("comment")).to_have_count(1)
    expect(page.get_by_test_id("comment-box")).to_have_value("")
    page.get_by_test_id("comment-box").fill("half a thou")
    linear.comment(token="lin_oauth_loop", body="On it")
    expect(page.get_by_test_id("comment")).to_have_count(2)
    expect(page.get_by_test_id("comment-box")).to_have_value("half a thou")


def test_answer_that_comes_late_does_not_replace_a_newer_one(page: Page, linear: Linear) -> None:
    page.goto(f"{linear.url}/acme/issue/ENG-1")
    expect(page.get_by_test_id("description")).to_be_visible()
    late: list[tuple[Route, APIResponse]] = []

    def hold_first(route: Route) -> None:
        if late:
            route.continue_()
        else:
            late.append((route, route.fetch()))

    page.route("**/_page/issue/ENG-1", hold_first)
    with page.expect_request("**/_page/issue/ENG-1"):
        linear.comment(body="First")
    while not late:
        page.wait_for_timeout(10)
    linear.comment(body="Second")
    page.wait_for_timeout(1_000)  # enough to show the second one, if the page did not wait for the answer
    route, answer = late[0]
    route.fulfill(response=answer)
    expect(page.get_by_test_id("comment")).to_have_count(2)


def test_reaction_is_added_and_removed(page: Page, linear: Linear) -> None:
    comment = linear.comment(token="lin_oauth_loop", body="Needs you")
    linear.write("reactionCreate", "lin_oauth_loop", input={"commentId": comment, "emoji": "+1"})
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


def test_issue_that_is_new_appears_in_the_backlog(page: Page) -> None:
    page.get_by_role("button", name="New issue").click()
    page.get_by_label("Title").fill("From the page")
    page.get_by_role("button", name="Create issue").click()
    expect(page.get_by_test_id("column-Backlog").get_by_test_id("card-ENG-3")).to_be_visible()


def test_refused_write_is_shown_and_escape_closes_the_card(page: Page) -> None:
    page.get_by_role("link", name="Retry the export!").click()
    page.get_by_test_id("comment-box").fill(" ")
    page.get_by_test_id("comment-send").click()
    expect(page.get_by_role("status")).to_have_text("body should not be empty.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
