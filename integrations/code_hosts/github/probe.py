"""GitHub's part of `loopline doctor`: rights on each repository, rules of its default branch, webhook deliveries.

A right is probed by a write that is refused as invalid (422) where the right is there, and as forbidden (403) where it
is not; nothing is written. Source: https://docs.github.com/en/rest and reference of the rules of a branch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import Any

from pydantic import AwareDatetime, Field

from integrations.code_hosts.github import payloads as payloads
from integrations.code_hosts.github.api import GitHubApi, Grant, build_path
from integrations.code_hosts.github.form import EVENTS, PERMISSIONS
from integrations.code_hosts.github.payloads import Payload, Text
from integrations.errors import Conflict, IntegrationError, NotFound, Rejected, Unauthorized, Unavailable
from integrations.ports.setup import Finding, ProbeScope, found_ok, found_problem, found_warning
from integrations.texts import cut

PATH = "/webhooks/github"
_METADATA = (("metadata", "read"),)
_CONTENTS = (("contents", "read"),)
_HOOKS = (("repository_hooks", "read"),)
_NO_SHA = "0" * 40
_NO_BRANCH = "loopline-probe-of-permissions"
_IMPORTANT = ("contents", "pull_requests", "checks", "metadata")
MOST_DELIVERIES = 200


class _Details(payloads.Repository):
    allow_squash_merge: bool | None = None
    allow_merge_commit: bool | None = None
    allow_rebase_merge: bool | None = None


class _Installation(Payload):
    id: int
    permissions: Mapping[str, str] = Field(default_factory=dict)
    events: tuple[str, ...] = ()
    suspended_at: AwareDatetime | None = None


class _Rule(Payload):
    type: str
    parameters: Mapping[str, Any] = Field(default_factory=dict)


class _Branch(Payload):
    protected: bool = False


class _HookConfig(Payload):
    url: Text = ""


class _Hook(Payload):
    id: int = 0
    active: bool = True
    events: tuple[str, ...] = ()
    config: _HookConfig = _HookConfig()


class _Delivery(Payload):
    guid: str
    delivered_at: AwareDatetime
    status: Text = ""


class Probe:
    """One run of the probes. `own` is the API as the App itself, None with a token."""

    def __init__(self, api: GitHubApi, own: GitHubApi | None, merge_method: str, scope: ProbeScope) -> None:
        self._api, self._own = api, own
        self._merge_method = merge_method
        self._scope = scope

    def run(self) -> Iterator[Finding]:
        """Probe each repository, and the App's webhook once."""
        for repository in self._scope.repositories:
            try:
                yield from self._probe_repository(repository)
            except IntegrationError as error:
                yield found_problem(f"GitHub, {repository}", str(error))
        if self._own:
            try:
                yield self._probe_app_hook(self._own)
            except IntegrationError as error:
                yield found_warning("GitHub, webhook", f"cannot be read ({error})")

    def _probe_repository(self, name: str) -> Iterator[Finding]:
        subject = f"GitHub, {name}"
        try:
            found = self._api.get(_Details, Grant(name, _METADATA), build_path("repos", name))
        except NotFound:
            fix = "install the App there" if self._own else "give the token access to it"
            yield found_problem(
                subject, "does not exist, or this credential cannot see it", f"correct its name or {fix}"
            )
            return
        if found.full_name.lower() != name.lower():
            yield found_problem(subject, f"is now {found.full_name}", "change the name in LOOPLINE_TEAMS")
            return
        if found.archived:
            yield found_problem(subject, "is archived, so nothing can be pushed", "unarchive it or choose another one")
            return
        yield from self._probe_installation(subject, name) if self._own else self._probe_token(subject, name, found)
        yield from self._probe_merge(subject, found)
        yield from self._probe_rules(subject, name, found.default_branch)
        if not self._own:
            yield self._probe_hooks(name)

    def _probe_token(self, subject: str, name: str, found: _Details) -> Iterator[Finding]:
        """Each write that Loopline needs."""
        if found.permissions and not found.permissions.push:
            yield found_problem(subject, "GITHUB_TOKEN can read it but not write", "give its user write access")
            return
        reference = {"ref": f"refs/heads/{_NO_BRANCH}", "sha": _NO_SHA}
        pull = {"title": "probe", "head": _NO_BRANCH, "base": found.default_branch, "body": ""}
        status = {"state": "pending", "context": "loopline"}
        writes: dict[str, tuple[str, Mapping[str, object]]] = {
            "contents": (build_path("repos", name, "git/refs"), reference),
            "pull requests": (build_path("repos", name, "pulls"), pull),
            "commit statuses": (build_path("repos", name, "statuses", _NO_SHA), status),
        }
        missing = [right for right, (path, body) in writes.items() if not self._may_write(name, path, body)]
        if missing:
            fix = f"give GITHUB_TOKEN the permissions {', '.join(f'{right}: write' for right in missing)}"
            yield found_problem(subject, f"GITHUB_TOKEN cannot write {', '.join(missing)}", fix)
        else:
            yield found_ok(subject, "can push, open pull requests and report statuses")

    def _may_write(self, name: str, path: str, body: Mapping[str, object]) -> bool:
        try:
            self._api.send_only(Grant(name), "POST", path, body)
        except (Unauthorized, Unavailable):
            raise
        except Rejected as error:
            return type(error) is Rejected or isinstance(error, Conflict)  # 422 or 409: only the values are wrong
        return True

    def _probe_installation(self, subject: str, name: str) -> Iterator[Finding]:
        """Permissions and events of the App on this repository."""
        assert self._own
        installed = self._own.get(_Installation, Grant(name), build_path("repos", name, "installation"))
        if installed.suspended_at:
            yield found_problem(subject, "the App's installation is suspended", "unsuspend it in the owner's settings")
            return
        levels = ("none", "read", "write", "admin")
        missing = {
            right: level
            for right, level in PERMISSIONS.items()
            if levels.index(installed.permissions.get(right, "none")) < levels.index(level)
        }
        if missing:
            shown = ", ".join(f"{right}: {level}" for right, level in missing.items())
            fix = "add it in the App's settings, then approve the change in the installation"
            report = found_problem if missing.keys() & set(_IMPORTANT) else found_warning
            yield report(subject, f"the App lacks {shown}", fix)
        else:
            yield found_ok(subject, "the App has all permissions")
        if unsent := [event for event in EVENTS if installed.events and event not in installed.events]:
            yield found_warning(subject, f"the App gets no events {', '.join(unsent)}", "select them in its settings")

    def _probe_merge(self, subject: str, found: _Details) -> Iterator[Finding]:
        """Whether the repository allows the configured merge method; `/merge` uses another one if it does not. GitHub
        omits the fields for some credentials."""
        allowed = {
            "squash": found.allow_squash_merge,
            "merge": found.allow_merge_commit,
            "rebase": found.allow_rebase_merge,
        }
        if allowed[self._merge_method] is False:
            others = ", ".join(method for method, is_allowed in allowed.items() if is_allowed)
            text = f"does not allow the merge method {self._merge_method}: /merge uses {others}"
            yield found_warning(subject, text, f"set GITHUB_MERGE_METHOD to one of: {others}")

    def _probe_rules(self, subject: str, name: str, branch: str) -> Iterator[Finding]:
        """Rules of the default branch that refuse a push or a merge of Loopline."""
        try:
            where = build_path("repos", name, "rules/branches", branch)
            rules = list(self._api.paginate(_Rule, Grant(name, _METADATA), where))
            place = build_path("repos", name, "branches", branch)
            classic = self._api.get(_Branch, Grant(name, _CONTENTS), place)
        except (Rejected, Unavailable) as error:
            yield found_warning(subject, f"the rules of {branch} cannot be read ({error})")
            return
        for rule in rules:
            yield from self._explain_rule(f"{subject}, {branch}", rule)
        if classic.protected and not rules:
            text = "is protected by a classic rule, which only an administrator can read"
            yield found_warning(f"{subject}, {branch}", text, "required reviews and checks there hold /merge back")

    def _explain_rule(self, subject: str, rule: _Rule) -> Iterator[Finding]:
        given = rule.parameters
        match rule.type:
            case "pull_request":
                if reviews := int(given.get("required_approving_review_count") or 0):
                    count = f"{reviews} approving review{'s' if reviews > 1 else ''}"
                    fix = (
                        "approve the pull request on GitHub before /merge; /approve on the ticket does not count there"
                    )
                    yield found_warning(subject, f"requires {count}", fix)
                methods = given.get("allowed_merge_methods") or [self._merge_method]
                if self._merge_method not in methods:
                    fix = f"set GITHUB_MERGE_METHOD to one of: {', '.join(map(str, methods))}"
                    yield found_warning(subject, f"does not allow the merge method {self._merge_method}", fix)
            case "required_status_checks":
                checks = [str(one.get("context")) for one in given.get("required_status_checks") or ()]
                text = f"requires the checks {cut(', '.join(checks), 200)}"
                yield found_warning(subject, text, "/merge lists those that have not passed, or uses auto-merge")
            case "required_signatures" if not self._scope.signs_commits:
                yield found_problem(subject, "requires signed commits", "set LOOPLINE_SIGNING_KEY_FILE")
            case "required_linear_history" if self._merge_method == "merge":
                text = "requires a linear history: /merge squashes or rebases"
                yield found_warning(subject, text, "set GITHUB_MERGE_METHOD to squash or rebase")
            case "merge_queue":
                fix = "/merge adds the pull request to it; required checks have to run on merge groups too"
                yield found_warning(subject, "has a merge queue", fix)

    def _probe_hooks(self, name: str) -> Finding:
        """The repository's webhook to Loopline, and its deliveries."""
        subject, grant = f"GitHub, webhook of {name}", Grant(name, _HOOKS)
        where = build_path("repos", name, "hooks")
        try:
            hooks = [hook for hook in self._api.paginate(_Hook, grant, where) if hook.config.url.endswith(PATH)]
        except (Unauthorized, Unavailable):
            raise
        except Rejected:
            fix = f"look at the repository's Settings → Webhooks, or give the token webhooks: read (…{PATH})"
            return found_warning(subject, "cannot be listed with this token", fix)
        if not hooks:
            fix = f"run loopline init, or add one to https://<your host>{PATH} with content type application/json"
            return found_problem(subject, "there is none", fix)
        if not (active := [hook for hook in hooks if hook.active]):
            return found_problem(subject, f"the one to {hooks[0].config.url} is not active", "activate it")
        hook = active[0]
        if missing := [event for event in EVENTS if event not in hook.events and "*" not in hook.events]:
            return found_warning(subject, f"does not send {', '.join(missing)}", "select these events there")
        return self._count(subject, hook.config.url, self._api, grant, f"{where}/{hook.id}/deliveries")

    def _probe_app_hook(self, own: GitHubApi) -> Finding:
        subject, grant = "GitHub, webhook of the App", Grant("")
        url = own.get(_HookConfig, grant, "/app/hook/config").url
        if not url.endswith(PATH):
            return found_problem(subject, f"goes to {url or 'no URL'}", f"set it to https://<your host>{PATH}")
        return self._count(subject, url, own, grant, "/app/hook/deliveries")

    def _count(self, subject: str, url: str, api: GitHubApi, grant: Grant, where: str) -> Finding:
        """The deliveries of the last hour."""
        since = datetime.fromtimestamp(self._scope.since, UTC)
        recent = takewhile(lambda one: one.delivered_at >= since, api.paginate(_Delivery, grant, where))
        attempts = list(islice(recent, MOST_DELIVERIES))
        arrived = {one.guid for one in attempts if one.status == "OK"}
        failed = {one.guid: one.status for one in attempts if one.guid not in arrived}
        text = f"{len(arrived)} deliveries to {url} in the last hour"
        if failed:
            reason = next(iter(failed.values()))
            fix = "check that the URL is reachable from the internet and leads to LOOPLINE_WEB_BIND"
            return found_warning(subject, f"{text}, {len(failed)} failed ({cut(reason, 100)})", fix)
        return found_ok(subject, text)
