"""Comments, reactions and attachments: client-made ids, conflicts, and the upsert."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integrations.standins.linear.conftest import COMMENT, Linear
from tests.support.linear_payloads import error_responses

REACT = "mutation($input: ReactionCreateInput!) { reactionCreate(input: $input) { success reaction { id emoji } } }"
ATTACH = """mutation($input: AttachmentCreateInput!) { attachmentCreate(input: $input) { success
  attachment { id url title subtitle metadata sourceType } } }"""
LINK = """mutation($id: String!, $url: String!) { attachmentLinkGitHubPR(issueId: $id, url: $url) { success
  attachment { id title sourceType } } }"""
PULL = "https://github.com/acme/export/pull/17"


def attach(linear: Linear, **columns: Any) -> Any:
    input = {"issueId": "ENG-1", "url": PULL, "title": "A pull request", **columns}
    return linear.ask(ATTACH, {"input": input})["attachmentCreate"]["attachment"]


# --- comments --------------------------------------------------------------------------------------------------------


def test_a_second_insert_under_one_id_is_linears_conflict(linear: Linear) -> None:
    conflict = error_responses()["create with an id that exists already"]["body"]
    comment_id = linear.comment(id="11111111-1111-4111-8111-111111111111")
    answer = linear.post(COMMENT, {"input": {"id": comment_id, "issueId": "ENG-1", "body": "again"}})
    assert (answer.status_code, answer.json()) == (200, conflict)
    assert len(linear.log()) == 1


def test_of_many_inserts_under_one_id_exactly_one_is_accepted(linear: Linear) -> None:
    input = {"id": str(uuid.uuid4()), "issueId": "ENG-1", "body": "hello"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: linear.post(COMMENT, {"input": input}).json(), range(16)))
    assert sum("errors" not in answer for answer in answers) == 1
    assert len(linear.log()) == 1


@pytest.mark.parametrize("name", ["nothing", str(uuid.uuid5(uuid.NAMESPACE_URL, "x")), ""])
def test_a_chosen_id_must_be_a_uuid_of_version_4(linear: Linear, name: str) -> None:
    error = linear.error(COMMENT, {"input": {"id": name, "issueId": "ENG-1", "body": "x"}})
    assert error["extensions"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize("body", [None, "", " \n"])
def test_an_empty_comment_is_refused(linear: Linear, body: str | None) -> None:
    error = linear.error(COMMENT, {"input": {"issueId": "ENG-1", "body": body}})
    assert error["extensions"]["validationErrors"][0]["property"] == "body"


def test_a_comment_belongs_to_who_wrote_it_and_can_be_edited(linear: Linear) -> None:
    comment = linear.comment(token="lin_oauth_loop", body="before")
    linear.ask(
        'mutation($id: String!) { commentUpdate(id: $id, input: { body: "after" }) { success } }', {"id": comment}
    )
    document = "query($id: String!) { comment(id: $id) { body editedAt url user { name app } } }"
    read = linear.ask(document, {"id": comment})["comment"]
    assert (read["body"], read["user"]) == ("after", {"name": "Loopline", "app": True})
    assert read["editedAt"]
    assert read["url"].endswith(f"/ENG-1/retry-the-export#comment-{comment[:8]}")


def test_an_answer_to_an_answer_hangs_on_the_first_comment(linear: Linear) -> None:
    root = linear.comment()
    first = linear.comment(parentId=root)
    linear.comment(parentId=first)
    document = "query($id: String!) { comment(id: $id) { children { nodes { parentId } } } }"
    children = linear.ask(document, {"id": root})["comment"]["children"]["nodes"]
    assert children == [{"parentId": root}, {"parentId": root}]


def test_a_deleted_comment_is_gone(linear: Linear) -> None:
    comment = linear.comment()
    delete = "mutation($id: String!) { commentDelete(id: $id) { success entityId } }"
    assert linear.ask(delete, {"id": comment})["commentDelete"] == {"success": True, "entityId": comment}
    assert linear.error(delete, {"id": comment})["message"] == "Entity not found: Comment"


def test_who_comments_is_subscribed_unless_they_say_no(linear: Linear) -> None:
    linear.comment(token="lin_oauth_loop", doNotSubscribeToIssue=True)
    linear.comment(token="lin_api_ben")
    nodes = linear.ask('{ issue(id: "ENG-1") { subscribers { nodes { displayName } } } }')["issue"]["subscribers"][
        "nodes"
    ]
    assert {node["displayName"] for node in nodes} == {"ana", "ben"}


# --- reactions -------------------------------------------------------------------------------------------------------


def test_the_same_emoji_by_the_same_person_is_a_conflict(linear: Linear) -> None:
    target = {"commentId": linear.comment(), "emoji": "eyes"}
    linear.ask(REACT, {"input": {**target, "id": str(uuid.uuid4())}})
    assert (
        linear.error(REACT, {"input": {**target, "id": str(uuid.uuid4())}})["message"]
        == "conflict on insert of Reaction"
    )
    linear.ask(REACT, {"input": target}, "lin_oauth_loop")
    linear.ask(REACT, {"input": {**target, "emoji": "+1"}})


def test_a_reaction_can_be_taken_back(linear: Linear) -> None:
    comment = linear.comment()
    reaction = linear.ask(REACT, {"input": {"commentId": comment, "emoji": "eyes"}})["reactionCreate"]["reaction"]["id"]
    read = "query($id: String!) { comment(id: $id) { reactions { emoji user { displayName } } } }"
    assert linear.ask(read, {"id": comment})["comment"]["reactions"] == [
        {"emoji": "eyes", "user": {"displayName": "ana"}}
    ]
    linear.ask("mutation($id: String!) { reactionDelete(id: $id) { success } }", {"id": reaction})
    assert linear.ask(read, {"id": comment})["comment"]["reactions"] == []


@pytest.mark.parametrize("target", [{}, {"commentId": "nothing"}, {"issueId": "ENG-99"}])
def test_a_reaction_needs_a_target(linear: Linear, target: dict[str, str]) -> None:
    assert linear.error(REACT, {"input": {**target, "emoji": "eyes"}})["extensions"]["userError"]


# --- attachments -----------------------------------------------------------------------------------------------------


def test_an_attachment_is_one_per_issue_and_url(linear: Linear) -> None:
    first = attach(linear, metadata={"attempt": 1, "state": "open"})
    second = attach(linear, title="Merged", subtitle="by Ana", id=str(uuid.uuid4()))
    assert second == {**first, "title": "Merged", "subtitle": "by Ana"}
    other = linear.ask(ATTACH, {"input": {"issueId": "ENG-2", "url": PULL, "title": "x"}})["attachmentCreate"]
    assert other["attachment"]["id"] != first["id"]


def test_attachments_are_found_by_url_on_every_issue(linear: Linear) -> None:
    attach(linear)
    attach(linear, issueId="ENG-2")
    attach(linear, url="https://example.com/")
    document = "query($url: String!) { attachmentsForURL(url: $url) { nodes { issue { identifier } } } }"
    nodes = linear.ask(document, {"url": PULL})["attachmentsForURL"]["nodes"]
    assert sorted(node["issue"]["identifier"] for node in nodes) == ["ENG-1", "ENG-2"]


def test_a_link_is_made_once_and_a_repeat_is_named_a_duplicate(linear: Linear) -> None:
    made = linear.ask(LINK, {"id": "ENG-1", "url": PULL})["attachmentLinkGitHubPR"]["attachment"]
    assert (made["title"], made["sourceType"]) == ("acme/export#17", "github")
    assert linear.error(LINK, {"id": "ENG-1", "url": PULL})["message"] == "Duplicate attachment for duplicate url"


@pytest.mark.parametrize("url", ["https://example.com/", "javascript:alert(1)", ""])
def test_a_pull_request_link_must_lead_to_one(linear: Linear, url: str) -> None:
    assert linear.error(LINK, {"id": "ENG-1", "url": url})["extensions"]["validationErrors"][0]["property"] == "url"


def test_any_address_can_be_linked(linear: Linear) -> None:
    document = 'mutation { attachmentLinkURL(issueId: "ENG-1", url: "https://example.com/") { attachment { title } } }'
    assert linear.ask(document)["attachmentLinkURL"]["attachment"] == {"title": "https://example.com/"}


@pytest.mark.parametrize("columns", [{"url": "javascript:alert(1)"}, {"metadata": [1]}])
def test_an_attachment_that_is_none_is_refused(linear: Linear, columns: dict[str, Any]) -> None:
    input = {"issueId": "ENG-1", "url": PULL, "title": "x", **columns}
    assert linear.error(ATTACH, {"input": input})["extensions"]["code"] == "INVALID_INPUT"


def test_an_attachment_is_updated_and_deleted_by_id(linear: Linear) -> None:
    made = attach(linear, metadata={"attempt": 1})["id"]
    update = """mutation($id: String!, $i: AttachmentUpdateInput!) { attachmentUpdate(id: $id, input: $i) {
      attachment { title metadata } } }"""
    changed = linear.ask(update, {"id": made, "i": {"title": "New", "metadata": {"attempt": 2}}})["attachmentUpdate"]
    assert changed["attachment"] == {"title": "New", "metadata": {"attempt": 2}}
    linear.ask("mutation($id: String!) { attachmentDelete(id: $id) { success } }", {"id": made})
    assert linear.ask('{ issue(id: "ENG-1") { attachments { nodes { id } } } }')["issue"]["attachments"]["nodes"] == []


def test_what_a_link_cannot_take_is_said(linear: Linear) -> None:
    document = f'mutation {{ attachmentLinkURL(issueId: "ENG-1", url: "{PULL}", createAsUser: "x") {{ success }} }}'
    assert linear.error(document)["extensions"]["userPresentableMessage"] == "createAsUser is not offered here."
