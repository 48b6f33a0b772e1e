from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.code_hosts.github.events import TRANSLATORS
from integrations.code_hosts.github.webhooks import IGNORED, GitHubWebhooks
from integrations.errors import Malformed
from integrations.events import (
    EVENT,
    BranchPushed,
    ChecksReported,
    Event,
    PullRequestClosed,
    PullRequestCommented,
    PullRequestMerged,
    ReviewSubmitted,
)
from integrations.ports.source import Delivery
from integrations.values import Person
from tests.support.github_published import webhook_examples

PAYLOADS = Path(__file__).parents[2] / "payloads" / "github"
PLACE = {"event_id": "github:key", "repository": "Codertocat/Hello-World"}
HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
PUSHED = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
CODERTOCAT = Person(id="Codertocat", name="Codertocat")


def translate(event: str, body: Any) -> list[Event]:
    return GitHubWebhooks().translate(Delivery("github", "guid-1", "key", json.dumps(body).encode(), event))


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def translated(name: str) -> Event:
    (event,) = translate(name.partition(".")[0], payload(name))
    return event


# --- GitHub's own examples ------------------------------------------------------------------------------------------

# The events of the examples by name and action; all other examples are ignored.
EXPECTED = {
    ("check_run", "completed"): "ChecksReported",
    ("check_suite", "completed"): "ChecksReported",
    ("merge_group", "checks_requested"): "MergeGroupRequested",
    ("pull_request", "closed"): "PullRequestClosed",
    ("pull_request", "reopened"): "PullRequestReopened",
    ("pull_request_review", "dismissed"): "ReviewSubmitted",
    ("pull_request_review", "submitted"): "ReviewSubmitted",
    ("push", None): "BranchPushed",
    ("status", None): "ChecksReported",
    ("workflow_run", "completed"): "ChecksReported",
}


@pytest.fixture(scope="module")
def examples() -> list[tuple[str, Any]]:
    index = json.loads(webhook_examples().read_text())
    return [(one["name"], body) for one in index for body in one["examples"]]


def test_github_webhook_examples_are_translated_or_ignored(examples: list[tuple[str, Any]]) -> None:
    for name, body in examples:
        expected = EXPECTED.get((name, body.get("action")))
        if name == "push" and not body["ref"].startswith("refs/heads/"):
            expected = None
        assert [event.kind for event in translate(name, body)] == ([expected] if expected else []), name
    assert len(examples) == 329
    assert {name for name, _ in examples} == {name for name, _ in examples} & (IGNORED | TRANSLATORS.keys())


def test_github_webhook_events_of_examples_round_trip(examples: list[tuple[str, Any]]) -> None:
    made = [event for name, body in examples for event in translate(name, body)]
    assert [EVENT.decode(EVENT.encode(event)) for event in made] == made
    assert all(event.at > 1_500_000_000 for event in made)


def test_github_webhook_examples_are_rejected_under_another_event(examples: list[tuple[str, Any]]) -> None:
    for name, body in examples:
        for other in TRANSLATORS.keys() - {name}:
            with pytest.raises(Malformed):
                translate(other, body)


# --- beyond the examples --------------------------------------------------------------------------------------------


def test_github_webhook_merge_has_commit_and_person() -> None:
    assert translated("pull_request.closed.merged") == PullRequestMerged(
        **PLACE,
        at=1557933678.0,
        number=2,
        branch="changes",
        head_sha=HEAD,
        merge_sha="6dcb09b5b57875f334f61aebed695e2e4193db5e",
        by="octocat",
    )


def test_github_webhook_merge_can_lack_the_commit() -> None:
    event = translated("pull_request.closed.merged.2026_03_10")
    assert isinstance(event, PullRequestMerged)
    assert (event.merge_sha, event.branch) == ("", "")


def test_github_webhook_of_a_fork_has_no_branch() -> None:
    event = translated("pull_request.closed.from_fork")
    assert isinstance(event, PullRequestClosed)
    assert (event.number, event.branch, event.by) == (2, "", "Codertocat")


@pytest.mark.parametrize(("state", "body"), [("changes_requested", "Please name the empty case."), ("approved", "")])
def test_github_webhook_review_has_state_and_commit(state: str, body: str) -> None:
    event = translated(f"pull_request_review.submitted.{state}")
    assert isinstance(event, ReviewSubmitted)
    assert (event.state, event.body, event.head_sha, event.review_id) == (state, body, HEAD, "237895671")
    assert (event.number, event.branch, event.author) == (2, "changes", CODERTOCAT)


