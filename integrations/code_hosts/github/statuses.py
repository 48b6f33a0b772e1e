"""Loopline's verdict on a commit: a check run as an App, a commit status as a person. Called by `code_host`."""

from __future__ import annotations

from typing import Any, Literal

from integrations.code_hosts.github import payloads as payloads
from integrations.code_hosts.github.api import GitHubApi, Grant, LostReply, build_path
from integrations.texts import cut
from integrations.values import CommitSha

State = Literal["pending", "success", "failure"]
_STATUSES = (("statuses", "write"),)
_CHECKS = (("checks", "write"),)
_DESCRIPTION_LIMIT = 140
"""GitHub's limit in characters: https://docs.github.com/en/rest/commits/statuses"""


class Statuses:
    """Writes of one identity; only Apps can write check runs."""

    def __init__(self, api: GitHubApi, *, as_app: bool) -> None:
        self._api, self._as_app = api, as_app

    def set(self, repository: str, sha: CommitSha, context: str, state: State, description: str, url: str) -> None:
        """Set a check run as an App (only Apps can), a commit status as a person. Last write wins.

        `description` is cut to 140 characters. An empty `url` means no link."""
        short = cut(description, _DESCRIPTION_LIMIT)
        if self._as_app:
            self._set_check_run(repository, sha, _build_check_run(context, sha, state, short, url))
            return
        wanted = {"state": state, "context": context, "description": short} | ({"target_url": url} if url else {})
        if self._has_commit_status(repository, sha, wanted):
            return
        where = build_path("repos", repository, "statuses", sha)
        try:
            self._api.send_only(Grant(repository, _STATUSES), "POST", where, wanted)
        except LostReply:
            if not self._has_commit_status(repository, sha, wanted):
                raise

    def _has_commit_status(self, repository: str, sha: CommitSha, wanted: dict[str, Any]) -> bool:
        """Whether the newest status of this context, whose case GitHub ignores, equals `wanted`."""
        where = build_path("repos", repository, "commits", sha, "statuses")
        context = wanted["context"].lower()
        statuses = self._api.paginate(payloads.Status, Grant(repository, _STATUSES), where)
        newest = next((status for status in statuses if status.context.lower() == context), None)
        return newest is not None and {key: getattr(newest, key) for key in wanted} == wanted

    def _set_check_run(self, repository: str, sha: CommitSha, wanted: dict[str, Any]) -> None:
        run, grant, where = self._find_check_run(repository, sha, wanted), Grant(repository, _CHECKS), "check-runs"
        if run and _matches_check_run(run, wanted):
            return
        try:
            if run and run.status != "completed":
                runs = build_path("repos", repository, where, run.id)
                self._api.send_only(grant, "PATCH", runs, wanted)
            else:  # a completed check run cannot be reopened; a newer one of the same name replaces it
                body = {**wanted, "head_sha": sha}
                self._api.send_only(grant, "POST", build_path("repos", repository, where), body)
        except LostReply:
            run = self._find_check_run(repository, sha, wanted)
            if run is None or not _matches_check_run(run, wanted):
                raise

    def _find_check_run(self, repository: str, sha: CommitSha, wanted: dict[str, Any]) -> payloads.CheckRun | None:
        where = build_path("repos", repository, "commits", sha, "check-runs")
        grant, name = Grant(repository, _CHECKS), wanted["name"]
        runs = self._api.paginate(payloads.CheckRun, grant, where, key="check_runs", check_name=name)
        own = [run for run in runs if run.external_id == wanted["external_id"]]
        return max(own, key=lambda run: run.id, default=None)


def _build_check_run(context: str, sha: CommitSha, state: State, description: str, url: str) -> dict[str, Any]:
    title = description or context
    verdict = {"status": "in_progress"} if state == "pending" else {"status": "completed", "conclusion": state}
    return {
        "name": context,
        "external_id": f"{context}:{sha}",
        **verdict,
        **({"details_url": url} if url else {}),
        "output": {"title": title, "summary": title},
    }


def _matches_check_run(run: payloads.CheckRun, wanted: dict[str, Any]) -> bool:
    """Whether the check run equals `wanted`. Without a link, GitHub shows the App's own."""
    current = (run.status, run.conclusion, run.output.title)
    expected = (wanted["status"], wanted.get("conclusion", ""), wanted["output"]["title"])
    return current == expected and run.details_url == wanted.get("details_url", run.details_url)
