"""The GraphQL endpoint: its cut of GitHub's schema, its errors, and its objects as Octokit sees them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLUnionType,
    build_schema,
    is_specified_scalar_type,
)

from integrations.standins.github.graphql.endpoint import schema
from integrations.standins.github.graphql.mutations import MUTATIONS
from tests.integrations.standins.github.world import SHOP, World
from tests.support import npm
from tests.support.github_published import graphql_schema

PULL = 'query Q { repository(owner: "acme", name: "%s") { pullRequest(number: %d) { %s } } }'
Fields = GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType


def ask(github: World, query: str, token: str = "ghp_ada", **variables: Any) -> Any:
    """The whole answer to a document."""
    answer = github.caller(token).post("/graphql", json={"query": query, "variables": variables})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_schema_is_a_part_of_that_of_github() -> None:
    own, real = schema().type_map, graphql_schema().type_map
    differences = [
        line
        for name, kind in own.items()
        if not name.startswith("__") and not is_specified_scalar_type(kind)
        for line in find_differences(kind, real.get(name))
    ]
    assert differences == []


def find_differences(own: GraphQLNamedType, real: GraphQLNamedType | None) -> Iterator[str]:
    """Deviations of one type: its kind, fields, arguments, values and members."""
    if real is None or type(own) is not type(real):
        yield f"{own.name} is not such a type of GitHub"
    elif isinstance(own, GraphQLEnumType) and isinstance(real, GraphQLEnumType):
        if own.values.keys() != real.values.keys():
            yield f"{own.name} differs"
    elif isinstance(own, GraphQLUnionType) and isinstance(real, GraphQLUnionType):
        if {one.name for one in own.types} - {one.name for one in real.types}:
            yield f"{own.name} differs"
    elif isinstance(own, Fields) and isinstance(real, Fields):
        for name, field in own.fields.items():
            other: Any = real.fields.get(name)
            if other is None or str(field.type) != str(other.type):
                yield f"{own.name}.{name} is not GitHub's"
                continue
            known = getattr(other, "args", {})
            for argument, given in getattr(field, "args", {}).items():
                if argument not in known or str(given.type) != str(known[argument].type):
                    yield f"{own.name}.{name}({argument}) is not GitHub's"


def test_schema_check_finds_differences() -> None:
    own = build_schema(
        "type Query { viewer(x: Int): Int } enum MergeableState { YES } type CheckRun { name: Int nam: String }"
        " union StatusCheckRollupContext = CheckRun | Query type PullRequest2 { id: ID }"
    )
    real = graphql_schema().type_map
    kinds = ("Query", "MergeableState", "CheckRun", "StatusCheckRollupContext", "PullRequest2")
    found = [line for name in kinds for line in find_differences(own.type_map[name], real.get(name))]
    assert [line.split()[0] for line in found] == [
        *("Query.viewer", "MergeableState", "CheckRun.name", "CheckRun.nam", "StatusCheckRollupContext", "PullRequest2")
    ]


def test_schema_has_every_mutation_of_the_table() -> None:
    mutation = schema().mutation_type
    assert mutation is not None and mutation.fields.keys() == MUTATIONS.keys()


@pytest.mark.parametrize(
    ("query", "kind", "text"),
    [
        (PULL % ("shop", 9, "title"), "NOT_FOUND", "Could not resolve to a PullRequest with the number of 9."),
        (PULL % ("none", 1, "title"), "NOT_FOUND", "Could not resolve to a Repository with the name 'acme/none'."),
        (PULL % ("shop", 1, "reviews { totalCount }"), "MISSING_PAGINATION_BOUNDARIES", "`first` or `last`"),
        (PULL % ("shop", 1, "reviews(first: 101) { totalCount }"), "EXCESSIVE_PAGINATION", "limit of 100"),
        (PULL % ("shop", 1, "baseRef { compare(headRef: \"x\") { behindBy } }"), "NOT_FOUND", "Could not resolve"),
        ('mutation { enqueuePullRequest(input: {pullRequestId: "x"}) { clientMutationId } }', "NOT_FOUND", "global id"),
    ],
)  # fmt: skip
def test_error_has_the_type_of_github_beside_its_message(github: World, query: str, kind: str, text: str) -> None:
    github.pull()
    [error] = ask(github, query)["errors"]
    assert (error["type"], text in error["message"]) == (kind, True)
    assert "extensions" not in error


def test_unknown_field_and_broken_document_are_errors_without_data(github: World) -> None:
    for query in ("{ repository(owner: 1) { id } }", "{"):
        assert "data" not in ask(github, query)
    assert github.person().post("/graphql", data="x").status_code == 400
    assert github.caller().post("/graphql", json={"query": "{ __typename }"}).status_code == 403


def test_app_without_permission_gets_the_rest_of_the_answer(github: World) -> None:
    sha = github.pull()["head"]["sha"]
    github.bot().post(f"{SHOP}/check-runs", json={"name": "build", "head_sha": sha})
    token = github.bot(permissions={"pull_requests": "read", "contents": "read"}).token
    fields = "title commits(last: 1) { nodes { commit { statusCheckRollup { state } } } }"
    answer = ask(github, PULL % ("shop", 1, fields), token)
    assert [error["type"] for error in answer["errors"]] == ["FORBIDDEN"]
    assert answer["data"]["repository"]["pullRequest"]["title"] == "Fix add"
    [none] = ask(github, PULL % ("shop", 1, "id"), github.bot(permissions={"contents": "read"}).token)["errors"]
    assert none["type"] == "FORBIDDEN"


@pytest.mark.parametrize("kind", ["502", "rate_limit", "lost_reply"])
def test_fault_hits_a_query_by_its_name(github: World, kind: str) -> None:
    github.pull()
    github.fault(operation="query Q", kind=kind)
    try:
        status = github.person().post("/graphql", json={"query": PULL % ("shop", 1, "id")}).status_code
    except OSError:
        status = 0
    assert status == {"502": 502, "rate_limit": 403, "lost_reply": 0}[kind]
    assert "errors" not in ask(github, PULL % ("shop", 1, "id"))


def test_octokit_reads_and_merges_over_graphql(ruled: World, tmp_path: Path) -> None:
    """Auto-merge on a branch whose rules ask for a check and an approval."""
    github = ruled
    number = github.pull()["number"]
    (tmp_path / "node_modules").symlink_to(npm.modules())
    shutil.copy(Path(__file__).with_name("octokit_graphql.mjs"), tmp_path)
    command = [str(npm.NODE), str(tmp_path / "octokit_graphql.mjs"), github.url, str(number)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "before": ["BLOCKED", "REVIEW_REQUIRED", None],
        "refused": ["Repository rule violations found", 405],
        "enabled": "SQUASH",
        "twice": ["UNPROCESSABLE", "Pull request Pull request is in clean status"],
        "after": ["MERGED", "SUCCESS"],
        "missing": "NOT_FOUND",
    }
