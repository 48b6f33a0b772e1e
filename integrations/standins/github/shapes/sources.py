"""Shapes of issues, releases and the alerts of Dependabot."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.records import Alert, Issue, Release
from integrations.standins.github.shapes.labels import label
from integrations.standins.github.shapes.people import user
from integrations.standins.github.shapes.view import View, fields_of, node_id, reactions


def issue(view: View, one: Issue) -> dict[str, Any]:
    """`issue` that is no pull request."""
    home = view.repository_url(one.repository)
    url = f"{home}/issues/{one.number}"
    return {
        **fields_of(one, "id", "number", "title", "body", "created_at", "updated_at"),
        "node_id": node_id("I", one.id),
        "url": url,
        "html_url": f"{view.base}/{one.repository}/issues/{one.number}",
        "repository_url": home,
        "labels_url": f"{url}/labels{{/name}}",
        **{f"{part}_url": f"{url}/{part}" for part in ("comments", "events", "timeline")},
        "state": "open",
        "user": user(view, one.author),
        "labels": [label(view, view.hub.repository(one.repository), name) for name in one.labels],
        "assignees": [],
        "locked": False,
        "comments": 0,
        "author_association": "NONE",
        "reactions": reactions(url),
        **dict.fromkeys(("assignee", "milestone", "closed_at", "active_lock_reason", "state_reason")),
    }


def release(view: View, one: Release) -> dict[str, Any]:
    """`release`, without assets."""
    home, page = view.repository_url(one.repository), f"{view.base}/{one.repository}"
    url = f"{home}/releases/{one.id}"
    return {
        **fields_of(one, "id", "body", "prerelease", "published_at"),
        "node_id": node_id("RE", one.id),
        "url": url,
        "html_url": f"{page}/releases/tag/{one.tag}",
        "assets_url": f"{url}/assets",
        "upload_url": f"{url}/assets{{?name,label}}",
        **{f"{kind}_url": f"{home}/{kind}/{one.tag}" for kind in ("tarball", "zipball")},
        "tag_name": one.tag,
        "target_commitish": "main",
        "name": one.tag,
        "draft": False,
        "created_at": one.published_at,
        "author": user(view, one.author),
        "assets": [],
    }


def alert(view: View, one: Alert) -> dict[str, Any]:
    """`dependabot-alert` that is open."""
    package = {"ecosystem": one.ecosystem, "name": one.package}
    vulnerability = {
        "package": package,
        "severity": one.severity,
        "vulnerable_version_range": one.affected,
        "first_patched_version": {"identifier": one.fixed_in} if one.fixed_in else None,
    }
    advisory = {
        "ghsa_id": one.advisory,
        "cve_id": None,
        "summary": one.summary,
        "description": one.summary,
        "vulnerabilities": [vulnerability],
        "severity": one.severity,
        "cvss": {"vector_string": None, "score": 0.0},
        "cwes": [],
        "identifiers": [{"type": "GHSA", "value": one.advisory}],
        "references": [],
        **dict.fromkeys(("published_at", "updated_at"), one.created_at),
        "withdrawn_at": None,
    }
    return {
        "number": one.number,
        "state": "open",
        "dependency": {"package": package, "manifest_path": one.manifest, "scope": one.scope},
        "security_advisory": advisory,
        "security_vulnerability": vulnerability,
        "url": f"{view.repository_url(one.repository)}/dependabot/alerts/{one.number}",
        "html_url": f"{view.base}/{one.repository}/security/dependabot/{one.number}",
        **dict.fromkeys(("created_at", "updated_at"), one.created_at),
        **dict.fromkeys(("dismissed_at", "dismissed_by", "dismissed_reason", "dismissed_comment", "fixed_at")),
    }
