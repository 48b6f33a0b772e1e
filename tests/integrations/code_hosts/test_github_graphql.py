"""The GraphQL documents against GitHub's schema, and GitHub's errors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from graphql import parse, specified_rules, validate
from graphql.validation import NoDeprecatedCustomRule

from integrations.code_hosts.github import facts, merging
from integrations.code_hosts.github.code_host import GitHub
from integrations.code_hosts.github.graphql import load_documents
from integrations.errors import Forbidden, NotFound, Rejected, Unauthorized, Unavailable
from tests.integrations.code_hosts.answering import Answer, Answering
from tests.integrations.code_hosts.canned import BRANCH, SHA
from tests.support.github_published import graphql_schema

GRAPHQL = "POST /graphql"
RULES = (*specified_rules, NoDeprecatedCustomRule)
PULL_PATH = ["repository", "pullRequest"]
CHECKS_PATH = [*PULL_PATH, "commits", "nodes", 0, "commit", "statusCheckRollup", "contexts"]


@pytest.mark.parametrize("name", load_documents())
def test_github_graphql_document_is_valid_and_not_deprecated(name: str) -> None:
    assert validate(graphql_schema(), parse(load_documents()[name].text), RULES) == []


def test_github_graphql_check_finds_mistakes() -> None:
    wrong = 'query X { repository(owner: "a", name: "b") { pullRequest(number: 1) { databaseId mergeableState } } }'
    assert len(validate(graphql_schema(), parse(wrong), RULES)) == 2


def test_github_graphql_documents_are_all_sent() -> None:
    source = "".join(inspect.getsource(module) for module in (facts, merging))
    assert all(f'"{name}"' in source for name in load_documents())


def answer(data: Any = None, *errors: Any, headers: dict[str, str] | None = None) -> Answer:
    return Answer(body={"data": data, **({"errors": list(errors)} if errors else {})}, headers=headers or {})


def pull(**changes: Any) -> dict[str, Any]:
    """The least that GitHub sends of a pull request."""
    known = {"number": 7, "url": "http://h/7", "title": "Fix", "body": "Why", "state": "OPEN", "isDraft": False}
    ends = {"headRefName": BRANCH, "headRefOid": SHA, "baseRefName": "main", "baseRefOid": "b" * 40}
    lists = {"latestOpinionatedReviews": {"nodes": [], "pageInfo": {"hasNextPage": False}}}
    return {"repository": {"pullRequest": {**known, **ends, **lists, **changes}}}


def rollup(*nodes: Any, state: str = "SUCCESS", more: bool = False, oid: str = SHA) -> dict[str, Any]:
    contexts = {"nodes": list(nodes), "pageInfo": {"hasNextPage": more}}
    return {"nodes": [{"commit": {"oid": oid, "statusCheckRollup": {"state": state, "contexts": contexts}}}]}


ERRORS: dict[str, tuple[Answer, type[Exception], str]] = {
    "no such pull request": (
        answer(
            {"repository": {"pullRequest": None}}, {"type": "NOT_FOUND", "message": "Could not resolve", "path": []}
        ),
        NotFound,
        "FetchFacts on o/r",
    ),
    "null without an error": (answer({"repository": None}), NotFound, "no pull request 7 in o/r"),
    "permission": (
        answer(None, {"type": "FORBIDDEN", "message": "Resource not accessible by integration"}),
        Forbidden,
        "checks: read",
    ),
    "scopes": (answer(None, {"type": "INSUFFICIENT_SCOPES", "message": "scopes"}), Forbidden, "permissions needed"),
    "rate limit": (answer(None, {"type": "RATE_LIMITED", "message": "exceeded"}), Unavailable, "rate limit"),
    "GitHub's fault": (answer(None, {"message": "Something went wrong while executing"}), Unavailable, "failed"),
    "broken document": (answer(None, {"message": "Field 'x' doesn't exist"}), Rejected, "Field 'x'"),
    "no data": (answer(), Unavailable, "cannot be read"),
    "a list": (Answer(body=[]), Unavailable, "cannot be read"),
    "another form": (answer({"repository": {"pullRequest": {"number": "x"}}}), Rejected, "are invalid"),
    "credentials": (Answer(401, {"message": "Bad credentials"}), Unauthorized, "GITHUB_TOKEN"),
    "status": (Answer(502), Unavailable, "502"),
}


@pytest.mark.parametrize(("reply", "kind", "text"), ERRORS.values(), ids=ERRORS)
def test_github_graphql_error_has_a_kind(
    server: Answering, github: GitHub, reply: Answer, kind: type[Exception], text: str
) -> None:
    server.on(GRAPHQL, reply)
    with pytest.raises(kind) as caught:
        github.fetch_facts("o/r", 7)
    assert type(caught.value) in (kind, *kind.__subclasses__()) and text in str(caught.value)
    assert "github_pat_secret" not in str(caught.value)


def test_github_graphql_rate_limit_waits_until_the_reset(server: Answering, github: GitHub) -> None:
    headers = {"X-RateLimit-Reset": "4102444800", "Date": "Thu, 31 Dec 2099 23:50:00 GMT"}
    server.on(GRAPHQL, answer(None, {"type": "RATE_LIMITED", "message": "exceeded"}, headers=headers))
    with pytest.raises(Unavailable) as caught:
        github.fetch_facts("o/r", 7)
    assert caught.value.requested == 600


def test_github_facts_query_is_retried(server: Answering, github: GitHub) -> None:
    server.on(GRAPHQL, Answer(502), Answer(dropped=True), answer(pull()))
    assert github.fetch_facts("o/r", 7).number == 7
    assert server.count(GRAPHQL) == 3


PARTS: dict[str, tuple[dict[str, Any], Callable[[Any], bool]]] = {
    "behind by the comparison": (
        {"baseRef": {"target": {"oid": "c" * 40}, "compare": {"behindBy": 2}}},
        lambda facts: facts.behind and facts.base_sha == "c" * 40,
    ),
    "base deleted": ({"baseRef": None}, lambda facts: facts.base_sha == "b" * 40 and not facts.behind),
    "author deleted": ({"author": None}, lambda facts: facts.author == ""),
    "unknown mergeability": ({"mergeable": "UNKNOWN"}, lambda facts: facts.mergeable == "unknown"),
    "conflict": ({"mergeable": "CONFLICTING"}, lambda facts: facts.mergeable == "conflict"),
    "future state": ({"mergeStateStatus": "NEW", "reviewDecision": "NEW"}, lambda facts: not facts.review_decision),
    "of a fork": ({"isCrossRepository": True}, lambda facts: facts.branch == ""),
    "merged": ({"state": "MERGED"}, lambda facts: facts.merged and facts.state == "closed"),
    "checks of an older head": (
        {"commits": rollup({"__typename": "StatusContext", "context": "ci", "state": "SUCCESS"}, oid="d" * 40)},
        lambda facts: facts.checks == () and facts.all_checks == "",
    ),
    "more than a hundred checks": (
        {"commits": rollup(more=True, state="FAILURE")},
        lambda facts: facts.cut == ("checks",) and facts.all_checks == "failure",
    ),
    "a check that cannot be read": ({"commits": rollup(None)}, lambda facts: facts.checks == ()),
    "unknown conclusion": (
        {"commits": rollup({"__typename": "CheckRun", "name": "x", "status": "COMPLETED", "conclusion": "NEW"})},
        lambda facts: facts.checks[0].conclusion == "failure",
    ),
    "check that waits": (
        {"commits": rollup({"__typename": "CheckRun", "name": "x", "status": "WAITING", "conclusion": None})},
        lambda facts: facts.checks[0].conclusion == "pending",
    ),
}


@pytest.mark.parametrize(("changes", "holds"), PARTS.values(), ids=PARTS)
def test_github_facts_are_read_leniently(
    server: Answering, github: GitHub, changes: dict[str, Any], holds: Callable[[Any], bool]
) -> None:
    server.on(GRAPHQL, answer(pull(**changes)))
    assert holds(github.fetch_facts("o/r", 7))


def test_github_facts_without_permission_for_checks_name_the_gap(server: Answering, github: GitHub) -> None:
    refused = {"type": "FORBIDDEN", "message": "Not accessible by personal access token", "path": CHECKS_PATH}
    gone = {
        "type": "NOT_FOUND",
        "message": "Could not resolve",
        "path": ["repository", "pullRequest", "baseRef", "compare"],
    }
    server.on(GRAPHQL, answer(pull(), refused, gone))
    facts = github.fetch_facts("o/r", 7)
    assert (facts.checks, facts.cut) == ((), ("checks",))
