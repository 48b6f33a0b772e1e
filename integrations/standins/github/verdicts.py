"""The combined state of statuses, check runs and reviews. Pure. Used by shapes, routes and pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from integrations.standins.github.records import CheckRun, Review, Status, Store

Combined = Literal["none", "pending", "success", "failure"]


def newest_statuses(store: Store, repository: str, sha: str) -> list[Status]:
    """The newest status of each context, newest first."""
    newest = {one.context: one for one in store.all(Status, repository=repository, sha=sha)}
    return sorted(newest.values(), key=lambda one: -one.id)


def newest_check_runs(store: Store, repository: str, sha: str) -> list[CheckRun]:
    """The newest check run of each name and App, newest first."""
    newest = {(one.name, one.app_id): one for one in store.all(CheckRun, repository=repository, sha=sha)}
    return sorted(newest.values(), key=lambda one: -one.id)


def combined_state(store: Store, repository: str, sha: str) -> Combined:
    """Statuses and check runs together, as on the page of a pull request; 'none' without any."""
    states = {one.state for one in newest_statuses(store, repository, sha)}
    states |= {run.conclusion or "pending" for run in newest_check_runs(store, repository, sha)}
    if states & {"error", "failure"}:
        return "failure"
    if "pending" in states:
        return "pending"
    return "success" if states else "none"


def review_decisions(reviews: Sequence[Review]) -> dict[str, str]:
    """The decision of each reviewer; a later comment does not revoke an approval or a request for changes."""
    judged = [one for one in reviews if one.state in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")]
    return {one.author: one.state for one in judged}
