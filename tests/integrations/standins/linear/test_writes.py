"""Reads and writes, as far as the contract test of trackers does not cover them: Linear's rules and refusals."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from integrations.standins.linear.seed import stable_id
from tests.integrations.standins.linear.conftest import WRITES, Linear, Start, state_id

ENG = stable_id("Team", "ENG")
BUG = stable_id("IssueLabel", "ENG", "bug")
PULL = "https://github.com/acme/export/pull/17"
ISSUES = "query($first: Int, $after: String) { issues(first: $first, after: $after) { nodes { identifier } } }"
LABELS = "query($filter: IssueLabelFilter) { issueLabels(filter: $filter) { nodes { name } } }"
ON = {"issueId": "ENG-1"}
UUID5 = str(uuid.uuid5(uuid.NAMESPACE_URL, "x"))
REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("issueUpdate", {"id": "ENG-99", "input": {}}, "Could not find referenced Issue."),
    ("issueUpdate", {"id": "ENG-1", "input": {"stateId": "Agent"}}, "stateId must be a UUID."),
    ("issueUpdate", {"id": "ENG-1", "input": {"stateId": BUG}}, "Could not find referenced WorkflowState."),
    ("issueUpdate", {"id": "ENG-1", "input": {"stateId": state_id("Done", "OPS")}}, "stateId must be a state of the "),
    ("issueCreate", {"input": {"teamId": ENG, "title": " "}}, "title should not be empty."),
    ("issueAddLabel", {"id": "ENG-1", "labelId": "x"}, "Could not find referenced IssueLabel."),
    ("issueLabelCreate", {"input": {"name": "BUG", "teamId": ENG}}, f"Entity IssueLabel with id {BUG} already exists."),
    ("commentCreate", {"input": {**ON, "body": "x", "id": "nothing"}}, "id must be a UUID."),
    ("commentCreate", {"input": {**ON, "body": "x", "id": UUID5}}, "id must be a UUID."),
    ("commentCreate", {"input": {**ON, "body": None}}, "body should not be empty."),
    ("commentCreate", {"input": {**ON, "body": " \n"}}, "body should not be empty."),
    ("reactionCreate", {"input": {"emoji": "eyes"}}, "Could not find referenced Comment."),
    ("attachmentCreate", {"input": {**ON, "title": "x", "url": "javascript:alert(1)"}}, "url must be a URL."),
    ("attachmentCreate", {"input": {**ON, "title": "x", "url": PULL, "metadata": [1]}}, "metadata must be an object."),
]


@pytest.mark.parametrize(("operation", "variables", "shown"), REFUSALS)
def test_invalid_write_is_refused(linear: Linear, operation: str, variables: dict[str, Any], shown: str) -> None:
    error = linear.error(WRITES[operation], variables)
    assert error["extensions"]["userPresentableMessage"].startswith(shown)
    assert linear.log() == []


@pytest.mark.parametrize(
    ("variables", "code"),
    [({"first": 0}, "INVALID_INPUT"), ({"first": 251}, "INVALID_INPUT"), ({"after": "nowhere"}, "INPUT_ERROR")],
)
def test_invalid_page_is_refused(linear: Linear, variables: dict[str, Any], code: str) -> None:
    assert linear.error(ISSUES, variables)["extensions"]["code"] == code


def test_issue_is_found_by_identifier_and_by_id(linear: Linear) -> None:
    issue = linear.read("id url branchName", "eng-1")
    assert issue["url"] == f"{linear.url}/acme/issue/ENG-1/retry-the-export"
    assert issue["branchName"] == "ana/eng-1-retry-the-export"
    assert linear.read("id url branchName", issue["id"]) == issue
    error = linear.error('{ issue(id: "ENG-99") { id } }')
    assert (error["message"], error["path"]) == ("Entity not found: Issue", ["issue"])


def test_label_filter_separates_teams_and_the_workspace(linear: Linear) -> None:
    linear.write("issueLabelCreate", input={"name": "shared"})
    for team, expected in (("OPS", ["shared"]), ("ENG", ["shared", "bug"])):
        wanted = {"or": [{"team": {"key": {"eq": team}}}, {"team": {"null": True}}]}
        found = linear.ask(LABELS, {"filter": wanted})["issueLabels"]["nodes"]
        assert [node["name"] for node in found] == expected


def test_issue_update_without_a_change_is_not_logged(linear: Linear) -> None:
    linear.move("ENG-1", title="Retry the export!", stateId=state_id("Backlog"))
    assert linear.log() == []


def test_new_issue_is_in_the_backlog_with_the_next_number(linear: Linear) -> None:
    made = [linear.write("issueCreate", input={"teamId": ENG, "title": "New"})["issue"] for _ in range(2)]
    assert [issue["identifier"] for issue in made] == ["ENG-3", "ENG-4"]
    assert linear.read("state { name }", made[0]["id"])["state"]["name"] == "Backlog"


def test_deleted_issue_is_in_the_trash_and_in_no_list(linear: Linear) -> None:
    linear.write("issueDelete", id="ENG-1")
    issue = linear.read("trashed archivedAt")
    assert issue["trashed"] and issue["archivedAt"]
    assert [node["identifier"] for node in linear.ask(ISSUES)["issues"]["nodes"]] == ["OPS-1", "ENG-2"]


def test_comment_under_an_existing_id_is_linears_conflict(linear: Linear, published_errors: dict[str, Any]) -> None:
    variables = {"input": {"id": "11111111-1111-4111-8111-111111111111", "issueId": "ENG-1", "body": "hello"}}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: linear.post(WRITES["commentCreate"], variables).json(), range(16)))
    refused = [answer for answer in answers if "errors" in answer]
    assert refused == [published_errors["create with an id that exists already"]] * 15
    assert len(linear.log()) == 1


def test_reaction_is_one_per_person_and_emoji(linear: Linear) -> None:
    target = {"commentId": linear.comment(), "emoji": "eyes"}
    linear.write("reactionCreate", input=target)
    assert linear.error(WRITES["reactionCreate"], {"input": target})["message"] == "conflict on insert of Reaction"
    linear.write("reactionCreate", "lin_oauth_loop", input=target)


def test_attachment_is_one_per_issue_and_url(linear: Linear) -> None:
    for columns in ({"metadata": {"attempt": 1}}, {"subtitle": "by Ana"}):
        linear.write("attachmentCreate", input={"issueId": "ENG-1", "url": PULL, "title": "Pull", **columns})
    read = linear.read("attachments { nodes { url title subtitle metadata } }")["attachments"]["nodes"]
    assert read == [{"url": PULL, "title": "Pull", "subtitle": "by Ana", "metadata": {"attempt": 1}}]


ME = "{ viewer { name app guest } }"
COMMENT = {"input": {"issueId": "ENG-1", "body": "hello"}}


@pytest.mark.parametrize(
    ("token", "name", "app", "guest"),
    [
        ("lin_api_ana", "Ana Silva", False, False),
        ("lin_api_ben", "Ben Okafor", False, True),
        ("lin_oauth_loop", "Loopline", True, False),
    ],
)
def test_viewer_is_the_person_of_the_token(linear: Linear, token: str, name: str, app: bool, guest: bool) -> None:
    assert linear.ask(ME, token=token)["viewer"] == {"name": name, "app": app, "guest": guest}


@pytest.mark.parametrize(
    "header",
    ["", "lin_api_nobody", "Bearer lin_api_ana", "lin_oauth_loop", "Bearer ", "Basic lin_api_ana", "lin_api_gone"],
)
def test_other_credentials_are_linears_401(linear: Linear, published_errors: dict[str, Any], header: str) -> None:
    headers = {"Authorization": header} if header else {}
    answer = requests.post(f"{linear.url}/graphql", json={"query": ME}, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()) == (401, published_errors["unauthenticated"])


@pytest.mark.parametrize("body", [b"", b"[]", b'{"query": 1}', b"{"])
def test_body_without_a_document_is_400(linear: Linear, body: bytes) -> None:
    headers = {"Authorization": "lin_api_ana", "Content-Type": "application/json"}
    assert requests.post(f"{linear.url}/graphql", data=body, headers=headers, timeout=10).status_code == 400


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{", "GRAPHQL_VALIDATION_FAILED"),
        ("{ nobody }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($id: String!) { issue(id: $id) { id } }", "BAD_USER_INPUT"),
    ],
)
def test_invalid_document_or_variable_is_400(linear: Linear, document: str, code: str) -> None:
    answer = linear.post(document, {"id": {"a": 1}})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, code)


def test_allowance_is_per_person_and_ends_in_ratelimited(start: Start) -> None:
    linear = start(requests_per_hour=3)
    answers = [linear.post(ME) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400]
    assert [answer.headers["X-RateLimit-Requests-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert int(answers[0].headers["X-RateLimit-Requests-Reset"]) > 1_700_000_000_000
    assert linear.post(ME, token="lin_oauth_loop").status_code == 200


def test_lost_reply_is_executed_and_then_cut_off(linear: Linear) -> None:
    linear.fault(operation="commentCreate", kind="lost_reply")
    with pytest.raises(requests.ConnectionError):
        linear.post(WRITES["commentCreate"], COMMENT)
    assert [entry["operation"] for entry in linear.log()] == ["commentCreate"]


@pytest.mark.parametrize(("kind", "status"), [("ratelimited", 400), ("500", 500)])
def test_refusing_fault_is_not_executed(
    linear: Linear, published_errors: dict[str, Any], kind: str, status: int
) -> None:
    linear.fault(operation="commentCreate", kind=kind)
    assert linear.post(ME).status_code == 200
    answer = linear.post(WRITES["commentCreate"], COMMENT)
    assert answer.status_code == status and linear.log() == []
    if kind == "ratelimited":
        assert answer.json() == published_errors["rate limited"]
