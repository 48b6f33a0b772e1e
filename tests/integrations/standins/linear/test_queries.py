"""What can be read, by whom, and in which pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.standins.linear.conftest import Linear

ISSUES = """query($filter: IssueFilter, $first: Int, $after: String, $orderBy: PaginationOrderBy, $archived: Boolean) {
  issues(filter: $filter, first: $first, after: $after, orderBy: $orderBy, includeArchived: $archived) {
    nodes { identifier } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


def found(linear: Linear, token: str = "lin_api_ana", **variables: Any) -> list[str]:
    return [node["identifier"] for node in linear.ask(ISSUES, variables, token)["issues"]["nodes"]]


@pytest.mark.parametrize("name", ["ENG-1", "eng-1"])
def test_an_issue_is_found_by_identifier(linear: Linear, name: str) -> None:
    document = "query($id: String!) { issue(id: $id) { id title number url priorityLabel } }"
    issue = linear.ask(document, {"id": name})["issue"]
    assert issue["title"] == "Retry the export!"
    assert issue["url"] == f"{linear.url}/acme/issue/ENG-1/retry-the-export"
    assert linear.ask(document, {"id": issue["id"]})["issue"] == issue


@pytest.mark.parametrize("name", ["ENG-99", "nothing", "9d2c2e36-0000-4000-8000-000000000000"])
def test_an_unknown_issue_is_linears_error_at_200(linear: Linear, name: str) -> None:
    error = linear.error("query($id: String!) { issue(id: $id) { id } }", {"id": name})
    assert (error["message"], error["path"]) == ("Entity not found: Issue", ["issue"])


@pytest.mark.parametrize(("token", "who"), [("lin_api_ana", "ana"), ("lin_oauth_loop", "loopline")])
def test_the_branch_is_named_for_who_asks_and_leads_back_to_the_issue(linear: Linear, token: str, who: str) -> None:
    branch = linear.ask('{ issue(id: "ENG-1") { branchName } }', token=token)["issue"]["branchName"]
    assert branch == f"{who}/eng-1-retry-the-export"
    document = "query($branch: String!) { issueVcsBranchSearch(branchName: $branch) { identifier } }"
    assert linear.ask(document, {"branch": branch})["issueVcsBranchSearch"] == {"identifier": "ENG-1"}


@pytest.mark.parametrize("branch", ["main", "eng-99", "xeng-1", "nobody-1"])
def test_a_branch_of_no_issue_leads_nowhere(linear: Linear, branch: str) -> None:
    document = "query($branch: String!) { issueVcsBranchSearch(branchName: $branch) { identifier } }"
    assert linear.ask(document, {"branch": branch}) == {"issueVcsBranchSearch": None}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"team": {"key": {"eq": "OPS"}}}, ["OPS-1"]),
        ({"state": {"name": {"in": ["Agent", "Done"]}}}, ["ENG-2"]),
        ({"number": {"gt": 1}}, ["ENG-2"]),
        ({"assignee": {"null": True}, "team": {"key": {"eq": "ENG"}}}, ["ENG-1"]),
        ({"assignee": {"email": {"eq": "ben@example.com"}}}, ["ENG-2"]),
        ({"creator": {"isMe": {"eq": False}}}, []),
        ({"title": {"containsIgnoreCase": "EXPORT"}}, ["ENG-1"]),
        ({"title": {"startsWith": "greet"}}, []),
        ({"labels": {"some": {"name": {"eqIgnoreCase": "BUG"}}}}, ["ENG-1"]),
        ({"labels": {"name": {"neq": "bug"}}}, []),
        ({"labels": {"every": {"name": {"eq": "bug"}}}}, ["OPS-1", "ENG-2", "ENG-1"]),
        ({"or": [{"number": {"eq": 2}}, {"team": {"key": {"neq": "ENG"}}}]}, ["OPS-1", "ENG-2"]),
        ({"and": [{"number": {"lte": 1}}, {"team": {"key": {"nin": ["OPS"]}}}]}, ["ENG-1"]),
        ({"updatedAt": {"gte": "2020-01-01T00:00:00Z"}}, ["OPS-1", "ENG-2", "ENG-1"]),
        ({"createdAt": {"lt": "2020-01-01"}}, []),
    ],
)
def test_a_filter_finds_what_it_describes(linear: Linear, wanted: dict[str, Any], expected: list[str]) -> None:
    assert found(linear, filter=wanted) == expected


def test_a_date_that_is_none_is_named(linear: Linear) -> None:
    error = linear.error(ISSUES, {"filter": {"updatedAt": {"gt": "-P1D"}}})
    assert "'-P1D'" in error["extensions"]["userPresentableMessage"]


