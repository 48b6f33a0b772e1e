"""Writes to issues, labels, comments, reactions and attachments, with Linear's rules and refusals."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from integrations.standins.linear.seed import stable_id
from tests.integrations.standins.linear.conftest import WRITES, Linear, state_id

ENG = stable_id("Team", "ENG")
BUG = stable_id("IssueLabel", "ENG", "bug")
PULL = "https://github.com/acme/export/pull/17"


def labels(linear: Linear) -> list[str]:
    return [node["name"] for node in linear.read("labels { nodes { name } }")["labels"]["nodes"]]


def attach(linear: Linear, issue: str = "ENG-1", **columns: Any) -> None:
    linear.write("attachmentCreate", input={"issueId": issue, "url": PULL, "title": "A pull request", **columns})


# --- issues and labels ----------------------------------------------------------------------------------------------


def test_issue_update_changes_what_is_given(linear: Linear) -> None:
    linear.move("ENG-1", stateId=state_id("Done"))
    linear.move("ENG-1", title="New", description="Words")
    expected = {"title": "New", "description": "Words", "state": {"name": "Done"}}
    assert linear.read("title description state { name }") == expected


def test_issue_update_without_a_change_is_accepted_and_not_logged(linear: Linear) -> None:
    linear.move("ENG-1", title="Retry the export!")
    assert linear.log() == []


@pytest.mark.parametrize(
    ("state", "message", "shown"),
    [
        ("Agent", "Argument Validation Error", "stateId must be a UUID."),
        (str(uuid.uuid4()), "Entity not found: WorkflowState", "Could not find referenced WorkflowState."),
        (state_id("Done", "OPS"), "Argument Validation Error", "stateId must be a state of the issue's team."),
    ],
)
def test_issue_update_refuses_a_state_that_does_not_fit(linear: Linear, state: str, message: str, shown: str) -> None:
    assert linear.refusal("issueUpdate", id="ENG-1", input={"stateId": state}) == (message, shown)
    assert linear.log() == []


def test_new_issue_is_in_the_backlog_with_the_next_number(linear: Linear) -> None:
    made = [linear.write("issueCreate", input={"teamId": ENG, "title": "New"})["issue"] for _ in range(2)]
    assert [issue["identifier"] for issue in made] == ["ENG-3", "ENG-4"]
    assert linear.read("state { name }", made[0]["id"])["state"]["name"] == "Backlog"
    assert linear.refusal("issueCreate", input={"teamId": ENG, "title": " "})[1] == "title should not be empty."


def test_deleted_issue_is_in_the_trash_and_in_no_list(linear: Linear) -> None:
    linear.write("issueDelete", id="ENG-1")
    issue = linear.read("trashed archivedAt")
    assert issue["trashed"] and issue["archivedAt"]
    assert len(linear.ask("{ issues { nodes { identifier } } }")["issues"]["nodes"]) == 2


def test_label_is_added_and_removed_without_touching_the_others(linear: Linear) -> None:
    urgent = linear.write("issueLabelCreate", input={"name": "urgent", "teamId": ENG})["issueLabel"]["id"]
    for operation, label, expected in (
        ("issueAddLabel", BUG, {"bug"}),
        ("issueAddLabel", urgent, {"bug", "urgent"}),
        ("issueAddLabel", urgent, {"bug", "urgent"}),
        ("issueRemoveLabel", BUG, {"urgent"}),
        ("issueRemoveLabel", BUG, {"urgent"}),
    ):
        linear.write(operation, id="ENG-1", labelId=label)
        assert set(labels(linear)) == expected
    assert linear.refusal("issueAddLabel", id="ENG-1", labelId="x")[0] == "Entity not found: IssueLabel"


def test_label_name_is_unique_in_its_team(linear: Linear) -> None:
    message, _ = linear.refusal("issueLabelCreate", input={"name": "BUG", "teamId": ENG})
    assert message == "conflict on insert of IssueLabel"


# --- comments and reactions -----------------------------------------------------------------------------------------


def test_comment_under_an_existing_id_is_linears_conflict(linear: Linear, published_errors: dict[str, Any]) -> None:
    comment_id = linear.comment(id="11111111-1111-4111-8111-111111111111")
    again = {"input": {"id": comment_id, "issueId": "ENG-1", "body": "again"}}
    answer = linear.post(WRITES["commentCreate"], again)
    assert (answer.status_code, answer.json()) == (200, published_errors["create with an id that exists already"])
    assert len(linear.log()) == 1


def test_comment_under_one_id_is_accepted_once_of_many_at_a_time(linear: Linear) -> None:
    variables = {"input": {"id": str(uuid.uuid4()), "issueId": "ENG-1", "body": "hello"}}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: linear.post(WRITES["commentCreate"], variables).json(), range(16)))
    assert sum("errors" not in answer for answer in answers) == 1
    assert len(linear.log()) == 1


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ({"id": "nothing"}, "id must be a UUID."),
        ({"id": str(uuid.uuid5(uuid.NAMESPACE_URL, "x"))}, "id must be a UUID."),
        ({"id": ""}, "id must be a UUID."),
        ({"body": None}, "body should not be empty."),
        ({"body": " \n"}, "body should not be empty."),
        ({"issueId": "ENG-99"}, "Could not find referenced Issue."),
    ],
)
def test_comment_that_is_invalid_is_refused(linear: Linear, columns: dict[str, Any], shown: str) -> None:
    assert linear.refusal("commentCreate", input={"issueId": "ENG-1", "body": "x", **columns})[1] == shown


def test_comment_belongs_to_its_author_and_can_be_edited(linear: Linear) -> None:
    comment = linear.comment(token="lin_oauth_loop", body="before")
    linear.write("commentUpdate", id=comment, input={"body": "after"})
    document = "query($id: String!) { comment(id: $id) { body issueId botActor { id } user { name app } } }"
    read = linear.ask(document, {"id": comment})["comment"]
    assert (read["body"], read["user"]) == ("after", {"name": "Loopline", "app": True})
    assert (read["issueId"], read["botActor"]) == (linear.read("id")["id"], None)


def test_reaction_is_one_per_person_and_emoji(linear: Linear) -> None:
    target = {"commentId": linear.comment(), "emoji": "eyes"}
    linear.write("reactionCreate", input={**target, "id": str(uuid.uuid4())})
    assert linear.refusal("reactionCreate", input=target)[0] == "conflict on insert of Reaction"
    linear.write("reactionCreate", "lin_oauth_loop", input=target)
    linear.write("reactionCreate", input={**target, "emoji": "+1"})
    linear.write("reactionDelete", id=linear.log()[-1]["result"])
    [comment] = linear.read("comments { nodes { reactions { emoji user { name } } } }")["comments"]["nodes"]
    assert [(one["emoji"], one["user"]["name"]) for one in comment["reactions"]] == [
        ("eyes", "Ana Silva"),
        ("eyes", "Loopline"),
    ]


@pytest.mark.parametrize("target", [{}, {"commentId": "nothing"}])
def test_reaction_needs_a_comment(linear: Linear, target: dict[str, str]) -> None:
    assert linear.refusal("reactionCreate", input={**target, "emoji": "eyes"})[0] == "Entity not found: Comment"


# --- attachments ----------------------------------------------------------------------------------------------------


def test_attachment_is_one_per_issue_and_url(linear: Linear) -> None:
    attach(linear, metadata={"attempt": 1, "state": "open"})
    attach(linear, title="Merged", subtitle="by Ana")
    attach(linear, "ENG-2")
    read = linear.read("attachments { nodes { url title subtitle metadata } }")["attachments"]["nodes"]
    merged = {"url": PULL, "title": "Merged", "subtitle": "by Ana", "metadata": {"attempt": 1, "state": "open"}}
    assert read == [merged]
    assert len(linear.read("attachments { nodes { url } }", "ENG-2")["attachments"]["nodes"]) == 1


@pytest.mark.parametrize("columns", [{"url": "javascript:alert(1)"}, {"url": ""}, {"metadata": [1]}])
def test_attachment_that_is_invalid_is_refused(linear: Linear, columns: dict[str, Any]) -> None:
    wanted = {"issueId": "ENG-1", "url": PULL, "title": "x", **columns}
    assert linear.refusal("attachmentCreate", input=wanted)[0] == "Argument Validation Error"