def test_github_webhook_authors_have_no_permission() -> None:
    event = translated("issue_comment.created.on_pull_request")
    assert isinstance(event, PullRequestCommented)
    assert event.author is not None
    assert not (event.author.may_steer or event.author.is_us)


def test_github_webhook_review_of_a_deleted_account_has_no_author() -> None:
    event = translated("pull_request_review.submitted.by_nobody")
    assert isinstance(event, ReviewSubmitted)
    assert event.author is None


def test_github_webhook_comment_has_the_pull_request_number() -> None:
    event = translated("issue_comment.created.on_pull_request")
    assert isinstance(event, PullRequestCommented)
    assert (event.number, event.comment_id, event.path, event.line) == (2, "492700400", "", 0)
    assert event.body == "You are totally right! I'll get this fixed right away."


def test_github_webhook_inline_comment_is_ignored_if_it_has_a_review() -> None:
    alone = payload("pull_request_review_comment.created.alone")
    (event,) = translate("pull_request_review_comment", alone)
    assert isinstance(event, PullRequestCommented)
    assert (event.path, event.line, event.head_sha) == ("README.md", 12, HEAD)
    alone["comment"]["pull_request_review_id"] = 237895671
    assert translate("pull_request_review_comment", alone) == []


@pytest.mark.parametrize("name", ["pull_request_review.edited", "push.tag"])
def test_github_webhook_edits_and_tags_are_ignored(name: str) -> None:
    assert translate(name.partition(".")[0], payload(name)) == []


def test_github_webhook_branch_deletion_is_a_push_without_head() -> None:
    event = translated("push.branch_deleted")
    assert event == BranchPushed(**PLACE, at=1557933657.0, branch="eng-123/empty-case", before=PUSHED, by="Codertocat")


@pytest.mark.parametrize(
    ("name", "check", "conclusion", "branch", "number"),
    [
        ("status.pending", "default", "pending", "eng-123/empty-case", 0),
        ("status.error", "default", "failure", "eng-123/empty-case", 0),
        ("check_run.completed.timed_out", "Octocoders-linter", "failure", "", 0),
        ("workflow_run.completed.failure", "CI", "failure", "master", 0),
        ("workflow_run.completed.from_fork", "CI", "failure", "", 3),
    ],
)
def test_github_webhook_check_has_conclusion_and_place(
    name: str, check: str, conclusion: str, branch: str, number: int
) -> None:
    event = translated(name)
    assert isinstance(event, ChecksReported)
    assert (event.name, event.conclusion, event.branch, event.number) == (check, conclusion, branch, number)


@pytest.mark.parametrize(
    ("reported", "conclusion"),
    [
        ("success", "success"),
        ("neutral", "success"),
        ("skipped", "success"),
        ("failure", "failure"),
        ("cancelled", "failure"),
        ("stale", "failure"),
        ("new in 2030", "failure"),
    ],
)
def test_github_webhook_check_passes_only_for_known_conclusions(reported: str, conclusion: str) -> None:
    body = payload("check_run.completed.timed_out")
    body["check_run"]["conclusion"] = reported
    (event,) = translate("check_run", body)
    assert isinstance(event, ChecksReported)
    assert event.conclusion == conclusion


# --- malformed payloads ----------------------------------------------------------------------------------------------


def _leaves(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if not isinstance(body, dict):
        yield path
        return
    for key, value in body.items():
        yield from _leaves(value, (*path, key))


@pytest.mark.parametrize("name", sorted(path.stem for path in PAYLOADS.glob("*.json")))
@pytest.mark.parametrize("wrong", [None, 7, -1.5, "x", [], {}, [[]], True], ids=repr)
def test_github_webhook_with_a_wrong_type_is_ignored_or_malformed(name: str, wrong: Any) -> None:
    for path in _leaves(payload(name)):
        body = payload(name)
        at = body
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = wrong
        try:
            translate(name.partition(".")[0], body)
        except Malformed as error:
            assert "guid-1" in str(error)


def test_github_webhook_error_names_the_field_without_its_value() -> None:
    body = payload("pull_request.closed.merged")
    body["pull_request"]["head"]["sha"] = {"a secret": 1}
    with pytest.raises(Malformed, match=r"pull_request\.head\.sha: ") as caught:
        translate("pull_request", body)
    assert "a secret" not in str(caught.value)
