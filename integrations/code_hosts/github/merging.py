"""GitHub's merges: the rules of a branch, the merge itself, auto-merge and the merge queue. Called by `code_host`.

Every write is idempotent: it reads the state first, or GitHub makes the second one harmless. Rulesets come from REST,
classic protection from GraphQL, where people without administration permission see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from integrations.code_hosts.github import payloads
from integrations.code_hosts.github.api import GitHubApi, Grant, LostReply, build_path
from integrations.code_hosts.github.graphql import GraphQL
from integrations.code_hosts.github.graphql_payloads import MergeSettings, MergeState
from integrations.errors import Conflict, NotFound, Rejected
from integrations.ports.merge_rules import MERGE_METHODS, MergeMethod, MergeRules, WaitingWay
from integrations.texts import cut
from integrations.values import NO_COMMIT, CommitSha

READ = (("contents", "read"), ("pull_requests", "read"))
WRITE = (("contents", "write"), ("pull_requests", "write"))
_METADATA = (("metadata", "read"),)
_TITLE_LIMIT, _MESSAGE_LIMIT = 256, 65_536
_NOTHING_TO_WAIT_FOR = ("clean status", "unstable status")
"""Parts of GitHub's refusal of auto-merge where the pull request can be merged now."""


@dataclass(frozen=True)
class MergeText:
    """Message and method of a merge. Without a `message` GitHub writes its own; None is the operator's method."""

    title: str
    message: str = ""
    method: MergeMethod | None = None


