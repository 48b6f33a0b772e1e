"""Reads: lookups, filters and pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.standins.linear.conftest import Linear, state_id

ISSUES = """query($filter: IssueFilter, $first: Int, $after: String) {
  issues(filter: $filter, first: $first, after: $after) {
    nodes { identifier } pageInfo { hasNextPage endCursor } } }"""


def found(linear: Linear, **variables: Any) -> list[str]:
    return [node["identifier"] for node in linear.ask(ISSUES, variables)["issues"]["nodes"]]


@pytest.mark.parametrize("name", ["ENG-1", "eng-1"])
def test_issue_is_found_by_identifier_and_by_id(linear: Linear, name: str) -> None:
    issue = linear.read("id title url branchName", name)
    assert issue["url"] == f"{linear.url}/acme/issue/ENG-1/retry-the-export"
    assert issue["branchName"] == "ana/eng-1-retry-the-export"
    assert linear.read("id title url branchName", issue["id"]) == issue


@pytest.mark.parametrize("name", ["ENG-99", "nothing", "9d2c2e36-0000-4000-8000-000000000000"])
def test_unknown_issue_is_linears_error_at_200(linear: Linear, name: str) -> None:
    error = linear.error("query($id: String!) { issue(id: $id) { id } }", {"id": name})
    assert (error["message"], error["path"]) == ("Entity not found: Issue", ["issue"])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["OPS-1", "ENG-2", "ENG-1"]),
        ({"team": {"key": {"eq": "OPS"}}}, ["OPS-1"]),
        ({"team": {"key": {"eqIgnoreCase": "eng"}}}, ["ENG-2", "ENG-1"]),
        ({"state": {"id": {"in": [state_id("Agent"), state_id("Done")]}}}, ["ENG-2"]),
        ({"state": {"id": {"in": []}}}, []),
    ],
)
def test_filter_finds_what_it_describes(linear: Linear, wanted: dict[str, Any], expected: list[str]) -> None:
    assert found(linear, filter=wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"name": {"eqIgnoreCase": "BUG"}}, ["bug"]),
        ({"or": [{"team": {"key": {"eq": "OPS"}}}, {"team": {"null": True}}]}, ["shared"]),
        ({"or": [{"team": {"key": {"eq": "ENG"}}}, {"team": {"null": True}}]}, ["shared", "bug"]),
    ],
)
def test_label_filter_tells_teams_from_the_workspace(linear: Linear, wanted: Any, expected: list[str]) -> None:
    linear.write("issueLabelCreate", input={"name": "shared"})
    document = "query($filter: IssueLabelFilter) { issueLabels(filter: $filter) { nodes { name } } }"
    assert [node["name"] for node in linear.ask(document, {"filter": wanted})["issueLabels"]["nodes"]] == expected


def test_pages_have_no_gap_and_no_repeat(linear: Linear) -> None:
    seen, after = [], None
    while True:
        page = linear.ask(ISSUES, {"first": 1, "after": after})["issues"]
        seen += [node["identifier"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == ["OPS-1", "ENG-2", "ENG-1"]


@pytest.mark.parametrize("size", [0, 251])
def test_page_has_between_1_and_250_rows(linear: Linear, size: int) -> None:
    assert linear.error(ISSUES, {"first": size})["extensions"]["code"] == "INVALID_INPUT"


def test_unknown_cursor_is_refused(linear: Linear) -> None:
    assert linear.error(ISSUES, {"after": "nowhere"})["message"] == "Entity not found: cursor"


def test_team_has_its_own_columns(linear: Linear) -> None:
    document = '{ teams(filter: { key: { eq: "OPS" } }) { nodes { states { nodes { id name position } } } } }'
    [team] = linear.ask(document)["teams"]["nodes"]
    columns = sorted(team["states"]["nodes"], key=lambda state: state["position"])
    names = ["Backlog", "Agent", "Done"]
    assert [(state["name"], state["id"]) for state in columns] == [(name, state_id(name, "OPS")) for name in names]
