"""Agent sessions of the stand-in: how they begin, activities, states, webhooks, and their use on the card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from integrations.trackers.linear.webhooks import LinearWebhooks
from tests.integrations.standins.linear.conftest import SECRET, Linear, Start, user_id
from tests.integrations.standins.linear.sdk_documents import PROMPT, SESSION, SESSIONS
from tests.integrations.standins.receiver import Receiver

APP, APP_TOKEN = user_id("loopline@oauthapp.linear.app"), "lin_oauth_loop"


def delegate(linear: Linear, issue: str = "ENG-1") -> str:
    """Ana delegates the issue; returns the session's id."""
    linear.move(issue, delegateId=APP)
    return newest(linear)


def newest(linear: Linear) -> str:
    return str(linear.ask(SESSIONS)["agentSessions"]["nodes"][0]["id"])


def read(linear: Linear, session: str) -> Any:
    return linear.ask(SESSION, {"id": session})["agentSession"]


def act(linear: Linear, session: str, kind: str, body: str = "text", **more: Any) -> None:
    content = {"type": kind, "body": body}
    linear.write("agentActivityCreate", APP_TOKEN, input={"agentSessionId": session, "content": content, **more})


def ask(linear: Linear, session: str, *choices: str) -> None:
    options = {"options": [{"value": choice} for choice in choices]}
    act(linear, session, "elicitation", "Which?", signal="select", signalMetadata=options)


def refusal(linear: Linear, token: str, **input: Any) -> str:
    answer = linear.post(
        "mutation($input: AgentActivityCreateInput!) { agentActivityCreate(input: $input) { success } }",
        {"input": input},
        token,
    )
    return str(answer.json()["errors"][0]["extensions"]["userPresentableMessage"])


# --- beginning ------------------------------------------------------------------------------------------------------


def test_session_begins_with_a_delegation(subscribed: Linear, receiver: Receiver) -> None:
    session = read(subscribed, delegate(subscribed))
    assert (session["status"], session["appUser"]["id"]) == ("pending", APP)
    kinds = [(one.body["type"], one.body["action"]) for one in receiver.take(4)]
    assert kinds == [
        ("Issue", "update"),
        ("AppUserNotification", "issueAssignedToYou"),
        ("Comment", "create"),
        ("AgentSessionEvent", "created"),
    ]


def test_session_of_an_assigned_app_leaves_the_assignee(linear: Linear) -> None:
    linear.move("ENG-1", assigneeId=APP)
    assert linear.read("assignee { id } delegate { id }") == {"assignee": None, "delegate": {"id": APP}}
    assert newest(linear)


def test_session_is_not_opened_by_the_app_itself(linear: Linear) -> None:
    linear.write("issueUpdate", APP_TOKEN, id="ENG-1", input={"delegateId": APP})
    assert linear.ask(SESSIONS)["agentSessions"]["nodes"] == []


@pytest.mark.parametrize("text", ["@loopline why?", "Hello @Loopline, please", "see {url} now"])
def test_session_begins_with_a_mention(linear: Linear, text: str) -> None:
    comment = linear.comment(body=text.format(url=f"{linear.url}/acme/profiles/loopline"))
    assert read(linear, newest(linear))["comment"]["id"] == comment


@pytest.mark.parametrize("text", ["ask loopline", "mail@loopline.test", "@looplines"])
def test_session_needs_a_mention(linear: Linear, text: str) -> None:
    linear.comment(body=text)
    assert linear.ask(SESSIONS)["agentSessions"]["nodes"] == []


def test_session_of_a_mention_in_a_thread_has_the_comments_before(subscribed: Linear, receiver: Receiver) -> None:
    root = subscribed.comment(body="It fails at night.")
    reply = subscribed.comment(body="@loopline can you look?", parentId=root)
    created = receiver.take(3)[-1].body
    assert created["agentSession"]["sourceCommentId"] == reply
    assert [comment["body"] for comment in created["previousComments"]] == ["It fails at night."]
    assert '<issue identifier="ENG-1">' in created["promptContext"]


# --- activities and states ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "comments"),
    [("thought", "active", 0), ("elicitation", "awaitingInput", 1), ("response", "complete", 1), ("error", "error", 1)],
)
def test_session_state_follows_the_activity(linear: Linear, kind: str, status: str, comments: int) -> None:
    session = delegate(linear)
    act(linear, session, kind)
    assert read(linear, session)["status"] == status
    thread = linear.read("comments { nodes { body } }")["comments"]["nodes"]
    assert len(thread) == 1 + comments


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"content": {"type": "prompt", "body": "x"}}, "content.type must be one of"),
        ({"content": {"type": "action", "action": "Run"}}, "content.parameter should not be empty"),
        ({"content": {"type": "response", "body": "x"}, "ephemeral": True}, "only thoughts and actions"),
        ({"content": {"type": "thought", "body": "x"}, "signal": "select"}, "does not fit a thought"),
        ({"content": {"type": "elicitation", "body": "x"}, "signal": "select"}, "options must be a list"),
    ],
)
def test_session_refuses_a_wrong_activity(linear: Linear, more: dict[str, Any], message: str) -> None:
    assert message in refusal(linear, APP_TOKEN, agentSessionId=delegate(linear), **more)


def test_session_of_an_app_is_not_written_by_a_person(linear: Linear) -> None:
    content = {"type": "thought", "body": "x"}
    refused = refusal(linear, "lin_api_ana", agentSessionId=delegate(linear), content=content)
    assert refused == "Could not find referenced AgentSession."


