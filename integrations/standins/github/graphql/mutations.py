"""The mutations of the GraphQL endpoint: one function each.

To add one: copy its field, its input and its payload from GitHub's schema into `schema.graphql`, and register a
function here under the field's name with the permission that an App needs. It gets the input as a dictionary and
returns the payload; it raises `Problem`, from which the endpoint makes GitHub's error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.standins.github.graphql.errors import refuse
from integrations.standins.github.graphql.objects import Context, actor_shape
from integrations.standins.github.graphql.pulls import pull_request, queue_entry
from integrations.standins.github.hub import Repository
from integrations.standins.github.merge_queue import enqueue, find_entry, remove
from integrations.standins.github.merges import MergeText
from integrations.standins.github.problems import Problem
from integrations.standins.github.pushes import Aftermath
from integrations.standins.github.records import Pull, QueueEntry
from integrations.standins.github.seed import ROLES
from integrations.standins.github.shapes.view import node_id
from integrations.standins.github.waiting import disable_auto_merge, enable_auto_merge, settle

Values = Mapping[str, Any]
Handler = Callable[[Context, Values], dict[str, Any]]
NO_NODE = "Could not resolve to a node with the global id of '{}'"


@dataclass(frozen=True)
class Mutation:
    """`needs` is the permission of an App; a person needs the role 'write'."""

    needs: str
    handler: Handler


MUTATIONS: dict[str, Mutation] = {}


def mutation(name: str, needs: str) -> Callable[[Handler], Handler]:
    """Register a handler in the table."""

    def register(handler: Handler) -> Handler:
        MUTATIONS[name] = Mutation(needs, handler)
        return handler

    return register


def perform_mutation(context: Context, name: str, values: Values) -> dict[str, Any]:
    """Perform the mutation, log it, and perform the merges that waited for it."""
    row = MUTATIONS[name]
    if not context.actor.may(row.needs):
        raise refuse("FORBIDDEN", "Resource not accessible by integration")
    payload = row.handler(context, values)
    given = {key: value for key, value in values.items() if key != "clientMutationId"}
    context.hub.log.append(context.actor.login, f"mutation {name}", given, None)
    settle(context.view)
    return {"clientMutationId": values.get("clientMutationId"), **payload}


@mutation("enablePullRequestAutoMerge", needs="contents:write")
def enable(context: Context, values: Values) -> dict[str, Any]:
    """Merge as soon as the requirements are met."""
    repository, pull = find_pull(context, values["pullRequestId"])
    method = str(values.get("mergeMethod", "MERGE")).lower()
    text = MergeText(method, values.get("commitHeadline"), values.get("commitBody"), values.get("expectedHeadOid"))
    enable_auto_merge(follow_up(context, repository), pull, text)
    return _of_pull(context, repository, pull)


@mutation("disablePullRequestAutoMerge", needs="contents:write")
def disable(context: Context, values: Values) -> dict[str, Any]:
    """Do not merge by itself any more."""
    repository, pull = find_pull(context, values["pullRequestId"])
    disable_auto_merge(follow_up(context, repository), pull)
    return _of_pull(context, repository, pull)


@mutation("enqueuePullRequest", needs="contents:write")
def add_to_queue(context: Context, values: Values) -> dict[str, Any]:
    """Add the pull request to the merge queue."""
    repository, pull = find_pull(context, values["pullRequestId"])
    entry = enqueue(follow_up(context, repository), pull, values.get("expectedHeadOid"))
    return {"mergeQueueEntry": queue_entry(context, repository, pull, entry)}


@mutation("dequeuePullRequest", needs="contents:write")
def take_from_queue(context: Context, values: Values) -> dict[str, Any]:
    """Remove the pull request from the merge queue; `id` is that of the pull request."""
    repository, pull = find_pull(context, values["id"])
    entry: QueueEntry | None = find_entry(context.hub.store, pull)
    if entry is None:
        raise Problem(422, "Pull request is not in the queue")
    remove(follow_up(context, repository), pull, entry, "MANUAL")
    return {"mergeQueueEntry": queue_entry(context, repository, pull, entry)}


def find_pull(context: Context, global_id: str) -> tuple[Repository, Pull]:
    """The pull request with this node id. Raises NOT_FOUND, or FORBIDDEN for a reader."""
    for pull in context.hub.store.all(Pull):
        repository = context.hub.repository(pull.repository)
        role = context.actor.role(repository.name, repository.private)
        if node_id("PR", pull.id) == global_id and role != "none":
            if ROLES.index(role) < ROLES.index("write"):
                raise refuse("FORBIDDEN", f"{context.actor.login} does not have permission to write to the repository")
            return repository, pull
    raise refuse("NOT_FOUND", NO_NODE.format(global_id))


def follow_up(context: Context, repository: Repository) -> Aftermath:
    """The webhooks and changes that follow from a mutation."""
    return Aftermath(context.view, repository, context.actor.login)


def _of_pull(context: Context, repository: Repository, pull: Pull) -> dict[str, Any]:
    return {"actor": actor_shape(context, context.actor.login), "pullRequest": pull_request(context, repository, pull)}
