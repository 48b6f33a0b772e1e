"""The deriver of Linear's schema: by example, and with the documents of Linear's own client."""

from __future__ import annotations

import re

import pytest
from graphql import build_schema, parse, print_schema, validate

from tests.support import npm
from tests.support.linear_schema import UnexpectedTypings, derive, linear_schema

TYPINGS = """\
/** All built-in and custom scalars */
type Scalars = {
  ID: string;
  String: string;
  /** A date. */
  DateTime: Date;
};
type Mutation = {
  __typename?: "Mutation";
  linkGitHubPR: Issue;
};
type MutationLinkGitHubPrArgs = {
  filter?: InputMaybe<IssueFilter>;
  ids: Array<Scalars["ID"]>;
};
type Node = {
  id: Scalars["ID"];
};
type Issue = Node & {
  __typename?: "Issue";
  /**
   * When it ended.
   * @deprecated Use `title`.
   */
  endedAt?: Maybe<Scalars["DateTime"]>;
  id: Scalars["ID"];
  /** One line; really. */
  labels: Array<Maybe<Scalars["String"]>>;
  kind: Kind;
};
type Target = Issue | Mutation;
declare enum Kind {
  /** Doc. */
  Bug = "bug",
  SubIssue = "subIssue",
}
type IssueFilter = {
  and?: InputMaybe<Array<IssueFilter>>;
  id?: InputMaybe<IdComparator>;
  kind?: Kind;
};
type IdComparator = {
  eq?: InputMaybe<Scalars["ID"]>;
};
type IssueFragment = { __typename: "Issue" } & Pick<Issue, "id">;
"""
SCHEMA = """\
scalar DateTime

union Target = Issue | Mutation

enum Kind {
  bug
  subIssue
}

type Issue implements Node {
  endedAt: DateTime @deprecated
  id: ID!
  labels: [String]!
  kind: Kind!
}

type Mutation {
  linkGitHubPR(filter: IssueFilter, ids: [ID!]!): Issue!
}

interface Node {
  id: ID!
}

input IDComparator {
  eq: ID
}

input IssueFilter {
  and: [IssueFilter!]
  id: IDComparator
  kind: Kind
}
"""


def test_schema_is_derived_from_typings() -> None:
    derived = derive(TYPINGS)
    assert print_schema(build_schema(derived)) == print_schema(build_schema(SCHEMA))


@pytest.mark.parametrize("typings", ["", TYPINGS.replace("type IssueFragment", "type Other"), "type A = {\n};\n"])
def test_schema_is_not_derived_from_another_form(typings: str) -> None:
    with pytest.raises(UnexpectedTypings):
        derive(typings)


def test_schema_accepts_the_documents_of_linears_client() -> None:
    program = (npm.modules() / "@linear/sdk/dist/index.mjs").read_text()
    documents = re.findall(r"^const \w+Document = new TypedDocumentString\(`(.*?)`", program, re.MULTILINE | re.DOTALL)
    assert len(documents) > 600
    assert [error.message for document in documents for error in validate(linear_schema(), parse(document))] == []
