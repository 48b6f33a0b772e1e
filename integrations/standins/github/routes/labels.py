"""Labels, milestones and requested reviewers of a pull request."""

from __future__ import annotations

from pydantic import Field

from integrations.standins.github.hub import now
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, invalid
from integrations.standins.github.records import Milestone, Pull
from integrations.standins.github.routes.pulls import PULL
from integrations.standins.github.seed import ROLES
from integrations.standins.github.shapes.labels import label, milestone
from integrations.standins.github.shapes.people import user
from integrations.standins.github.shapes.pulls import issue, pull_request_simple

ISSUE = "/repos/{owner}/{repo}/issues/{issue_number}"
MILESTONES = "/repos/{owner}/{repo}/milestones"
LONGEST_LABEL = 50
NO_COLLABORATOR = (
    "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a "
    "collaborator of the {} repository."
)


class Labels(Input):
    labels: list[str]


@operation("POST", ISSUE + "/labels", needs="pull_requests:write", role="write")
def add_labels(call: Call) -> Reply:
    """Add labels; one that the repository lacks is created."""
    pull, wanted = call.pull, call.read(Labels).labels
    if any(not name.strip() or len(name) > LONGEST_LABEL for name in wanted):
        raise invalid("Label", "name")
    for name in wanted:
        if name.lower() not in (known.lower() for known in pull.labels):
            pull.labels.append(name)
            _save(call, pull)
            call.aftermath.emit_pull("labeled", pull, label=label(call.view, call.repository, name))
    return Reply([label(call.view, call.repository, name) for name in pull.labels])


class IssuePatch(Input):
    """`milestone` is the number of one."""

    milestone: int


@operation("PATCH", ISSUE, needs="pull_requests:write", role="write")
def change_issue(call: Call) -> Reply:
    """Set the milestone."""
    pull, number = call.pull, call.read(IssuePatch).milestone
    if not call.hub.store.all(Milestone, repository=pull.repository, number=number):
        raise invalid("Issue", "milestone")
    pull.milestone = number
    _save(call, pull)
    return Reply({**issue(call.view, pull), "user": user(call.view, pull.author)})


@operation("GET", MILESTONES, needs="pull_requests:read")
def list_milestones(call: Call) -> Reply:
    """The open ones."""
    found = call.hub.store.all(Milestone, repository=call.repository.name)
    return Reply([milestone(call.view, one) for one in found])


class NewMilestone(Input):
    title: str


@operation("POST", MILESTONES, needs="pull_requests:write", role="write")
def create_milestone(call: Call) -> Reply:
    """Create an open milestone."""
    title, store, name = call.read(NewMilestone).title, call.hub.store, call.repository.name
    known = store.all(Milestone, repository=name)
    if any(one.title == title for one in known):
        raise invalid("Milestone", "title", code="already_exists")
    made = Milestone(store.new_id(), name, len(known) + 1, title, call.actor.login, now())
    store.put(made)
    return Reply(milestone(call.view, made), 201)


class Reviewers(Input):
    """Logins, and slugs of teams."""

    reviewers: list[str] = Field(default_factory=list)
    team_reviewers: list[str] = Field(default_factory=list)


@operation("POST", PULL + "/requested_reviewers", needs="pull_requests:write", role="write")
def request_reviewers(call: Call) -> Reply:
    """Request reviews: all, or none if one of them is the author or has no access."""
    repository, pull, wanted = call.repository, call.pull, call.read(Reviewers)
    if pull.author in wanted.reviewers:
        raise Problem(422, "Review cannot be requested from pull request author.")
    people = [call.hub.user(login) for login in wanted.reviewers]
    access = [ROLES.index(one.permissions.get(repository.name, "none")) if one else 0 for one in people]
    if not all(access) or not set(wanted.team_reviewers) <= set(repository.seeded.teams):
        raise Problem(422, NO_COLLABORATOR.format(repository.name))
    pull.reviewers = list(dict.fromkeys([*pull.reviewers, *wanted.reviewers]))
    pull.teams = list(dict.fromkeys([*pull.teams, *wanted.team_reviewers]))
    _save(call, pull)
    for login in wanted.reviewers:
        call.aftermath.emit_pull("review_requested", pull, requested_reviewer=user(call.view, login))
    return Reply(pull_request_simple(call.view, repository, pull), 201)


def _save(call: Call, pull: Pull) -> None:
    pull.updated_at = now()
    call.hub.store.put(pull)
