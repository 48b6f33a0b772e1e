"""Which comments ask for nothing but an update of the branch."""

from __future__ import annotations

import pytest

from jobs.workflow.update_requests import is_update_request


@pytest.mark.parametrize(
    "text",
    [
        "merge main into the branch and solve the conflict", "Please bring the branch up to date.",
        "please merge `main`", "rebase onto main, thanks!", "Update the branch", "Can you resolve the merge conflicts?",
        "Bring this PR up-to-date with main please", "merge in the latest changes from main", "update it from main",
        "pull main, then fix the conflicts", "sync with origin/main", "Merge the base branch in",
    ],
)  # fmt: skip
def test_update_request_is_recognized(text: str) -> None:
    assert is_update_request(text, "main")


@pytest.mark.parametrize(
    "text",
    [
        "", "thanks", "fix the conflict between the two settings", "merge main and rename the function",
        "update the branch name in the README", "do not merge main", "why is it not up to date?",
        "merge the two helpers", "resolve the conflict by keeping our version", "merge release/2 into the branch",
    ],
)  # fmt: skip
def test_update_request_is_not_another_wish(text: str) -> None:
    assert not is_update_request(text, "main")


def test_update_request_names_the_tickets_own_base_branch() -> None:
    assert is_update_request("merge release/2 into the branch", "release/2")
