from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from integrations.standins.github.records import CheckRun, Review, Status
from integrations.standins.github.store import Store
from integrations.standins.github.verdicts import combined_state, review_decisions, suite_conclusion

SHA = "1" * 40


def run(id: int, conclusion: str | None, name: str = "") -> CheckRun:
    status = "completed" if conclusion else "in_progress"
    return CheckRun(id, "o/r", SHA, name or str(id), 1, 1, status, conclusion, "", None, None, None)


def status(id: int, state: str, context: str = "") -> Status:
    return Status(id, "o/r", SHA, context or str(id), state, None, None, "ada", "")


@pytest.mark.parametrize(
    ("conclusions", "together"),
    [
        ([], None),
        (["success", None], None),
        (["success", "skipped"], "success"),
        (["neutral", "skipped"], "neutral"),
        (["success", "failure", "cancelled"], "failure"),
        (["timed_out", "success"], "timed_out"),
    ],
)
def test_the_worst_run_is_the_suites(conclusions: list[str | None], together: str | None) -> None:
    assert suite_conclusion([run(at, one) for at, one in enumerate(conclusions)]) == together


@pytest.mark.parametrize(
    ("records", "together"),
    [
        ([], "none"),
        ([run(1, "success"), status(2, "success")], "success"),
        ([run(1, "neutral")], "success"),
        ([run(1, None), status(2, "success")], "pending"),
        ([run(1, "success"), status(2, "error")], "failure"),
        ([run(1, "failure", "ci"), run(2, "success", "ci")], "success"),
        ([status(1, "failure", "ci"), status(2, "pending", "ci")], "pending"),
    ],
)
def test_statuses_and_runs_add_up(tmp_path: Path, records: list[Any], together: str) -> None:
    store = Store(tmp_path / "records.jsonl")
    for record in records:
        store.put(record)
    assert combined_state(store, "o/r", SHA) == together


@pytest.mark.parametrize(
    ("states", "says"),
    [
        (["APPROVED", "COMMENTED"], "APPROVED"),
        (["CHANGES_REQUESTED", "APPROVED"], "APPROVED"),
        (["APPROVED", "CHANGES_REQUESTED", "PENDING"], "CHANGES_REQUESTED"),
        (["DISMISSED"], "DISMISSED"),
        (["COMMENTED"], None),
    ],
)
def test_the_last_judgement_of_a_reviewer_counts(states: list[str], says: str | None) -> None:
    reviews = [Review(at, "o/r", 1, "ada", state, "", SHA) for at, state in enumerate(states)]
    assert review_decisions(reviews).get("ada") == says
