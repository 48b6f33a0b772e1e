from __future__ import annotations

import pytest
import requests

from integrations.standins.github.markup import render
from tests.integrations.standins.github.world import SHOP, World

PAGE = "/acme/shop/pull/1"
ATTACK = "<script>alert(1)</script><img src=x onerror=alert(1)>[x](javascript:alert(1))<!-- marker -->"


def visit(github: World, login: str) -> requests.Session:
    """A browser of someone."""
    browser = github.caller()
    browser.cookies.set("github_person", login)
    return browser


def press(github: World, login: str, action: str, **form: str) -> requests.Response:
    return visit(github, login).post(f"{PAGE}/{action}", data=form)


def test_a_page_shows_the_pull_request(github: World) -> None:
    sha = github.pull(title="Fix <add>", body="**Bold** words")["head"]["sha"]
    github.bot().post(f"{SHOP}/statuses/{sha}", json={"state": "success", "context": "loopline"})
    page = visit(github, "ada").get(PAGE).text
    for part in ("Fix &lt;add&gt;", "<strong>Bold</strong>", "return a + b", "loopline", 'data-testid="approve"'):
        assert part in page


@pytest.mark.parametrize("path", ["/", "/acme/shop/pulls"])
def test_lists_lead_to_it(github: World, path: str) -> None:
    github.pull()
    assert f'href="{PAGE}"' in visit(github, "eve").get(path).text
    hidden = visit(github, "mal").get(path)
    assert "Fix add" not in hidden.text


def test_a_button_does_what_the_api_does_as_the_chosen_person(github: World) -> None:
    github.pull()
    press(github, "eve", "comment", body="Hello\r\nyou")
    press(github, "ada", "request_changes", body="No")
    press(github, "ada", "approve", body="")
    assert github.person().get(f"{SHOP}/issues/1/comments").json()[0]["body"] == "Hello\nyou"
    reviews = github.person().get(f"{SHOP}/pulls/1/reviews").json()
    assert [(one["user"]["login"], one["state"]) for one in reviews] == [
        ("ada", "CHANGES_REQUESTED"),
        ("ada", "APPROVED"),
    ]
    assert github.heard()[-2:] == ["pull_request_review.submitted"] * 2
    assert github.caller().get("/_log").json()[-1]["operation"].endswith("/reviews")


def test_merge_takes_the_head_that_was_seen(github: World) -> None:
    old = github.pull()["head"]["sha"]
    new = github.push("fix", "# newer\n")
    refused = press(github, "ada", "merge", sha=old)
    assert (refused.status_code, "Head branch was modified" in refused.text) == (409, True)
    assert "merged this" in press(github, "ada", "merge", sha=new, method="squash").text


def test_close_and_reopen(github: World) -> None:
    github.pull()
    assert 'data-testid="reopen"' in press(github, "ada", "close").text
    assert 'data-testid="close"' in press(github, "ada", "reopen").text


def test_a_refusal_keeps_what_was_typed(github: World) -> None:
    github.pull(by="bob")
    page = press(github, "bob", "request_changes", body="My own words")
    assert (page.status_code, "your own pull request" in page.text) == (422, True)
    assert "My own words</textarea>" in page.text


def test_nobody_presses_what_is_not_theirs(github: World) -> None:
    github.pull()
    assert press(github, "eve", "merge").status_code == 403
    assert press(github, "mal", "comment", body="Hi").status_code == 404
    assert not github.person().get(f"{SHOP}/pulls/1").json()["merged"]


def test_another_site_presses_nothing(github: World) -> None:
    github.pull()
    answer = visit(github, "ada").post(f"{PAGE}/merge", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403


@pytest.mark.parametrize(("back", "to"), [("/acme/shop/pulls", "/acme/shop/pulls"), ("//evil.example", "/")])
def test_who_one_is_can_be_chosen(github: World, back: str, to: str) -> None:
    form = {"login": "eve", "back": back}
    answer = github.caller().post("/_person", data=form, allow_redirects=False)
    assert (answer.cookies["github_person"], answer.headers["Location"]) == ("eve", to)


def test_a_page_runs_nothing_that_was_written(github: World) -> None:
    github.pull(title=ATTACK, body=ATTACK)
    press(github, "ada", "comment", body=ATTACK)
    page = visit(github, "ada").get(PAGE)
    for part in ("<script>alert", "onerror", 'href="javascript', "<!-- marker"):
        assert part not in page.text.replace("&lt;img src=x onerror", "")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("- [x] done\n- [ ] open", "<li>☑ done</li>\n<li>☐ open</li>"),
        ("<details><summary>More</summary>x</details>", "<details><summary>More</summary>x</details>"),
        ("a <!-- loopline:1 --> b", "a  b"),
        ("|a|\n|-|\n|1|", "<td>1</td>"),
    ],
)
def test_markdown_is_as_on_github(text: str, html: str) -> None:
    assert html in render(text)


def test_words_on_a_line_stand_in_the_diff(github: World) -> None:
    github.pull()
    line = {"path": "calc.py", "line": 2, "body": "On this line"}
    github.person().post(f"{SHOP}/pulls/1/reviews", json={"event": "COMMENT", "comments": [line]})
    page = visit(github, "ada").get(PAGE).text
    assert page.count("On this line") == 2
    assert '<tr class="note">' in page


@pytest.mark.parametrize("kind", ["diff", "patch"])
def test_the_page_has_its_text(github: World, kind: str) -> None:
    github.pull()
    assert "+    return a + b" in visit(github, "ada").get(f"{PAGE}.{kind}").text


def test_what_is_not_there_says_so(github: World) -> None:
    assert visit(github, "ada").get("/acme/shop/pull/9").status_code == 404
    assert visit(github, "ada").get("/acme/none/pulls").status_code == 404
    assert visit(github, "ada").get("/acme/none/pull/1.diff").status_code == 404
