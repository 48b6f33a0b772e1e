"""Issues, releases and the alerts of Dependabot, which automations read. `POST /_sources` adds some."""

from __future__ import annotations

from typing import Literal

from flask import Blueprint, Response, jsonify, request
from pydantic import ValidationError

from integrations.standins.github.hub import Hub, now
from integrations.standins.github.operations import Call, Reply, operation
from integrations.standins.github.problems import Problem
from integrations.standins.github.records import Alert, Issue, Pull, Release
from integrations.standins.github.routes.repositories import REPOSITORY
from integrations.standins.github.seed import Strict
from integrations.standins.github.shapes import sources as shapes
from integrations.standins.github.shapes.pulls import issue as issue_of_pull


class SetIssue(Strict):
    title: str
    body: str = ""
    labels: tuple[str, ...] = ()
    author: str = "ghost"
    created_at: str = ""
    updated_at: str = ""


class SetRelease(Strict):
    tag: str
    body: str = ""
    author: str = "ghost"
    prerelease: bool = False
    published_at: str = ""


class SetAlert(Strict):
    advisory: str
    package: str
    summary: str = ""
    severity: Literal["low", "medium", "high", "critical"] = "high"
    ecosystem: str = "npm"
    manifest: str = "package-lock.json"
    scope: Literal["development", "runtime"] = "runtime"
    affected: str = "< 1.0.0"
    fixed_in: str = "1.0.0"


class SetSources(Strict):
    """Records to add to those of the repository."""

    repository: str
    issues: tuple[SetIssue, ...] = ()
    releases: tuple[SetRelease, ...] = ()
    alerts: tuple[SetAlert, ...] = ()


def blueprint(hub: Hub) -> Blueprint:
    """The control that adds sources."""
    controls = Blueprint("sources", __name__)

    @controls.post("/_sources")
    def add() -> Response | tuple[Response, int]:
        try:
            given = SetSources.model_validate(request.get_json())
        except ValidationError as error:
            return jsonify({"error": str(error)}), 400
        with hub.lock:
            _add(hub, given)
        return jsonify({})

    return controls


def _add(hub: Hub, given: SetSources) -> None:
    store, name = hub.store, hub.repository(given.repository).name
    for issue in given.issues:
        at = issue.created_at or now()
        texts = issue.title, issue.body, list(issue.labels), at, issue.updated_at or at
        store.put(Issue(store.new_id(), name, store.next_number(name), issue.author, *texts))
    for release in given.releases:
        at = release.published_at or now()
        store.put(Release(store.new_id(), name, release.tag, release.body, release.author, release.prerelease, at))
    for one in given.alerts:
        number = 1 + len(store.all(Alert, repository=name))
        facts = one.advisory, one.summary or one.advisory, one.severity, one.ecosystem, one.package
        rest = one.manifest, one.scope, one.affected, one.fixed_in, now()
        store.put(Alert(store.new_id(), name, number, *facts, *rest))


@operation("GET", REPOSITORY + "/issues", needs="issues:read")
def list_issues(call: Call) -> Reply:
    """Open issues and pull requests, the newest first; `labels`, `creator` and `since` filter."""
    query, store, name = call.request.query, call.hub.store, call.repository.name
    shown = [shapes.issue(call.view, one) for one in store.all(Issue, repository=name)]
    shown += [issue_of_pull(call.view, one) for one in store.all(Pull, repository=name, state="open")]
    wanted = {label.lower() for label in query.get("labels", "").split(",") if label}
    shown = [one for one in shown if wanted <= {label["name"].lower() for label in one["labels"]}]
    shown = [one for one in shown if query.get("creator", one["user"]["login"]) == one["user"]["login"]]
    shown = [one for one in shown if one["updated_at"] >= query.get("since", "")]
    key = "updated_at" if query.get("sort") == "updated" else "created_at"
    return Reply(sorted(shown, key=lambda one: (one[key], one["number"]), reverse=True))


@operation("GET", REPOSITORY + "/releases", needs="contents:read")
def list_releases(call: Call) -> Reply:
    """The newest first."""
    found = call.hub.store.all(Release, repository=call.repository.name)
    return Reply([shapes.release(call.view, one) for one in sorted(found, key=lambda one: one.published_at)[::-1]])


@operation("GET", REPOSITORY + "/dependabot/alerts", needs="vulnerability_alerts:read", role="write")
def list_alerts(call: Call) -> Reply:
    """The open alerts, the newest first; `severity`, `ecosystem` and `scope` filter."""
    if not call.repository.seeded.allow_alerts:
        raise Problem(403, "Dependabot alerts are disabled for this repository.")
    shown = call.hub.store.all(Alert, repository=call.repository.name)[::-1]
    for name in ("severity", "ecosystem", "scope"):
        wanted = call.request.query.get(name)
        shown = [one for one in shown if not wanted or getattr(one, name) in wanted.split(",")]
    return Reply([shapes.alert(call.view, one) for one in shown])
