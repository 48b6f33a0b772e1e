"""Labels, milestones, requested reviewers and drafts, with GitHub's refusals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.standins.github.world import SHOP, World

PULL = f"{SHOP}/pulls/1"
READY = (
    "mutation M($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { isDraft } } }"
)
DRAFT = READY.replace("markPullRequestReadyForReview", "convertPullRequestToDraft")


def run(github: World, document: str, node_id: str) -> Any:
    answer = github.person().post("/graphql", json={"query": document, "variables": {"id": node_id}})
    return answer.json()


def test_label_that_the_repository_lacks_is_created_once(github: World) -> None:
    github.pull()
    ada = github.person()
    for _ in range(2):
        answer = ada.post(f"{SHOP}/issues/1/labels", json={"labels": ["loopline", "Loopline"]})
        assert [one["name"] for one in answer.json()] == ["loopline"]
    assert ada.post(f"{SHOP}/issues/1/labels", json={"labels": ["x" * 51]}).status_code == 422


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"reviewers": ["bob"]}, "Review cannot be requested from pull request author."),
        ({"reviewers": ["ada", "nobody"]}, "Reviews may only be requested from collaborators."),
        ({"team_reviewers": ["ghosts"]}, "Reviews may only be requested from collaborators."),
    ],
)
def test_review_is_requested_of_all_or_of_none(github: World, wanted: dict[str, object], reason: str) -> None:
    github.pull(by="bob")
    answer = github.person().post(f"{PULL}/requested_reviewers", json=wanted)

    assert answer.status_code == 422 and reason in answer.json()["message"]
    assert github.person().get(PULL).json()["requested_reviewers"] == []


def test_draft_ends_and_begins_through_graphql_only(github: World) -> None:
    opened = github.pull(draft=True)
    assert opened["draft"] is True
    assert github.person().put(f"{PULL}/merge", json={}).status_code == 405

    for document, is_draft in ((READY, False), (READY, False), (DRAFT, True)):
        payload = next(iter(run(github, document, opened["node_id"])["data"].values()))
        assert payload["pullRequest"]["isDraft"] is is_draft
        assert github.person().get(PULL).json()["draft"] is is_draft


def test_plan_without_drafts_refuses_them(github: World) -> None:
    github.rules(allow_drafts=False)
    github.push("fix")
    body = {"title": "Fix", "head": "fix", "base": "main", "draft": True}
    answer = github.person().post(f"{SHOP}/pulls", json=body)

    assert (answer.status_code, answer.json()["message"]) == (
        422,
        "Draft pull requests are not supported in this repository.",
    )
