"""Writes to issues and labels, with Linear's rules and refusals."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.integrations.standins.linear.conftest import MOVE, Linear

CREATE = """mutation($input: IssueCreateInput!) { issueCreate(input: $input) {
  success lastSyncId issue { id identifier state { name } creator { name } description } } }"""
LABELS = '{ issue(id: "ENG-1") { labelIds labels { nodes { name } } } }'
READ = """query($id: String!) { issue(id: $id) { title description updatedAt startedAt completedAt archivedAt trashed
  state { name } assignee { name } delegate { name } } }"""


def read(linear: Linear, name: str = "ENG-1") -> Any:
    return linear.ask(READ, {"id": name})["issue"]


def team_id(linear: Linear) -> str:
    return str(linear.ask('{ team(id: "ENG") { id } }')["team"]["id"])


def make_label(linear: Linear, name: str) -> str:
    document = "mutation($i: IssueLabelCreateInput!) { issueLabelCreate(input: $i) { success issueLabel { id } } }"
    made = linear.ask(document, {"i": {"name": name, "teamId": team_id(linear)}})
    return str(made["issueLabelCreate"]["issueLabel"]["id"])


def test_a_moved_issue_remembers_when_it_was_started_and_done(linear: Linear) -> None:
    linear.move("ENG-1", stateId=linear.state_id("Agent"))
    started = read(linear)["startedAt"]
    linear.move("ENG-1", stateId=linear.state_id("Done"))
    done = read(linear)
    assert (done["state"], done["startedAt"]) == ({"name": "Done"}, started)
    assert done["completedAt"] > started
    linear.move("ENG-1", stateId=linear.state_id("Agent"))
    assert read(linear)["completedAt"] is None


def test_each_change_moves_updated_at(linear: Linear) -> None:
    before = read(linear)["updatedAt"]
    linear.move("ENG-1", title="a", description="b")
    once = read(linear)
    linear.move("ENG-1", title="c")
    assert before < once["updatedAt"] < read(linear)["updatedAt"]
    assert once["description"] == "b"


def test_an_update_that_changes_nothing_is_accepted_and_not_logged(linear: Linear) -> None:
    linear.move("ENG-1", title="Retry the export!")
    assert linear.log() == []


@pytest.mark.parametrize(
    ("columns", "message", "shown"),
    [
        ({"stateId": "Agent"}, "Argument Validation Error", "stateId must be a UUID."),
        ({"stateId": str(uuid.uuid4())}, "Entity not found: WorkflowState", "Could not find referenced WorkflowState."),
        ({"assigneeId": str(uuid.uuid4())}, "Entity not found: User", "Could not find referenced User."),
        ({"addedLabelIds": ["x"]}, "Entity not found: IssueLabel", "Could not find referenced IssueLabel."),
        ({"priority": 5}, "Argument Validation Error", "priority must be between 0 and 4."),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(
    linear: Linear, columns: dict[str, Any], message: str, shown: str
) -> None:
    error = linear.error(MOVE, {"id": "ENG-1", "input": columns})
    assert (error["message"], error["extensions"]["userPresentableMessage"]) == (message, shown)
    assert linear.log() == []


def test_a_column_of_another_team_is_refused(linear: Linear) -> None:
    error = linear.error(MOVE, {"id": "ENG-1", "input": {"stateId": linear.state_id("Done", "OPS")}})
    assert error["extensions"]["validationErrors"][0]["property"] == "stateId"


def test_only_apps_are_delegates_and_the_assignee_stays(linear: Linear) -> None:
    linear.move("ENG-2", delegateId=linear.user_id("loopline@oauthapp.linear.app"))
    issue = read(linear, "ENG-2")
    assert (issue["assignee"], issue["delegate"]) == ({"name": "Ben Okafor"}, {"name": "Loopline"})
    error = linear.error(MOVE, {"id": "ENG-2", "input": {"delegateId": linear.user_id("ana@example.com")}})
    assert error["message"] == "Argument Validation Error"


def test_a_new_issue_lands_in_the_backlog_with_the_next_number(linear: Linear) -> None:
    issue_id = str(uuid.uuid4())
    made = linear.ask(CREATE, {"input": {"id": issue_id, "teamId": team_id(linear), "title": "New"}}, "lin_oauth_loop")
    issue = made["issueCreate"]["issue"]
    assert (issue["id"], issue["identifier"]) == (issue_id, "ENG-3")
    assert (issue["state"]["name"], issue["creator"]["name"]) == ("Backlog", "Loopline")
    assert (
        linear.error(CREATE, {"input": {"id": issue_id, "teamId": team_id(linear), "title": "New"}})["message"]
        == "conflict on insert of Issue"
    )


def test_numbers_are_not_used_twice(linear: Linear) -> None:
    linear.ask('mutation { issueDelete(id: "ENG-2", permanentlyDelete: true) { success } }')
    made = linear.ask(CREATE, {"input": {"teamId": team_id(linear), "title": "New"}})
    assert made["issueCreate"]["issue"]["identifier"] == "ENG-3"


def test_labels_are_added_and_removed_without_touching_the_others(linear: Linear) -> None:
    urgent = make_label(linear, "urgent")
    bug = linear.ask(LABELS)["issue"]["labelIds"][0]
    linear.move("ENG-1", addedLabelIds=[urgent])
    assert {node["name"] for node in linear.ask(LABELS)["issue"]["labels"]["nodes"]} == {"bug", "urgent"}
    linear.move("ENG-1", removedLabelIds=[bug])
    assert linear.ask(LABELS)["issue"]["labelIds"] == [urgent]


def test_adding_and_removing_a_label_may_be_repeated(linear: Linear) -> None:
    label = make_label(linear, "urgent")
    for field, count in (("issueAddLabel", 2), ("issueAddLabel", 2), ("issueRemoveLabel", 1), ("issueRemoveLabel", 1)):
        linear.ask(f'mutation($l: String!) {{ {field}(id: "ENG-1", labelId: $l) {{ success }} }}', {"l": label})
        assert len(linear.ask(LABELS)["issue"]["labelIds"]) == count


def test_a_label_name_is_unique_in_its_team(linear: Linear) -> None:
    document = "mutation($i: IssueLabelCreateInput!) { issueLabelCreate(input: $i) { success } }"
    error = linear.error(document, {"i": {"name": "BUG", "teamId": team_id(linear)}})
    assert error["message"] == "conflict on insert of IssueLabel"


def test_a_deleted_issue_is_in_the_trash_and_in_no_list(linear: Linear) -> None:
    before = read(linear)["updatedAt"]
    linear.ask('mutation { issueDelete(id: "ENG-1") { success entity { id } } }')
    issue = read(linear)
    assert (issue["trashed"], issue["updatedAt"], issue["archivedAt"] > before) == (True, before, True)
    listed = "query($all: Boolean) { issues(includeArchived: $all) { nodes { identifier } } }"
    assert len(linear.ask(listed, {"all": False})["issues"]["nodes"]) == 2
    assert len(linear.ask(listed, {"all": True})["issues"]["nodes"]) == 3


def test_an_archived_issue_comes_back(linear: Linear) -> None:
    linear.ask('mutation { issueArchive(id: "ENG-1") { success } }')
    assert read(linear)["archivedAt"]
    linear.ask('mutation { issueUnarchive(id: "ENG-1") { success } }')
    assert read(linear)["archivedAt"] is None


def test_a_permanently_deleted_issue_takes_its_comments_along(linear: Linear) -> None:
    comment = linear.comment("ENG-1")
    react = "mutation($i: ReactionCreateInput!) { reactionCreate(input: $i) { success } }"
    linear.ask(react, {"i": {"commentId": comment, "emoji": "eyes"}})
    linear.ask('mutation { issueDelete(id: "ENG-1", permanentlyDelete: true) { success } }')
    assert linear.ask("{ comments { nodes { id } } }")["comments"]["nodes"] == []
    assert linear.error("query($id: String!) { comment(id: $id) { id } }", {"id": comment})
