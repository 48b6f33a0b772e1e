"""The pages: contents, permissions, hostile text, and their use in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.integrations.standins.github.world import SHOP, World

PAGE = "/acme/shop/pull/1"
ATTACK = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>[x](javascript:alert(1)) [y](data:text/html,z)<!-- mark -->"
)


def visit(github: World, login: str) -> requests.Session:
    """The browser of a person."""
    browser = github.caller()
    browser.cookies.set("github_person", login)
    return browser


def press(github: World, login: str, action: str, **form: str) -> requests.Response:
    return visit(github, login).post(f"{PAGE}/{action}", data=form)


@pytest.mark.parametrize("path", ["/", "/acme/shop/pulls"])
def test_list_links_to_visible_pull_requests(github: World, path: str) -> None:
    github.pull()
    assert f'href="{PAGE}"' in visit(github, "eve").get(path).text
    assert "Fix add" not in visit(github, "mal").get(path).text


def test_button_performs_the_operation_as_the_chosen_person(github: World) -> None:
    github.pull()
    press(github, "eve", "comment", body="Hello\r\nyou")
    press(github, "ada", "request_changes", body="No")
    press(github, "ada", "approve", body="")
    assert github.person().get(f"{SHOP}/issues/1/comments").json()[0]["body"] == "Hello\nyou"
    reviews = github.person().get(f"{SHOP}/pulls/1/reviews").json()
    states = [(one["user"]["login"], one["state"]) for one in reviews]
    assert states == [("ada", "CHANGES_REQUESTED"), ("ada", "APPROVED")]
    assert 'data-testid="reopen"' in press(github, "ada", "close").text
    assert 'data-testid="close"' in press(github, "ada", "reopen").text


def test_merge_button_merges_the_head_that_was_shown(github: World) -> None:
    old = github.pull()["head"]["sha"]
    new = github.push("fix", "# newer\n")
    refused = press(github, "ada", "merge", sha=old)
    assert (refused.status_code, "Head branch was modified" in refused.text) == (409, True)
    assert "merged this" in press(github, "ada", "merge", sha=new, method="squash").text


def test_refusal_keeps_the_text(github: World) -> None:
    github.pull(by="bob")
    page = press(github, "bob", "request_changes", body="My own words")
    assert (page.status_code, "your own pull request" in page.text) == (422, True)
    assert "My own words</textarea>" in page.text


def test_button_needs_permission_and_this_site(github: World) -> None:
    github.pull()
    assert press(github, "eve", "merge").status_code == 403
    assert press(github, "mal", "comment", body="Hi").status_code == 404
    foreign = visit(github, "ada").post(f"{PAGE}/merge", headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403
    assert not github.person().get(f"{SHOP}/pulls/1").json()["merged"]


@pytest.mark.parametrize(("back", "to"), [("/acme/shop/pulls", "/acme/shop/pulls"), ("//evil.example", "/")])
def test_person_can_be_chosen(github: World, back: str, to: str) -> None:
    form = {"login": "eve", "back": back}
    answer = github.caller().post("/_person", data=form, allow_redirects=False)
    assert (answer.cookies["github_person"], answer.headers["Location"]) == ("eve", to)


def test_hostile_text_runs_nothing(github: World) -> None:
    github.pull(title=ATTACK, body=ATTACK)
    press(github, "ada", "comment", body=ATTACK)
    page = visit(github, "ada").get(PAGE)
    for part in ("<script>alert", "<img", 'href="javascript', 'href="data:text', "<!-- mark"):
        assert part not in page.text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]


def test_comment_on_a_line_is_shown_in_the_diff(github: World) -> None:
    github.pull()
    line = {"path": "calc.py", "line": 2, "body": "On this line"}
    github.person().post(f"{SHOP}/pulls/1/reviews", json={"event": "COMMENT", "comments": [line]})
    page = visit(github, "ada").get(PAGE).text
    assert page.count("On this line") == 2
    assert '<tr class="note">' in page


@pytest.mark.parametrize("path", ["/acme/shop/pull/9", "/acme/none/pulls"])
def test_unknown_page_is_404(github: World, path: str) -> None:
    assert visit(github, "ada").get(path).status_code == 404


# --- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_context().new_page()
    page.set_default_timeout(20_000)
    yield page
    page.context.close()


def test_person_reviews_and_merges(github: World, page: Page) -> None:
    github.pull()
    page.goto(github.url)
    page.get_by_test_id("pr-row").get_by_role("link").click()
    expect(page.get_by_test_id("pr-title")).to_have_text("Fix add")
    expect(page.get_by_test_id("diff")).to_contain_text("return a + b")
    page.get_by_test_id("line").fill("2")
    page.get_by_test_id("line-text").fill("Plus?")
    page.get_by_test_id("comment-line").click()
    thread = page.get_by_test_id("thread")
    expect(thread).to_contain_text("calc.py:2")
    thread.get_by_test_id("thread-reply").fill("Yes")
    thread.get_by_test_id("thread-reply").press("Enter")
    expect(thread).to_contain_text("Yes")
    thread.get_by_test_id("resolve").click()
    expect(thread).to_contain_text("resolved by ada")
    page.get_by_test_id("review-text").fill("Good")
    page.get_by_test_id("approve").click()
    expect(page.get_by_test_id("timeline-item").last).to_contain_text("approved these changes")
    page.get_by_test_id("merge").click()
    expect(page.get_by_test_id("pr-state")).to_have_text("Merged")
    assert github.person().get(f"{SHOP}/pulls/1").json()["merged_by"]["login"] == "ada"


def test_new_status_appears_and_typed_text_stays(github: World, page: Page) -> None:
    sha = github.pull(by="bob")["head"]["sha"]
    page.goto(f"{github.url}{PAGE}")
    page.get_by_test_id("person").select_option("bob")
    expect(page.get_by_test_id("review-box")).to_contain_text("Review as bob")
    expect(page.get_by_test_id("approve")).to_have_count(0)
    page.get_by_test_id("review-text").fill("Half a sen")
    github.bot().post(f"{SHOP}/statuses/{sha}", json={"state": "success", "context": "loopline/contract"})
    expect(page.get_by_test_id("status")).to_contain_text("loopline/contract", timeout=15_000)
    expect(page.get_by_test_id("review-text")).to_have_value("Half a sen")


def test_page_with_a_refusal_stays_live(github: World, page: Page) -> None:
    github.pull()
    page.goto(f"{github.url}{PAGE}")
    page.get_by_test_id("request-changes").click()
    expect(page.get_by_test_id("problem")).to_contain_text("can not be blank")
    github.person("bob").post(f"{SHOP}/issues/1/comments", json={"body": "Still there?"})
    expect(page.get_by_test_id("timeline-item").last).to_contain_text("Still there?", timeout=15_000)
