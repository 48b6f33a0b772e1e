"""What statuses, check runs and reviews add up to. Pure. Used by shapes, routes and pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from integrations.standins.github.records import CheckRun, Review, Status
from integrations.standins.github.store import Store

Combined = Literal["pending", "success", "failure"]
Rollup = Literal["none", "pending", "success", "failure"]
PASSING = ("success", "neutral", "skipped")
# The worst word of a suite's runs is the suite's.
WORST_FIRST = ("failure", "timed_out", "cancelled", "action_required", "stale", "success", "neutral", "skipped")


def newest_statuses(store: Store, repository: str, sha: str) -> list[Status]:
    """The newest status of each context, newest first."""
    newest = {one.context: one for one in store.all(Status, repository=repository, sha=sha)}
    return sorted(newest.values(), key=lambda one: -one.id)


def newest_check_runs(store: Store, repository: str, sha: str) -> list[CheckRun]:
    """The newest check run of each name and App, newest first."""
    newest = {(one.name, one.app_id): one for one in store.all(CheckRun, repository=repository, sha=sha)}
    return sorted(newest.values(), key=lambda one: -one.id)


def status_state(statuses: Sequence[Status]) -> Combined:
    """The combined state of statuses; none at all is pending."""
    states = {one.state for one in statuses}
    if states & {"error", "failure"}:
        return "failure"
    return "success" if states == {"success"} else "pending"


def suite_conclusion(runs: Sequence[CheckRun]) -> str | None:
    """The conclusion of a suite, None while one of its runs goes on."""
    if not runs or any(run.status != "completed" for run in runs):
        return None
    return min((run.conclusion or "neutral" for run in runs), key=WORST_FIRST.index)


def combined_state(store: Store, repository: str, sha: str) -> Rollup:
    """Statuses and check runs together, as the rollup on a pull request's page; 'none' where there are neither."""
    statuses, runs = newest_statuses(store, repository, sha), newest_check_runs(store, repository, sha)
    states = [status_state(statuses)] if statuses else []
    states += [_run_state(run) for run in runs]
    words: tuple[Combined, ...] = ("failure", "pending", "success")
    for word in words:
        if word in states:
            return word
    return "none"


def _run_state(run: CheckRun) -> Combined:
    if run.status != "completed":
        return "pending"
    return "success" if run.conclusion in PASSING else "failure"


def review_decisions(reviews: Sequence[Review]) -> dict[str, str]:
    """What each reviewer says now: a later comment does not take back an approval or a request for changes."""
    said: dict[str, str] = {}
    for review in reviews:
        if review.state in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED"):
            said[review.author] = review.state
    return said