def test_pages_follow_each_other_without_gap_or_repeat(linear: Linear) -> None:
    seen, after = [], None
    while True:
        page = linear.ask(ISSUES, {"first": 1, "after": after})["issues"]
        seen += [node["identifier"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == ["OPS-1", "ENG-2", "ENG-1"]
    assert page["pageInfo"]["hasPreviousPage"]


def test_reading_backwards_ends_before_the_cursor(linear: Linear) -> None:
    document = """query($before: String, $last: Int) { issues(before: $before, last: $last) {
      nodes { id identifier } pageInfo { hasPreviousPage } } }"""
    page = linear.ask(document, {"last": 1})["issues"]
    assert [node["identifier"] for node in page["nodes"]] == ["ENG-1"]
    page = linear.ask(document, {"last": 5, "before": page["nodes"][0]["id"]})["issues"]
    assert [node["identifier"] for node in page["nodes"]] == ["OPS-1", "ENG-2"]
    assert page["pageInfo"]["hasPreviousPage"] is False


def test_what_was_touched_last_comes_first_by_updated_at(linear: Linear) -> None:
    linear.move("ENG-1", title="Retry it")
    assert found(linear, orderBy="updatedAt") == ["ENG-1", "OPS-1", "ENG-2"]
    assert found(linear) == ["OPS-1", "ENG-2", "ENG-1"]


def test_a_sort_goes_before_the_order(linear: Linear) -> None:
    document = "{ issues(sort: [{ title: { order: Ascending } }]) { nodes { title } } }"
    titles = [node["title"] for node in linear.ask(document)["issues"]["nodes"]]
    assert titles == ["Greet people", "Retry the export!", "Rotate the keys"]


@pytest.mark.parametrize("size", [0, 251])
def test_a_page_has_between_1_and_250_rows(linear: Linear, size: int) -> None:
    assert linear.error(ISSUES, {"first": size})["extensions"]["code"] == "INVALID_INPUT"


def test_an_unknown_cursor_is_refused(linear: Linear) -> None:
    assert linear.error(ISSUES, {"after": "nowhere"})["message"] == "Entity not found: cursor"


def test_a_team_has_its_own_columns(linear: Linear) -> None:
    document = '{ team(id: "OPS") { defaultIssueState { name } states { nodes { name position team { key } } } } }'
    team = linear.ask(document)["team"]
    columns = sorted(team["states"]["nodes"], key=lambda state: state["position"])
    assert [(state["name"], state["team"]["key"]) for state in columns] == [
        ("Backlog", "OPS"),
        ("Agent", "OPS"),
        ("Done", "OPS"),
    ]
    assert team["defaultIssueState"] == {"name": "Backlog"}


def test_disabled_people_are_listed_only_when_asked_for(linear: Linear) -> None:
    document = "query($all: Boolean) { users(includeDisabled: $all) { nodes { displayName } } }"
    names = {node["displayName"] for node in linear.ask(document, {"all": False})["users"]["nodes"]}
    everybody = {node["displayName"] for node in linear.ask(document, {"all": True})["users"]["nodes"]}
    assert (names, everybody - names) == ({"ana", "ben", "loopline"}, {"gone"})


def test_what_the_board_does_not_model_is_empty(linear: Linear) -> None:
    document = """{ issue(id: "ENG-1") { cycle { id } project { id } relations { nodes { id } } customerTicketCount
      sharedAccess { isShared sharedWithUsers { id } disallowedIssueFields } } }"""
    issue = linear.ask(document)["issue"]
    assert issue["sharedAccess"] == {"isShared": False, "sharedWithUsers": [], "disallowedIssueFields": []}
    assert (issue["cycle"], issue["project"], issue["relations"]["nodes"], issue["customerTicketCount"]) == (
        None,
        None,
        [],
        0,
    )


def test_comments_are_found_by_issue_and_time(linear: Linear) -> None:
    linear.comment("OPS-1", body="elsewhere")
    first = linear.comment("ENG-1", body="one")
    document = """query($since: DateTimeOrDuration!) { comments(filter: { issue: { team: { key: { eq: "ENG" } } },
      updatedAt: { gte: $since } }) { nodes { id issueId user { name } issue { identifier } } } }"""
    nodes = linear.ask(document, {"since": "2020-01-01T00:00:00.000Z"})["comments"]["nodes"]
    assert [(node["id"], node["issue"]["identifier"]) for node in nodes] == [(first, "ENG-1")]
    assert linear.ask(document, {"since": "2999-01-01T00:00:00Z"})["comments"]["nodes"] == []