class Merging:
    """`preferred` is the operator's merge method, used where the repository allows it."""

    def __init__(self, api: GitHubApi, graph: GraphQL, preferred: MergeMethod) -> None:
        self._api, self._graph, self._preferred = api, graph, preferred

    def fetch_rules(self, repository: str, number: int, base: str) -> MergeRules:
        """The rules for a merge of the pull request into `base`."""
        where = build_path("repos", repository, "rules/branches", base)
        rules = list(self._api.paginate(payloads.BranchRule, Grant(repository, _METADATA), where))
        settings = self._read_settings(repository, number, base)
        types = {rule.type for rule in rules}
        given = [rule.parameters for rule in rules if rule.parameters]  # several rulesets: the strictest counts
        classic = settings.classic
        allowed = set(settings.allowed)
        for one in given:
            allowed &= set(one.allowed_merge_methods or MERGE_METHODS)
        if "required_linear_history" in types or classic.requires_linear_history:
            allowed.discard("merge")
        checks = [check.context for one in given for check in one.required_status_checks]
        approvals = [one.required_approving_review_count for one in given]
        preferred = sorted(MERGE_METHODS, key=lambda method: method != self._preferred)
        return MergeRules(
            methods=tuple(method for method in preferred if method in allowed),
            approvals=max([*approvals, classic.required_approving_review_count]),
            resolved_threads=classic.requires_conversation_resolution
            or any(one.required_review_thread_resolution for one in given),
            checks=tuple(dict.fromkeys([*checks, *classic.required_status_check_contexts])),
            up_to_date=any(one.strict_required_status_checks_policy for one in given),
            queue="merge_queue" in types or settings.has_queue,
            auto_merge=settings.auto_merge_allowed,
        )

    def _read_settings(self, repository: str, number: int, base: str) -> MergeSettings:
        variables = {**_name_parts(repository), "number": number, "base": f"refs/heads/{base}"}
        answer = self._graph.run("FetchMergeRules", Grant(repository, READ), variables, ("refUpdateRule",))
        try:
            return MergeSettings.model_validate(answer.data.get("repository"))
        except ValidationError as error:
            reason = payloads.describe_error(error)
            raise Rejected(f"GitHub's merge rules of {repository} are invalid: {reason}") from None

    def merge(self, repository: str, number: int, sha: CommitSha, text: MergeText) -> CommitSha:
        """Merge if the head is still `sha`, and return the merge commit."""
        where = build_path("repos", repository, "pulls", number, "merge")
        wanted: dict[str, Any] = {"sha": sha, "merge_method": text.method or self._preferred}
        wanted["commit_title"] = cut(text.title, _TITLE_LIMIT)
        if text.message:
            wanted["commit_message"] = cut(text.message, _MESSAGE_LIMIT)
        try:
            return self._api.send(payloads.Merged, Grant(repository, WRITE), "PUT", where, wanted).sha
        except (Rejected, LostReply):
            if not self._is_merged(repository, number):
                raise
        where = build_path("repos", repository, "issues", number, "events")
        history = self._api.paginate(payloads.IssueEvent, Grant(repository, READ), where)
        try:
            return next((event.commit_id for event in history if event.event == "merged"), NO_COMMIT)
        except Rejected:  # the merge itself has succeeded
            return NO_COMMIT

    def _is_merged(self, repository: str, number: int) -> bool:
        where = build_path("repos", repository, "pulls", number)
        return self._api.get(payloads.PullRequest, Grant(repository, READ), where).is_merged

    def wait(self, repository: str, number: int, sha: CommitSha, way: WaitingWay, text: MergeText) -> bool:
        """Enqueue the pull request, or enable auto-merge. False: it can be merged now, so there is nothing to wait
        for."""
        state = self._read_state(repository, number)
        if state.state == "MERGED" or state.waits(way):
            return True
        if state.head_ref_oid != sha:
            raise Conflict(f"the head of pull request {number} is {state.head_ref_oid[:7]}, not {sha[:7]}")
        wanted: dict[str, Any] = {"pullRequestId": state.id, "expectedHeadOid": sha}
        if way == "auto_merge":
            wanted |= {"mergeMethod": (text.method or self._preferred).upper()}
            wanted |= {"commitHeadline": cut(text.title, _TITLE_LIMIT)}
            wanted |= {"commitBody": cut(text.message, _MESSAGE_LIMIT)} if text.message else {}
        try:
            self._send("EnableAutoMerge" if way == "auto_merge" else "Enqueue", repository, wanted)
        except (Rejected, LostReply) as error:
            again = self._read_state(repository, number)
            if again.state == "MERGED" or again.waits(way):
                return True
            if way == "auto_merge" and any(part in str(error) for part in _NOTHING_TO_WAIT_FOR):
                return False
            raise
        return True

    def cancel(self, repository: str, number: int) -> None:
        """Disable auto-merge and remove the pull request from the queue."""
        try:
            state = self._read_state(repository, number)
        except NotFound:
            return
        if state.state != "OPEN":
            return
        if state.is_auto_merged:
            self._revoke("DisableAutoMerge", {"pullRequestId": state.id}, repository, number)
        if state.is_in_merge_queue:
            self._revoke("Dequeue", {"id": state.id}, repository, number)

    def _revoke(self, name: str, wanted: Mapping[str, str], repository: str, number: int) -> None:
        try:
            self._send(name, repository, wanted)
        except (Rejected, LostReply):
            state = self._read_state(repository, number)
            if state.is_auto_merged if name == "DisableAutoMerge" else state.is_in_merge_queue:
                raise

    def _read_state(self, repository: str, number: int) -> MergeState:
        variables = {**_name_parts(repository), "number": number}
        answer = self._graph.run("FetchMergeState", Grant(repository, READ), variables)
        try:
            return MergeState.model_validate((answer.data.get("repository") or {}).get("pullRequest"))
        except ValidationError as error:
            reason = payloads.describe_error(error)
            raise Rejected(f"GitHub's state of pull request {number} is invalid: {reason}") from None

    def _send(self, name: str, repository: str, wanted: Mapping[str, Any]) -> None:
        self._graph.run(name, Grant(repository, WRITE), {"input": dict(wanted)})


def _name_parts(repository: str) -> dict[str, str]:
    owner, _, name = repository.partition("/")
    return {"owner": owner, "name": name}
