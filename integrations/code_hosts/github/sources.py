"""The typed sources of a repository on GitHub: one bounded reading per source. Called by `code_host`.

Each source needs one permission with read access, which the error of a refused request names. Issues, pull requests,
releases and alerts are one request each, or a few where a filter is applied here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from integrations.code_hosts.github.actions import Checks
from integrations.code_hosts.github.api import GitHubApi, Grant, build_path
from integrations.code_hosts.github.source_payloads import Alert, Authored, Issue, ListedPullRequest, Release
from integrations.code_hosts.github.workflow_sources import WorkflowSources
from integrations.errors import Forbidden, Rejected
from integrations.findings import Severity, SourceItem
from integrations.ports.source_items import DETAIL, SUMMARY, TITLE, SourceQuery, SourceReading, rate_labels
from integrations.signatures import build_key, normalize_line, sign_facts
from integrations.texts import cut

_Record = TypeVar("_Record")
MOST_LISTED = 600
"""Records of a list that are read, of which a filter can leave few."""
_ISSUES = (("issues", "read"),)
_PULLS = (("pull_requests", "read"),)
_CONTENTS = (("contents", "read"),)
_ALERTS = (("vulnerability_alerts", "read"),)
_SEVERITIES: dict[str, Severity] = {"critical": "urgent", "high": "high", "medium": "normal"}


class Sources:
    """The sources of all repositories that `api` has access to."""

    def __init__(self, api: GitHubApi, checks: Checks) -> None:
        self._api = api
        workflows = WorkflowSources(api, checks)
        self._readers: Mapping[str, Callable[[SourceQuery], SourceReading]] = {
            "checks": workflows.read_checks,
            "flaky": workflows.read_flaky,
            "issues": self._read_issues,
            "pull_requests": self._read_pull_requests,
            "releases": self._read_releases,
            "advisories": self._read_advisories,
        }

    def read(self, query: SourceQuery) -> SourceReading:
        """Read one source. Raises `Forbidden` with the permission that is missing, `Unavailable`, `Rejected`."""
        if query.kind not in self._readers:
            raise Rejected(f"GitHub has no source {query.kind!r}")
        reading = self._readers[query.kind](query)
        if len(reading.items) <= query.limit:
            return reading
        note = f"there are more than {query.limit} items: the others were not read"
        return SourceReading(reading.items[: query.limit], reading.problems, (*reading.notes, note))

    def _read_issues(self, query: SourceQuery) -> SourceReading:
        """Open issues, the last changed ones first; those that changed since the last reading unless changed: any."""
        given = {"state": "open", "sort": "updated"}
        for key, name in (("labels", "labels"), ("author", "creator"), ("assignee", "assignee")):
            if len(query.names(key)) == 1:  # GitHub wants all of several labels, and one account
                given[name] = query.filter[key].strip()
        if query.since and query.filter.get("changed") != "any":
            given["since"] = datetime.fromtimestamp(query.since, UTC).isoformat(timespec="seconds")[:19] + "Z"
        where = build_path("repos", query.repository, "issues")
        listed = self._api.paginate(Issue, Grant(query.repository, _ISSUES), where, **given)
        any_assignee = query.filter.get("assignee", "").strip() in ("*", "none")  # GitHub's own values
        found = (
            one
            for one in islice(listed, MOST_LISTED)
            if one.pull_request is None
            and query.matches("labels", *one.label_names)
            and query.matches("author", one.author)
            and (any_assignee or query.matches("assignee", *(user.login for user in one.assignees)))
        )
        return _collect(found, query, lambda one: _to_issue(one, query))

    def _read_pull_requests(self, query: SourceQuery) -> SourceReading:
        """Open pull requests, those without a change for the longest time first."""
        where = build_path("repos", query.repository, "pulls")
        given = {"state": "open", "sort": "updated", "direction": "asc"}
        listed = self._api.paginate(ListedPullRequest, Grant(query.repository, _PULLS), where, **given)
        found = (one for one in islice(listed, MOST_LISTED) if _is_wanted(one, query))
        return _collect(found, query, lambda one: _to_pull_request(one, query))

    def _read_releases(self, query: SourceQuery) -> SourceReading:
        """The releases that were published since the last reading, at the first one the newest."""
        where = build_path("repos", query.repository, "releases")
        listed = self._api.paginate(Release, Grant(query.repository, _CONTENTS), where, per_page=query.limit + 1)
        published = (one for one in islice(listed, query.limit + 1) if not one.draft)
        found = [one for one in published if one.published_at and one.published_at.timestamp() > query.since]
        return _collect(found if query.since else found[:1], query, _to_release)

    def _read_advisories(self, query: SourceQuery) -> SourceReading:
        """The open alerts of Dependabot, the most severe first. They are made from the GitHub Advisory Database, which
        OSV publishes too."""
        given = {key: query.filter[key] for key in ("severity", "ecosystem", "scope") if query.filter.get(key)}
        where = build_path("repos", query.repository, "dependabot/alerts")
        listed = self._api.paginate(Alert, Grant(query.repository, _ALERTS), where, state="open", **given)
        order = ("urgent", "high", "normal", "low")
        try:
            found = [_to_advisory(one) for one in islice(listed, MOST_LISTED)]
        except Forbidden as error:
            if "disabled for this repository" not in str(error):
                raise
            fix = "enable them in its settings under code security, or remove the source"
            raise Rejected(f"the alerts of Dependabot are disabled for {query.repository}: {fix}") from None
        return SourceReading(tuple(sorted(found, key=lambda one: (order.index(one.severity), one.key))))


def _collect(found: Iterable[_Record], query: SourceQuery, convert: Callable[[_Record], SourceItem]) -> SourceReading:
    """The first items, one more than the limit, by which the caller sees that there are more."""
    return SourceReading(tuple(convert(one) for one in islice(found, query.limit + 1)))


def _is_wanted(one: ListedPullRequest, query: SourceQuery) -> bool:
    idle = query.count_days(one.updated_at.timestamp()) if one.updated_at else 0
    drafts = {"yes": True, "no": False}.get(query.filter.get("draft", ""))
    return (
        query.matches("labels", *one.label_names)
        and query.matches("author", one.author)
        and idle >= int(query.filter.get("idle_days", 0))
        and drafts in (None, bool(one.draft))
    )


def _describe(one: Authored, query: SourceQuery) -> Iterator[str]:
    """Author, age and labels."""
    if one.created_at:
        yield f"open for {query.count_days(one.created_at.timestamp())} days"
    if one.updated_at:
        yield f"unchanged for {query.count_days(one.updated_at.timestamp())} days"
    if one.author:
        yield f"by {one.author}"
    if one.labels:
        yield f"labels: {', '.join(one.label_names)}"


def _to_issue(one: Issue, query: SourceQuery) -> SourceItem:
    lines = [normalize_line(line) for line in one.body.splitlines()]
    return SourceItem(
        key=build_key("issue", str(one.number)),
        kind="issue",
        title=cut(f"#{one.number} {one.title}", TITLE),
        url=one.html_url,
        at=_format_time(one.updated_at),
        summary=cut("; ".join([*_describe(one, query), f"{one.comments} comments"]), SUMMARY),
        detail=cut(one.body, DETAIL),
        signature=sign_facts(one.title, *filter(None, lines)),
        severity=rate_labels(one.label_names),
    )


def _to_pull_request(one: ListedPullRequest, query: SourceQuery) -> SourceItem:
    reviewers = ", ".join(user.login for user in one.requested_reviewers or ())
    facts = [
        *_describe(one, query),
        *(["draft"] if one.draft else []),
        *([f"review: {reviewers}"] if reviewers else []),
    ]
    return SourceItem(
        key=build_key("pull_request", str(one.number)),
        kind="pull_request",
        title=cut(f"#{one.number} {one.title}", TITLE),
        url=one.html_url,
        at=_format_time(one.updated_at),
        summary=cut("; ".join(facts), SUMMARY),
        detail=cut(f"Branch {one.head.ref} at {one.head.sha}.\n\n{one.body}", DETAIL),
        signature=sign_facts(one.head.sha, str(bool(one.draft))),
    )


def _to_release(one: Release) -> SourceItem:
    return SourceItem(
        key=build_key("release", one.tag_name),
        kind="release",
        title=cut(" ".join(filter(None, (one.tag_name, one.name))), TITLE),
        url=one.html_url,
        at=_format_time(one.published_at),
        summary="pre-release" if one.prerelease else "",
        detail=cut(one.body, DETAIL),
        signature=sign_facts(one.tag_name),
    )


def _to_advisory(one: Alert) -> SourceItem:
    advisory, dependency, affected = one.security_advisory, one.dependency, one.security_vulnerability
    fixed = affected.first_patched_version.identifier if affected.first_patched_version else ""
    package = f"{dependency.package.ecosystem} {dependency.package.name}"
    facts = [
        f"{advisory.severity} in {package} {affected.vulnerable_version_range}",
        f"fixed in {fixed}" if fixed else "no fixed version",
        " ".join(filter(None, (dependency.relationship, dependency.scope, "dependency of", dependency.manifest_path))),
    ]
    return SourceItem(
        key=build_key("advisory", advisory.ghsa_id, dependency.package.name, dependency.manifest_path),
        kind="advisory",
        title=cut(f"{dependency.package.name}: {advisory.summary}", TITLE),
        url=one.html_url,
        at=_format_time(one.created_at),
        summary=cut("; ".join(facts), SUMMARY),
        detail=cut("\n".join(filter(None, (advisory.ghsa_id, advisory.cve_id, advisory.description))), DETAIL),
        signature=sign_facts(affected.vulnerable_version_range, fixed, advisory.severity),
        severity=_SEVERITIES.get(advisory.severity, "low"),
    )


def _format_time(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
