"""GitHub's part of `loopline init`: repositories, their files, webhooks, the pull request that adds a file, new Apps.

Source: https://docs.github.com/en/rest and https://docs.github.com/en/apps/sharing-github-apps (manifests).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from integrations.code_hosts.github import payloads as payloads
from integrations.code_hosts.github.api import Credentials, GitHubApi, Grant, LostReply, build_path
from integrations.code_hosts.github.app import AppCredentials, AppJwt, InstallationTokens, PersonalToken
from integrations.code_hosts.github.code_host import GitHub
from integrations.code_hosts.github.form import EVENTS, PERMISSIONS
from integrations.code_hosts.github.payloads import Payload, Text
from integrations.code_hosts.github.probe import Probe
from integrations.code_hosts.github.reviewer_probe import ReviewerProbe
from integrations.errors import IntegrationError, NotFound, Rejected
from integrations.ports.setup import AppForm, CreatedApp, Finding, ProbeScope

PATH = "/webhooks/github"
_READ = (("contents", "read"),)
_WRITE = (("contents", "write"),)
_HOOKS = (("repository_hooks", "write"),)
MOST_REPOSITORIES = 100


class _Named(Payload):
    login: Text = ""
    slug: Text = ""
    id: int = 0


class _Content(Payload):
    content: Text = ""
    encoding: Text = ""
    sha: Text = ""


class _Path(Payload):
    path: str
    type: Text = ""


class _Tree(Payload):
    tree: tuple[_Path, ...] = ()


class _HookConfig(Payload):
    url: Text = ""


class _Hook(Payload):
    id: int
    active: bool = True
    config: _HookConfig = _HookConfig()


class _Created(Payload):
    id: int
    slug: str
    html_url: str
    pem: str
    webhook_secret: Text = ""


class GitHubSetup:
    """`CodeHostSetup` of GitHub, with a token or an App. The Protocol documents the methods without a docstring."""

    def __init__(
        self,
        url: str,
        token: str = "",
        app: AppCredentials | None = None,
        merge_method: str = "squash",
        reviewer: Credentials | None = None,
    ) -> None:
        self._url = url
        self._app = app
        self._api = GitHubApi(url, InstallationTokens(url, app) if app else PersonalToken(token))
        self._own = GitHubApi(url, AppJwt(app)) if app else None
        self._host = GitHub(url, token, app)
        self._merge_method = merge_method
        self._reviewer = reviewer

    def probe(self, scope: ProbeScope) -> Iterable[Finding]:
        reviewer = ReviewerProbe(self._url, self._reviewer, self._api, self._own) if self._reviewer else None
        yield from Probe(self._api, self._own, self._merge_method, scope, has_reviewer=reviewer is not None).run()
        if reviewer:
            yield from reviewer.run(scope.repositories)

    def describe_account(self) -> str:
        if self._own:
            return f"the App {self._own.get(_Named, Grant(''), '/app').slug}"
        return self._api.get(_Named, Grant(""), "/user").login

    def list_repositories(self) -> Sequence[str]:
        if self._own is None:
            return self._list_writable(self._api, "/user/repos", "", sort="pushed")
        found: list[str] = []
        for installed in self._own.paginate(_Named, Grant(""), "/app/installations"):
            where = build_path("app", "installations", installed.id, "access_tokens")
            token = self._own.send(payloads.InstallationToken, Grant(""), "POST", where, {}).token
            found += self._list_writable(
                GitHubApi(self._url, PersonalToken(token)), "/installation/repositories", "repositories"
            )
        return found

    @staticmethod
    def _list_writable(api: GitHubApi, path: str, key: str, **query: str) -> list[str]:
        found: list[str] = []
        for one in api.paginate(payloads.Repository, Grant(""), path, key, **query):
            may_push = one.permissions is not None and one.permissions.push
            if (may_push or key) and not one.archived:
                found.append(one.full_name)
            if len(found) >= MOST_REPOSITORIES:
                break
        return found

    def list_files(self, repository: str) -> Sequence[str]:
        where = build_path("repos", repository, "git/trees", self._host.repository(repository).default_branch)
        try:
            tree = self._api.get(_Tree, Grant(repository, _READ), where, recursive=1).tree
        except IntegrationError as error:
            if isinstance(error, Rejected):  # a repository without commits
                return []
            raise
        return [one.path for one in tree if one.type == "blob"]

    def read_file(self, repository: str, path: str) -> str | None:
        found = self._find_file(repository, path, "")
        if found is None:
            return None
        if found.encoding != "base64":
            raise Rejected(f"GitHub does not return the text of {path} in {repository}: it is too large")
        return base64.b64decode(found.content).decode("utf-8", "replace")

    def _find_file(self, repository: str, path: str, branch: str) -> _Content | None:
        where = build_path("repos", repository, "contents", path)
        query = {"ref": branch} if branch else {}
        try:
            return self._api.get(_Content, Grant(repository, _READ), where, **query)
        except NotFound:
            return None

    def ensure_webhook(self, repository: str, url: str, secret: str) -> bool:
        if self._own:
            return False  # the App has one for all its repositories
        where, grant = build_path("repos", repository, "hooks"), Grant(repository, _HOOKS)
        if any(hook.config.url == url for hook in self._api.paginate(_Hook, grant, where)):
            return False
        config = {"url": url, "content_type": "json", "secret": secret, "insecure_ssl": "0"}
        body = {"name": "web", "active": True, "events": list(EVENTS), "config": config}
        try:
            self._api.send_only(grant, "POST", where, body)
        except LostReply:
            if not any(hook.config.url == url for hook in self._api.paginate(_Hook, grant, where)):
                raise
        return True

    def propose_file(self, repository: str, branch: str, path: str, text: str, title: str, body: str) -> str:
        base, grant = self._host.repository(repository).default_branch, Grant(repository, _WRITE)
        head = self._host.branch_head(repository, base)
        if head is None:
            raise Rejected(f"the repository {repository} has no commit: push one to {base}")
        if self._host.branch_head(repository, branch) is None:
            new = {"ref": f"refs/heads/{branch}", "sha": head}
            self._api.send_only(grant, "POST", build_path("repos", repository, "git/refs"), new)
        existing = self._find_file(repository, path, branch)
        content = base64.b64encode(text.encode()).decode()
        if existing is None or base64.b64decode(existing.content) != text.encode():
            change = {"message": title, "content": content, "branch": branch}
            change |= {"sha": existing.sha} if existing else {}
            self._api.send_only(grant, "PUT", build_path("repos", repository, "contents", path), change)
        return self._host.open_pull_request(repository, branch, base, title, body).url


class GitHubRegistration:
    """`AppRegistration` of GitHub. `url` is the API's root."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def build_form(self, public_url: str, redirect_url: str, state: str, organization: str = "") -> AppForm:
        root = self._url.removesuffix("/api/v3").replace("://api.", "://", 1)
        owner = f"organizations/{organization}/settings" if organization else "settings"
        manifest = {
            "name": f"Loopline {state[:6]}",
            "url": public_url,
            "hook_attributes": {"url": f"{public_url}{PATH}", "active": True},
            "redirect_url": redirect_url,
            "public": False,
            "default_permissions": PERMISSIONS,
            "default_events": list(EVENTS),
        }
        return AppForm(f"{root}/{owner}/apps/new?{urlencode({'state': state})}", {"manifest": json.dumps(manifest)})

    def exchange(self, code: str) -> CreatedApp:
        where = build_path("app-manifests", code, "conversions")
        created = GitHubApi(self._url, _Anonymous()).send(_Created, Grant(""), "POST", where, {})
        variables = {"GITHUB_APP_ID": str(created.id), "GITHUB_WEBHOOK_SECRETS": created.webhook_secret}
        return CreatedApp(
            variables, "GITHUB_APP_PRIVATE_KEY_FILE", created.pem, f"{created.html_url}/installations/new"
        )


class _Anonymous(PersonalToken):
    """The exchange of a code needs no credential; the code is one."""

    settings = "the code of the App's manifest, which is valid once and for an hour"

    def __init__(self) -> None:
        self._token = ""