def test_session_is_stale_after_half_an_hour_and_revived(linear: Linear) -> None:
    session = delegate(linear)
    act(linear, session, "thought")
    requests.post(f"{linear.url}/_clock", json={"advance_seconds": 1801}, timeout=5).raise_for_status()
    stale = read(linear, session)["status"]
    act(linear, session, "thought", "again")
    assert [stale, read(linear, session)["status"]] == ["stale", "active"]


def test_session_plan_and_links_are_replaced_added_and_removed(linear: Linear) -> None:
    session = delegate(linear)
    links = [{"label": name, "url": f"http://127.0.0.1/{name}"} for name in ("a", "b")]
    plan = [{"content": "Read", "status": "completed"}, {"content": "Write", "status": "inProgress"}]
    linear.write("agentSessionUpdate", APP_TOKEN, id=session, input={"plan": plan, "addedExternalUrls": links})
    linear.write("agentSessionUpdate", APP_TOKEN, id=session, input={"removedExternalUrls": [links[0]["url"]]})
    now = read(linear, session)
    assert (now["plan"], now["externalLinks"], now["status"]) == (plan, links[1:], "active")


# --- prompts --------------------------------------------------------------------------------------------------------


def test_session_reply_is_a_prompt_and_a_comment(subscribed: Linear, receiver: Receiver) -> None:
    session = delegate(subscribed)
    root = read(subscribed, session)["comment"]["id"]
    receiver.take(4)
    reply = subscribed.comment(body="Also the nightly job.", parentId=root)
    comment, prompted = (one.body for one in receiver.take(2))
    assert comment["data"]["parentId"] == root
    assert prompted["action"] == "prompted"
    assert prompted["agentActivity"]["sourceCommentId"] == reply
    assert prompted["agentActivity"]["content"] == {"type": "prompt", "body": "Also the nightly job."}


def test_session_webhooks_are_understood_by_the_product(subscribed: Linear, receiver: Receiver) -> None:
    session = delegate(subscribed)
    subscribed.ask(PROMPT, {"input": {"agentSessionId": session, "signal": "stop", "content": {"body": "Stop"}}})
    subscribed.move("ENG-1", delegateId=None)
    source, found = LinearWebhooks(), []
    for one in receiver.take(7):
        now = one.body["webhookTimestamp"] / 1000
        found += [event.kind for event in source.translate(source.verify(one.headers, one.raw, [SECRET], now))]
    assert found == [
        "TicketDelegated",
        "TicketCommented",
        "TicketDelegated",
        "TicketCommented",
        "TicketUndelegated",
        "TicketUndelegated",
    ]


# --- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture
def page(browser: Browser, start: Start) -> Iterator[tuple[Page, Linear]]:
    linear = start()
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.goto(f"{linear.url}/acme/issue/ENG-1")
    yield page, linear
    page.close()


def test_card_delegates_and_shows_the_session(page: tuple[Page, Linear]) -> None:
    card, linear = page
    card.get_by_label("Delegate").select_option(label="Loopline")
    expect(card.get_by_test_id("session-state")).to_have_text("pending")
    session = newest(linear)
    plan = [{"content": "Agree", "status": "completed"}, {"content": "Tests pass", "status": "inProgress"}]
    link = {"label": "Loopline", "url": "http://127.0.0.1/tickets/ENG-1"}
    linear.write("agentSessionUpdate", APP_TOKEN, id=session, input={"plan": plan, "addedExternalUrls": [link]})
    act(linear, session, "thought", "Lasting thought")
    act(linear, session, "thought", "Reading <b>code</b>", ephemeral=True)
    expect(card.get_by_test_id("session-state")).to_have_text("active")
    expect(card.get_by_test_id("session-current")).to_have_text("Reading <b>code</b>")
    expect(card.get_by_test_id("session-plan").get_by_role("listitem")).to_have_text(["☑ Agree", "◐ Tests pass"])
    expect(card.get_by_test_id("session-link")).to_have_attribute("href", link["url"])
    act(linear, session, "response", "All done")
    expect(card.get_by_test_id("session-steps")).to_have_text("1 thoughts and actions")
    expect(card.get_by_test_id("card-ENG-1")).to_contain_text("complete")
    expect(card.get_by_test_id("comment-body").last).to_have_text("All done")


def test_card_steers_chooses_and_stops(page: tuple[Page, Linear]) -> None:
    card, linear = page
    session = delegate(linear)
    ask(linear, session, "This one", "That one")
    expect(card.get_by_test_id("session-choice")).to_have_text(["This one", "That one"])
    card.get_by_test_id("session-choice").first.click()
    expect(card.get_by_test_id("session-choice")).to_have_count(0)
    card.get_by_test_id("session-reply").fill("and hurry")
    card.get_by_test_id("session-reply").press("Enter")
    expect(card.get_by_test_id("comment-body").last).to_have_text("and hurry")
    card.get_by_test_id("session-stop").click()
    prompts: list[str] = []

    def has_stop() -> bool:
        nodes = read(linear, session)["activities"]["nodes"]
        prompts[:] = [f"{node['content'].get('body')}/{node['signal']}" for node in reversed(nodes)]
        return any(re.match("Stop/stop", one) for one in prompts)

    for _ in range(100):
        if has_stop():
            break
        card.wait_for_timeout(50)
    assert prompts == ["Which?/select", "This one/None", "and hurry/None", "Stop/stop"]
